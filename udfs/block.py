"""Blocks and bundles: batches of rows as columns of bytes. The format is docs/modellog.md.

Must not know about files, frames or SQL. Decoding is ``numpy.frombuffer``: arrays are read-only views of the buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Column:
    """One column of n rows.

    values:  fixed types: array[n], or array[n, width] for a vector column; text: object[n] of str; bytes: object[n];
             lists: the elements of all rows, one after another, array[offsets[-1]].
    valid:   bool[n], or None when no row is NULL.
    offsets: int64[n + 1] for lists, else None.
    """

    values: np.ndarray
    valid: np.ndarray | None = None
    offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.offsets is not None else len(self.values)


def encode_block(columns: list[tuple[int, Column]]) -> bytes:
    """Bytes of a block; each column is (type code, Column)."""
    raise NotImplementedError


def decode_block(data: bytes | memoryview) -> list[Column]:
    """Columns of a block. Raises ValueError when the bytes are not a whole, well-formed block."""
    raise NotImplementedError


JSON_TAG = 0xFFFFFFFF


def encode_bundle(entries: list[tuple[int, bytes]]) -> bytes:
    """Bytes of a bundle of (tag, block or JSON text) entries."""
    raise NotImplementedError


def decode_bundle(data: bytes | memoryview) -> list[tuple[int, memoryview]]:
    """(tag, bytes) entries of a bundle. Raises ValueError when malformed."""
    raise NotImplementedError
