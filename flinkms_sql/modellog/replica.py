"""Replicas: the tables of a served version in memory, kept as new as the log.

Must not know about SQL, sessions or which version is live. Not thread-safe: ``poll`` and the reads belong to one thread,
usually the event loop's, so that a reader sees all of a frame or nothing and needs no lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.base import map_rows, open_current, read_keys, read_numbers
from flinkms_sql.modellog.files import corrupted
from flinkms_sql.modellog.frame import UPSERT, Frame, Position
from flinkms_sql.modellog.index import build_index
from flinkms_sql.modellog.partition import POLL_BYTES_MAX, PartitionReader, Superseded
from flinkms_sql.modellog.segments import read_committed
from flinkms_sql.modellog.version import Table, read_version
from udfs.block import Column

UNDO_BYTES_MAX = 64 << 20
"""Bytes of former rows kept per partition to take superseded frames back: some checkpoint intervals of a busy writer.
Frames that must be taken back beyond it cost a reload of the table."""
COMMITTED_INTERVAL_S = 0.25
"""Seconds between looks at what a partition's writer has committed: a fraction of any checkpoint interval."""
UPSERTED, DELETED = 1, 2
_PAGE_FLOATS = 1024


@dataclass(frozen=True, slots=True)
class _Undo:
    """The state of a frame's keys before it: those that were there with their rows, and those that were not."""

    end: Position
    present: np.ndarray
    absent: np.ndarray
    rows: np.ndarray
    sequences: np.ndarray
    event_times: np.ndarray

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + 24 * (len(self.present) + len(self.absent))


class TableReplica:
    """One table: its current base plus the frames applied to it. Implements udfs.model.TableView.

    ``base_positions``: partition -> up to where the base contains the log.
    Raises FlinkmsError 58030, XX001 when the base cannot be read or does not fit ``table``.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self.table = table
        base, self.base_positions = open_current(path)
        if (base.key, base.width) != (table.key, table.width):
            raise corrupted(base.path / "base.json", f"{base.key} keys and width {base.width} do not fit the version")
        try:
            self._index = build_index(table.key, read_keys(base))
        except ValueError as error:
            raise corrupted(base.path, str(error)) from error
        self._matrix = map_rows(base)
        self._sequences = _extended(read_numbers(base, "sequences.i64"), base.capacity)
        self._event_times = _extended(read_numbers(base, "event_times.i64"), base.capacity)
        self._refresh()

    def _refresh(self) -> None:
        """Set the views that readers use; after every change of the set of rows."""
        self.keys = self._index.keys
        count = len(self.keys)
        self.matrix = self._matrix[:count]
        self.sequences = self._sequences[:count]
        self.event_times = self._event_times[:count]
        self.live = self._index.live()

    @property
    def find_one(self) -> Callable[[int | str], int]:
        """``find_one(key)``: row number of one key, -1 where it is unknown."""
        return self._index.find_one

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where it is unknown."""
        return self._index.find(keys)

    def apply(self, columns: list[Column], *, keep: Position | None = None) -> _Undo | None:
        """Apply the columns of an upsert frame; the last record of a key wins.

        keep: the frame's end, when what it overwrites is to be returned. Raises ValueError when they do not fit.
        """
        ops, keys, sequences, event_times, rows = self._checked(columns)
        if (ops == DELETED).any():
            last = _last_of_each(keys)
            ops, keys, sequences, event_times, rows = (a[last] for a in (ops, keys, sequences, event_times, rows))
        numbers = self.find(keys)
        undo = None if keep is None else self._remember(keep, keys, numbers)
        gone = ops == DELETED
        if gone.any():
            self._index.remove(numbers[gone & (numbers >= 0)])
            here = ~gone
            keys, numbers, sequences, event_times, rows = (
                a[here] for a in (keys, numbers, sequences, event_times, rows)
            )
            self._refresh()
        self._upsert(keys, numbers, sequences, event_times, rows)
        return undo

    def take_back(self, undo: _Undo) -> None:
        """Undo a frame; frames are taken back in reverse order."""
        numbers = np.unique(self.find(undo.absent))
        self._index.remove(numbers[numbers >= 0])
        self._refresh()
        self._upsert(undo.present, self.find(undo.present), undo.sequences, undo.event_times, undo.rows)

    def warm(self) -> None:
        """Touch every page of the rows, so that no prediction waits for the disk."""
        self.matrix.reshape(-1)[::_PAGE_FLOATS].sum()

    def _checked(self, columns: list[Column]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if len(columns) != 5 or any(column.valid is not None or column.offsets is not None for column in columns):
            raise ValueError("an upsert frame of a model's table has five columns without NULL")
        ops, keys, sequences, event_times, rows = (column.values for column in columns)
        dtypes = (np.int8, np.int64 if self.table.key == "int64" else object, np.int64, np.int64, np.float32)
        if tuple(column.values.dtype for column in columns) != tuple(np.dtype(dtype) for dtype in dtypes):
            raise ValueError(f"columns of types {[str(column.values.dtype) for column in columns]}")
        if rows.size != len(keys) * self.table.width or any(column.values.ndim != 1 for column in columns[:4]):
            raise ValueError(f"rows of shape {rows.shape} for width {self.table.width}")
        if len(ops) and (ops.min() < UPSERTED or ops.max() > DELETED):
            raise ValueError("an op is neither upsert nor delete")
        return ops, keys, sequences, event_times, rows.reshape(len(keys), self.table.width)

    def _remember(self, end: Position, keys: np.ndarray, numbers: np.ndarray) -> _Undo:
        known = numbers >= 0
        present, rows = keys[known], numbers[known]
        return _Undo(
            end, present, keys[~known], self._matrix[rows], self._sequences[rows], self._event_times[rows]
        )

    def _upsert(
        self, keys: np.ndarray, numbers: np.ndarray, sequences: np.ndarray, event_times: np.ndarray, rows: np.ndarray
    ) -> None:
        unknown = numbers < 0
        if unknown.any():
            self._index.insert(np.unique(keys[unknown]))
            self._make_room(len(self._index.keys))
            numbers[unknown] = self.find(keys[unknown])
            self._refresh()
        self._matrix[numbers] = rows  # numpy assigns in order: of a row that is named twice the last value stays
        self._sequences[numbers] = sequences
        self._event_times[numbers] = event_times

    def _make_room(self, count: int) -> None:
        """Once the mapping's headroom is used up the rows move to memory of their own: a pause once per 25 % growth."""
        if count > len(self._matrix):
            capacity = count + count // 4 + 1024
            self._matrix = _extended(self._matrix, capacity)
            self._sequences = _extended(self._sequences, capacity)
            self._event_times = _extended(self._event_times, capacity)


def _extended(array: np.ndarray, count: int) -> np.ndarray:
    grown = np.zeros((count, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _last_of_each(keys: np.ndarray) -> np.ndarray:
    """Indices of the last record of each key, rising."""
    _, first_from_end = np.unique(keys[::-1], return_index=True)
    return np.sort(len(keys) - 1 - first_from_end)


class _Partition:
    """One partition of one table: its reader, and the undo records of what is not committed yet.

    ``complete_from``: everything applied after this position can be taken back.
    """

    def __init__(self, table: TableReplica, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.path = table.path / "log" / name
        self.reader = PartitionReader(self.path, UPSERT, table.base_positions.get(name), clock=clock)
        self.failure: FlinkmsError | None = None
        self._clock = clock
        self._look_at = float("-inf")
        self._committed: Position | None = None
        self._undos: deque[_Undo] = deque()
        self._undo_bytes = 0
        self._complete_from = table.base_positions.get(name, Position(0, 0))

    def poll(self, table: TableReplica, bytes_max: int) -> int | None:
        """Apply what is new to the table; the number of records, or None when the table has to be loaded again.

        After an error the partition stays where it is and every further call raises it again.
        """
        if self.failure is not None:
            raise self.failure
        try:
            events = self.reader.poll(bytes_max)
            return self._apply(table, events) if events else 0
        except FlinkmsError as error:
            self.failure = error
            raise

    def _apply(self, table: TableReplica, events: list[Frame | Superseded]) -> int | None:
        self._look()
        records = 0
        for event in events:
            if isinstance(event, Superseded):
                if event.since < self._complete_from:
                    return None
                self._take_back(table, event.since)
                records += 1
                continue
            committed = self._committed is not None and event.end <= self._committed
            try:
                undo = table.apply(event.columns(), keep=None if committed else event.end)
            except ValueError as error:
                raise corrupted(self.path, f"frame {event.start.epoch}/{event.start.offset}: {error}") from error
            if undo is None:
                self._complete_from = event.end
            else:
                self._undos.append(undo)
                self._undo_bytes += undo.bytes
            records += event.rows
        while self._undo_bytes > UNDO_BYTES_MAX:
            self._forget()
        return records

    def _look(self) -> None:
        """Forget what is committed: a writer is never restored to before that, but by hand."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + COMMITTED_INTERVAL_S
        self._committed = read_committed(self.path)
        while self._committed is not None and self._undos and self._undos[0].end <= self._committed:
            self._forget()

    def _forget(self) -> None:
        undo = self._undos.popleft()
        self._undo_bytes -= undo.bytes
        self._complete_from = undo.end

    def _take_back(self, table: TableReplica, since: Position) -> None:
        while self._undos and self._undos[-1].end > since:
            undo = self._undos.pop()
            self._undo_bytes -= undo.bytes
            table.take_back(undo)


class VersionReplica:
    """All tables of one version, from its directory. Implements udfs.model.ModelView.

    ``generation`` grows with every poll that changed something. clock: seconds, rising.
    Raises FlinkmsError 58030, XX001 when version.json or a base is missing or damaged.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.version = read_version(path)
        self.generation = 0
        self._clock = clock
        self._tables = {table.name: TableReplica(path / table.name, table) for table in self.version.tables}
        self._partitions = {name: self._open_log(table) for name, table in self._tables.items()}

    @property
    def tables(self) -> Mapping[str, TableReplica]:
        """Table name -> replica; one is replaced when it had to be loaded again."""
        return self._tables

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """Float64 arrays fixed with the version."""
        return self.version.constants

    @property
    def positions(self) -> dict[str, dict[str, Position]]:
        """Table -> partition -> position up to which the log is applied; partitions never begun are absent."""
        return {
            table: {part.name: part.reader.position for part in partitions if part.reader.position is not None}
            for table, partitions in self._partitions.items()
        }

    def reached(self, positions: Mapping[str, Mapping[str, Position]]) -> bool:
        """Whether everything up to ``positions`` is applied."""
        own = self.positions
        return all(
            own.get(table, {}).get(partition, (1, 0)) >= position
            for table, partitions in positions.items()
            for partition, position in partitions.items()
        )

    def poll(self, bytes_max: int = POLL_BYTES_MAX) -> int:
        """Apply what is new, at most ``bytes_max`` bytes of each partition; the number of records applied.

        More may be waiting when it is not 0. Raises FlinkmsError 58030, XX001 on every call once a partition cannot be
        read on; the others are kept up to date all the same.
        """
        records = 0
        failure: FlinkmsError | None = None
        for name in self._tables:
            try:
                records += self._poll_table(name, bytes_max)
            except FlinkmsError as error:
                failure = failure or error
        self.generation += records > 0
        if failure is not None:
            raise failure
        return records

    def warm(self) -> None:
        """Touch every page, so that the first predictions are as fast as all others."""
        for table in self._tables.values():
            table.warm()

    def close(self) -> None:
        """Release the open files; the tables stay readable."""
        for partitions in self._partitions.values():
            for part in partitions:
                part.reader.close()

    def _open_log(self, table: TableReplica) -> list[_Partition]:
        return [_Partition(table, f"p{number}", self._clock) for number in range(self.version.partitions)]

    def _poll_table(self, name: str, bytes_max: int) -> int:
        records = 0
        failure: FlinkmsError | None = None
        for part in self._partitions[name]:
            try:
                applied = part.poll(self._tables[name], bytes_max)
            except FlinkmsError as error:
                failure = failure or error
                continue
            if applied is None:
                return records + self._reload(name)
            records += applied
        if failure is not None:
            raise failure
        return records

    def _reload(self, name: str) -> int:
        """Frames are void that cannot be taken back: load the table again, up to the end of its log, before it is used.

        Blocks for as long as opening the version would. Raises XX001 when the base itself holds void frames.
        """
        old = self._tables[name]
        fresh = TableReplica(old.path, old.table)
        partitions = self._open_log(fresh)
        records = 0
        while any(progress := [part.poll(fresh, POLL_BYTES_MAX) for part in partitions]) or None in progress:
            if None in progress:
                raise corrupted(fresh.path / "manifest.json", "its base holds updates that were taken out of the log")
            records += sum(progress)
        for part in self._partitions[name]:
            part.reader.close()
        self._tables[name], self._partitions[name] = fresh, partitions
        return max(records, 1)
