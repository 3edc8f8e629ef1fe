package org.flinkms.connector.format;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** CRC32C of a range of bytes, as frames, segment headers and base files carry it. */
public final class Crc32c {
    private Crc32c() {}

    /** Checksum of {@code data[from, to)}. */
    public static int of(byte[] data, int from, int to) {
        CRC32C crc = new CRC32C();
        crc.update(data, from, to - from);
        return (int) crc.getValue();
    }

    /** Checksum of the bytes between position and limit, which stay where they are. */
    public static int of(ByteBuffer data) {
        CRC32C crc = new CRC32C();
        crc.update(data.duplicate());
        return (int) crc.getValue();
    }
}
