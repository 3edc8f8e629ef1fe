"""Columns of a result: made of Python values, repeated, converted, chosen by row.

Must not know nodes or models. A column is ``udfs.block.Column``; NULL rows hold a zero or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone, tzinfo
from decimal import Decimal

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import times
from flinkms_sql.types import SqlType
from udfs.block import Column

Value = bool | int | float | Decimal | str | bytes | tuple | Column | None
"""A literal's or parameter's value: an array is a tuple of numbers, or a Column of its elements."""


def column_of(values: Sequence[Value], kind: SqlType) -> Column:
    """A column of n values, converted to ``kind``. Raises 22003 when one is out of range, 22004 for NULL in an array."""
    if kind.is_array:
        return _list_column(values, kind)
    dtype = kind.value.dtype
    valid = None
    if None in values:
        valid = np.fromiter((value is not None for value in values), bool, len(values))
        values = [_ZEROS.get(dtype, 0) if value is None else value for value in values]
    if dtype == "O":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return Column(array, valid)
    try:
        return Column(np.array(values, dtype=dtype), valid)
    except OverflowError:
        raise FlinkmsError(errors.NUMERIC_VALUE_OUT_OF_RANGE,
                           f"value out of range for type {kind.value.postgres}") from None  # fmt: skip


_ZEROS = {"O": None, "?": False}


def _list_column(values: Sequence[Value], kind: SqlType) -> Column:
    dtype = np.dtype(kind.value.dtype)
    lists = [_elements(value, dtype) for value in values]
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in lists], out=offsets[1:])
    valid = np.array([value is not None for value in values], dtype=bool)
    data = np.concatenate(lists) if lists else np.empty(0, dtype)
    return Column(data, None if valid.all() else valid, offsets)


def _elements(value: Value, dtype: np.dtype) -> np.ndarray:
    if value is None:
        return np.empty(0, dtype)
    if isinstance(value, Column):
        if value.valid is None:
            return value.values.astype(dtype, copy=False)
    elif isinstance(value, tuple) and None not in value:
        return np.array(value, dtype=dtype)
    raise FlinkmsError(errors.NULL_VALUE_NOT_ALLOWED, "an array argument of a model must not contain NULL")


def elements_column(value: Value, kind: SqlType) -> Column:
    """The elements of one array as a column of ``kind``; NULL elements stay NULL, a NULL array has none."""
    if isinstance(value, Column):
        return convert(value, kind, kind) if value.values.dtype == object else Column(
            value.values.astype(kind.value.dtype, copy=False), value.valid)  # fmt: skip
    return column_of(list(value) if isinstance(value, tuple) else [], kind)


def repeat(value: Value, kind: SqlType, rows: int) -> Column:
    """A column of ``rows`` equal values."""
    one = column_of([value], kind)
    return one if rows == 1 else take(one, np.zeros(rows, dtype=np.int64))


def convert(column: Column, source: SqlType, target: SqlType, zone: tzinfo = timezone.utc) -> Column:
    """A column as a type that ``source`` is assigned to; ``zone`` is where clocks show what has no offset.

    Raises FlinkmsError 22003 for a number that the type cannot hold.
    """
    if source is target or column.values.dtype == object:
        return column
    values = times.midnights(column.values) if source is SqlType.DATE else column.values
    if target is SqlType.TIMESTAMP_LTZ:
        values = times.moments(values, zone)
    if target in _BOUNDS or target is SqlType.FLOAT:
        values = _narrowed(values, column.valid, target)
    return Column(values.astype(target.value.dtype), column.valid, column.offsets)


_BOUNDS = {SqlType.SMALLINT: 2**15, SqlType.INT: 2**31, SqlType.BIGINT: 2**63}


def _narrowed(values: np.ndarray, valid: np.ndarray | None, target: SqlType) -> np.ndarray:
    """Numbers that a type can hold: to integers rounded, a half to the even one, as PostgreSQL rounds double precision."""
    values = values if valid is None else np.where(valid, values, 0)
    if target is SqlType.FLOAT:
        with np.errstate(over="ignore", under="ignore"):
            single = values.astype("<f4")
        fits = (np.isinf(single) == np.isinf(values)) & ((single == 0) == (values == 0))
    else:
        values = np.rint(values) if values.dtype.kind == "f" else values
        fits = (values >= -_BOUNDS[target]) & (values < _BOUNDS[target])
    if not fits.all():
        raise FlinkmsError(errors.NUMERIC_VALUE_OUT_OF_RANGE, f"value out of range for type {target.value.postgres}")
    return values


def take(column: Column, rows: np.ndarray) -> Column:
    """The rows with these numbers, in this order."""
    valid = None if column.valid is None else column.valid[rows]
    if column.offsets is None:
        return Column(column.values[rows], valid)
    starts, lengths = column.offsets[:-1][rows], np.diff(column.offsets)[rows]
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return Column(column.values[places], valid, offsets)


def pad(column: Column, rows: int) -> Column:
    """The column with NULLs appended up to ``rows``; not for lists."""
    missing = rows - len(column)
    if missing == 0:
        return column
    valid = np.zeros(rows, dtype=bool)
    valid[: len(column)] = True if column.valid is None else column.valid
    values = np.zeros(rows, dtype=column.values.dtype)
    values[: len(column)] = column.values
    return Column(values, valid)
