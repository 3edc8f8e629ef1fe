package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.Position;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a reader knows after reading a partition: the last record of each key, and how often things happened. */
final class LogImage {
    /** One record. */
    static final class Record {
        final byte op;
        final long sequence;
        final BlockReader block;
        final int row;

        Record(BlockReader block, int row) {
            this.op = block.getByte(Frame.UPSERT_OP, row);
            this.sequence = block.getLong(Frame.UPSERT_SEQUENCE, row);
            this.block = block;
            this.row = row;
        }

        float[] vector() {
            float[] vector = new float[block.length(Frame.UPSERT_PAYLOAD, row)];
            block.getVector(Frame.UPSERT_PAYLOAD, row, vector, 0);
            return vector;
        }
    }

    final Map<Object, Record> rows = new HashMap<>();
    final List<BlockReader> blocks = new ArrayList<>();
    int rewinds;

    /** Takes in what is there up to {@code limit}; on a rewind it starts over, as a reader without history must. */
    void follow(PartitionReader reader, Path partition, Position limit) throws IOException {
        for (PartitionReader.Entry entry = reader.poll(limit); entry != null; entry = reader.poll(limit)) {
            if (entry.isRewind()) {
                rewinds++;
                rows.clear();
                blocks.clear();
                try (PartitionReader again = new PartitionReader(partition, Position.START)) {
                    follow(again, partition, entry.end());
                }
            } else {
                apply(entry.frame());
            }
        }
    }

    /** All that is committed in a partition. */
    static LogImage committed(Path partition) throws IOException {
        LogImage image = new LogImage();
        try (PartitionReader reader = new PartitionReader(partition, Position.START)) {
            image.follow(reader, partition, CommittedFile.read(partition).get());
        }
        return image;
    }

    private void apply(Frame frame) throws IOException {
        BlockReader block = frame.block();
        blocks.add(block);
        for (int row = 0; frame.kind() == Frame.UPSERT && row < block.rows(); row++) {
            Object key = block.type(Frame.UPSERT_KEY).element() == ElementType.STRING
                    ? block.getString(Frame.UPSERT_KEY, row) : (Object) block.getLong(Frame.UPSERT_KEY, row);
            Record before = rows.put(key, new Record(block, row));
            if (before != null && before.sequence >= rows.get(key).sequence) {
                throw new AssertionError("sequence of key " + key + " went from " + before.sequence + " to "
                        + rows.get(key).sequence);
            }
        }
    }
}
