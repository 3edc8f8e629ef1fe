package org.flinkms.connector.sink;

import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.RowWriter;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.RowKind;

import java.io.IOException;

/**
 * Logs each row as the new state of its key; of what is logged it keeps only the sequences.
 *
 * <p>The planner may send UPDATE_BEFORE although the sink does not ask for it, and a filter above an aggregation then
 * swallows the UPDATE_AFTER of a row that no longer passes. So an UPDATE_BEFORE whose key has no new row by the next
 * flush is a delete.
 */
final class ReplaceWriter extends LogWriter {
    private final int keyIndex;
    private final RowWriter payload;
    private final Key key;
    private final OwnedShards<NoRows> shards;

    ReplaceWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema,
            boolean textKey) throws IOException {
        super(config, context);
        this.keyIndex = schema.keyIndex();
        this.payload = new RowWriter(schema.types(), schema.payload(), Frame.UPSERT_PAYLOAD);
        this.key = new Key(textKey);
        this.shards = OwnedShards.open(this, opener, null, textKey, schema.partitions(), NoRows::new,
                schema.payloadColumns());
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        key.set(row, keyIndex);
        ShardLog<NoRows> log = shards.of(key);
        Shard<NoRows> shard = log.shard();
        int known = shard.row(key);
        if (row.getRowKind() == RowKind.UPDATE_BEFORE) {
            shard.markChanged(known, eventTimeMicros);
            return 1;
        }
        shard.unmarkChanged(known);
        if (row.getRowKind() == RowKind.DELETE) {
            writeDelete(log, known, eventTimeMicros);
        } else {
            shard.addSequence(known, 1);
            shard.writeUpsertHeader(known, eventTimeMicros, log.block());
            payload.write(row, log.block());
        }
        log.appendLarge(this);
        return 1;
    }

    private void writeDelete(ShardLog<NoRows> log, int row, long eventTimeMicros) {
        log.shard().addSequence(row, 1);
        log.shard().writeDeleteHeader(row, eventTimeMicros, log.block());
        payload.writeNulls(log.block());
    }

    @Override
    void writePending() throws IOException {
        for (ShardLog<NoRows> log : shards.all()) {
            log.shard().drainChanged((row, eventTimeMicros) -> writeDelete(log, row, eventTimeMicros));
            log.append(this);
        }
    }
}
