package org.flinkms.connector.sink;

import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreWriteTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

import java.io.IOException;

/** Writes a table with a primary key: rows go to the subtask that owns their key's partition. */
final class UpsertSink extends LogSink implements SupportsPreWriteTopology<RowData> {
    private static final long serialVersionUID = 1L;

    private final TableColumns columns;

    UpsertSink(SinkConfig config, TableColumns columns) {
        super(config);
        this.columns = columns;
        if (config.merge() == MergeMode.ADD) {
            columns.requireNumericPayload();
        }
    }

    private boolean isTextKey() {
        return columns.keyType().is(LogicalTypeRoot.VARCHAR);
    }

    @Override
    public DataStream<RowData> addPreWriteTopology(DataStream<RowData> input) {
        return input.partitionCustom(new PartitionOwner(),
                new RowPartitionSelector(columns.keyIndex(), isTextKey(), columns.partitions()));
    }

    @Override
    LogWriter openWriter(WriterInitContext context, PartitionOpener opener) throws IOException {
        TableSchema schema = columns.ensure(config.path());
        return config.merge() == MergeMode.ADD
                ? new AddWriter(config, context, opener, schema, isTextKey())
                : new ReplaceWriter(config, context, opener, schema, isTextKey());
    }
}
