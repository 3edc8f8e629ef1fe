package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The column files of one table's base, appended to block by block. */
final class BaseTableWriter implements Closeable {
    private static final int KEY = 0;
    private static final int ROW = 1;

    /** Rows of headroom beyond a quarter: what a private mapping has for new keys of a small table. */
    private static final long HEADROOM_ROWS_MIN = 1024;

    private final Path directory;
    private final ModelSchema.Table table;
    private final List<BaseFile> files = new ArrayList<>();
    private final BaseFile keys;
    private final BaseFile offsets;
    private final BaseFile floats;
    private long rows;
    private boolean finished;

    /** Starts the base of {@code table} in {@code directory}, which is emptied first. */
    BaseTableWriter(Path directory, ModelSchema.Table table) throws IOException {
        this.directory = directory;
        this.table = table;
        BaseLayout.removeDirectory(directory);
        Files.createDirectories(directory);
        keys = create(table.isTextKey() ? "keys.bytes" : "keys.i64");
        offsets = table.isTextKey() ? create("keys.offsets") : null;
        floats = create("rows.f32");
        if (offsets != null) {
            offsets.write(littleEndian(0));
        }
    }

    private BaseFile create(String name) throws IOException {
        BaseFile file = new BaseFile(directory.resolve(name));
        files.add(file);
        return file;
    }

    private static ByteBuffer littleEndian(long value) {
        ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(0, value);
        return buffer;
    }

    /** Appends the rows of a block with the columns key and row. */
    void append(BlockReader block) throws IOException {
        boolean fits = block.columns() == 2
                && block.type(KEY).equals(ColumnType.of(table.keyType()))
                && block.type(ROW).equals(ColumnType.vector(table.width()))
                && !block.hasNulls(KEY) && !block.hasNulls(ROW);
        if (!fits) {
            throw new FormatException("a fit bundle has a block for table \"" + table.name()
                    + "\" whose columns are not a key of type " + table.keyType() + " and a row of "
                    + table.width() + " floats without NULLs");
        }
        if (block.rows() == 0) {
            return;
        }
        ByteBuffer values = slice(block, ROW);
        requireFinite(values.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer());
        floats.write(values);
        if (table.isTextKey()) {
            long start = keys.bytes();
            for (int i = 0, end = 0; i < block.rows(); i++) {
                end += block.byteLength(KEY, i);
                offsets.write(littleEndian(start + end));
            }
        }
        keys.write(slice(block, KEY));
        rows += block.rows();
    }

    /** The bytes of all rows of a column, which lie one after another. */
    private static ByteBuffer slice(BlockReader block, int column) {
        int last = block.rows() - 1;
        ByteBuffer view = block.data().duplicate();
        view.position(block.byteStart(column, 0));
        view.limit(block.byteStart(column, last) + block.byteLength(column, last));
        return view.slice();
    }

    private void requireFinite(FloatBuffer values) throws FormatException {
        for (int i = 0; i < values.limit(); i++) {
            if (!Float.isFinite(values.get(i))) {
                throw new FormatException("row " + (rows + i / table.width()) + " of table \"" + table.name()
                        + "\" holds " + values.get(i) + "; training has diverged");
            }
        }
    }

    /** Completes and syncs the files; base.json is written last. */
    void finish() throws IOException {
        long capacity = rows + rows / 4 + HEADROOM_ROWS_MIN;
        ObjectNode json = Json.object().put("format", 1).put("rows", rows).put("capacity", capacity)
                .put("width", table.width()).put("key", table.isTextKey() ? "text" : "int64");
        ObjectNode sums = json.putObject("files");
        for (BaseFile file : files) {
            long extended = file == floats ? capacity * table.width() * Float.BYTES : file.bytes();
            file.finish(extended);
            sums.putObject(file.name()).put("bytes", file.bytes()).put("crc32c", file.crc32c());
        }
        DurableFiles.replace(directory.resolve("base.json"), Json.bytes(json));
        DurableFiles.syncDirectory(directory.getParent());
        finished = true;
    }

    /** Closes the files; a base that was not finished is removed. */
    @Override
    public void close() throws IOException {
        for (BaseFile file : files) {
            file.close();
        }
        if (!finished) {
            BaseLayout.removeDirectory(directory);
        }
    }
}
