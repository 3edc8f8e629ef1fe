package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.RowWriter;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.RowKind;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * Logs each row as the new state of its key; of what is logged it keeps only the sequences.
 *
 * <p>The planner may send UPDATE_BEFORE although the sink does not ask for it, and a filter above an aggregation then
 * swallows the UPDATE_AFTER of a row that no longer passes. So an UPDATE_BEFORE whose key has no new row by the next
 * flush is a delete.
 */
final class ReplaceWriter extends LogWriter {
    private final int keyIndex;
    private final int partitions;
    private final RowWriter payload;
    private final Key key;
    private final Map<Integer, PartitionWriter> logs = new HashMap<>();
    private final Map<Integer, Shard<NoRows>> shards = new HashMap<>();
    private final Map<Integer, BlockBuilder> blocks = new HashMap<>();

    ReplaceWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema,
            boolean textKey) throws IOException {
        super(config, context);
        this.keyIndex = schema.keyIndex();
        this.partitions = schema.partitions();
        this.payload = new RowWriter(schema.types(), schema.payload(), Frame.UPSERT_PAYLOAD);
        this.key = new Key(textKey);
        ShardLoader<NoRows> loader = new ShardLoader<>(config.path(), textKey, partitions);
        for (int partition : opener.owned(partitions)) {
            String name = "p" + partition;
            logs.put(partition, opener.open(null, name, partition));
            register(PartitionOpener.relative(null, name), logs.get(partition));
            shards.put(partition, new Shard<>(textKey, new NoRows()));
            loader.add(partition, shards.get(partition));
            blocks.put(partition, new BlockBuilder(Shard.frameColumns(textKey, schema.payloadColumns())));
        }
        loader.load(logs);
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        key.set(row, keyIndex);
        int partition = key.partition(partitions);
        Shard<NoRows> shard = shards.get(partition);
        int known = shard.row(key);
        if (row.getRowKind() == RowKind.UPDATE_BEFORE) {
            shard.markChanged(known, eventTimeMicros);
            return 1;
        }
        shard.unmarkChanged(known);
        if (row.getRowKind() == RowKind.DELETE) {
            writeDelete(partition, known, eventTimeMicros);
            return 1;
        }
        BlockBuilder block = blocks.get(partition);
        shard.addSequence(known, 1);
        shard.writeHeader(known, Frame.OP_UPSERT, eventTimeMicros, block);
        payload.write(row, block);
        if (block.bytes() >= FRAME_BYTES_TARGET) {
            appendFrame(logs.get(partition), Frame.UPSERT, block);
        }
        return 1;
    }

    private void writeDelete(int partition, int row, long eventTimeMicros) {
        Shard<NoRows> shard = shards.get(partition);
        shard.addSequence(row, 1);
        shard.writeHeader(row, Frame.OP_DELETE, eventTimeMicros, blocks.get(partition));
        payload.writeNulls(blocks.get(partition));
    }

    @Override
    void writePending() throws IOException {
        for (Map.Entry<Integer, PartitionWriter> log : logs.entrySet()) {
            int partition = log.getKey();
            shards.get(partition).drainChanged((row, eventTimeMicros) ->
                    writeDelete(partition, row, eventTimeMicros));
            appendFrame(log.getValue(), Frame.UPSERT, blocks.get(partition));
        }
    }
}
