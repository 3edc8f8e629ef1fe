"""DataRow messages of a server, in binary, as columns.

Must not know what the rows are for. Rows of fixed width without NULL are read in one step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import times
from flinkms_sql.pgwire.parameters import decode_binary
from flinkms_sql.pgwire.wire import Body, ProtocolError
from flinkms_sql.types import SqlType
from udfs.block import Column

_EPOCHS = {
    SqlType.DATE: times.EPOCH_DAYS,
    SqlType.TIMESTAMP: times.EPOCH_MICROSECONDS,
    SqlType.TIMESTAMP_LTZ: times.EPOCH_MICROSECONDS,
}


def decode_rows(runs: Sequence[bytes], types: Sequence[SqlType]) -> list[Column]:
    """The columns of runs of DataRow messages. Raises ProtocolError."""
    data = b"".join(runs)
    columns = _fixed(data, types)
    return columns if columns is not None else _any(data, types)


def _fixed(data: bytes, types: Sequence[SqlType]) -> list[Column] | None:
    layout: list[tuple[str, str]] = [("kind", "S1"), ("length", ">u4"), ("columns", ">u2")]
    for number, kind in enumerate(types):
        if kind.value.dtype == "O" or kind.is_array:
            return None
        layout += [(f"l{number}", ">i4"), (f"v{number}", np.dtype(kind.value.dtype).newbyteorder(">").str)]
    record = np.dtype(layout)
    if len(data) % record.itemsize:
        return None
    rows = np.frombuffer(data, record)
    if (rows["length"] != record.itemsize - 1).any() or (rows["columns"] != len(types)).any():
        return None
    columns = []
    for number, kind in enumerate(types):
        if (rows[f"l{number}"] != np.dtype(kind.value.dtype).itemsize).any():
            return None
        columns.append(Column(_from_wire(rows[f"v{number}"], kind)))
    return columns


def _from_wire(values: np.ndarray, kind: SqlType) -> np.ndarray:
    native = values.astype(kind.value.dtype)
    epoch = _EPOCHS.get(kind)
    if epoch is None:
        return native
    bounds = np.iinfo(native.dtype)
    infinite = (native == bounds.max) | (native == bounds.min)
    return np.where(infinite, native, native + np.where(infinite, 0, epoch)).astype(native.dtype)


def _any(data: bytes, types: Sequence[SqlType]) -> list[Column]:
    body, rows = Body(data), []
    while body.left:
        body.take(5)
        if body.count() != len(types):
            raise ProtocolError("a row has another number of columns than its description")
        rows.append([body.value() for _ in types])
    return [_column([row[number] for row in rows], kind) for number, kind in enumerate(types)]


def _column(values: Sequence[bytes | None], kind: SqlType) -> Column:
    if kind.is_array:
        return _lists(values, kind)
    oid, empty = kind.value.oid, {"O": "" if kind is SqlType.STRING else b""}.get(kind.value.dtype, 0)
    decoded = [empty if value is None else decode_binary(value, oid) for value in values]
    array = np.empty(len(decoded), dtype=kind.value.dtype)
    array[:] = decoded
    valid = np.array([value is not None for value in values], dtype=bool)
    return Column(array, None if valid.all() else valid)


def _lists(values: Sequence[bytes | None], kind: SqlType) -> Column:
    """A list column; NULL is an empty list that is not valid, and an element that is NULL is refused."""
    elements = []
    for value in values:
        found = None if value is None else decode_binary(value, kind.value.oid)
        if isinstance(found, Column) and found.valid is not None:
            raise FlinkmsError(errors.NULL_VALUE_NOT_ALLOWED, "an array argument of a model must not contain NULL")
        elements.append(found.values if isinstance(found, Column) else np.empty(0, kind.value.dtype))
    offsets = np.zeros(len(elements) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in elements], out=offsets[1:])
    data = np.concatenate(elements) if elements else np.empty(0, kind.value.dtype)
    valid = np.array([value is not None for value in values], dtype=bool)
    return Column(data, None if valid.all() else valid, offsets)
