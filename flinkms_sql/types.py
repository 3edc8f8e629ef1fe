"""SQL types: one row per type, with its name in Flink, its name and OID in PostgreSQL, its block code and dtype.

Must not know about any protocol, file or model. OIDs: PostgreSQL's pg_type.dat.
Timestamps are int64 microseconds since 1970-01-01 (UTC for TIMESTAMP_LTZ), dates int32 days since 1970-01-01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """Facts about one SQL type; ``code`` is the block type code of docs/modellog.md, ``dtype`` a numpy dtype string."""

    flink: str
    postgres: str
    oid: int
    code: int
    dtype: str


class SqlType(Enum):
    """The scalar and array types a column of a stream, a model argument or a result may have."""

    BOOLEAN = TypeFacts(flink="BOOLEAN", postgres="boolean", oid=16, code=1, dtype="?")
    SMALLINT = TypeFacts(flink="SMALLINT", postgres="smallint", oid=21, code=3, dtype="<i2")
    INT = TypeFacts(flink="INT", postgres="integer", oid=23, code=4, dtype="<i4")
    BIGINT = TypeFacts(flink="BIGINT", postgres="bigint", oid=20, code=5, dtype="<i8")
    FLOAT = TypeFacts(flink="FLOAT", postgres="real", oid=700, code=6, dtype="<f4")
    DOUBLE = TypeFacts(flink="DOUBLE", postgres="double precision", oid=701, code=7, dtype="<f8")
    STRING = TypeFacts(flink="STRING", postgres="text", oid=25, code=8, dtype="O")
    BYTES = TypeFacts(flink="BYTES", postgres="bytea", oid=17, code=9, dtype="O")
    DATE = TypeFacts(flink="DATE", postgres="date", oid=1082, code=10, dtype="<i4")
    TIMESTAMP = TypeFacts(flink="TIMESTAMP(6)", postgres="timestamp", oid=1114, code=11, dtype="<i8")
    TIMESTAMP_LTZ = TypeFacts(flink="TIMESTAMP_LTZ(6)", postgres="timestamptz", oid=1184, code=12, dtype="<i8")
    SMALLINT_ARRAY = TypeFacts(flink="ARRAY<SMALLINT>", postgres="smallint[]", oid=1005, code=0x23, dtype="<i2")
    INT_ARRAY = TypeFacts(flink="ARRAY<INT>", postgres="integer[]", oid=1007, code=0x24, dtype="<i4")
    BIGINT_ARRAY = TypeFacts(flink="ARRAY<BIGINT>", postgres="bigint[]", oid=1016, code=0x25, dtype="<i8")
    FLOAT_ARRAY = TypeFacts(flink="ARRAY<FLOAT>", postgres="real[]", oid=1021, code=0x26, dtype="<f4")
    DOUBLE_ARRAY = TypeFacts(flink="ARRAY<DOUBLE>", postgres="double precision[]", oid=1022, code=0x27, dtype="<f8")

    @property
    def is_array(self) -> bool:
        """Whether a value is a list of elements of one fixed-width type."""
        return bool(self.value.code & 0x20)


_ALIASES = {
    "BOOL": SqlType.BOOLEAN,
    "INT2": SqlType.SMALLINT,
    "INTEGER": SqlType.INT,
    "INT4": SqlType.INT,
    "INT8": SqlType.BIGINT,
    "REAL": SqlType.FLOAT,
    "FLOAT4": SqlType.FLOAT,
    "FLOAT8": SqlType.DOUBLE,
    "DOUBLE PRECISION": SqlType.DOUBLE,
    "TEXT": SqlType.STRING,
    "VARCHAR": SqlType.STRING,
    "BYTEA": SqlType.BYTES,
    "VARBINARY": SqlType.BYTES,
    "TIMESTAMP": SqlType.TIMESTAMP,
    "TIMESTAMP_LTZ": SqlType.TIMESTAMP_LTZ,
    "TIMESTAMPTZ": SqlType.TIMESTAMP_LTZ,
}
BY_OID = {member.value.oid: member for member in SqlType}


def parse_type(text: str, *, position: int | None = None) -> SqlType:
    """The type a declaration such as ``BIGINT``, ``TIMESTAMP_LTZ(3)``, ``ARRAY<FLOAT>`` or ``float8[]`` names.

    Raises FlinkmsError 42704 when the name is of no supported type.
    """
    name = re.sub(r"\s+", " ", text.strip().upper())
    name = re.sub(r"\(\s*\d+\s*\)", "", name).removesuffix(" NOT NULL").strip()
    if element := re.fullmatch(r"ARRAY\s*<\s*([^<\[]+?)\s*>|([^<\[]+?)\s*\[\s*\]", name):
        name = f"{parse_type(element[1] or element[2], position=position).name}_ARRAY"
    name = name.replace("TIMESTAMP WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ").replace(
        "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_LTZ"
    )
    found = _ALIASES.get(name) or SqlType.__members__.get(name)
    if found is None:
        raise FlinkmsError(errors.UNDEFINED_OBJECT, f'type "{text.strip()}" does not exist or is not supported',
                           hint=f"Supported types: {', '.join(t.value.flink for t in SqlType)}.", position=position)
    return found
