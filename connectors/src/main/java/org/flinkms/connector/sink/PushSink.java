package org.flinkms.connector.sink;

import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreWriteTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;

import java.io.IOException;

/**
 * Adds pushed deltas to the rows of a version of a model: its subtasks are the shards of a parameter server.
 *
 * <p>Before the writers, each bundle is split by partition, and each part goes to the subtask that owns it; a single
 * writer owns them all and gets whole bundles.
 */
final class PushSink extends LogSink implements SupportsPreWriteTopology<RowData> {
    private static final long serialVersionUID = 1L;

    private final ModelSchema model;

    PushSink(SinkConfig config, ModelSchema model) {
        super(config);
        this.model = model;
    }

    @Override
    public DataStream<RowData> addPreWriteTopology(DataStream<RowData> input) {
        int writers = config.parallelism() == null ? input.getParallelism() : config.parallelism();
        if (writers == 1) {
            return input;
        }
        return input.flatMap(new BundleSplitter(model), input.getType())
                .name("split bundles")
                .setParallelism(input.getParallelism())
                .partitionCustom(new PartitionOwner(), new BundlePartitionSelector(model));
    }

    @Override
    LogWriter openWriter(WriterInitContext context, PartitionOpener opener) throws IOException {
        return new PushWriter(config, context, opener, model);
    }
}
