package org.flinkms.connector.format;

import java.util.ArrayList;
import java.util.List;

/**
 * Builds a block column by column; {@link #build} hands out its bytes and starts the next one.
 *
 * <p>A row is one {@code put} on every column; that the columns agree in length is checked once, when the block is
 * built.
 */
public final class BlockBuilder {
    static final int HEADER_BYTES = 8;
    static final int DESCRIPTOR_BYTES = 16;

    private final List<ColumnBuilder> columns = new ArrayList<>();

    public BlockBuilder(List<ColumnType> types) {
        for (ColumnType type : types) {
            columns.add(new ColumnBuilder(type));
        }
    }

    public ColumnBuilder column(int index) {
        return columns.get(index);
    }

    /** Rows collected so far: those of the first column. */
    public int rows() {
        return columns.isEmpty() ? 0 : columns.get(0).rows();
    }

    /** Bytes of the block if it were built now. */
    public long bytes() {
        long bytes = HEADER_BYTES + (long) DESCRIPTOR_BYTES * columns.size();
        for (ColumnBuilder column : columns) {
            bytes += column.bodyBytes();
        }
        return bytes;
    }

    /** The block's bytes; afterwards the builder is empty. */
    public byte[] build() {
        int rows = rows();
        byte[] block = new byte[Math.toIntExact(bytes())];
        LittleEndian.putInt(block, 0, columns.size());
        LittleEndian.putInt(block, 4, rows);
        int descriptor = HEADER_BYTES;
        int body = HEADER_BYTES + DESCRIPTOR_BYTES * columns.size();
        for (ColumnBuilder column : columns) {
            if (column.rows() != rows) {
                throw new IllegalStateException(
                        "columns of a block differ in length: " + column.rows() + " and " + rows + " rows");
            }
            block[descriptor] = (byte) column.type().code();
            block[descriptor + 1] = (byte) (column.hasNulls() ? 1 : 0);
            LittleEndian.putInt(block, descriptor + 4, column.type().width());
            LittleEndian.putLong(block, descriptor + 8, column.bodyBytes());
            body = column.writeBody(block, body);
            descriptor += DESCRIPTOR_BYTES;
        }
        clear();
        return block;
    }

    /** Drops the rows collected so far. */
    public void clear() {
        columns.forEach(ColumnBuilder::clear);
    }

    static long padded(long bytes) {
        return (bytes + 7) & ~7L;
    }
}
