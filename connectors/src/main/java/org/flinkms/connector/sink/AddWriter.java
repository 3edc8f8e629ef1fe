package org.flinkms.connector.sink;

import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;

/** Owns the rows of its partitions, adds the deltas that come and logs the sums. */
final class AddWriter extends LogWriter {
    private final int keyIndex;
    private final Key key;
    private final Counter rejectedDeltas;
    private final OwnedShards<NumericRows> shards;

    AddWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema,
            boolean textKey) throws IOException {
        super(config, context);
        this.keyIndex = schema.keyIndex();
        this.key = new Key(textKey);
        this.rejectedDeltas = context.metricGroup().counter(PushWriter.REJECTED_DELTAS);
        this.shards = OwnedShards.open(this, opener, null, textKey, schema.partitions(),
                () -> new NumericRows(schema.payloadColumns(), schema.payload()), schema.payloadColumns());
    }

    @Override
    int add(RowData delta, long eventTimeMicros) throws IOException {
        key.set(delta, keyIndex);
        Shard<NumericRows> shard = shards.of(key).shard();
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
        for (ShardLog<NumericRows> shard : shards.all()) {
            shard.appendChanged(this);
        }
    }
}
