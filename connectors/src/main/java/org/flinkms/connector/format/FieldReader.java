package org.flinkms.connector.format;

import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Takes one non-null value out of a block as Flink's internal data structure; chosen once per column. */
@FunctionalInterface
interface FieldReader {

    Object read(BlockReader block, int column, int row);

    /** The reader of a column type as a SQL type; vectors and lists may be read as ARRAY or as packed BYTES. */
    static FieldReader of(LogicalType type, ColumnType column) {
        if (type.is(LogicalTypeRoot.ARRAY)) {
            return array(column.element());
        }
        if (type.is(LogicalTypeRoot.VARBINARY) || type.is(LogicalTypeRoot.BINARY)) {
            return BlockReader::getBytes;
        }
        switch (column.element()) {
            case BOOLEAN:
                return BlockReader::getBoolean;
            case TINYINT:
                return BlockReader::getByte;
            case SMALLINT:
                return BlockReader::getShort;
            case INT:
            case DATE:
                return BlockReader::getInt;
            case BIGINT:
                return BlockReader::getLong;
            case FLOAT:
                return BlockReader::getFloat;
            case DOUBLE:
                return BlockReader::getDouble;
            case STRING:
                return (block, c, row) -> StringData.fromBytes(block.getBytes(c, row));
            case TIMESTAMP:
            case TIMESTAMP_LTZ:
                return (block, c, row) -> timestamp(block.getLong(c, row));
            default:
                throw new IllegalArgumentException("a column of " + column + " cannot be read as " + type);
        }
    }

    static TimestampData timestamp(long micros) {
        return TimestampData.fromEpochMillis(
                Math.floorDiv(micros, 1000L), (int) Math.floorMod(micros, 1000L) * 1000);
    }

    private static FieldReader array(ElementType element) {
        return (block, column, row) -> {
            int count = block.length(column, row);
            int start = block.byteStart(column, row);
            ByteBuffer data = block.data();
            switch (element) {
                case BOOLEAN:
                    boolean[] booleans = new boolean[count];
                    for (int i = 0; i < count; i++) {
                        booleans[i] = data.get(start + i) != 0;
                    }
                    return new GenericArrayData(booleans);
                case TINYINT:
                    return new GenericArrayData(block.getBytes(column, row));
                case SMALLINT:
                    short[] shorts = new short[count];
                    view(data, start).asShortBuffer().get(shorts);
                    return new GenericArrayData(shorts);
                case INT:
                case DATE:
                    int[] ints = new int[count];
                    view(data, start).asIntBuffer().get(ints);
                    return new GenericArrayData(ints);
                case BIGINT:
                    long[] longs = new long[count];
                    view(data, start).asLongBuffer().get(longs);
                    return new GenericArrayData(longs);
                case FLOAT:
                    float[] floats = new float[count];
                    view(data, start).asFloatBuffer().get(floats);
                    return new GenericArrayData(floats);
                case DOUBLE:
                    double[] doubles = new double[count];
                    view(data, start).asDoubleBuffer().get(doubles);
                    return new GenericArrayData(doubles);
                default:
                    throw new IllegalArgumentException("arrays of " + element + " cannot be read");
            }
        };
    }

    private static ByteBuffer view(ByteBuffer data, int start) {
        ByteBuffer view = data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        view.position(start);
        return view;
    }
}
