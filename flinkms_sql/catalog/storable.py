"""Whatever a job ends with as something that PostgreSQL can hold: valid JSON, and texts without what no text may have.

JSON knows no NaN and no infinity, and neither text nor jsonb holds U+0000 or half of a surrogate pair: a metric over no
rows, or an error that quotes a binary file, would make the end of a job impossible to record. Both stores give back what
these functions made of a value. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def storable_text(text: str) -> str:
    """The text with U+FFFD where PostgreSQL holds no such character."""
    return _UNSTORABLE.sub(_REPLACEMENT, text) if _UNSTORABLE.search(text) else text


def storable(value: object) -> Json:
    """The value as JSON has it: NaN is null, an infinity and whatever else JSON does not know is its text (``float`` reads it)."""
    match value:
        case None | bool():
            return value
        case str():
            return storable_text(value)
        case Integral():
            return int(value)
        case Real():
            return _number(float(value))
        case Mapping():
            return {storable_text(str(key)): storable(entry) for key, entry in value.items()}
        case Sequence() | set() | frozenset() if not isinstance(value, bytes | bytearray):
            return [storable(entry) for entry in value]
        case _:
            return storable_text(str(value))


def _number(value: float) -> Json:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def dumps(value: object) -> str:
    """The value as JSON text that jsonb accepts, whatever it is."""
    return json.dumps(storable(value), allow_nan=False)
