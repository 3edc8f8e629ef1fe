package org.flinkms.connector.format;

/**
 * Which partition of a keyed table a key belongs to. Fixed for ever: it decides where a key's history is.
 *
 * <p>A BIGINT is hashed by the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, 2014); a STRING by FNV-1a (64 bit) over its UTF-8, then by the same finalizer. The partition is that
 * hash, read as an unsigned number, modulo the number of partitions.
 */
public final class KeyHash {
    private static final long FNV_OFFSET = 0xCBF29CE484222325L;
    private static final long FNV_PRIME = 0x100000001B3L;

    private KeyHash() {}

    public static long of(long key) {
        long z = key + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    public static long of(byte[] utf8) {
        long hash = FNV_OFFSET;
        for (byte b : utf8) {
            hash = (hash ^ (b & 0xFF)) * FNV_PRIME;
        }
        return of(hash);
    }

    /** Partition number, 0 … partitions - 1, of a hash. */
    public static int partition(long hash, int partitions) {
        return (int) Long.remainderUnsigned(hash, partitions);
    }
}
