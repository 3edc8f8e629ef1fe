"""INSERT INTO a stream: rows that wait for the end of their transaction, and their append.

Must not know how rows are made, nor who says that a transaction has ended. A stream has no rollback, so rows are kept
until their transaction commits: the explicit block, or the implicit one that ends with the series (Sync) or with the
text of statements. They are appended as one unit per stream, and the client is told that the transaction has committed
only when they are durable. Savepoints nest as PostgreSQL's do, one name as often as it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server.budget import Share
from flinkms_sql.server.services import Streams
from udfs.block import Column, concatenated

TRANSACTION_ROWS_MAX = 1_000_000
"""Rows one transaction may insert into streams: they are held in memory until it commits."""

TRANSACTION_BYTES_MAX = 256 << 20
"""Bytes of those rows: a row may be of any size."""

SAVEPOINTS_MAX = 100_000
"""Savepoints of one transaction that are kept track of: PostgreSQL holds as many only with gigabytes."""


@dataclass(frozen=True, slots=True)
class _Savepoint:
    name: str


@dataclass(frozen=True, slots=True)
class _Insert:
    table: str
    columns: tuple[Column, ...]
    size: int


class PendingRows:
    """The rows of one session that are not appended yet, with the savepoints between them."""

    __slots__ = ("_bytes", "_due", "_entries", "_rows", "_savepoints", "_share")

    def __init__(self, share: Share) -> None:
        self._share = share
        self._entries: list[_Savepoint | _Insert] = []
        self._rows = self._bytes = self._savepoints = 0
        self._due: list[_Insert] = []

    @property
    def waiting(self) -> bool:
        """Whether there are rows whose transaction has not ended."""
        return self._rows > 0

    @property
    def due(self) -> bool:
        """Whether there are rows of committed transactions to append."""
        return bool(self._due)

    def add(self, table: str, columns: Sequence[Column]) -> int:
        """Keep rows for a stream; their number. Raises FlinkmsError 53400 or 53200 where there is no room."""
        rows, size = len(columns[0]), sum(column.nbytes for column in columns)
        if self._rows + rows > TRANSACTION_ROWS_MAX:
            raise _too_much(f"{TRANSACTION_ROWS_MAX} rows")
        if rows and self._bytes + size > TRANSACTION_BYTES_MAX:
            raise _too_much(f"{TRANSACTION_BYTES_MAX >> 20} MiB of rows")
        if rows:
            self._share.take(size)
            self._entries.append(_Insert(table, tuple(columns), size))
            self._rows, self._bytes = self._rows + rows, self._bytes + size
        return rows

    def savepoint(self, name: str) -> None:
        """Remember where the transaction is. Raises FlinkmsError 53400 when there are too many."""
        if self._savepoints >= SAVEPOINTS_MAX:
            raise FlinkmsError(errors.CONFIGURATION_LIMIT_EXCEEDED,
                               f"a transaction may have at most {SAVEPOINTS_MAX} savepoints")  # fmt: skip
        self._entries.append(_Savepoint(name))
        self._savepoints += 1

    def release(self, name: str) -> None:
        """Forget the newest savepoint of this name and those after it; their rows stay."""
        at = self._newest(name)
        if at is not None:
            later = [entry for entry in self._entries[at:] if isinstance(entry, _Insert)]
            self._set([*self._entries[:at], *later])

    def rollback_to(self, name: str) -> None:
        """Forget rows and savepoints after the newest savepoint of this name, which stays."""
        at = self._newest(name)
        if at is not None:
            self._set(self._entries[: at + 1])

    def _newest(self, name: str) -> int | None:
        return next((at for at in range(len(self._entries) - 1, -1, -1) if self._entries[at] == _Savepoint(name)), None)

    def _set(self, entries: list[_Savepoint | _Insert]) -> None:
        self._entries = entries
        inserts = [entry for entry in entries if isinstance(entry, _Insert)]
        self._rows = sum(len(entry.columns[0]) for entry in inserts)
        kept = sum(entry.size for entry in inserts)
        self._share.give(self._bytes - kept)
        self._bytes = kept
        self._savepoints = sum(isinstance(entry, _Savepoint) for entry in entries)

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._set([])

    def commit(self) -> None:
        """The transaction has committed: its rows are due."""
        self._due += [entry for entry in self._entries if isinstance(entry, _Insert)]
        self._bytes = 0  # they are still kept, until they are appended
        self._set([])

    async def append(self, streams: Streams) -> None:
        """Append what is due and forget it. Raises FlinkmsError when it is not durable."""
        by_table: dict[str, list[tuple[Column, ...]]] = {}
        for entry in self._due:
            by_table.setdefault(entry.table, []).append(entry.columns)
        size, self._due = sum(entry.size for entry in self._due), []
        appends = [streams.writer(table).append(_joined(batches)) for table, batches in by_table.items()]
        # Once begun, an append is not called off: half of it may be durable already.
        appended = asyncio.gather(*appends)
        appended.add_done_callback(lambda _: self._share.give(size))
        await asyncio.shield(appended)


def _too_much(what: str) -> FlinkmsError:
    return FlinkmsError(errors.CONFIGURATION_LIMIT_EXCEEDED, f"a transaction may insert at most {what} into streams",
                        hint="Commit more often.")  # fmt: skip


def _joined(batches: Sequence[tuple[Column, ...]]) -> list[Column]:
    """Batches of rows as one."""
    if len(batches) == 1:
        return list(batches[0])
    return [concatenated(parts) for parts in zip(*batches, strict=True)]
