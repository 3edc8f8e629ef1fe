"""The binary format of numeric: base-10000 digits (PostgreSQL, src/backend/utils/adt/numeric.c, numeric_recv)."""

from __future__ import annotations

import struct
from decimal import Decimal

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

_HEAD = struct.Struct(">HhHH")
_SIGNS = {0x0000: 0, 0x4000: 1}
_SPECIAL = {0xC000: Decimal("NaN"), 0xD000: Decimal("Infinity"), 0xF000: Decimal("-Infinity")}


def decode_numeric(data: bytes) -> Decimal:
    """The number. Raises FlinkmsError 22P03 when the bytes are no numeric."""
    try:
        count, weight, sign, _scale = _HEAD.unpack_from(data)
        groups = struct.unpack_from(f">{count}H", data, _HEAD.size)
        if sign in _SPECIAL:
            return _SPECIAL[sign]
        if len(data) != _HEAD.size + 2 * count or sign not in _SIGNS or any(group > 9999 for group in groups):
            raise ValueError
    except (struct.error, ValueError):
        raise FlinkmsError(
            errors.INVALID_BINARY_REPRESENTATION, "invalid binary representation of type numeric"
        ) from None
    digits = tuple(int(digit) for group in groups for digit in f"{group:04d}") or (0,)
    return Decimal((_SIGNS[sign], digits, 4 * (weight + 1 - count)))
