"""Log files for the tests of modellog, written byte by byte: what a Flink sink leaves behind, whole or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flinkms_sql.modellog.frame import APPEND, UPSERT, Position, SegmentHeader, encode_frame, encode_segment_header
from flinkms_sql.modellog.segments import segment_name
from udfs import block
from udfs.block import Column, encode_block

WIDTH = 2


def no_sync(handle: int) -> None:
    """An fsync for tests that are not about durability: they would spend their time in it."""


def objects(items: Sequence) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def append_frame(*numbers: int) -> bytes:
    """A frame of a stream with one BIGINT column."""
    return encode_frame(APPEND, len(numbers), encode_block([(block.BIGINT, Column(np.array(numbers, np.int64)))]), 7)


def upsert_block(records: Sequence[tuple[int, int | str, int, float]], width: int = WIDTH) -> bytes:
    """The body of an upsert frame, from (op, key, sequence, value): the row is ``width`` times the value."""
    ops, keys, sequences, values = zip(*records)
    text = isinstance(keys[0], str)
    rows = np.repeat(np.array(values, np.float32)[:, None], width, axis=1)
    return encode_block(
        [
            (block.TINYINT, Column(np.array(ops, np.int8))),
            (block.STRING, Column(objects(keys))) if text else (block.BIGINT, Column(np.array(keys, np.int64))),
            (block.BIGINT, Column(np.array(sequences, np.int64))),
            (block.BIGINT, Column(np.array(sequences, np.int64) * 10)),
            (block.FLOAT, Column(rows)),
        ]
    )


def upsert_frame(*records: tuple[int, int | str, int, float]) -> bytes:
    return encode_frame(UPSERT, len(records), upsert_block(records), 7)


@dataclass
class FlinkWriter:
    """Writes epochs as the sink does: never syncs, and starts anew from any position it was restored to."""

    path: Path
    epoch: int = 0
    offset: int = 0
    start: int = 0
    parent: Position | None = None
    header_bytes: bytes = field(default=b"", repr=False)

    def begin(self, parent: Position | None = None) -> Position:
        """Start the next epoch."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.epoch, self.offset, self.parent = self.epoch + 1, 0, parent
        self.roll()
        return self.position

    def roll(self) -> None:
        """Start the next segment."""
        self.start = self.offset
        header = SegmentHeader(epoch=self.epoch, number=0, start=self.start, parent=self.parent, created_at=1)
        self.file.write_bytes(encode_segment_header(header))

    def write(self, *frames: bytes) -> Position:
        """Append; the position after it."""
        with open(self.file, "ab") as file:
            for frame in frames:
                file.write(frame)
                self.offset += len(frame)
        return self.position

    def commit(self, position: Position | None = None) -> None:
        """Write ``committed``."""
        epoch, offset = position or self.position
        (self.path / "committed").write_text(json.dumps({"epoch": epoch, "offset": offset}))

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)

    @property
    def file(self) -> Path:
        return self.path / segment_name(self.epoch, self.start)


class Clock:
    """A clock that stands still until it is moved; seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def nine_keys(count: int) -> np.ndarray:
    """int64[9]: keys that ended a model for good when an index of ``count`` keys had three hash functions, fixed ones.

    Of each three keys share both slots under one of the hashes: two slots for three keys, whichever hash is tried.
    """
    m1, m2, m3 = multipliers = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
    bits = (5 * count // 2).bit_length()
    keys = np.random.default_rng(9).integers(-(2**63), 2**63 - 1, 100_000)
    chosen: list[int] = []
    for attempt, seed in enumerate(multipliers):
        mixed = (keys.view(np.uint64) ^ np.uint64(seed)) * np.uint64(m1)
        mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(m2)
        shift = np.uint64(64 - bits - attempt)
        slots = (mixed >> shift) << np.uint64(32) | (mixed ^ mixed >> np.uint64(29)) * np.uint64(m3) >> shift
        alike = np.flatnonzero(slots == np.sort(slots)[np.flatnonzero(np.sort(slots)[2:] == np.sort(slots)[:-2])[0]])
        chosen += keys[alike[:3]].tolist()
    return np.array(chosen, np.int64)
