"""Result columns as bytes, and rows of them as DataRow messages; a whole batch at a time.

Must not know where a column comes from. Text output is PostgreSQL's with extra_float_digits >= 1 (shortest exact
floats), DateStyle ISO and bytea_output hex.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import timezone, tzinfo
from itertools import pairwise

import numpy as np

from flinkms_sql.pgwire import oids, times
from flinkms_sql.pgwire.arrays import binary_array_head, format_array
from flinkms_sql.pgwire.floats import format_float4, format_float8
from flinkms_sql.pgwire.messages import Field
from flinkms_sql.types import SqlType
from udfs.block import Column

_NULL = b"\xff\xff\xff\xff"
_LENGTH = struct.Struct(">i")
_ROW_HEAD = struct.Struct(">cIH")
_ROW_HEAD_BYTES = 6  # length field and column count, which the length of a DataRow includes

_EPOCHS = {SqlType.DATE: times.EPOCH_DAYS, SqlType.TIMESTAMP: times.EPOCH_MICROSECONDS} | {
    SqlType.TIMESTAMP_LTZ: times.EPOCH_MICROSECONDS
}


def describe(name: str, sql_type: SqlType, format_code: int = 0) -> Field:
    """The RowDescription entry of a column of ``sql_type``."""
    oid = sql_type.value.oid
    return Field(name=name, oid=oid, size=oids.SIZES.get(oid, -1), format=format_code)


def encode_column(
    column: Column, sql_type: SqlType, format_code: int, zone: tzinfo = timezone.utc
) -> list[bytes | None]:
    """One value a row, None for NULL; ``zone`` is that of timestamptz text."""
    if column.offsets is not None:
        encoded = _encode_lists(column, sql_type, format_code)
    elif column.values.ndim == 2:
        encoded = _encode_vectors(column.values, sql_type, format_code)
    else:
        encode = _encode_binary if format_code else _encode_text
        encoded = encode(column.values, sql_type, zone)
    if column.valid is None:
        return encoded
    return [value if present else None for value, present in zip(encoded, column.valid.tolist())]


def data_rows(columns: Sequence[tuple[Column, SqlType, int]], zone: tzinfo = timezone.utc) -> bytes:
    """The DataRow messages of all rows; each column with its type and format code. At least one column."""
    count = len(columns[0][0])
    if count > 1 and (packed := _fixed_rows(columns)) is not None:
        return packed
    cells = [_cells(encode_column(column, sql_type, code, zone)) for column, sql_type, code in columns]
    bodies = cells[0] if len(cells) == 1 else list(map(b"".join, zip(*cells)))
    width = len(columns)
    return b"".join(
        part for body in bodies for part in (_ROW_HEAD.pack(b"D", len(body) + _ROW_HEAD_BYTES, width), body)
    )


def _cells(values: list[bytes | None]) -> list[bytes]:
    pack = _LENGTH.pack
    return [_NULL if value is None else pack(len(value)) + value for value in values]


def _fixed_rows(columns: Sequence[tuple[Column, SqlType, int]]) -> bytes | None:
    """All rows at once when every column is binary, of fixed width and without NULL; else None."""
    layout: list[tuple[str, str]] = [("kind", "S1"), ("length", ">u4"), ("columns", ">u2")]
    bodies = []
    for number, (column, sql_type, code) in enumerate(columns):
        if code != 1 or column.valid is not None or column.values.ndim != 1 or column.values.dtype == object:
            return None
        if column.offsets is not None:
            return None
        body = _big_endian(column.values, sql_type)
        bodies.append(body)
        layout += [(f"l{number}", ">i4"), (f"v{number}", body.dtype.str)]
    rows = np.empty(len(bodies[0]), dtype=np.dtype(layout))
    rows["kind"], rows["length"], rows["columns"] = b"D", rows.dtype.itemsize - 1, len(bodies)
    for number, body in enumerate(bodies):
        rows[f"l{number}"], rows[f"v{number}"] = body.dtype.itemsize, body
    return rows.tobytes()


def _big_endian(values: np.ndarray, sql_type: SqlType) -> np.ndarray:
    """A fixed-width column as PostgreSQL sends it: big-endian, dates and times counted from 2000-01-01."""
    dtype = np.dtype(sql_type.value.dtype).newbyteorder(">")
    epoch = _EPOCHS.get(sql_type)
    if epoch is None:
        return values.astype(dtype)
    bounds = np.iinfo(dtype)
    infinite = (values == bounds.max) | (values == bounds.min)
    return np.where(infinite, values, values - np.where(infinite, 0, epoch)).astype(dtype)


def _encode_binary(values: np.ndarray, sql_type: SqlType, _zone: tzinfo) -> list[bytes | None]:
    match sql_type:
        case SqlType.STRING:
            return [b"" if value is None else value.encode() for value in values.tolist()]
        case SqlType.BYTES:
            return [b"" if value is None else bytes(value) for value in values.tolist()]
    packed = _big_endian(values, sql_type)
    data, width = packed.tobytes(), packed.dtype.itemsize
    return [data[at : at + width] for at in range(0, len(data), width)]


def _encode_text(values: np.ndarray, sql_type: SqlType, zone: tzinfo) -> list[bytes | None]:
    match sql_type:
        case SqlType.STRING:
            return [b"" if value is None else value.encode() for value in values.tolist()]
        case SqlType.BYTES:
            return [b"\\x" + (b"" if value is None else bytes(value).hex().encode()) for value in values.tolist()]
        case SqlType.BOOLEAN:
            return [b"t" if value else b"f" for value in values.tolist()]
        case SqlType.DATE:
            return list(times.format_dates(values))
        case SqlType.TIMESTAMP:
            return list(times.format_timestamps(values))
        case SqlType.TIMESTAMP_LTZ:
            return list(times.format_timestamps_in(values, zone))
    return [text.encode() for text in _number_texts(values, sql_type)]


def _number_texts(values: np.ndarray, sql_type: SqlType) -> list[str]:
    match sql_type:
        case SqlType.DOUBLE:
            return list(map(format_float8, values.tolist()))
        case SqlType.FLOAT:
            return list(map(format_float4, values.astype("<f4")))
        case _:
            return list(map(str, values.tolist()))


def _encode_vectors(matrix: np.ndarray, sql_type: SqlType, format_code: int) -> list[bytes | None]:
    """A vector column, rows x width, as arrays."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    return _encode_lists(Column(matrix.reshape(-1), None, offsets), sql_type, format_code)


def _encode_lists(column: Column, sql_type: SqlType, format_code: int) -> list[bytes | None]:
    element = oids.ELEMENT_TYPES[sql_type]
    bounds = column.offsets.tolist()
    spans = list(pairwise(bounds))
    if not format_code:
        texts = _number_texts(column.values, element)
        return [format_array(texts[start:end]).encode() for start, end in spans]
    big = _big_endian(column.values, element)
    records = np.empty(len(big), dtype=[("length", ">i4"), ("value", big.dtype.str)])
    records["length"], records["value"] = big.dtype.itemsize, big
    oid = element.value.oid
    return [binary_array_head(end - start, oid, False) + records[start:end].tobytes() for start, end in spans]


def encode_array(column: Column, sql_type: SqlType) -> bytes:
    """A whole column of a scalar type as one binary array value, NULLs included."""
    values = encode_column(column, sql_type, 1)
    has_null = any(value is None for value in values)
    return binary_array_head(len(values), sql_type.value.oid, has_null) + b"".join(_cells(values))
