package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.KeyHash;

import org.apache.flink.table.data.RowData;

/** A key of either kind in a reusable holder, so that looking one up allocates nothing for integers. */
final class Key {
    private final boolean text;
    private long number;
    private byte[] bytes;

    /** A holder of STRING keys, or else of BIGINT keys. */
    Key(boolean text) {
        this.text = text;
    }

    void set(long key) {
        number = key;
    }

    void set(byte[] utf8) {
        bytes = utf8;
    }

    void set(BlockReader block, int column, int row) {
        if (text) {
            bytes = block.getBytes(column, row);
        } else {
            number = block.getLong(column, row);
        }
    }

    void set(RowData row, int field) {
        if (text) {
            bytes = row.getString(field).toBytes();
        } else {
            number = row.getLong(field);
        }
    }

    long number() {
        return number;
    }

    byte[] bytes() {
        return bytes;
    }

    int partition(int partitions) {
        return KeyHash.partition(text ? KeyHash.of(bytes) : KeyHash.of(number), partitions);
    }
}
