"""INSERT INTO a stream: rows that wait for the end of their transaction, and their append.

Must not know how rows are made. A stream has no rollback, so rows are kept until their transaction commits: the
explicit block, or the implicit one that ends with the series (Sync) or with the text of statements. They are appended
as one unit per stream, and the client is told that the transaction has committed only when they are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server.services import Streams
from udfs.block import Column

TRANSACTION_ROWS_MAX = 1_000_000
"""Rows one transaction may insert into streams: they are held in memory until it commits."""


@dataclass(frozen=True, slots=True)
class _Savepoint:
    name: str


@dataclass(frozen=True, slots=True)
class _Insert:
    table: str
    columns: tuple[Column, ...]


class Inserts:
    """The rows of one session that are not appended yet, with the savepoints between them."""

    def __init__(self) -> None:
        self._entries: list[_Savepoint | _Insert] = []
        self._rows = 0

    @property
    def waiting(self) -> bool:
        """Whether there are rows to append when the transaction commits."""
        return self._rows > 0

    def add(self, table: str, columns: Sequence[Column]) -> int:
        """Keep rows for a stream; their number. Raises FlinkmsError 53400 when there are too many."""
        rows = len(columns[0])
        if self._rows + rows > TRANSACTION_ROWS_MAX:
            raise FlinkmsError(
                errors.CONFIGURATION_LIMIT_EXCEEDED,
                f"a transaction may insert at most {TRANSACTION_ROWS_MAX} rows into streams",
                hint="Commit more often.",
            )
        if rows:
            self._entries.append(_Insert(table, tuple(columns)))
            self._rows += rows
        return rows

    def savepoint(self, name: str) -> None:
        """Remember where the transaction is."""
        self._entries.append(_Savepoint(name))

    def rollback_to(self, name: str) -> None:
        """Forget rows that were added after the newest savepoint of this name."""
        for at in range(len(self._entries) - 1, -1, -1):
            if self._entries[at] == _Savepoint(name):
                del self._entries[at + 1 :]
                break
        self._rows = sum(len(entry.columns[0]) for entry in self._entries if isinstance(entry, _Insert))

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._entries, self._rows = [], 0

    def failed(self, in_block: bool) -> None:
        """A statement failed: an implicit transaction is over; in an explicit one a savepoint may still save them."""
        if not in_block:
            self.forget()

    async def append(self, streams: Streams) -> None:
        """Append everything and forget it. Raises FlinkmsError when it is not durable."""
        by_table: dict[str, list[tuple[Column, ...]]] = {}
        for entry in self._entries:
            if isinstance(entry, _Insert):
                by_table.setdefault(entry.table, []).append(entry.columns)
        self.forget()
        appends = [streams.writer(table).append(_joined(batches)) for table, batches in by_table.items()]
        # Once begun, an append is not called off: half of it may be durable already.
        await asyncio.shield(asyncio.gather(*appends))


def _joined(batches: Sequence[tuple[Column, ...]]) -> list[Column]:
    """Batches of rows as one."""
    if len(batches) == 1:
        return list(batches[0])
    return [_concatenated(parts) for parts in zip(*batches, strict=True)]


def _concatenated(parts: Sequence[Column]) -> Column:
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
