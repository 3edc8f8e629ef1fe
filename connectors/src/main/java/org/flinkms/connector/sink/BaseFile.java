package org.flinkms.connector.sink;

import org.flinkms.connector.format.DurableFiles;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.zip.CRC32C;

/** One column file of a base: written once from front to end, buffered, with a running checksum. */
final class BaseFile implements Closeable {
    private static final int BUFFER_BYTES = 1 << 20;

    private final Path path;
    private final RandomAccessFile file;
    private final CRC32C crc = new CRC32C();
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
    private long bytes;

    BaseFile(Path path) throws IOException {
        this.path = path;
        this.file = new RandomAccessFile(path.toFile(), "rw");
    }

    String name() {
        return path.getFileName().toString();
    }

    /** Bytes written so far. */
    long bytes() {
        return bytes;
    }

    /** CRC32C of the bytes written so far, 8 hex digits. */
    String crc32c() {
        return String.format("%08x", crc.getValue());
    }

    void write(ByteBuffer data) throws IOException {
        bytes += data.remaining();
        crc.update(data.duplicate());
        if (data.remaining() > buffer.remaining()) {
            drain();
        }
        if (data.remaining() > buffer.capacity()) {
            DurableFiles.writeFully(file.getChannel(), data.duplicate());
        } else {
            buffer.put(data.duplicate());
        }
    }

    private void drain() throws IOException {
        buffer.flip();
        DurableFiles.writeFully(file.getChannel(), buffer);
        buffer.clear();
    }

    /** Writes what is buffered, extends the file sparsely to {@code length} bytes and syncs it. */
    void finish(long length) throws IOException {
        drain();
        file.setLength(length);
        file.getChannel().force(true);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
