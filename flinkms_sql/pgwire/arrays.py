"""Array values: the text form ``{1,NULL,"a b"}`` and the binary form (PostgreSQL, array_in and array_recv).

Must not know element types: elements stay text or bytes, None is NULL. One dimension only: a column of this project
is never deeper, and a deeper value is refused by name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

_HEAD = struct.Struct(">iiI")
_DIMENSION = struct.Struct(">ii")
_PLAIN = re.compile(r'\s*([^\s",{}\\]+)\s*(?:,|$)')
"""An element without quotes, blanks or escapes, as numbers are, with what ends it."""
_BLANKS = re.compile(r"\s*")
_UNQUOTED_RUN, _QUOTED_RUN = re.compile(r'[^",{}\\]*'), re.compile(r'[^"\\]*')


def parse_array(text: str) -> list[str | None]:
    """Elements of the text form. Raises FlinkmsError 22P02, or 0A000 for more than one dimension."""
    stripped = text.strip()
    if stripped.startswith("["):  # explicit bounds: [1:3]={…}
        stripped = stripped.partition("=")[2].strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        raise _malformed(text)
    inner = stripped[1:-1]
    if inner.lstrip().startswith("{"):
        raise _dimensions()
    if not inner.strip():
        return []
    elements: list[str | None] = []
    at = 0
    while True:
        plain = _PLAIN.match(inner, at)
        if plain is not None:
            word, at = plain[1], plain.end()
            elements.append(None if word.upper() == "NULL" else word)
            if at == len(inner) and inner[-1] != ",":
                return elements
            continue
        element, at = _element(inner, at)
        elements.append(element)
        if at == len(inner):
            return elements
        if inner[at] != ",":
            raise _malformed(text)
        at += 1


def _element(inner: str, at: int) -> tuple[str | None, int]:
    """The element that begins at ``at`` or after blanks, and where it and the blanks after it end."""
    start = _BLANKS.match(inner, at).end()  # type: ignore[union-attr]  # which matches anywhere
    if inner.startswith('"', start):
        end = _run(_QUOTED_RUN, inner, start + 1)
        if not inner.startswith('"', end):
            raise _malformed("{" + inner + "}")
        return _unescaped(inner[start + 1 : end]), _BLANKS.match(inner, end + 1).end()  # type: ignore[union-attr]
    end = _run(_UNQUOTED_RUN, inner, start)
    bare = inner[start:end]
    shown = bare.rstrip()
    if (len(shown) - len(shown.rstrip("\\"))) % 2:  # the first of the blanks is escaped
        shown = bare[: len(shown) + 1]
    if not shown:
        raise _malformed("{" + inner + "}")
    return None if shown.upper() == "NULL" else _unescaped(shown), end


def _run(run: re.Pattern[str], text: str, at: int) -> int:
    """The end of what ``run`` and escapes match. Not one expression: that would keep 200 bytes for each escape."""
    while True:
        at = run.match(text, at).end()  # type: ignore[union-attr]  # which matches anywhere
        if not text.startswith("\\", at) or at + 1 == len(text):
            return at
        at += 2


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def parse_binary_array(data: bytes, element_oid: int) -> memoryview:
    """The elements' part of the binary form, after its header is checked; count them with ``split_elements``.

    Raises FlinkmsError 22P03, 42804 when the elements are of another type, 0A000 for more than one dimension.
    """
    if len(data) < _HEAD.size:
        raise bad_binary_array()
    dimensions, _has_null, oid = _HEAD.unpack_from(data)
    if oid != element_oid:
        raise FlinkmsError(
            errors.DATATYPE_MISMATCH,
            f"binary data has array element type {oid} instead of expected {element_oid}",
        )
    if dimensions == 0:
        return memoryview(b"")
    if dimensions != 1:
        raise _dimensions()
    return memoryview(data)[_HEAD.size + _DIMENSION.size :]


def split_elements(data: memoryview) -> list[bytes | None]:
    """Elements of any width, each with its length in front."""
    elements: list[bytes | None] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if length == -1:
            elements.append(None)
            continue
        if length < 0 or at + length > len(data):
            raise bad_binary_array()
        elements.append(bytes(data[at : at + length]))
        at += length
    return elements


def fixed_elements(data: memoryview, dtype: str) -> np.ndarray | None:
    """Elements as one big-endian array of ``dtype`` when each has that width and none is NULL, else None."""
    record = np.dtype([("length", ">i4"), ("value", dtype)])
    if len(data) % record.itemsize:
        return None
    records = np.frombuffer(data, record)
    if (records["length"] != record["value"].itemsize).any():
        return None
    return records["value"]


def format_array(elements: Iterable[str | None]) -> str:
    """The text form of elements whose text needs no quotes (numbers)."""
    return "{" + ",".join("NULL" if element is None else element for element in elements) + "}"


def binary_array_head(count: int, element_oid: int, has_null: bool) -> bytes:
    """What comes before the elements in the binary form."""
    if count == 0:
        return _HEAD.pack(0, 0, element_oid)
    return _HEAD.pack(1, has_null, element_oid) + _DIMENSION.pack(count, 1)


def bad_binary_array() -> FlinkmsError:
    """The error for a binary array that cannot be read."""
    return FlinkmsError(errors.INVALID_BINARY_REPRESENTATION, "invalid binary representation of an array")


def _malformed(text: str) -> FlinkmsError:
    return FlinkmsError(errors.INVALID_TEXT_REPRESENTATION, f'malformed array literal: "{text}"')


def _dimensions() -> FlinkmsError:
    return FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "arrays of more than one dimension are not supported here")
