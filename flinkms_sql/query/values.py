"""Constants of a statement -> values of a SqlType, as PostgreSQL's input functions and casts would have it.

Must not know tokens. Values are as ``nodes.Literal`` documents them. A timestamptz without an offset is a
LocalTime. Errors are 22P02, 22003, 22007 and 22008.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timezone
from decimal import ROUND_HALF_UP, Decimal

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import times
from flinkms_sql.pgwire.arrays import parse_array
from flinkms_sql.pgwire.parameters import bytes_of
from flinkms_sql.types import SqlType

_INTEGERS = {SqlType.SMALLINT: 15, SqlType.INT: 31, SqlType.BIGINT: 63}
_FLOATS = (SqlType.FLOAT, SqlType.DOUBLE)
_NUMBERS = (*_INTEGERS, *_FLOATS)
_ELEMENTS = {
    SqlType.SMALLINT_ARRAY: SqlType.SMALLINT,
    SqlType.INT_ARRAY: SqlType.INT,
    SqlType.BIGINT_ARRAY: SqlType.BIGINT,
    SqlType.FLOAT_ARRAY: SqlType.FLOAT,
    SqlType.DOUBLE_ARRAY: SqlType.DOUBLE,
}
_TRUTH = {word[:size]: True for word in ("true", "yes") for size in range(1, len(word) + 1)}
_TRUTH |= {word[:size]: False for word in ("false", "no") for size in range(1, len(word) + 1)}
_TRUTH |= {"1": True, "on": True, "0": False, "off": False, "of": False}
_FLOAT32_MAX = 3.4028235677973366e38
"""Smallest magnitude that rounds to infinity in binary32."""

_WIDENS_TO = {
    SqlType.SMALLINT: (SqlType.INT, SqlType.BIGINT, SqlType.FLOAT, SqlType.DOUBLE),
    SqlType.INT: (SqlType.BIGINT, SqlType.FLOAT, SqlType.DOUBLE),
    SqlType.BIGINT: (SqlType.FLOAT, SqlType.DOUBLE),
    SqlType.FLOAT: (SqlType.DOUBLE,),
    SqlType.DATE: (SqlType.TIMESTAMP, SqlType.TIMESTAMP_LTZ),
    SqlType.TIMESTAMP: (SqlType.TIMESTAMP_LTZ,),
}
"""PostgreSQL's implicit casts among our types (pg_cast, castcontext i)."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A timestamp without an offset where one with it is wanted: which moment it is, the session's zone decides.

    microseconds: since 1970-01-01 00:00, as a clock of that zone shows it.
    """

    microseconds: int


def element_type(array: SqlType) -> SqlType:
    """Type of an element of an array type."""
    return _ELEMENTS[array]


def array_type(element: SqlType) -> SqlType | None:
    """The array type with such elements, if there is one."""
    return next((array for array, kind in _ELEMENTS.items() if kind is element), None)


def widens(source: SqlType, target: SqlType) -> bool:
    """Whether PostgreSQL would convert ``source`` to ``target`` by itself."""
    if source is target:
        return True
    if source.is_array and target.is_array:
        source, target = _ELEMENTS[source], _ELEMENTS[target]
    return target in _WIDENS_TO.get(source, ())


def assigns(source: SqlType, target: SqlType) -> bool:
    """Whether PostgreSQL would convert ``source`` when it is stored in a column of ``target``: numbers of any type too.

    Not what it also would: other values as texts, and timestamps cut to dates.
    """
    return widens(source, target) or (source in _NUMBERS and target in _NUMBERS)


def distance(source: SqlType, target: SqlType) -> int:
    """How far a conversion that PostgreSQL applies by itself goes: 0 none, 1 among integers or floats, 2 between."""
    if source is target:
        return 0
    if source.is_array and target.is_array:
        source, target = _ELEMENTS[source], _ELEMENTS[target]
    return 1 if (source in _FLOATS) == (target in _FLOATS) else 2


def widen(value: object, source: SqlType, target: SqlType) -> object:
    """A value of ``source`` as ``target``, which it must widen to."""
    if value is None or source is target:
        return value
    if isinstance(value, tuple):
        return tuple(widen(item, _ELEMENTS[source], _ELEMENTS[target]) for item in value)
    if source in (SqlType.DATE, SqlType.TIMESTAMP) and isinstance(value, int):
        shown = times.midnight(value) if source is SqlType.DATE else value
        return shown if target is SqlType.TIMESTAMP or times.is_infinite(shown) else LocalTime(shown)
    return float(value) if target in _FLOATS and isinstance(value, (int, float)) else value


def from_text(text: str, target: SqlType, *, position: int | None = None) -> object:
    """The value that ``text`` is the external form of."""
    try:
        return _from_text(text, target, position)
    except FlinkmsError as error:
        error.position = position
        raise
    except ValueError:
        raise FlinkmsError(
            errors.INVALID_TEXT_REPRESENTATION, f'invalid input syntax for type {target.value.postgres}: "{text}"',
            position=position,
        ) from None


def _from_text(text: str, target: SqlType, position: int | None) -> object:
    plain = text.strip()
    match target:
        case SqlType.STRING:
            return text
        case SqlType.BOOLEAN:
            if plain.lower() not in _TRUTH:
                raise ValueError
            return _TRUTH[plain.lower()]
        case SqlType.SMALLINT | SqlType.INT | SqlType.BIGINT:
            if not re.fullmatch(r"[+-]?[0-9]+", plain):
                raise ValueError
            return _checked(int(plain), target, position)
        case SqlType.FLOAT | SqlType.DOUBLE:
            if "_" in plain:
                raise ValueError
            return _checked(float(plain), target, position)
        case SqlType.BYTES:
            return bytes_of(text)
        case SqlType.DATE:
            return times.parse_date(text)
        case SqlType.TIMESTAMP:
            return times.parse_timestamp(text, zone=None)
        case SqlType.TIMESTAMP_LTZ:
            moment = times.parse_timestamp(text, zone=timezone.utc)
            return moment if times.has_offset(text) else LocalTime(moment)
    return tuple(None if item is None else from_text(item, _ELEMENTS[target], position=position) for item in parse_array(text))


def from_number(number: int | Decimal, target: SqlType, *, cast: bool, position: int | None = None) -> object | None:
    """A numeric constant as ``target``; None when there is no such conversion (without ``cast``: no implicit one)."""
    if target in _FLOATS:
        try:
            value = float(number)
        except OverflowError:
            raise _out_of_range(target, position) from None
        if math.isinf(value) and Decimal(number).is_finite():
            raise _out_of_range(target, position)
        return _checked(value, target, position)
    if target in _INTEGERS:
        if isinstance(number, Decimal):
            if not cast:
                return None
            if not number.is_finite():
                raise _out_of_range(target, position)
            number = int(number.to_integral_value(ROUND_HALF_UP))
        return _checked(number, target, position)
    if target is SqlType.STRING and cast:
        return str(number)
    return None


def _checked(value: float, target: SqlType, position: int | None) -> float:
    if target in _INTEGERS:
        limit = 1 << _INTEGERS[target]
        if not -limit <= value < limit:
            raise _out_of_range(target, position)
    elif target is SqlType.FLOAT and _FLOAT32_MAX <= abs(value) < float("inf"):
        raise _out_of_range(target, position)
    return value


def _out_of_range(target: SqlType, position: int | None) -> FlinkmsError:
    return FlinkmsError(
        errors.NUMERIC_VALUE_OUT_OF_RANGE, f"value out of range for type {target.value.postgres}", position=position
    )
