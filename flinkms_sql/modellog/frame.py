"""Frames and segment headers as bytes: encode, decode, and tell a torn tail from corruption.

Must not know about files or directories: bytes in, values out; whoever has the file adds its name to an error.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import google_crc32c
import numpy as np

from udfs.block import Column, decode_block

FRAME_BYTES_MAX = 64 << 20
"""Bytes of a whole frame: a reader holds one in memory, and a length beyond it is known to be damaged."""
FRAME_HEADER_BYTES = 32
SEGMENT_HEADER_BYTES = 64
APPEND, UPSERT = 1, 2
"""Kinds of frame: rows of a stream, rows of a keyed table."""

_MAGIC = 0x464D5346
_VERSION = 1
_FRAME = struct.Struct("<IBBHIIIIq")
_SEGMENT_MAGIC = b"FLINKMS\x01"
_SEGMENT = struct.Struct("<8sIIIIQIIQqQ")


class Position(NamedTuple):
    """A place in a partition: order of two records of one key is the order of their positions."""

    epoch: int
    offset: int


Positions = Mapping[str, Mapping[str, Position]]
"""Table name -> partition name -> position."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole, checked frame. ``start`` and ``end``: positions of its first byte and of what follows it.

    ``written_at``: microseconds since 1970-01-01 UTC. ``body``: the block, a view of the bytes that were read.
    """

    kind: int
    rows: int
    written_at: int
    start: Position
    end: Position
    body: memoryview

    def columns(self) -> list[Column]:
        """The frame's columns. Raises ValueError when the block is malformed or has another number of rows."""
        columns = decode_block(self.body)
        if columns and len(columns[0]) != self.rows:
            raise ValueError(f"frame of {self.rows} rows holds a block of {len(columns[0])}")
        return columns


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The bytes end inside a frame that needs ``size`` bytes (at least)."""

    size: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """No frame: why, and how many bytes it claims to have, None when that cannot be said.

    ``certain``: the checksum is right, so that no crash explains what is wrong.
    """

    reason: str
    size: int | None = None
    certain: bool = False


def crc32c(data: bytes | memoryview | np.ndarray, previous: int = 0) -> int:
    """CRC32C of a contiguous buffer, continuing ``previous``."""
    return google_crc32c.extend(previous, np.frombuffer(data, np.uint8))  # takes no memoryview


def encode_frame(kind: int, rows: int, body: bytes, written_at: int) -> bytes:
    """Bytes of a frame. Raises ValueError when it would be larger than FRAME_BYTES_MAX."""
    if len(body) + FRAME_HEADER_BYTES > FRAME_BYTES_MAX or len(body) % 8:
        raise ValueError(f"a frame cannot hold a body of {len(body)} bytes")
    header = _FRAME.pack(_MAGIC, _VERSION, kind, 0, len(body), 0, rows, 0, written_at)
    checked = header[16:] + body
    return header[:12] + crc32c(checked).to_bytes(4, "little") + checked


def parse_frame(view: memoryview, at: int, position: Position) -> Frame | Incomplete | Malformed:
    """The frame that starts at ``view[at]``, which is ``position`` in the log."""
    rest = len(view) - at
    if rest < FRAME_HEADER_BYTES:
        return Incomplete(FRAME_HEADER_BYTES)
    magic, version, kind, flags, length, crc, rows, reserved, written_at = _FRAME.unpack_from(view, at)
    size = FRAME_HEADER_BYTES + length
    if magic != _MAGIC or length % 8 or size > FRAME_BYTES_MAX:
        return Malformed("no frame header")
    if rest < size:
        return Incomplete(size)
    if crc32c(view[at + 16 : at + size]) != crc:
        return Malformed("wrong checksum", size)
    if version != _VERSION or flags or reserved or kind not in (APPEND, UPSERT):
        return Malformed(f"frame of version {version}, kind {kind}, flags {flags} is not supported", size, certain=True)
    end = Position(position.epoch, position.offset + size)
    return Frame(kind, rows, written_at, position, end, view[at + FRAME_HEADER_BYTES : at + size])


def is_corruption(view: memoryview, at: int, problem: Incomplete | Malformed) -> bool:
    """Whether what ``parse_frame`` found is damage. ``view`` ends where the file ends.

    A writer appends and a crash cuts off: bytes that are no frame, with nothing whole after them, are a torn tail.
    Whole data behind them says that they were whole once. Frames start at multiples of 8 bytes.
    """
    if isinstance(problem, Malformed) and (problem.certain or at + (problem.size or len(view) - at) != len(view)):
        return True
    words = np.frombuffer(view[at + 8 : at + 8 + (len(view) - at - 8) // 8 * 8], "<u4")[::2]
    starts = np.flatnonzero(words == _MAGIC) * 8 + at + 8
    return any(isinstance(parse_frame(view, int(start), Position(0, 0)), Frame) for start in starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """What a segment file says of itself. ``parent``: where the parent epoch ends, None for a first epoch."""

    epoch: int
    number: int
    start: int
    parent: Position | None
    created_at: int


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The first 64 bytes of a segment file."""
    parent = header.parent or Position(0, 0)
    fields = (header.epoch, header.number, header.start, parent.epoch, 0, parent.offset, header.created_at, 0)
    data = _SEGMENT.pack(_SEGMENT_MAGIC, SEGMENT_HEADER_BYTES, 0, *fields)
    return data[:12] + crc32c(data[16:]).to_bytes(4, "little") + data[16:]


def decode_segment_header(data: bytes) -> SegmentHeader:
    """The header at the start of a segment file. Raises ValueError."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise ValueError(f"segment header of {len(data)} bytes is cut short")
    magic, size, crc, epoch, number, start, parent_epoch, flags, parent_offset, created_at, reserved = (
        _SEGMENT.unpack_from(data)
    )
    if magic != _SEGMENT_MAGIC or size != SEGMENT_HEADER_BYTES or flags or reserved:
        raise ValueError("no segment header of a supported version")
    if crc32c(data[16:SEGMENT_HEADER_BYTES]) != crc:
        raise ValueError("wrong checksum of the segment header")
    parent = Position(parent_epoch, parent_offset) if parent_epoch else None
    return SegmentHeader(epoch=epoch, number=number, start=start, parent=parent, created_at=created_at)
