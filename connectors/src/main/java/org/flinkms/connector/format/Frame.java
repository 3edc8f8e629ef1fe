package org.flinkms.connector.format;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The unit that is written, checked and applied whole: a header and one block. */
public final class Frame {
    public static final int HEADER_BYTES = 32;

    /** Bytes of a whole frame: what a reader must be ready to hold in memory at once. */
    public static final int BYTES_MAX = 64 << 20;

    public static final byte APPEND = 1;
    public static final byte UPSERT = 2;

    /** Columns of an upsert frame before its payload. */
    public static final int UPSERT_OP = 0;
    public static final int UPSERT_KEY = 1;
    public static final int UPSERT_SEQUENCE = 2;
    public static final int UPSERT_EVENT_TIME = 3;
    public static final int UPSERT_PAYLOAD = 4;
    public static final byte OP_UPSERT = 1;
    public static final byte OP_DELETE = 2;

    static final int MAGIC = 0x464D5346;
    private static final byte VERSION = 1;
    private static final int CRC_FROM = 16;

    private final byte kind;
    private final int rows;
    private final long writtenAt;
    private final ByteBuffer body;

    private Frame(byte kind, int rows, long writtenAt, ByteBuffer body) {
        this.kind = kind;
        this.rows = rows;
        this.writtenAt = writtenAt;
        this.body = body;
    }

    /** {@link #APPEND} or {@link #UPSERT}. */
    public byte kind() {
        return kind;
    }

    public int rows() {
        return rows;
    }

    /** When the frame was written, microseconds since 1970-01-01 UTC. */
    public long writtenAt() {
        return writtenAt;
    }

    public BlockReader block() throws FormatException {
        BlockReader block = new BlockReader(body);
        if (block.rows() != rows) {
            throw new FormatException("frame of " + rows + " rows holds a block of " + block.rows());
        }
        return block;
    }

    /** Bytes of a frame around {@code block}. */
    public static byte[] encode(byte kind, int rows, long writtenAt, byte[] block) {
        if (block.length > BYTES_MAX - HEADER_BYTES) {
            throw new IllegalArgumentException(
                    "block of " + block.length + " bytes does not fit into a frame of " + BYTES_MAX + " bytes");
        }
        byte[] frame = new byte[HEADER_BYTES + block.length];
        LittleEndian.putInt(frame, 0, MAGIC);
        frame[4] = VERSION;
        frame[5] = kind;
        LittleEndian.putInt(frame, 8, block.length);
        LittleEndian.putInt(frame, 16, rows);
        LittleEndian.putLong(frame, 24, writtenAt);
        System.arraycopy(block, 0, frame, HEADER_BYTES, block.length);
        LittleEndian.putInt(frame, 12, Crc32c.of(frame, CRC_FROM, frame.length));
        return frame;
    }

    /** Length of the frame whose header is at {@code at}, or -1 when no frame can start there. */
    static long length(ByteBuffer data, int at) {
        int bodyBytes = data.getInt(at + 8);
        boolean plausible = data.getInt(at) == MAGIC
                && bodyBytes % 8 == 0
                && bodyBytes >= 0
                && bodyBytes <= BYTES_MAX - HEADER_BYTES;
        return plausible ? HEADER_BYTES + (long) bodyBytes : -1;
    }

    /**
     * The frame that fills {@code data}, or null when its checksum is wrong. Throws {@link FormatException} when the
     * checksum is right but the frame is of a kind this code does not know: no crash explains that.
     */
    static Frame decode(ByteBuffer data) throws FormatException {
        ByteBuffer frame = data.slice().order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer checked = frame.duplicate();
        checked.position(CRC_FROM);
        if (Crc32c.of(checked) != frame.getInt(12)) {
            return null;
        }
        boolean known = frame.get(4) == VERSION
                && (frame.get(5) == APPEND || frame.get(5) == UPSERT)
                && frame.getShort(6) == 0
                && frame.getInt(16) >= 0
                && frame.getInt(20) == 0;
        if (!known) {
            throw new FormatException("frame of version " + frame.get(4) + ", kind " + frame.get(5) + ", flags "
                    + frame.getShort(6) + " is not supported");
        }
        ByteBuffer body = frame.duplicate();
        body.position(HEADER_BYTES);
        return new Frame(frame.get(5), frame.getInt(16), frame.getLong(24), body.slice());
    }
}
