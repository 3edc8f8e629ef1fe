package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;

import java.io.IOException;

/** A shard together with the partition that its changed rows are written to. */
final class ShardLog<R extends ShardRows> {
    private final Shard<R> shard;
    private final PartitionWriter log;
    private final BlockBuilder block;

    ShardLog(Shard<R> shard, PartitionWriter log) {
        this.shard = shard;
        this.log = log;
        this.block = shard.newBlock();
    }

    Shard<R> shard() {
        return shard;
    }

    /** Writes every row that changed since the last time, once, in the order of their first change. */
    void writeChanged(LogWriter writer) throws IOException {
        for (int i = 0; i < shard.changedCount(); i++) {
            shard.writeChanged(i, block);
            if (block.bytes() >= LogWriter.FRAME_BYTES_TARGET) {
                writer.appendFrame(log, Frame.UPSERT, block);
            }
        }
        writer.appendFrame(log, Frame.UPSERT, block);
        shard.clearChanged();
    }
}
