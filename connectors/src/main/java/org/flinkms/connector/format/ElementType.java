package org.flinkms.connector.format;

/** Types an element of a block's column may have, with the code and the size that docs/modellog.md gives them. */
public enum ElementType {
    BOOLEAN(1, 1),
    TINYINT(2, 1),
    SMALLINT(3, 2),
    INT(4, 4),
    BIGINT(5, 8),
    FLOAT(6, 4),
    DOUBLE(7, 8),
    STRING(8, 0),
    BYTES(9, 0),
    DATE(10, 4),
    TIMESTAMP(11, 8),
    TIMESTAMP_LTZ(12, 8);

    private static final ElementType[] BY_CODE = new ElementType[13];

    static {
        for (ElementType type : values()) {
            BY_CODE[type.code] = type;
        }
    }

    private final int code;
    private final int size;

    ElementType(int code, int size) {
        this.code = code;
        this.size = size;
    }

    /** Code of the type in a block's column descriptor. */
    public int code() {
        return code;
    }

    /** Bytes of one element; 0 when elements vary in length. */
    public int size() {
        return size;
    }

    /** Whether elements vary in length: text and bytes. */
    public boolean isVariable() {
        return size == 0;
    }

    /** The type of a code. Throws {@link FormatException} when there is none. */
    static ElementType ofCode(int code) throws FormatException {
        if (code < 1 || code >= BY_CODE.length) {
            throw new FormatException("column has unknown type code " + code);
        }
        return BY_CODE[code];
    }
}
