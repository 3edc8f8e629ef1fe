package org.flinkms.connector.format;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.types.logical.LogicalType;

import java.util.List;

/** Gives rows of a block back as Flink's internal rows; a projection is a list of fewer columns. */
public final class RowReader {
    private final FieldReader[] readers;
    private final ColumnType[] columnTypes;
    private final int[] columns;

    /**
     * A reader whose field i has SQL type {@code types[i]} and comes from column {@code columns[i]} of type
     * {@code columnTypes[i]}. A column read as an ARRAY or as BYTES may be a list or a vector.
     */
    public RowReader(List<LogicalType> types, List<ColumnType> columnTypes, int[] columns) {
        this.columns = columns.clone();
        this.columnTypes = columnTypes.toArray(new ColumnType[0]);
        this.readers = new FieldReader[columns.length];
        for (int i = 0; i < columns.length; i++) {
            readers[i] = FieldReader.of(types.get(i), this.columnTypes[i]);
        }
    }

    /** Throws {@link FormatException} when a block does not have the column types this reader expects. */
    public void check(BlockReader block) throws FormatException {
        for (int i = 0; i < columns.length; i++) {
            if (columns[i] >= block.columns() || !block.type(columns[i]).equals(columnTypes[i])) {
                throw new FormatException("column " + columns[i] + " of a block is "
                        + (columns[i] >= block.columns() ? "missing" : block.type(columns[i]))
                        + " where " + columnTypes[i] + " is expected");
            }
        }
    }

    /** A new row with the fields of one row of the block. */
    public GenericRowData read(BlockReader block, int row) {
        GenericRowData target = new GenericRowData(columns.length);
        read(block, row, target, 0);
        return target;
    }

    /** Sets the fields of {@code target} from {@code firstField} on. */
    public void read(BlockReader block, int row, GenericRowData target, int firstField) {
        for (int i = 0; i < columns.length; i++) {
            boolean isNull = block.isNull(columns[i], row);
            target.setField(firstField + i, isNull ? null : readers[i].read(block, columns[i], row));
        }
    }
}
