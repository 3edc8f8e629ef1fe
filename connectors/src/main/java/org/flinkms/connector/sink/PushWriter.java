package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A shard of the parameter server: owns the rows of its partitions in every table of a model version, adds pushed
 * deltas to them, and logs each changed row once per flush as it is then.
 */
final class PushWriter extends LogWriter {
    /** Metric: deltas that were left out because they, or the sum with their row, are not finite. */
    static final String REJECTED_DELTAS = "rejectedDeltas";

    private final ModelSchema model;
    private final Counter rejectedDeltas;
    private final List<OwnedShards<FloatRows>> tables = new ArrayList<>();

    PushWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, ModelSchema model)
            throws IOException {
        super(config, context);
        this.model = model;
        this.rejectedDeltas = context.metricGroup().counter(REJECTED_DELTAS);
        for (ModelSchema.Table table : model.tables()) {
            List<ColumnType> payload = Collections.singletonList(ColumnType.vector(table.width()));
            tables.add(OwnedShards.open(this, opener, table.name(), table.isTextKey(), model.partitions(),
                    () -> new FloatRows(table.width(), table.initial()), payload));
        }
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        if (row.isNullAt(0)) {
            return 0;
        }
        int changed = 0;
        for (Bundle.Entry entry : Bundle.decode(row.getBinary(0)).entries()) {
            if (!entry.isJson()) {
                ModelSchema.Table table = PushBlock.table(entry, model);
                changed += addDeltas(PushBlock.read(entry, table), table, tables.get(entry.tag()), eventTimeMicros);
            }
        }
        return changed;
    }

    private int addDeltas(BlockReader block, ModelSchema.Table table, OwnedShards<FloatRows> shards,
            long eventTimeMicros) throws IOException {
        Key key = new Key(table.isTextKey());
        float[] delta = new float[table.width()];
        int changed = 0;
        for (int i = 0; i < block.rows(); i++) {
            key.set(block, PushBlock.KEY, i);
            int count = block.getInt(PushBlock.COUNT, i);
            if (count < 1) {
                throw new FormatException("a row for table \"" + table.name() + "\" counts " + count + " deltas");
            }
            block.getVector(PushBlock.DELTA, i, delta, 0);
            Shard<FloatRows> shard = shards.of(key).shard();
            int row = shard.row(key);
            if (shard.rows().addDelta(row, delta)) {
                shard.addSequence(row, count);
                shard.markChanged(row, eventTimeMicros);
                changed++;
            } else {
                rejectedDeltas.inc(count);
            }
        }
        return changed;
    }

    @Override
    void writePending() throws IOException {
        for (OwnedShards<FloatRows> table : tables) {
            for (ShardLog<FloatRows> shard : table.all()) {
                shard.appendChanged(this);
            }
        }
    }
}
