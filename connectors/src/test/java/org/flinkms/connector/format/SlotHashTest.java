package org.flinkms.connector.format;

import java.nio.charset.StandardCharsets;

/** The hash of keys in memory: SipHash-1-3 as others compute it, and another one in every process. */
final class SlotHashTest {
    void run() {
        // CPython 3.11 and later, PYTHONHASHSEED=0: hash(b"…").
        equal("a", 0x407448D2B89B1813L);
        equal("abcdefgh", 0x3F7B849C0B8E35EAL);
        equal("abcdefghijk", 0x14215FC65E2C3BD4L);
        SlotHash other = new SlotHash(1, 2);
        Check.equal(SlotHash.OWN.of(42) == other.of(42), false, "the hash of a BIGINT is the process's own");
        byte[] text = bytes("42");
        Check.equal(SlotHash.OWN.of(text, 0, 2) == other.of(text, 0, 2), false, "so is that of a STRING");
    }

    private static void equal(String text, long expected) {
        byte[] padded = bytes("--" + text + "--");
        Check.equal(new SlotHash(0, 0).of(padded, 2, text.length()), expected, "hash of " + text);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
