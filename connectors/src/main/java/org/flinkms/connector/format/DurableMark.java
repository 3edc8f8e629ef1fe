package org.flinkms.connector.format;

import javax.annotation.Nullable;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The file {@code durable} of a partition that a frontend writes: up to where its frames are on disk.
 *
 * <p>It is overwritten in place while it is read: a torn read has a wrong checksum and is repeated. Not thread-safe.
 */
public final class DurableMark implements Closeable {
    private static final String NAME = "durable";
    private static final int MAGIC = 0x464D5344;
    private static final int BYTES = 24;
    private static final int CHECKED_FROM = 8;

    /** Looks at a file that is being overwritten; a torn one lasts for less than a microsecond. */
    private static final int READS_MAX = 1000;

    private final Path file;
    private final FileChannel channel;
    private final byte[] data = new byte[BYTES];

    private DurableMark(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /** Opens the mark of a partition; null when its writer makes none. */
    @Nullable
    public static DurableMark open(Path partition) throws IOException {
        Path file = partition.resolve(NAME);
        try {
            return new DurableMark(file, FileChannel.open(file, StandardOpenOption.READ));
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    /** Up to where the frames of the partition are on disk now. */
    public Position read() throws IOException {
        for (int tries = 0; tries < READS_MAX; tries++) {
            if (channel.read(ByteBuffer.wrap(data), 0) == BYTES
                    && LittleEndian.getInt(data, 0) == MAGIC
                    && LittleEndian.getInt(data, 4) == Crc32c.of(data, CHECKED_FROM, BYTES)) {
                return new Position(LittleEndian.getInt(data, 8), LittleEndian.getLong(data, 16));
            }
        }
        throw new CorruptLogException(file, 0, "no position with a right checksum");
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
