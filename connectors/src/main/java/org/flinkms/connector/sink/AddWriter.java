package org.flinkms.connector.sink;

import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** Owns the rows of its partitions, adds the deltas that come and logs the sums. */
final class AddWriter extends LogWriter {
    private final int keyIndex;
    private final int partitions;
    private final Key key;
    private final Counter rejectedDeltas;
    private final Map<Integer, ShardLog<NumericRows>> shards = new HashMap<>();

    AddWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema,
            boolean textKey) throws IOException {
        super(config, context);
        this.keyIndex = schema.keyIndex();
        this.partitions = schema.partitions();
        this.key = new Key(textKey);
        this.rejectedDeltas = context.metricGroup().counter(PushWriter.REJECTED_DELTAS);
        Map<Integer, PartitionWriter> logs = new HashMap<>();
        ShardLoader<NumericRows> loader = new ShardLoader<>(config.path(), textKey, partitions);
        for (int partition : opener.owned(partitions)) {
            String name = "p" + partition;
            logs.put(partition, opener.open(null, name, partition));
            register(PartitionOpener.relative(null, name), logs.get(partition));
            Shard<NumericRows> shard = new Shard<>(textKey, new NumericRows(schema.payloadColumns(), schema.payload()));
            loader.add(partition, shard);
            shards.put(partition, new ShardLog<>(shard, logs.get(partition)));
        }
        loader.load(logs);
    }

    @Override
    int add(RowData delta, long eventTimeMicros) throws IOException {
        key.set(delta, keyIndex);
        Shard<NumericRows> shard = shards.get(key.partition(partitions)).shard();
        int row = shard.row(key);
        if (!shard.rows().addDelta(row, delta)) {
            rejectedDeltas.inc();
            return 0;
        }
        shard.addSequence(row, 1);
        shard.markChanged(row, eventTimeMicros);
        return 1;
    }

    @Override
    void writePending() throws IOException {
        for (ShardLog<NumericRows> shard : shards.values()) {
            shard.writeChanged(this);
        }
    }
}
