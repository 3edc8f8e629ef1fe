package org.flinkms.connector.sink;

import org.flinkms.connector.format.ColumnBuilder;
import org.flinkms.connector.format.SlotHash;

import java.util.Arrays;

/** Row numbers by BIGINT key. */
final class LongKeyIndex extends KeyIndex {
    private long[] keys = new long[512];

    @Override
    boolean matches(int row, Key key) {
        return keys[row] == key.number();
    }

    @Override
    long hash(Key key) {
        return SlotHash.OWN.of(key.number());
    }

    @Override
    long hash(int row) {
        return SlotHash.OWN.of(keys[row]);
    }

    @Override
    void store(int row, Key key) {
        if (row == keys.length) {
            keys = Arrays.copyOf(keys, keys.length * 2);
        }
        keys[row] = key.number();
    }

    @Override
    void write(int row, ColumnBuilder column) {
        column.putLong(keys[row]);
    }
}
