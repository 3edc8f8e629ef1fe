"""Object ids of the types a client may declare for a parameter, beyond those of ``flinkms_sql.types``.

Source: PostgreSQL 18, src/include/catalog/pg_type.dat; tests compare the table with a live pg_type.
"""

from __future__ import annotations

from flinkms_sql.types import SqlType

BOOL, BYTEA, NAME, INT8, INT2, INT4, TEXT = 16, 17, 19, 20, 21, 23, 25
FLOAT4, FLOAT8, UNKNOWN, BPCHAR, VARCHAR = 700, 701, 705, 1042, 1043
DATE, TIMESTAMP, TIMESTAMPTZ, NUMERIC, VOID = 1082, 1114, 1184, 1700, 2278

UNSPECIFIED = 0
"""What a client declares for a parameter whose type the server is to infer."""

NAMES = {
    BOOL: "boolean",
    BYTEA: "bytea",
    NAME: "name",
    INT8: "bigint",
    INT2: "smallint",
    INT4: "integer",
    TEXT: "text",
    FLOAT4: "real",
    FLOAT8: "double precision",
    UNKNOWN: "unknown",
    BPCHAR: "character",
    VARCHAR: "character varying",
    DATE: "date",
    TIMESTAMP: "timestamp without time zone",
    TIMESTAMPTZ: "timestamp with time zone",
    NUMERIC: "numeric",
}
"""Scalar type -> its name in messages (format_type)."""

ELEMENTS = {
    1000: BOOL,
    1001: BYTEA,
    1005: INT2,
    1007: INT4,
    1009: TEXT,
    1014: BPCHAR,
    1015: VARCHAR,
    1016: INT8,
    1021: FLOAT4,
    1022: FLOAT8,
    1115: TIMESTAMP,
    1182: DATE,
    1185: TIMESTAMPTZ,
    1231: NUMERIC,
}
"""Array type -> type of its elements."""

SIZES = {BOOL: 1, INT8: 8, INT2: 2, INT4: 4, FLOAT4: 4, FLOAT8: 8, DATE: 4, TIMESTAMP: 8, TIMESTAMPTZ: 8, VOID: 4}
"""Fixed-width type -> bytes (pg_type.typlen); every other type is -1."""

ELEMENT_TYPES = {
    SqlType.SMALLINT_ARRAY: SqlType.SMALLINT,
    SqlType.INT_ARRAY: SqlType.INT,
    SqlType.BIGINT_ARRAY: SqlType.BIGINT,
    SqlType.FLOAT_ARRAY: SqlType.FLOAT,
    SqlType.DOUBLE_ARRAY: SqlType.DOUBLE,
}
"""Array column type -> type of its elements."""


def type_name(oid: int) -> str:
    """The name of a type in messages."""
    if oid in ELEMENTS:
        return f"{NAMES[ELEMENTS[oid]]}[]"
    return NAMES.get(oid, f"with OID {oid}")
