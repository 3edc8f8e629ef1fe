package org.flinkms.connector.lookup;

import org.flinkms.connector.format.SlotHash;
import org.flinkms.connector.table.Base;

import org.apache.flink.table.data.StringData;

/**
 * Row number of every key of a base. Immutable once built, so that lookups need no lock.
 *
 * <p>Open addressing over row numbers: 8 to 16 bytes a key, where a map of boxed keys takes about 80. The keys themselves
 * stay in the mapped file.
 */
final class KeyIndex {
    /** Slots of the largest table there can be: a Java array ends at 2^31. */
    private static final long SLOTS_MAX = 1L << 30;

    private final Base base;
    private final boolean text;
    private final int[] slots;
    private final int mask;

    KeyIndex(Base base) {
        this.base = base;
        this.text = base.hasTextKeys();
        long wanted = Long.highestOneBit(Math.max(8, base.rows() * 2 - 1)) << 1;
        if (wanted > SLOTS_MAX) {
            throw new IllegalArgumentException("a base of " + base.rows() + " rows is too large for a lookup in memory");
        }
        this.slots = new int[(int) wanted];
        this.mask = slots.length - 1;
        for (int row = 0; row < base.rows(); row++) {
            int slot = text ? slot(base.key(row)) : slot(base.longKey(row));
            while (slots[slot] != 0) {
                slot = (slot + 1) & mask;
            }
            slots[slot] = row + 1;
        }
    }

    /** Row number of a key (Long or StringData), or -1. */
    long find(Object key) {
        return text ? findText(key) : findLong((Long) key);
    }

    private long findLong(long key) {
        for (int slot = slot(key); slots[slot] != 0; slot = (slot + 1) & mask) {
            if (base.longKey(slots[slot] - 1) == key) {
                return slots[slot] - 1;
            }
        }
        return -1;
    }

    private long findText(Object key) {
        for (int slot = slot(key); slots[slot] != 0; slot = (slot + 1) & mask) {
            if (base.key(slots[slot] - 1).equals(key)) {
                return slots[slot] - 1;
            }
        }
        return -1;
    }

    private int slot(long key) {
        return (int) SlotHash.OWN.of(key) & mask;
    }

    private int slot(Object text) {
        byte[] utf8 = ((StringData) text).toBytes();
        return (int) SlotHash.OWN.of(utf8, 0, utf8.length) & mask;
    }
}
