package org.flinkms.connector.table;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file of rows of one fixed length, mapped into memory, so that all processes of a machine share one copy.
 *
 * <p>A Java buffer ends at 2 GiB, a base does not: the file is mapped in chunks of whole rows. The mapping lasts until
 * the object is collected, also when compaction has removed the file by then.
 */
final class MappedColumn {
    /** Bytes of a chunk; the chunk ends at the last row that fits. */
    private static final long CHUNK_BYTES = 1L << 30;

    private final ByteBuffer[] chunks;
    private final int rowBytes;
    private final long rowsPerChunk;

    private MappedColumn(ByteBuffer[] chunks, int rowBytes, long rowsPerChunk) {
        this.chunks = chunks;
        this.rowBytes = rowBytes;
        this.rowsPerChunk = rowsPerChunk;
    }

    /** Maps the first {@code rows} rows of {@code file}. Throws IOException when the file holds fewer. */
    static MappedColumn map(Path file, int rowBytes, long rows) throws IOException {
        long rowsPerChunk = Math.max(1, CHUNK_BYTES / rowBytes);
        ByteBuffer[] chunks = new ByteBuffer[Math.toIntExact((rows + rowsPerChunk - 1) / rowsPerChunk)];
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() < rows * rowBytes) {
                throw new IOException(
                        "file " + file + " has " + channel.size() + " bytes, fewer than its " + rows + " rows need");
            }
            for (int i = 0; i < chunks.length; i++) {
                long first = i * rowsPerChunk;
                long bytes = Math.min(rowsPerChunk, rows - first) * rowBytes;
                chunks[i] = channel.map(FileChannel.MapMode.READ_ONLY, first * rowBytes, bytes);
                chunks[i].order(ByteOrder.LITTLE_ENDIAN);
            }
        }
        return new MappedColumn(chunks, rowBytes, rowsPerChunk);
    }

    long getLong(long row) {
        return chunks[(int) (row / rowsPerChunk)].getLong((int) (row % rowsPerChunk) * rowBytes);
    }

    /** The floats of a row. */
    float[] getFloats(long row) {
        float[] values = new float[rowBytes / Float.BYTES];
        copyFloats(row, values, 0);
        return values;
    }

    /** Copies the floats of a row into {@code target} from index {@code first}. */
    void copyFloats(long row, float[] target, int first) {
        ByteBuffer chunk = chunks[(int) (row / rowsPerChunk)];
        int at = (int) (row % rowsPerChunk) * rowBytes;
        for (int i = 0; i < rowBytes / Float.BYTES; i++) {
            target[first + i] = chunk.getFloat(at + Float.BYTES * i);
        }
    }

    /** Bytes {@code from} to {@code to} of a file of single bytes. */
    byte[] getBytes(long from, long to) {
        byte[] bytes = new byte[Math.toIntExact(to - from)];
        for (long at = from; at < to; ) {
            ByteBuffer chunk = chunks[(int) (at / rowsPerChunk)].duplicate();
            chunk.position((int) (at % rowsPerChunk));
            int count = (int) Math.min(chunk.remaining(), to - at);
            chunk.get(bytes, (int) (at - from), count);
            at += count;
        }
        return bytes;
    }
}
