package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnBuilder;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;

import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Rows of a keyed table under 'add': one 64-bit cell per numeric column, integers as they are, floats as DOUBLE.
 *
 * <p>A row starts as zeros; a NULL delta adds nothing; integers wrap around as they do in Flink's SUM; a FLOAT column
 * is rounded to FLOAT with every delta, so that what the shard holds is what readers see.
 */
final class NumericRows implements ShardRows {
    private static final int CHUNK_CELLS = 1 << 17;

    private final List<ColumnType> columns;
    private final int[] fields;
    private final int rowsPerChunk;
    private final List<long[]> chunks = new ArrayList<>();
    private final long[] sum;
    private int size;

    /** {@code fields} are the indexes of the columns in the rows that bring deltas. */
    NumericRows(List<ColumnType> columns, int[] fields) {
        this.fields = fields;
        this.columns = columns;
        this.rowsPerChunk = Math.max(1, CHUNK_CELLS / Math.max(1, fields.length));
        this.sum = new long[fields.length];
    }

    /** Throws ValidationException when a column cannot be added to. */
    static void requireNumeric(String name, LogicalType type) {
        ColumnType column = ColumnType.of(type);
        boolean numeric = !column.isList() && column.element().compareTo(ElementType.TINYINT) >= 0
                && column.element().compareTo(ElementType.DOUBLE) <= 0;
        if (!numeric) {
            throw new ValidationException("column '" + name + "' is " + type.asSummaryString()
                    + "; with 'merge' = 'add' every column but the key must be TINYINT, SMALLINT, INT, BIGINT, FLOAT "
                    + "or DOUBLE");
        }
    }

    private long[] chunk(int row) {
        return chunks.get(row / rowsPerChunk);
    }

    private int at(int row) {
        return row % rowsPerChunk * fields.length;
    }

    @Override
    public List<ColumnType> columns() {
        return columns;
    }

    @Override
    public void addInitial() {
        if (size % rowsPerChunk == 0) {
            chunks.add(new long[rowsPerChunk * fields.length]);
        }
        size++;
    }

    @Override
    public void reset(int row) {
        Arrays.fill(chunk(row), at(row), at(row) + fields.length, 0L);
    }

    @Override
    public void load(int row, BlockReader block, int from, int firstColumn) {
        for (int i = 0; i < fields.length; i++) {
            chunk(row)[at(row) + i] = block.isNull(firstColumn + i, from) ? 0 : cell(block, firstColumn + i, from);
        }
    }

    private static long cell(BlockReader block, int column, int row) {
        switch (block.type(column).element()) {
            case TINYINT:
                return block.getByte(column, row);
            case SMALLINT:
                return block.getShort(column, row);
            case INT:
                return block.getInt(column, row);
            case BIGINT:
                return block.getLong(column, row);
            case FLOAT:
                return Double.doubleToRawLongBits(block.getFloat(column, row));
            default:
                return Double.doubleToRawLongBits(block.getDouble(column, row));
        }
    }

    /** Adds a row of deltas; returns false and adds nothing when a delta or a sum is not finite. */
    boolean addDelta(int row, RowData delta) {
        long[] chunk = chunk(row);
        int at = at(row);
        for (int i = 0; i < fields.length; i++) {
            sum[i] = delta.isNullAt(fields[i]) ? chunk[at + i] : sum(i, chunk[at + i], delta);
            if (isFloating(i) && !Double.isFinite(Double.longBitsToDouble(sum[i]))) {
                return false;
            }
        }
        System.arraycopy(sum, 0, chunk, at, fields.length);
        return true;
    }

    private boolean isFloating(int i) {
        return columns.get(i).element() == ElementType.FLOAT || columns.get(i).element() == ElementType.DOUBLE;
    }

    private long sum(int i, long cell, RowData delta) {
        int field = fields[i];
        switch (columns.get(i).element()) {
            case TINYINT:
                return (byte) (cell + delta.getByte(field));
            case SMALLINT:
                return (short) (cell + delta.getShort(field));
            case INT:
                return (int) (cell + delta.getInt(field));
            case BIGINT:
                return cell + delta.getLong(field);
            case FLOAT:
                float rounded = (float) Double.longBitsToDouble(cell) + delta.getFloat(field);
                return Double.doubleToRawLongBits(rounded);
            default:
                return Double.doubleToRawLongBits(Double.longBitsToDouble(cell) + delta.getDouble(field));
        }
    }

    @Override
    public void write(int row, BlockBuilder block, int firstColumn) {
        for (int i = 0; i < fields.length; i++) {
            write(columns.get(i).element(), chunk(row)[at(row) + i], block.column(firstColumn + i));
        }
    }

    private static void write(ElementType type, long cell, ColumnBuilder column) {
        switch (type) {
            case TINYINT:
                column.putByte((byte) cell);
                break;
            case SMALLINT:
                column.putShort((short) cell);
                break;
            case INT:
                column.putInt((int) cell);
                break;
            case BIGINT:
                column.putLong(cell);
                break;
            case FLOAT:
                column.putFloat((float) Double.longBitsToDouble(cell));
                break;
            default:
                column.putDouble(Double.longBitsToDouble(cell));
                break;
        }
    }
}
