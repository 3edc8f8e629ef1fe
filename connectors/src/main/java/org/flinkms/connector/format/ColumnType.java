package org.flinkms.connector.format;

import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;

import java.io.Serializable;
import java.util.Objects;

/** Type of a block's column: scalars of one element type, lists of them, or vectors of one fixed width. */
public final class ColumnType implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int LIST_FLAG = 0x20;

    private final ElementType element;
    private final boolean list;
    private final int width;

    private ColumnType(ElementType element, boolean list, int width) {
        this.element = element;
        this.list = list;
        this.width = width;
    }

    public static ColumnType of(ElementType element) {
        return new ColumnType(element, false, 1);
    }

    /** Lists of a fixed-size element type; lists of text or bytes do not exist in the format. */
    public static ColumnType listOf(ElementType element) {
        if (element.isVariable()) {
            throw new IllegalArgumentException("a list of " + element + " cannot be stored in a block");
        }
        return new ColumnType(element, true, 1);
    }

    /** A matrix of rows × width FLOAT elements. */
    public static ColumnType vector(int width) {
        if (width < 1) {
            throw new IllegalArgumentException("width of a vector column must be at least 1, not " + width);
        }
        return new ColumnType(ElementType.FLOAT, false, width);
    }

    /** The column type that stores values of a SQL type. Throws IllegalArgumentException when there is none. */
    public static ColumnType of(LogicalType type) {
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return of(ElementType.BOOLEAN);
            case TINYINT:
                return of(ElementType.TINYINT);
            case SMALLINT:
                return of(ElementType.SMALLINT);
            case INTEGER:
                return of(ElementType.INT);
            case BIGINT:
                return of(ElementType.BIGINT);
            case FLOAT:
                return of(ElementType.FLOAT);
            case DOUBLE:
                return of(ElementType.DOUBLE);
            case CHAR:
            case VARCHAR:
                return of(ElementType.STRING);
            case BINARY:
            case VARBINARY:
                return of(ElementType.BYTES);
            case DATE:
                return of(ElementType.DATE);
            case TIMESTAMP_WITHOUT_TIME_ZONE:
                return of(ElementType.TIMESTAMP);
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return of(ElementType.TIMESTAMP_LTZ);
            case ARRAY:
                ColumnType element = of(((ArrayType) type).getElementType());
                if (element.list || element.element.isVariable()) {
                    break;
                }
                return listOf(element.element);
            default:
                break;
        }
        throw new IllegalArgumentException("type " + type.asSummaryString() + " cannot be stored in a model log");
    }

    static ColumnType ofCode(int code, int width) throws FormatException {
        boolean list = (code & LIST_FLAG) != 0;
        ElementType element = ElementType.ofCode(code & ~LIST_FLAG);
        boolean vector = !list && (element == ElementType.FLOAT || element == ElementType.DOUBLE);
        if (width < 1 || (width > 1 && !vector) || (list && element.isVariable())) {
            throw new FormatException("column of type code " + code + " cannot have width " + width);
        }
        return new ColumnType(element, list, width);
    }

    public ElementType element() {
        return element;
    }

    public boolean isList() {
        return list;
    }

    /** Elements per row of a vector column, else 1. */
    public int width() {
        return width;
    }

    /** Whether a row's bytes are found through offsets. */
    public boolean isVariable() {
        return list || element.isVariable();
    }

    /** Code of the type in a column descriptor. */
    public int code() {
        return element.code() | (list ? LIST_FLAG : 0);
    }

    /** Bytes of one row of a fixed column. */
    int rowBytes() {
        return element.size() * width;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof ColumnType)) {
            return false;
        }
        ColumnType that = (ColumnType) other;
        return element == that.element && list == that.list && width == that.width;
    }

    @Override
    public int hashCode() {
        return Objects.hash(element, list, width);
    }

    @Override
    public String toString() {
        return list ? "ARRAY<" + element + ">" : width > 1 ? element + "[" + width + "]" : element.toString();
    }
}
