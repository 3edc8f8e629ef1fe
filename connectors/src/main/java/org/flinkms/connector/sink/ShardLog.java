package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;

import java.io.IOException;
import java.util.List;

/** A shard together with the partition that its rows are written to, and the frame that is being filled. */
final class ShardLog<R extends ShardRows> {
    private final Shard<R> shard;
    private final PartitionWriter log;
    private final BlockBuilder block;

    ShardLog(Shard<R> shard, PartitionWriter log, List<ColumnType> columns) {
        this.shard = shard;
        this.log = log;
        this.block = new BlockBuilder(columns);
    }

    Shard<R> shard() {
        return shard;
    }

    /** Rows of the next frame. */
    BlockBuilder block() {
        return block;
    }

    /** Writes the frame when it is large enough to be one of its own. */
    void appendLarge(LogWriter writer) throws IOException {
        if (block.bytes() >= LogWriter.FRAME_BYTES_TARGET) {
            append(writer);
        }
    }

    /** Writes the frame, if it has rows. */
    void append(LogWriter writer) throws IOException {
        writer.appendFrame(log, Frame.UPSERT, block);
    }

    /** Writes every row that changed since the last time, once, in the order of their first change. */
    void appendChanged(LogWriter writer) throws IOException {
        shard.drainChanged((row, eventTimeMicros) -> {
            shard.writeUpsert(row, eventTimeMicros, block);
            appendLarge(writer);
        });
        append(writer);
    }
}
