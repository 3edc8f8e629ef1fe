package org.flinkms.connector.format;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.SecureRandom;

/**
 * Where a key goes in a table of slots in memory. Unlike {@link KeyHash} it differs from process to process, so that
 * nobody can choose keys that all go to one place and are then found one after another.
 *
 * <p>STRING keys: SipHash-1-3 (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012). BIGINT keys, of which no two
 * collide in 64 bits: two multiplications by secret odd numbers.
 */
public final class SlotHash {
    /** That of this process. */
    public static final SlotHash OWN = drawn(new SecureRandom());

    private static final VarHandle WORDS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final long k0;
    private final long k1;

    SlotHash(long k0, long k1) {
        this.k0 = k0;
        this.k1 = k1;
    }

    private static SlotHash drawn(SecureRandom random) {
        return new SlotHash(random.nextLong(), random.nextLong());
    }

    public long of(long key) {
        long mixed = (key ^ k1) * (k0 | 1);
        mixed = (mixed ^ (mixed >>> 32)) * (k1 | 1);
        return mixed ^ (mixed >>> 32);
    }

    public long of(byte[] data, int from, int length) {
        Sip sip = new Sip(k0, k1);
        int whole = length & ~7;
        for (int at = 0; at < whole; at += 8) {
            sip.take((long) WORDS.get(data, from + at));
        }
        long last = (long) length << 56;
        for (int at = whole; at < length; at++) {
            last |= (data[from + at] & 0xFFL) << (8 * (at - whole));
        }
        sip.take(last);
        return sip.end();
    }

    /** The state of one computation; it does not leave {@code of}, so that it is never allocated. */
    private static final class Sip {
        private long v0;
        private long v1;
        private long v2;
        private long v3;

        Sip(long k0, long k1) {
            v0 = k0 ^ 0x736F6D6570736575L;
            v1 = k1 ^ 0x646F72616E646F6DL;
            v2 = k0 ^ 0x6C7967656E657261L;
            v3 = k1 ^ 0x7465646279746573L;
        }

        void take(long word) {
            v3 ^= word;
            round();
            v0 ^= word;
        }

        long end() {
            v2 ^= 0xFF;
            round();
            round();
            round();
            return v0 ^ v1 ^ v2 ^ v3;
        }

        private void round() {
            v0 += v1;
            v1 = Long.rotateLeft(v1, 13) ^ v0;
            v0 = Long.rotateLeft(v0, 32);
            v2 += v3;
            v3 = Long.rotateLeft(v3, 16) ^ v2;
            v0 += v3;
            v3 = Long.rotateLeft(v3, 21) ^ v0;
            v2 += v1;
            v1 = Long.rotateLeft(v1, 17) ^ v2;
            v2 = Long.rotateLeft(v2, 32);
        }
    }
}
