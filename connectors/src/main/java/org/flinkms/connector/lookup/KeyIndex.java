package org.flinkms.connector.lookup;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.table.data.StringData;
import org.flinkms.connector.format.KeyHash;
import org.flinkms.connector.table.Base;

/** Row number of every key of a base. Immutable once built, so that lookups need no lock. */
abstract class KeyIndex {
    /** Row number of a key (Long or StringData), or -1. */
    abstract long find(Object key);

    static KeyIndex of(Base base) {
        return base.hasTextKeys() ? new TextIndex(base) : new LongIndex(base);
    }

    /**
     * Open addressing over row numbers: 8 to 16 bytes a key, where a map of boxed keys takes about 80. The keys
     * themselves stay in the mapped file.
     */
    private static final class LongIndex extends KeyIndex {
        /** Slots of the largest table there can be: a Java array ends at 2^31. */
        private static final long SLOTS_MAX = 1L << 30;

        private final Base base;
        private final int[] slots;
        private final int mask;

        LongIndex(Base base) {
            this.base = base;
            long wanted = Long.highestOneBit(Math.max(8, base.rows() * 2 - 1)) << 1;
            if (wanted > SLOTS_MAX) {
                throw new IllegalArgumentException(
                        "a base of " + base.rows() + " rows is too large for a lookup in memory");
            }
            this.slots = new int[(int) wanted];
            this.mask = slots.length - 1;
            for (int row = 0; row < base.rows(); row++) {
                int slot = (int) KeyHash.of(base.longKey(row)) & mask;
                while (slots[slot] != 0) {
                    slot = (slot + 1) & mask;
                }
                slots[slot] = row + 1;
            }
        }

        @Override
        long find(Object key) {
            long wanted = (Long) key;
            for (int slot = (int) KeyHash.of(wanted) & mask; slots[slot] != 0; slot = (slot + 1) & mask) {
                if (base.longKey(slots[slot] - 1) == wanted) {
                    return slots[slot] - 1;
                }
            }
            return -1;
        }
    }

    private static final class TextIndex extends KeyIndex {
        private final Map<StringData, Long> rows = new HashMap<>();

        TextIndex(Base base) {
            for (long row = 0; row < base.rows(); row++) {
                rows.put((StringData) base.key(row), row);
            }
        }

        @Override
        long find(Object key) {
            return rows.getOrDefault(key, -1L);
        }
    }
}
