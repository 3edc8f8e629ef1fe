"""Blocks and bundles: batches of rows as columns of bytes. The format is docs/modellog.md.

Must not know about files, frames or SQL; type codes are plain integers here because this folder is shipped to Flink
alone. Decoding is ``numpy.frombuffer``: arrays are read-only views of the buffer, only text and bytes make an object
per row. Bytes come from disk and from other processes: whatever they hold, decoding either succeeds or is a ValueError.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BYTES, DATE, TIMESTAMP, TIMESTAMP_LTZ = range(1, 13)
LIST = 0x20
"""Added to the code of a fixed type: ARRAY of it."""

JSON_TAG = 0xFFFFFFFF
"""The tag of a bundle's entry that is JSON and not a block."""

_FIXED = {
    code: np.dtype(text)
    for code, text in {
        BOOLEAN: "?", TINYINT: "i1", SMALLINT: "<i2", INT: "<i4", BIGINT: "<i8", FLOAT: "<f4", DOUBLE: "<f8",
        DATE: "<i4", TIMESTAMP: "<i8", TIMESTAMP_LTZ: "<i8",
    }.items()
}  # fmt: skip
_HEADER = struct.Struct("<II")
_DESCRIPTOR = struct.Struct("<BBHIQ")
_ENTRY = struct.Struct("<II")
_U32_MAX = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Column:
    """One column of n rows.

    values:  fixed types: array[n], or array[n, width] for a vector column (a vector of width 1 decodes as array[n]);
             text: object[n] of str; bytes: object[n]; lists: the elements of all rows, one after another,
             array[offsets[-1]]. A NULL row holds zero, "", b"" or no elements once decoded, and anything before.
    valid:   bool[n], or None when no row is NULL.
    offsets: int64[n + 1] for lists, else None.
    """

    values: np.ndarray
    valid: np.ndarray | None = None
    offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.offsets is not None else len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of what the rows hold: a pointer and the characters of each text, the elements of all lists."""
        texts = sum(len(value) for value in self.values if value) if self.values.dtype == object else 0
        return self.values.nbytes + texts

    def part(self, start: int, end: int) -> Column:
        """The rows start <= i < end, as a view of these; there may be fewer."""
        if start == 0 and end >= len(self):
            return self
        valid = None if self.valid is None else self.valid[start:end]
        if self.offsets is None:
            return Column(self.values[start:end], valid)
        bounds = self.offsets[start : end + 1]
        return Column(self.values[bounds[0] : bounds[-1]], valid, bounds - bounds[0])


def concatenated(parts: Sequence[Column]) -> Column:
    """Columns of one type, at least one of them, as one column: their rows in order."""
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([_present(part) for part in parts])
    if parts[0].offsets is None:
        return Column(values, valid)
    bounds, total = [np.zeros(1, dtype=np.int64)], 0
    for part in parts:
        assert part.offsets is not None
        bounds.append(part.offsets[1:] + total)
        total += int(part.offsets[-1])
    return Column(values, valid, np.concatenate(bounds))


def _present(part: Column) -> np.ndarray:
    return np.ones(len(part), dtype=bool) if part.valid is None else part.valid


def encode_block(columns: list[tuple[int, Column]]) -> bytes:
    """Bytes of a block; each column is (type code, Column).

    Raises ValueError when columns differ in length or a column does not fit its type without loss.
    """
    rows = len(columns[0][1]) if columns else 0
    descriptors, sections = [], []
    for number, (code, column) in enumerate(columns):
        if len(column) != rows:
            raise ValueError(f"column {number} has {len(column)} rows, the first one {rows}")
        try:
            width, body = _encode_column(code, column, rows)
        except ValueError as error:
            raise ValueError(f"column {number}: {error}") from error
        nullable = column.valid is not None and not column.valid.all()
        if nullable:
            body.insert(0, np.ascontiguousarray(column.valid, "?").tobytes())
        length = 0
        for section in body:
            padding = -len(section) % 8
            sections += (section, bytes(padding))
            length += len(section) + padding
        descriptors.append(_DESCRIPTOR.pack(code, nullable, 0, width, length))
    return b"".join([_HEADER.pack(len(columns), rows), *descriptors, *sections])


def _encode_column(code: int, column: Column, rows: int) -> tuple[int, list[bytes]]:
    """(width, sections without the validity) of one column."""
    valid = column.valid
    if valid is not None and (valid.shape != (rows,) or valid.dtype != np.bool_):
        raise ValueError(f"validity is {valid.dtype}{valid.shape}, not bool of {rows} rows")
    if valid is not None and valid.all():
        valid = None
    if code in (STRING, BYTES):
        return 1, _encode_variable(column.values, valid, code)
    dtype = _FIXED.get(code & ~LIST)
    if dtype is None:
        raise ValueError(f"unknown type code {code}")
    if not np.can_cast(column.values.dtype, dtype, "safe"):
        raise ValueError(f"{column.values.dtype} values do not fit {dtype} without loss")
    if code & LIST:
        return 1, _encode_list(column, valid, dtype)
    values = np.ascontiguousarray(column.values, dtype)
    if values.ndim != 1 and (values.ndim != 2 or code not in (FLOAT, DOUBLE) or not 1 <= values.shape[1] <= _U32_MAX):
        raise ValueError(f"values of shape {values.shape} do not fit type code {code}")
    if valid is not None:
        values = np.where(valid if values.ndim == 1 else valid[:, None], values, dtype.type(0))
    return 1 if values.ndim == 1 else values.shape[1], [values.tobytes()]


def _encode_list(column: Column, valid: np.ndarray | None, dtype: np.dtype) -> list[bytes]:
    if column.offsets is None or column.values.ndim != 1:
        raise ValueError("a list column needs offsets and flat elements")
    offsets = np.ascontiguousarray(column.offsets, "<i8")
    _check_offsets(offsets, len(column.values))
    values = np.ascontiguousarray(column.values, dtype)
    if valid is not None:
        lengths = np.diff(offsets)
        values = values[np.repeat(valid, lengths)]
        offsets = np.concatenate(([0], np.cumsum(np.where(valid, lengths, 0))))
    return [_offset_bytes(offsets), values.tobytes()]


def _encode_variable(values: np.ndarray, valid: np.ndarray | None, code: int) -> list[bytes]:
    items: list = values.tolist() if valid is None else np.where(valid, values, "" if code == STRING else b"").tolist()
    try:
        if code == STRING:
            text = "".join(items)
            pieces = items if text.isascii() else [item.encode() for item in items]
            data = text.encode()
        else:
            pieces, data = items, b"".join(items)
    except TypeError as error:
        raise ValueError(f"a value is of the wrong type: {error}") from error
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    return [_offset_bytes(np.concatenate(([0], np.cumsum(lengths)))), data]


def _offset_bytes(offsets: np.ndarray) -> bytes:
    if offsets[-1] > _U32_MAX:
        raise ValueError(f"{offsets[-1]} bytes or elements in one column, more than {_U32_MAX}")
    return offsets.astype("<u4").tobytes()


def _check_offsets(offsets: np.ndarray, size: int) -> None:
    if offsets[0] != 0 or offsets[-1] != size or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"offsets do not rise from 0 to {size}")


def decode_block(data: bytes | memoryview) -> list[Column]:
    """Columns of a block. Raises ValueError when the bytes are not a whole, well-formed block."""
    view = memoryview(data).toreadonly().cast("B")
    if len(view) < _HEADER.size:
        raise ValueError(f"block of {len(view)} bytes is cut short")
    count, rows = _HEADER.unpack_from(view)
    start = _HEADER.size + count * _DESCRIPTOR.size
    if len(view) < start or (count == 0 and rows):
        raise ValueError(f"block of {len(view)} bytes cannot hold {count} columns and {rows} rows")
    columns = []
    for number, descriptor in enumerate(_DESCRIPTOR.iter_unpack(view[_HEADER.size : start])):
        code, nullable, reserved, width, length = descriptor
        end = start + length
        try:
            if nullable > 1 or reserved or length % 8 or end > len(view):
                raise ValueError(f"malformed descriptor {descriptor}")
            columns.append(_decode_column(code, nullable, width, _Sections(view[start:end]), rows))
        except ValueError as error:
            raise ValueError(f"block, column {number}: {error}") from error
        start = end
    if start != len(view):
        raise ValueError(f"{len(view) - start} bytes after the block's last column")
    return columns


class _Sections:
    """The sections of one column's body, taken one after another; each is padded with zeros to 8 bytes."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> memoryview:
        """The next section, ``size`` bytes without its padding. Raises ValueError."""
        start, end = self._at, self._at + size
        self._at = padded = end + (-end % 8)
        if padded > len(self._body):
            raise ValueError(f"a section of {size} bytes does not fit a body of {len(self._body)} bytes")
        if padded != end and any(self._body[end:padded]):
            raise ValueError("padding is not zero")
        return self._body[start:end]

    def finish(self) -> None:
        """Raises ValueError unless every byte was taken."""
        if self._at != len(self._body):
            raise ValueError(f"{len(self._body) - self._at} bytes too many")


def _decode_column(code: int, nullable: int, width: int, sections: _Sections, rows: int) -> Column:
    valid = None
    if nullable:
        valid = _booleans(sections.take(rows))
        if valid.all():
            valid = None
    dtype = _FIXED.get(code & ~LIST)
    if width != 1 and (code not in (FLOAT, DOUBLE) or width == 0):
        raise ValueError(f"type code {code} cannot have width {width}")
    if code in (STRING, BYTES):
        return _decode_variable(code, valid, sections, rows)
    if dtype is None or code > LIST + TIMESTAMP_LTZ:
        raise ValueError(f"unknown type code {code}")
    offsets = None
    if code & LIST:
        offsets = np.frombuffer(sections.take(4 * (rows + 1)), "<u4").astype(np.int64)
        size = int(offsets[-1])
        _check_offsets(offsets, size)
    else:
        size = rows * width
    raw = sections.take(size * dtype.itemsize)
    sections.finish()
    values = _booleans(raw) if dtype == np.bool_ else np.frombuffer(raw, dtype)
    if width > 1:
        values = values.reshape(rows, width)
    return Column(values, valid, offsets)


def _booleans(raw: memoryview) -> np.ndarray:
    """bool view of bytes that must be 0 or 1: numpy does not defend itself against others."""
    numbers = np.frombuffer(raw, np.uint8)
    if len(numbers) and numbers.max() > 1:
        raise ValueError("a boolean is neither 0 nor 1")
    return numbers.view(np.bool_)


def _decode_variable(code: int, valid: np.ndarray | None, sections: _Sections, rows: int) -> Column:
    offsets = np.frombuffer(sections.take(4 * (rows + 1)), "<u4").astype(np.int64)
    size = int(offsets[-1])
    _check_offsets(offsets, size)
    data = sections.take(size).tobytes()
    sections.finish()
    whole: str | bytes = data
    if code == STRING:
        whole = data.decode("utf-8")
        if len(whole) != size:  # not ASCII: turn byte offsets into character offsets and slice the one string
            starts = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
            if not starts[offsets[offsets < size]].all():
                raise ValueError("a text value starts inside a character")
            offsets = np.concatenate(([0], np.cumsum(starts)))[offsets]
    values = np.empty(rows, object)
    bounds = offsets.tolist()
    values[:] = [whole[start:end] for start, end in itertools.pairwise(bounds)]
    values.flags.writeable = False
    return Column(values, valid)


def encode_bundle(entries: list[tuple[int, bytes]]) -> bytes:
    """Bytes of a bundle of (tag, block or JSON text) entries. Raises ValueError when a block is not padded to 8."""
    parts = [_HEADER.pack(len(entries), 0)]
    for tag, body in entries:
        if tag == JSON_TAG:
            body = body + b" " * (-len(body) % 8)
        if len(body) % 8 or len(body) > _U32_MAX or not 0 <= tag <= _U32_MAX:
            raise ValueError(f"bundle entry with tag {tag} and {len(body)} bytes: not a block")
        parts += (_ENTRY.pack(tag, len(body)), body)
    return b"".join(parts)


def decode_bundle(data: bytes | memoryview) -> list[tuple[int, memoryview]]:
    """(tag, bytes) entries of a bundle. Raises ValueError when malformed."""
    view = memoryview(data).toreadonly().cast("B")
    if len(view) < _HEADER.size:
        raise ValueError(f"bundle of {len(view)} bytes is cut short")
    count, reserved = _HEADER.unpack_from(view)
    if reserved or count * _ENTRY.size > len(view):
        raise ValueError(f"malformed bundle header ({count}, {reserved})")
    entries, at = [], _HEADER.size
    for _ in range(count):
        if at + _ENTRY.size > len(view):
            raise ValueError("bundle is cut short")
        tag, length = _ENTRY.unpack_from(view, at)
        at += _ENTRY.size
        if length % 8 or at + length > len(view):
            raise ValueError(f"bundle entry {len(entries)} with {length} bytes does not fit")
        entries.append((tag, view[at : at + length]))
        at += length
    if at != len(view):
        raise ValueError(f"{len(view) - at} bytes after the bundle's last entry")
    return entries
