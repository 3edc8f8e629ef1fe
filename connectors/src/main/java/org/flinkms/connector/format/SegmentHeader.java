package org.flinkms.connector.format;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The first 64 bytes of a segment file, and the file's name.
 *
 * <p>Every segment of an epoch repeats the epoch's parent, so that the chain of epochs stays known when retention
 * has removed an epoch's first segment.
 */
public final class SegmentHeader {
    public static final int BYTES = 64;

    private static final byte[] MAGIC = "FLINKMS\u0001".getBytes(StandardCharsets.ISO_8859_1);
    private static final Pattern FILE_NAME = Pattern.compile("(\\d{8})-(\\d{12})\\.log");

    private final int epoch;
    private final int partition;
    private final long startOffset;
    private final Position parent;
    private final long createdAt;

    public SegmentHeader(int epoch, int partition, long startOffset, Position parent, long createdAt) {
        this.epoch = epoch;
        this.partition = partition;
        this.startOffset = startOffset;
        this.parent = parent;
        this.createdAt = createdAt;
    }

    public int epoch() {
        return epoch;
    }

    public int partition() {
        return partition;
    }

    /** Offset in the epoch of the first frame of the segment. */
    public long startOffset() {
        return startOffset;
    }

    /** Where the parent epoch ends, or {@link Position#START} when there is none. */
    public Position parent() {
        return parent;
    }

    /** Microseconds since 1970-01-01 UTC. */
    public long createdAt() {
        return createdAt;
    }

    public String fileName() {
        return String.format("%08d-%012d.log", epoch, startOffset);
    }

    /** Epoch and start offset of a segment's file name, or null when the name is no segment's. */
    static Position parseFileName(String name) {
        Matcher matcher = FILE_NAME.matcher(name);
        return matcher.matches()
                ? new Position(Integer.parseInt(matcher.group(1)), Long.parseLong(matcher.group(2)))
                : null;
    }

    public byte[] encode() {
        byte[] header = new byte[BYTES];
        System.arraycopy(MAGIC, 0, header, 0, 8);
        LittleEndian.putInt(header, 8, BYTES);
        LittleEndian.putInt(header, 16, epoch);
        LittleEndian.putInt(header, 20, partition);
        LittleEndian.putLong(header, 24, startOffset);
        LittleEndian.putInt(header, 32, parent.epoch());
        LittleEndian.putLong(header, 40, parent.offset());
        LittleEndian.putLong(header, 48, createdAt);
        LittleEndian.putInt(header, 12, Crc32c.of(header, 16, BYTES));
        return header;
    }

    /** The header a segment file starts with. Throws {@link CorruptLogException} when it is not one. */
    static SegmentHeader read(FileChannel channel, Path file) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (header.hasRemaining() && channel.read(header, header.position()) > 0) {
            continue;
        }
        if (header.hasRemaining()) {
            throw new CorruptLogException(file, header.position(), "segment is shorter than its header");
        }
        return decode(header.array(), file);
    }

    static SegmentHeader decode(byte[] bytes, Path file) throws CorruptLogException {
        ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < MAGIC.length; i++) {
            if (bytes[i] != MAGIC[i]) {
                throw new CorruptLogException(file, i, "file does not start as a segment");
            }
        }
        if (header.getInt(8) != BYTES || header.getInt(12) != Crc32c.of(bytes, 16, BYTES)) {
            throw new CorruptLogException(file, 8, "segment header has a wrong length or checksum");
        }
        Position parent = new Position(header.getInt(32), header.getLong(40));
        return new SegmentHeader(
                header.getInt(16), header.getInt(20), header.getLong(24), parent, header.getLong(48));
    }
}
