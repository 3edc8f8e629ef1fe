"""Floating point as PostgreSQL prints it: the shortest digits that read back as the same number.

Must not know about columns or messages. Layout: src/common/d2s.c and f2s.c, which choose the exponent form as printf's
%g does, at 15 digits for float8 and 6 for float4.
"""

from __future__ import annotations

import numpy as np

_SPECIAL = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def format_float8(value: float) -> str:
    """Text of a float8, e.g. ``0.1``, ``1e+15``, ``-0``, ``NaN``, ``Infinity``."""
    text = repr(value)
    if text.endswith(".0"):
        # Python writes up to 16 digits before it takes an exponent, PostgreSQL 15.
        if len(text) < 17:
            return text[:-2]
        return _layout(text, 15)
    if "n" in text:  # inf, nan
        return _SPECIAL[text]
    if len(text) >= 17 and "e" not in text and abs(value) >= 1e15:
        return _layout(text, 15)
    return text


def format_float4(value: np.float32) -> str:
    """Text of a float4."""
    if not np.isfinite(value):
        return _SPECIAL[repr(float(value))]
    return _layout(np.format_float_scientific(value, unique=True, trim="-"), 6)


def _layout(text: str, digits_max: int) -> str:
    """The same number in %g form: fixed for exponents -4 … digits_max - 1, else scientific with two exponent digits."""
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent_text = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(exponent_text or 0) + len(whole) - 1
    digits = (whole + fraction).rstrip("0") or "0"
    if digits == "0":
        return f"{sign}0"
    if not -4 <= exponent < digits_max:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    tail = digits[exponent + 1 :]
    return f"{sign}{digits[: exponent + 1]}.{tail}" if tail else f"{sign}{digits}"
