"""Floating point as PostgreSQL prints it: the shortest digits that read back as the same number.

Must not know about columns or messages. Rules: src/common/d2s.c and f2s.c, which choose the exponent form as printf's
%g does, at 15 digits for float8 and 6 for float4, and which, unlike Python and numpy, never print a number that lies
exactly between two others and reads back only because ties go to even.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np

_SPECIAL = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def format_float8(value: float) -> str:
    """Text of a float8, e.g. ``0.1``, ``1e+15``, ``-0``, ``NaN``, ``Infinity``."""
    text = repr(value)
    if -1e14 < value < 1e14:
        return text.removesuffix(".0")
    if text.endswith(".0"):
        # Python writes up to 16 digits before it takes an exponent, PostgreSQL 15.
        if len(text) < 17:
            return text[:-2]
        return _layout(_inside(text, value, math.ulp(value), 17), 15)
    if "n" in text:  # inf, nan
        return _SPECIAL[text]
    if "e+" in text or (len(text) > 16 and abs(value) >= 1e15):
        return _layout(_inside(text, value, math.ulp(value), 17), 15)
    return text


def format_float4(value: np.float32) -> str:
    """Text of a float4."""
    if not np.isfinite(value):
        return _SPECIAL[repr(float(value))]
    text = np.format_float_scientific(value, unique=True, trim="-")
    if abs(value) >= 2**24:
        text = _inside(text, float(value), math.ldexp(1.0, math.frexp(float(value))[1] - 24), 9)
    return _layout(text, 6)


def _inside(text: str, value: float, gap: float, digits_max: int) -> str:
    """``text``, or more digits where it is not nearer to ``value`` than to a neighbour ``gap`` away.

    Only integers that are too large for every digit to count have neighbours with so short a midpoint.
    """
    exact, half = Decimal(value), Decimal(gap) / 2
    digits = len(text.partition("e")[0].replace(".", "").strip("-0"))
    while abs(Decimal(text) - exact) >= half and digits < digits_max:
        text = f"{value:.{digits}e}"
        digits += 1
    return text


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
