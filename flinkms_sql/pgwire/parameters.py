"""Parameter values: bytes of a Bind message, in text or binary, to Python values by declared type.

Must not know what a value is for. A value becomes bool, int, float, Decimal, str, bytes, or for an array a Column of
its elements; dates and timestamps become the integers of ``flinkms_sql.types``.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from datetime import timezone, tzinfo
from decimal import Decimal, InvalidOperation

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import oids, times
from flinkms_sql.pgwire.arrays import fixed_elements, parse_array, parse_binary_array, split_elements
from flinkms_sql.pgwire.numerics import decode_numeric
from flinkms_sql.pgwire.wire import decode_utf8
from udfs.block import Column

Value = bool | int | float | Decimal | str | bytes | Column | None

_BOUNDS = {oids.INT2: 2**15, oids.INT4: 2**31, oids.INT8: 2**63}
_BINARY_STRUCTS = {
    oids.BOOL: struct.Struct(">?"),
    oids.INT2: struct.Struct(">h"),
    oids.INT4: struct.Struct(">i"),
    oids.INT8: struct.Struct(">q"),
    oids.FLOAT4: struct.Struct(">f"),
    oids.FLOAT8: struct.Struct(">d"),
    oids.DATE: struct.Struct(">i"),
    oids.TIMESTAMP: struct.Struct(">q"),
    oids.TIMESTAMPTZ: struct.Struct(">q"),
}
_TEXTUAL = frozenset((oids.TEXT, oids.VARCHAR, oids.BPCHAR, oids.NAME, oids.UNKNOWN, oids.UNSPECIFIED))
_ELEMENT_DTYPES = {
    oids.BOOL: "?",
    oids.INT2: "<i2",
    oids.INT4: "<i4",
    oids.INT8: "<i8",
    oids.FLOAT4: "<f4",
    oids.FLOAT8: "<f8",
    oids.NUMERIC: "<f8",
    oids.DATE: "<i4",
    oids.TIMESTAMP: "<i8",
    oids.TIMESTAMPTZ: "<i8",
}
_INFINITE_DATES = {times.DAYS_MAX, times.DAYS_MIN}
_INFINITE_TIMES = {times.MICROSECONDS_MAX, times.MICROSECONDS_MIN}
_WORDS = {
    word[:length]: value
    for word, value in (("true", True), ("false", False), ("yes", True), ("no", False))
    for length in range(1, len(word) + 1)
} | {"on": True, "off": False, "of": False, "1": True, "0": False}


def is_supported(oid: int) -> bool:
    """Whether values of this declared type can be decoded."""
    return oid in oids.NAMES or oid in oids.ELEMENTS or oid == oids.UNSPECIFIED


def decode(data: bytes | None, format_code: int, oid: int, zone: tzinfo = timezone.utc) -> Value:
    """The value of a parameter of type ``oid``; ``zone`` is meant where a timestamptz text has no offset.

    Raises FlinkmsError 22P02, 22P03, 22003, 22007, 22008, 22021 for malformed values, 0A000 for an unsupported type.
    """
    if data is None:
        return None
    if not is_supported(oid):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"parameters of type {oids.type_name(oid)} are not supported")
    return decode_binary(data, oid) if format_code else decode_text(decode_utf8(data), oid, zone)


def decode_text(text: str, oid: int, zone: tzinfo = timezone.utc) -> Value:
    """The value of the text form."""
    if oid in oids.ELEMENTS:
        element = oids.ELEMENTS[oid]
        return _elements([None if t is None else decode_text(t, element, zone) for t in parse_array(text)], element)
    if oid in _TEXTUAL:
        return text
    if oid == oids.TIMESTAMPTZ:
        return times.parse_timestamp(text, zone=zone)
    return _TEXT[oid](text, oid)


def decode_binary(data: bytes, oid: int) -> Value:
    """The value of the binary form."""
    if oid in oids.ELEMENTS:
        return _binary_elements(data, oids.ELEMENTS[oid])
    if oid in _TEXTUAL:
        return decode_utf8(data)
    if oid == oids.BYTEA:
        return data
    if oid == oids.NUMERIC:
        return decode_numeric(data)
    layout = _BINARY_STRUCTS[oid]
    if len(data) != layout.size:
        raise FlinkmsError(
            errors.INVALID_BINARY_REPRESENTATION,
            f"incorrect binary data format: {len(data)} bytes for type {oids.type_name(oid)}",
        )
    value = layout.unpack(data)[0]
    if oid == oids.DATE:
        return value if value in _INFINITE_DATES else value + times.EPOCH_DAYS
    if oid in (oids.TIMESTAMP, oids.TIMESTAMPTZ):
        return value if value in _INFINITE_TIMES else value + times.EPOCH_MICROSECONDS
    return value


def _binary_elements(data: bytes, element: int) -> Column:
    body = parse_binary_array(data, element)
    layout = _BINARY_STRUCTS.get(element)
    if layout is not None and element not in (oids.DATE, oids.TIMESTAMP, oids.TIMESTAMPTZ):
        values = fixed_elements(body, layout.format)
        if values is not None:
            return Column(values.astype(_ELEMENT_DTYPES[element]))
    return _elements([None if raw is None else decode_binary(raw, element) for raw in split_elements(body)], element)


def _elements(values: list[Value], element: int) -> Column:
    valid = np.array([value is not None for value in values], dtype=bool)
    dtype = _ELEMENT_DTYPES.get(element)
    if dtype is None:
        array = np.empty(len(values), dtype=object)
        array[:] = values
    else:
        array = np.array([0 if value is None else value for value in values], dtype=dtype)
    return Column(array, None if valid.all() else valid)


def _syntax(text: str, oid: int) -> FlinkmsError:
    return FlinkmsError(
        errors.INVALID_TEXT_REPRESENTATION, f'invalid input syntax for type {oids.type_name(oid)}: "{text}"'
    )


def _range(text: str, oid: int) -> FlinkmsError:
    return FlinkmsError(
        errors.NUMERIC_VALUE_OUT_OF_RANGE, f'value "{text}" is out of range for type {oids.type_name(oid)}'
    )


def _bool(text: str, oid: int) -> bool:
    value = _WORDS.get(text.strip().lower())
    if value is None:
        raise _syntax(text, oid)
    return value


def _integer(text: str, oid: int) -> int:
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII):
        raise _syntax(text, oid)
    digits = text.strip()
    if len(digits) > 40:  # no integer type is that long; int() would be quadratic
        raise _range(digits, oid)
    value = int(digits)
    if not -_BOUNDS[oid] <= value < _BOUNDS[oid]:
        raise _range(digits, oid)
    return value


def _float(text: str, oid: int) -> float:
    stripped = text.strip()
    if "_" in stripped or not stripped.isascii():
        raise _syntax(text, oid)
    try:
        value = float(stripped)
    except ValueError:
        raise _syntax(text, oid) from None
    if oid == oids.FLOAT4 and math.isfinite(value):
        try:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            raise _range(stripped, oid) from None
    if math.isinf(value) and "n" not in stripped.lower():  # 1e999, not Infinity
        raise _range(stripped, oid)
    return value


def _numeric(text: str, oid: int) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise _syntax(text, oid) from None


def _bytea(text: str, _oid: int) -> bytes:
    return bytes_of(text)


def bytes_of(text: str) -> bytes:
    """A bytea written in either of its formats. Raises FlinkmsError 22P02."""
    if text.startswith("\\x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            raise FlinkmsError(errors.INVALID_TEXT_REPRESENTATION, "invalid hexadecimal data") from None
    if re.search(r"\\(?![0-3][0-7]{2}|\\)", re.sub(r"\\\\", "", text)):
        raise _syntax(text, oids.BYTEA)
    unescape = re.sub(rb"\\(\\|[0-3][0-7]{2})", _escaped_byte, text.encode())
    return unescape


def _escaped_byte(match: re.Match[bytes]) -> bytes:
    return b"\\" if match[1] == b"\\" else bytes((int(match[1], 8),))


_TEXT: dict[int, Callable[[str, int], Value]] = {
    oids.BOOL: _bool,
    oids.INT2: _integer,
    oids.INT4: _integer,
    oids.INT8: _integer,
    oids.FLOAT4: _float,
    oids.FLOAT8: _float,
    oids.NUMERIC: _numeric,
    oids.BYTEA: _bytea,
    oids.DATE: lambda text, _oid: times.parse_date(text),
    oids.TIMESTAMP: lambda text, _oid: times.parse_timestamp(text, zone=None),
}
