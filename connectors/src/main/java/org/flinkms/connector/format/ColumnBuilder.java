package org.flinkms.connector.format;

import java.util.Arrays;

/**
 * Collects the values of one column of a block.
 *
 * <p>Every {@code put} adds one row. Callers put values of the column's own type: the builder trusts them, because
 * it runs once per value of every row written.
 */
public final class ColumnBuilder {
    private static final int INITIAL_BYTES = 256;

    private final ColumnType type;
    private byte[] data = new byte[INITIAL_BYTES];
    private int length;
    private int[] offsets;
    private byte[] validity;
    private int rows;

    ColumnBuilder(ColumnType type) {
        this.type = type;
        this.offsets = type.isVariable() ? new int[64] : null;
    }

    public ColumnType type() {
        return type;
    }

    int rows() {
        return rows;
    }

    public void putNull() {
        if (validity == null) {
            validity = new byte[Math.max(64, rows * 2)];
            Arrays.fill(validity, 0, rows, (byte) 1);
        }
        if (!type.isVariable()) {
            int at = reserve(type.rowBytes());
            Arrays.fill(data, at, length, (byte) 0);
        }
        endRow(false);
    }

    public void putBoolean(boolean value) {
        putByte((byte) (value ? 1 : 0));
    }

    public void putByte(byte value) {
        addByte(value);
        endRow(true);
    }

    public void putShort(short value) {
        addShort(value);
        endRow(true);
    }

    public void putInt(int value) {
        addInt(value);
        endRow(true);
    }

    public void putLong(long value) {
        addLong(value);
        endRow(true);
    }

    public void putFloat(float value) {
        putInt(Float.floatToRawIntBits(value));
    }

    public void putDouble(double value) {
        putLong(Double.doubleToRawLongBits(value));
    }

    /** A text (UTF-8) or bytes value, or the packed little-endian elements of a vector or a list. */
    public void putBytes(byte[] source, int from, int count) {
        if (!type.isVariable() && count != type.rowBytes()) {
            throw new IllegalArgumentException(
                    "vector of " + count + " bytes in a column of " + type.rowBytes() + " bytes per row");
        }
        if (type.isList() && count % type.element().size() != 0) {
            throw new IllegalArgumentException("list of " + count + " bytes is not made of whole elements");
        }
        int at = reserve(count);
        System.arraycopy(source, from, data, at, count);
        endRow(true);
    }

    public void putBytes(byte[] source) {
        putBytes(source, 0, source.length);
    }

    /** A vector: {@code width} floats of {@code source} from index {@code from}. */
    public void putVector(float[] source, int from) {
        int at = reserve(type.rowBytes());
        for (int i = 0; i < type.width(); i++) {
            LittleEndian.putInt(data, at + 4 * i, Float.floatToRawIntBits(source[from + i]));
        }
        endRow(true);
    }

    /** Adds an element of a row that {@link #endElements} ends; so with the other {@code add…}. */
    void addByte(byte value) {
        int at = reserve(1);
        data[at] = value;
    }

    void addShort(short value) {
        int at = reserve(2);
        LittleEndian.putShort(data, at, value);
    }

    void addInt(int value) {
        int at = reserve(4);
        LittleEndian.putInt(data, at, value);
    }

    void addLong(long value) {
        int at = reserve(8);
        LittleEndian.putLong(data, at, value);
    }

    void endElements() {
        endRow(true);
    }

    private int reserve(int count) {
        int needed = Math.addExact(length, count);
        if (needed > data.length) {
            data = Arrays.copyOf(data, (int) Math.min(Integer.MAX_VALUE - 8L, Math.max(needed, data.length * 2L)));
        }
        int at = length;
        length = needed;
        return at;
    }

    private void endRow(boolean present) {
        if (validity != null) {
            if (rows == validity.length) {
                validity = Arrays.copyOf(validity, rows * 2);
            }
            validity[rows] = (byte) (present ? 1 : 0);
        }
        rows++;
        if (offsets != null) {
            if (rows == offsets.length) {
                offsets = Arrays.copyOf(offsets, rows * 2);
            }
            offsets[rows] = type.isList() ? length / type.element().size() : length;
        }
    }

    boolean hasNulls() {
        return validity != null;
    }

    /** Length of the body this column would be written as, padding included. */
    long bodyBytes() {
        long bytes = validity == null ? 0 : BlockBuilder.padded(rows);
        bytes += offsets == null ? 0 : BlockBuilder.padded(4L * (rows + 1));
        return bytes + BlockBuilder.padded(length);
    }

    /** Writes the body at {@code at} into a zeroed target and returns where it ends. */
    int writeBody(byte[] target, int at) {
        if (validity != null) {
            System.arraycopy(validity, 0, target, at, rows);
            at += (int) BlockBuilder.padded(rows);
        }
        if (offsets != null) {
            for (int i = 0; i <= rows; i++) {
                LittleEndian.putInt(target, at + 4 * i, offsets[i]);
            }
            at += (int) BlockBuilder.padded(4L * (rows + 1));
        }
        System.arraycopy(data, 0, target, at, length);
        return at + (int) BlockBuilder.padded(length);
    }

    void clear() {
        length = 0;
        rows = 0;
        validity = null;
    }
}
