package org.flinkms.connector.format;

import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/** Puts one non-null field of a row into a column; chosen once per column, so that no row asks for its types. */
@FunctionalInterface
interface FieldWriter {

    void write(RowData row, int field, ColumnBuilder column);

    /** The writer of values of a SQL type into a column type. Throws IllegalArgumentException when they do not fit. */
    static FieldWriter of(LogicalType type, ColumnType column) {
        if (type.is(LogicalTypeRoot.ARRAY)) {
            return array(column);
        }
        if (column.width() > 1 || column.isList()) {
            return (row, field, target) -> target.putBytes(row.getBinary(field));
        }
        switch (column.element()) {
            case BOOLEAN:
                return (row, field, target) -> target.putBoolean(row.getBoolean(field));
            case TINYINT:
                return (row, field, target) -> target.putByte(row.getByte(field));
            case SMALLINT:
                return (row, field, target) -> target.putShort(row.getShort(field));
            case INT:
            case DATE:
                return (row, field, target) -> target.putInt(row.getInt(field));
            case BIGINT:
                return (row, field, target) -> target.putLong(row.getLong(field));
            case FLOAT:
                return type.is(LogicalTypeRoot.FLOAT)
                        ? (row, field, target) -> target.putFloat(row.getFloat(field))
                        : (row, field, target) -> target.putBytes(row.getBinary(field));
            case DOUBLE:
                return (row, field, target) -> target.putDouble(row.getDouble(field));
            case STRING:
                return (row, field, target) -> target.putBytes(row.getString(field).toBytes());
            case BYTES:
                return (row, field, target) -> target.putBytes(row.getBinary(field));
            case TIMESTAMP:
            case TIMESTAMP_LTZ:
                int precision = LogicalTypeChecks.getPrecision(type);
                return (row, field, target) -> target.putLong(micros(row.getTimestamp(field, precision)));
            default:
                throw new IllegalArgumentException(
                        type.asSummaryString() + " cannot be written to a column of " + column);
        }
    }

    static long micros(TimestampData timestamp) {
        return timestamp.getMillisecond() * 1000 + timestamp.getNanoOfMillisecond() / 1000;
    }

    private static FieldWriter array(ColumnType column) {
        return (row, field, target) -> {
            ArrayData array = row.getArray(field);
            if (!column.isList() && array.size() != column.width()) {
                throw new IllegalArgumentException(
                        "array of " + array.size() + " elements where vectors have " + column.width());
            }
            for (int i = 0; i < array.size(); i++) {
                if (array.isNullAt(i)) {
                    throw new IllegalArgumentException("element " + (i + 1) + " of an array is NULL");
                }
                addElement(array, i, column.element(), target);
            }
            target.endElements();
        };
    }

    private static void addElement(ArrayData array, int i, ElementType element, ColumnBuilder target) {
        switch (element) {
            case BOOLEAN:
                target.addByte((byte) (array.getBoolean(i) ? 1 : 0));
                break;
            case TINYINT:
                target.addByte(array.getByte(i));
                break;
            case SMALLINT:
                target.addShort(array.getShort(i));
                break;
            case INT:
            case DATE:
                target.addInt(array.getInt(i));
                break;
            case BIGINT:
                target.addLong(array.getLong(i));
                break;
            case FLOAT:
                target.addInt(Float.floatToRawIntBits(array.getFloat(i)));
                break;
            case DOUBLE:
                target.addLong(Double.doubleToRawLongBits(array.getDouble(i)));
                break;
            default:
                throw new IllegalArgumentException("arrays of " + element + " cannot be written");
        }
    }
}
