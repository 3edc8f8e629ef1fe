package org.flinkms.connector.sink;

import org.flinkms.connector.format.ColumnBuilder;
import org.flinkms.connector.format.SlotHash;

import java.io.IOException;
import java.util.Arrays;

/** Row numbers by STRING key; the UTF-8 of all keys is one array. */
final class TextKeyIndex extends KeyIndex {
    /** Bytes of all keys of a shard: what one Java array holds. */
    private static final int TEXT_BYTES_MAX = Integer.MAX_VALUE - 8;

    private byte[] text = new byte[4096];
    private int[] ends = new int[512];

    private int start(int row) {
        return row == 0 ? 0 : ends[row - 1];
    }

    @Override
    boolean matches(int row, Key key) {
        byte[] other = key.bytes();
        return Arrays.equals(text, start(row), ends[row], other, 0, other.length);
    }

    @Override
    long hash(Key key) {
        return SlotHash.OWN.of(key.bytes(), 0, key.bytes().length);
    }

    @Override
    long hash(int row) {
        return SlotHash.OWN.of(text, start(row), ends[row] - start(row));
    }

    @Override
    void store(int row, Key key) throws IOException {
        int start = start(row);
        long end = (long) start + key.bytes().length;
        if (end > TEXT_BYTES_MAX) {
            throw new IOException("a shard of a keyed table is full: its keys have more than " + TEXT_BYTES_MAX
                    + " bytes; use more partitions");
        }
        if (end > text.length) {
            text = Arrays.copyOf(text, (int) Math.min(TEXT_BYTES_MAX, Math.max(end, text.length * 2L)));
        }
        if (row == ends.length) {
            ends = Arrays.copyOf(ends, ends.length * 2);
        }
        System.arraycopy(key.bytes(), 0, text, start, key.bytes().length);
        ends[row] = (int) end;
    }

    @Override
    void write(int row, ColumnBuilder column) {
        column.putBytes(text, start(row), ends[row] - start(row));
    }
}
