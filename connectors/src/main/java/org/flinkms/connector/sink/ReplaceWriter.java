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

/** Logs each row as the new state of its key; of what is logged it keeps only the sequences. */
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
        if (row.getRowKind() == RowKind.UPDATE_BEFORE) {
            return 0;
        }
        key.set(row, keyIndex);
        int partition = key.partition(partitions);
        Shard<NoRows> shard = shards.get(partition);
        BlockBuilder block = blocks.get(partition);
        int known = shard.row(key);
        shard.addSequence(known, 1);
        if (row.getRowKind() == RowKind.DELETE) {
            shard.writeHeader(known, Frame.OP_DELETE, eventTimeMicros, block);
            payload.writeNulls(block);
        } else {
            shard.writeHeader(known, Frame.OP_UPSERT, eventTimeMicros, block);
            payload.write(row, block);
        }
        if (block.bytes() >= FRAME_BYTES_TARGET) {
            appendFrame(logs.get(partition), Frame.UPSERT, block);
        }
        return 1;
    }

    @Override
    void writePending() throws IOException {
        for (Map.Entry<Integer, PartitionWriter> log : logs.entrySet()) {
            appendFrame(log.getValue(), Frame.UPSERT, blocks.get(log.getKey()));
        }
    }
}
