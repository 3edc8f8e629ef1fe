package org.flinkms.connector.format;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Reads values out of a block, in place.
 *
 * <p>The constructor checks that the block is whole and well-formed, offsets included; after that the accessors only
 * compute addresses. Accessors do not convert: call the one that fits {@link #type}.
 */
public final class BlockReader {
    private final ByteBuffer data;
    private final int rows;
    private final ColumnType[] types;
    private final int[] validityAt;
    private final int[] offsetsAt;
    private final int[] valuesAt;

    /** Reads the block between position and limit of {@code source}, which is left as it is. */
    public BlockReader(ByteBuffer source) throws FormatException {
        data = source.slice().order(ByteOrder.LITTLE_ENDIAN);
        require(data.limit() >= BlockBuilder.HEADER_BYTES, "block is shorter than its header");
        int columns = data.getInt(0);
        rows = data.getInt(4);
        long body = BlockBuilder.HEADER_BYTES + (long) BlockBuilder.DESCRIPTOR_BYTES * columns;
        require(columns >= 0 && rows >= 0 && body <= data.limit(), "block is shorter than its column descriptors");
        types = new ColumnType[columns];
        validityAt = new int[columns];
        offsetsAt = new int[columns];
        valuesAt = new int[columns];
        for (int column = 0; column < columns; column++) {
            body = readColumn(column, body);
        }
        require(body == data.limit(), "block is " + data.limit() + " bytes long, its columns say " + body);
    }

    public BlockReader(byte[] block) throws FormatException {
        this(ByteBuffer.wrap(block));
    }

    private long readColumn(int column, long body) throws FormatException {
        int at = BlockBuilder.HEADER_BYTES + BlockBuilder.DESCRIPTOR_BYTES * column;
        ColumnType type = ColumnType.ofCode(data.get(at) & 0xFF, data.getInt(at + 4));
        byte nullable = data.get(at + 1);
        long bodyBytes = data.getLong(at + 8);
        require(nullable == 0 || nullable == 1, "column " + column + " has nullable = " + nullable);
        require(data.getShort(at + 2) == 0, "reserved bytes of column " + column + " are not zero");
        require(bodyBytes >= 0 && bodyBytes <= data.limit() - body && bodyBytes % 8 == 0,
                "column " + column + " does not fit into the block");
        long end = body + bodyBytes;
        long next = body;
        validityAt[column] = -1;
        if (nullable == 1) {
            validityAt[column] = (int) next;
            next += BlockBuilder.padded(rows);
        }
        long valueBytes = (long) rows * type.rowBytes();
        if (type.isVariable()) {
            offsetsAt[column] = (int) next;
            next += BlockBuilder.padded(4L * (rows + 1L));
            require(next <= end, "column " + column + " is too short for its offsets");
            valueBytes = readOffsets(column) * Math.max(1L, type.element().size());
        }
        valuesAt[column] = (int) next;
        require(next + BlockBuilder.padded(valueBytes) == end, "column " + column + " has a wrong body length");
        types[column] = type;
        return end;
    }

    /** Checks that the offsets of a column start at 0 and never fall; returns the last one. */
    private long readOffsets(int column) throws FormatException {
        int previous = 0;
        for (int i = 0; i <= rows; i++) {
            int offset = data.getInt(offsetsAt[column] + 4 * i);
            require(i == 0 ? offset == 0 : offset >= previous, "offsets of column " + column + " are not in order");
            previous = offset;
        }
        return previous;
    }

    private static void require(boolean holds, String message) throws FormatException {
        if (!holds) {
            throw new FormatException(message);
        }
    }

    public int rows() {
        return rows;
    }

    public int columns() {
        return types.length;
    }

    public ColumnType type(int column) {
        return types[column];
    }

    public boolean isNull(int column, int row) {
        return validityAt[column] >= 0 && data.get(validityAt[column] + row) == 0;
    }

    /** Whether any row of a column is NULL. */
    public boolean hasNulls(int column) {
        for (int row = 0; validityAt[column] >= 0 && row < rows; row++) {
            if (isNull(column, row)) {
                return true;
            }
        }
        return false;
    }

    public boolean getBoolean(int column, int row) {
        return getByte(column, row) != 0;
    }

    public byte getByte(int column, int row) {
        return data.get(valuesAt[column] + row);
    }

    public short getShort(int column, int row) {
        return data.getShort(valuesAt[column] + 2 * row);
    }

    public int getInt(int column, int row) {
        return data.getInt(valuesAt[column] + 4 * row);
    }

    public long getLong(int column, int row) {
        return data.getLong(valuesAt[column] + 8 * row);
    }

    public float getFloat(int column, int row) {
        return data.getFloat(valuesAt[column] + 4 * row);
    }

    public double getDouble(int column, int row) {
        return data.getDouble(valuesAt[column] + 8 * row);
    }

    public String getString(int column, int row) {
        return new String(getBytes(column, row), StandardCharsets.UTF_8);
    }

    /** A text's UTF-8, a bytes value, or the packed little-endian elements of a vector or a list: a copy. */
    public byte[] getBytes(int column, int row) {
        byte[] value = new byte[byteLength(column, row)];
        ByteBuffer view = data.duplicate();
        view.position(byteStart(column, row));
        view.get(value);
        return value;
    }

    /** Elements of a list or bytes of a text; the width of a vector. */
    public int length(int column, int row) {
        return types[column].isVariable() ? offset(column, row + 1) - offset(column, row) : types[column].width();
    }

    /** Copies the floats of a FLOAT vector or list into {@code target} from index {@code at}. */
    public void getVector(int column, int row, float[] target, int at) {
        int start = byteStart(column, row);
        int count = length(column, row);
        for (int i = 0; i < count; i++) {
            target[at + i] = data.getFloat(start + 4 * i);
        }
    }

    /** The block's bytes, little-endian; {@link #byteStart} gives addresses in it. Not to be written to. */
    public ByteBuffer data() {
        return data;
    }

    /** Address in {@link #data} of a row's first byte. */
    public int byteStart(int column, int row) {
        ColumnType type = types[column];
        if (!type.isVariable()) {
            return valuesAt[column] + type.rowBytes() * row;
        }
        return valuesAt[column] + offset(column, row) * Math.max(1, type.element().size());
    }

    /** Bytes of a row. */
    public int byteLength(int column, int row) {
        ColumnType type = types[column];
        return type.isVariable() ? length(column, row) * Math.max(1, type.element().size()) : type.rowBytes();
    }

    private int offset(int column, int row) {
        return data.getInt(offsetsAt[column] + 4 * row);
    }
}
