package org.flinkms.connector.sink;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Walks once through the rows of a base, whose files are memory-mapped piece by piece. */
final class BaseReader implements Closeable {
    private final long rows;
    private final int width;
    private final boolean textKey;
    private final MappedFile keys;
    private final MappedFile offsets;
    private final MappedFile floats;
    private final MappedFile sequences;
    private long row = -1;

    /** A file seen through a mapping of at most {@link #PIECE_BYTES} that moves along. */
    private static final class MappedFile implements Closeable {
        /** Bytes mapped at once: a mapping in Java is limited to 2 GiB. */
        private static final long PIECE_BYTES = 1L << 30;

        private final Path file;
        private final FileChannel channel;
        private ByteBuffer piece;
        private long pieceAt;

        MappedFile(Path file) throws IOException {
            this.file = file;
            this.channel = FileChannel.open(file, StandardOpenOption.READ);
        }

        /** The piece, positioned at {@code offset}, with at least {@code count} bytes after it. */
        ByteBuffer at(long offset, int count) throws IOException {
            if (piece == null || offset < pieceAt || offset + count > pieceAt + piece.limit()) {
                if (offset + count > channel.size()) {
                    throw new FormatException("XX001: base file " + file + " is shorter than its rows");
                }
                long size = Math.min(Math.max(PIECE_BYTES, count), channel.size() - offset);
                piece = channel.map(FileChannel.MapMode.READ_ONLY, offset, size).order(ByteOrder.LITTLE_ENDIAN);
                pieceAt = offset;
            }
            piece.position((int) (offset - pieceAt));
            return piece;
        }

        long getLong(long offset) throws IOException {
            ByteBuffer data = at(offset, Long.BYTES);
            return data.getLong(data.position());
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    BaseReader(Path base, boolean textKey) throws IOException {
        Path header = base.resolve("base.json");
        JsonNode json = Json.read(header);
        this.rows = Json.member(json, "rows", header.toString()).asLong();
        this.width = Json.member(json, "width", header.toString()).asInt();
        this.textKey = textKey;
        if (textKey != Json.member(json, "key", header.toString()).asText().equals("text")) {
            throw new FormatException(header + " has keys of type " + json.get("key"));
        }
        keys = new MappedFile(base.resolve(textKey ? "keys.bytes" : "keys.i64"));
        offsets = textKey ? new MappedFile(base.resolve("keys.offsets")) : null;
        floats = new MappedFile(base.resolve("rows.f32"));
        Path sequenceFile = base.resolve("sequences.i64");
        sequences = Files.exists(sequenceFile) ? new MappedFile(sequenceFile) : null;
    }

    /** Goes to the next row and sets {@code key} to its key; false after the last one. */
    boolean next(Key key) throws IOException {
        if (++row >= rows) {
            return false;
        }
        if (textKey) {
            long start = offsets.getLong(row * Long.BYTES);
            byte[] text = new byte[Math.toIntExact(offsets.getLong((row + 1) * Long.BYTES) - start)];
            if (text.length > 0) {
                keys.at(start, text.length).get(text);
            }
            key.set(text);
        } else {
            key.set(keys.getLong(row * Long.BYTES));
        }
        return true;
    }

    /** Sequence of the current row. */
    long sequence() throws IOException {
        return sequences == null ? 0 : sequences.getLong(row * Long.BYTES);
    }

    /** The floats of the current row, at the buffer's position. */
    FloatBuffer row() throws IOException {
        return floats.at(row * width * Float.BYTES, width * Float.BYTES).asFloatBuffer();
    }

    @Override
    public void close() throws IOException {
        keys.close();
        floats.close();
        if (offsets != null) {
            offsets.close();
        }
        if (sequences != null) {
            sequences.close();
        }
    }
}
