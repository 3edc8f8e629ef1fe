package org.flinkms.connector.format;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;

import java.util.ArrayList;
import java.util.List;

/** Puts fields of rows into columns of a block. */
public final class RowWriter {
    private final FieldWriter[] writers;
    private final int[] fields;
    private final int firstColumn;

    /**
     * A writer of {@code fields} (indexes into {@code rowTypes}) into the columns from {@code firstColumn} on, each
     * stored as {@link #columnTypes} says.
     */
    public RowWriter(List<LogicalType> rowTypes, int[] fields, int firstColumn) {
        this.fields = fields.clone();
        this.firstColumn = firstColumn;
        this.writers = new FieldWriter[fields.length];
        for (int i = 0; i < fields.length; i++) {
            LogicalType type = rowTypes.get(fields[i]);
            writers[i] = FieldWriter.of(type, ColumnType.of(type));
        }
    }

    /** Column types that store the SQL types. Throws IllegalArgumentException for a type that cannot be stored. */
    public static List<ColumnType> columnTypes(List<LogicalType> types) {
        List<ColumnType> columns = new ArrayList<>();
        for (LogicalType type : types) {
            columns.add(ColumnType.of(type));
        }
        return columns;
    }

    /** Puts one row; the other columns of the block are the caller's. */
    public void write(RowData row, BlockBuilder block) {
        for (int i = 0; i < writers.length; i++) {
            ColumnBuilder column = block.column(firstColumn + i);
            if (row.isNullAt(fields[i])) {
                column.putNull();
            } else {
                writers[i].write(row, fields[i], column);
            }
        }
    }

    /** Puts NULL into every column of this writer. */
    public void writeNulls(BlockBuilder block) {
        for (int i = 0; i < writers.length; i++) {
            block.column(firstColumn + i).putNull();
        }
    }
}
