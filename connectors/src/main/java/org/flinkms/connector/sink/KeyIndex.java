package org.flinkms.connector.sink;

import org.flinkms.connector.format.ColumnBuilder;

import java.io.IOException;

/**
 * Row numbers by key: open addressing over primitive arrays, because a shard holds tens of millions of keys and
 * boxed ones would take five times the heap. Rows are numbered 0, 1, … in the order in which their keys came.
 */
abstract class KeyIndex {
    /** Rows of a shard: its table of slots is then 512 MiB of heap; more partitions are the answer to more rows. */
    static final int ROWS_MAX = 1 << 26;

    private static final int INITIAL_SLOTS = 1 << 10;

    private int[] slots = new int[INITIAL_SLOTS];
    private int size;

    static KeyIndex of(boolean text) {
        return text ? new TextKeyIndex() : new LongKeyIndex();
    }

    /** Whether the key of {@code row} is {@code key}. */
    abstract boolean matches(int row, Key key);

    /** Where to look for a key: a hash that is this process's own. */
    abstract long hash(Key key);

    /** The same of the key of {@code row}. */
    abstract long hash(int row);

    /** Keeps {@code key} as that of the new row {@code row}. */
    abstract void store(int row, Key key) throws IOException;

    /** Puts the key of a row into a column of a block. */
    abstract void write(int row, ColumnBuilder column);

    final int size() {
        return size;
    }

    /** The row of a key; when it is new, the next row number, which is then the key's. */
    final int findOrAdd(Key key) throws IOException {
        int slot = slot(hash(key));
        while (slots[slot] != 0) {
            int row = slots[slot] - 1;
            if (matches(row, key)) {
                return row;
            }
            slot = (slot + 1) & (slots.length - 1);
        }
        if (size == ROWS_MAX) {
            throw new IOException("a shard of a keyed table is full: it holds " + ROWS_MAX
                    + " rows; use more partitions");
        }
        store(size, key);
        slots[slot] = ++size;
        if (size > slots.length / 2) {
            grow();
        }
        return size - 1;
    }

    private int slot(long hash) {
        return (int) (hash >>> 32) & (slots.length - 1);
    }

    private void grow() {
        slots = new int[slots.length * 2];
        for (int row = 0; row < size; row++) {
            int slot = slot(hash(row));
            while (slots[slot] != 0) {
                slot = (slot + 1) & (slots.length - 1);
            }
            slots[slot] = row + 1;
        }
    }
}
