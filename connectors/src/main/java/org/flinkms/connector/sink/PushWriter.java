package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.ModelSchema;
import org.flinkms.connector.format.PartitionWriter;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A shard of the parameter server: owns the rows of its partitions in every table of a model version, adds pushed
 * deltas to them, and logs each changed row once per flush as it is then.
 */
final class PushWriter extends LogWriter {
    /** Metric: deltas that were left out because they, or the sum with their row, are not finite. */
    static final String REJECTED_DELTAS = "rejectedDeltas";

    private final ModelSchema model;
    private final Counter rejectedDeltas;
    private final List<Map<Integer, ShardLog<FloatRows>>> tables = new ArrayList<>();

    PushWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, ModelSchema model)
            throws IOException {
        super(config, context);
        this.model = model;
        this.rejectedDeltas = context.metricGroup().counter(REJECTED_DELTAS);
        for (ModelSchema.Table table : model.tables()) {
            tables.add(openTable(config, opener, table));
        }
    }

    private Map<Integer, ShardLog<FloatRows>> openTable(
            SinkConfig config, PartitionOpener opener, ModelSchema.Table table) throws IOException {
        Map<Integer, PartitionWriter> logs = new HashMap<>();
        Map<Integer, ShardLog<FloatRows>> shards = new HashMap<>();
        ShardLoader<FloatRows> loader = new ShardLoader<>(
                config.path().resolve(table.name()), table.isTextKey(), model.partitions());
        for (int partition : opener.owned(model.partitions())) {
            String name = "p" + partition;
            PartitionWriter log = opener.open(table.name(), name, partition);
            register(PartitionOpener.relative(table.name(), name), log);
            logs.put(partition, log);
            Shard<FloatRows> shard = new Shard<>(table.isTextKey(), new FloatRows(table.width(), table.initial()));
            loader.add(partition, shard);
            shards.put(partition, new ShardLog<>(shard, log));
        }
        loader.load(logs);
        return shards;
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        int changed = 0;
        for (Bundle.Entry entry : Bundle.decode(row.getBinary(0)).entries()) {
            ModelSchema.Table table = PushBlock.table(entry, model);
            changed += addDeltas(PushBlock.read(entry, table), table, tables.get(entry.tag()), eventTimeMicros);
        }
        return changed;
    }

    private int addDeltas(BlockReader block, ModelSchema.Table table, Map<Integer, ShardLog<FloatRows>> shards,
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
            Shard<FloatRows> shard = shards.get(key.partition(model.partitions())).shard();
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
        for (Map<Integer, ShardLog<FloatRows>> shards : tables) {
            for (ShardLog<FloatRows> shard : shards.values()) {
                shard.writeChanged(this);
            }
        }
    }
}
