"""Replicas: the tables of a served version in memory, kept as new as the log.

Must not know about SQL, sessions or which version is live. Not thread-safe: ``poll`` and the reads belong to one
thread, usually the event loop's, so that a reader sees all of a frame or nothing and needs no lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import corrupted
from flinkms_sql.modellog.frame import UPSERT, Frame, Position
from flinkms_sql.modellog.partition import PartitionReader, Superseded
from flinkms_sql.modellog.segments import read_committed
from flinkms_sql.modellog.table import TableReplica, Undo, concatenate, records_of
from flinkms_sql.modellog.version import read_version

APPLY_BYTES_MAX = 1 << 20
"""Bytes of frames applied per poll and partition (a larger frame comes alone): a few milliseconds of the event loop."""
UNDO_BYTES_MAX = 64 << 20
"""Bytes of former rows kept per partition to take superseded frames back: some checkpoint intervals of a busy writer.
Frames that must be taken back beyond it cost a reload of the table."""
COMMITTED_INTERVAL_S = 0.25
"""Seconds between looks at what a partition's writer has committed: a fraction of any checkpoint interval."""


@dataclass(frozen=True, slots=True)
class _Applied:
    """Frames that were applied together and may have to be taken back: all of them, then the first ones again."""

    frames: Sequence[Frame]
    undo: Undo

    @property
    def end(self) -> Position:
        return self.frames[-1].end

    @property
    def bytes(self) -> int:
        return self.undo.bytes + sum(len(frame.body) for frame in self.frames)


class _Partition:
    """One partition of one table: its reader, and what it has applied that is not committed yet.

    ``failure``: what every further call raises, because going on would serve something wrong.
    ``_complete_from``: everything applied after this position can be taken back.
    """

    def __init__(self, table: TableReplica, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.path = table.path / "log" / name
        self.reader = PartitionReader(self.path, UPSERT, table.base_positions.get(name), clock=clock)
        self._table = table
        self.failure: FlinkmsError | None = None
        self._clock = clock
        self._look_at = float("-inf")
        self._committed = Position(0, 0)
        self._applied: deque[_Applied] = deque()
        self._applied_bytes = 0
        self._complete_from = table.base_positions.get(name, Position(0, 0))

    def poll(self, bytes_max: int) -> int | None:
        """Apply what is new to the table; the number of records, or None when the table has to be loaded again."""
        if self.failure is not None:
            raise self.failure
        events = self.reader.poll(bytes_max)
        if not events:
            return 0
        records = 0
        start = 0
        for number, event in enumerate(events):
            if isinstance(event, Superseded):
                records += self._apply(events[start:number])
                start = number + 1
                if event.since < self._complete_from:
                    return None
                self._take_back(event.since)
                records += 1
        if start == 0:
            self._look()
        return records + self._apply(events[start:])

    def _apply(self, frames: Sequence[Frame]) -> int:
        settled = sum(frame.end <= self._committed for frame in frames)
        return self._apply_together(frames[:settled], keep=False) + self._apply_together(frames[settled:], keep=True)

    def _apply_together(self, frames: Sequence[Frame], *, keep: bool) -> int:
        """Apply frames as one batch; up to the first one that does not fit, which is an error from then on."""
        parts = []
        for frame in frames:
            try:
                parts.append(records_of(frame.columns(), self._table.table))
            except ValueError as error:
                self.failure = corrupted(self.path, f"frame {frame.start.epoch}/{frame.start.offset}: {error}")
                break
        if parts:
            undo = self._table.apply(concatenate(parts), keep=keep)
            if undo is None:
                self._complete_from = frames[len(parts) - 1].end
            else:
                self._remember(_Applied(frames[: len(parts)], undo))
        if self.failure is not None:
            raise self.failure
        return sum(len(part) for part in parts)

    def _remember(self, applied: _Applied) -> None:
        self._applied.append(applied)
        self._applied_bytes += applied.bytes
        while self._applied_bytes > UNDO_BYTES_MAX:
            self._forget()

    def _forget(self) -> None:
        oldest = self._applied.popleft()
        self._applied_bytes -= oldest.bytes
        self._complete_from = oldest.end

    def _look(self) -> None:
        """Forget what is committed: a writer is never restored to before that, but by hand.

        A restored writer commits its new epoch at once; until the reader follows it, what it supersedes must be kept.
        """
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + COMMITTED_INTERVAL_S
        committed = read_committed(self.path)
        if committed is None or not self.reader.follows(committed.epoch):
            return
        self._committed = committed
        while self._applied and self._applied[0].end <= committed:
            self._forget()

    def _take_back(self, since: Position) -> None:
        while self._applied and self._applied[-1].end > since:
            latest = self._applied.pop()
            self._applied_bytes -= latest.bytes
            self._table.take_back(latest.undo)
            self._apply_together([frame for frame in latest.frames if frame.end <= since], keep=True)


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

    def poll(self, bytes_max: int = APPLY_BYTES_MAX) -> int:
        """Apply what is new, at most ``bytes_max`` bytes of each partition; the number of records applied.

        More may be waiting when it is not 0. Raises FlinkmsError 58030, XX001 on every call once a partition cannot be
        read on; the others are kept up to date all the same.
        """
        records = 0
        failure: FlinkmsError | None = None
        for name in self._tables:
            for number in range(self.version.partitions):
                try:
                    records += self._poll_partition(name, number, bytes_max)
                except FlinkmsError as error:
                    failure = failure or error
        if records or failure is not None:  # before the frame that failed there may have been others
            self.generation += 1
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

    def _poll_partition(self, name: str, number: int, bytes_max: int) -> int:
        part = self._partitions[name][number]
        applied = part.poll(bytes_max)
        if applied is not None:
            return applied
        try:
            return self._reload(name)
        except FlinkmsError as error:
            part.failure = error
            raise

    def _reload(self, name: str) -> int:
        """Frames are void that cannot be taken back: load the table again, up to the end of its log, before it is used.

        Blocks for as long as opening the version would. Raises XX001 when the base itself holds void frames.
        """
        old = self._tables[name]
        fresh = TableReplica(old.path, old.table)
        partitions = self._open_log(fresh)
        replaced = self._partitions[name]
        try:
            records = _catch_up(partitions)
        except FlinkmsError:
            replaced = partitions
            raise
        finally:
            for part in replaced:
                part.reader.close()
        self._tables[name], self._partitions[name] = fresh, partitions
        return max(records, 1)


def _catch_up(partitions: Sequence[_Partition]) -> int:
    """Apply all there is; the number of records. Raises XX001 when a base holds updates that the log no longer has."""
    records = 0
    while True:
        progress = 0
        for part in partitions:
            applied = part.poll(APPLY_BYTES_MAX)
            if applied is None:
                raise corrupted(part.path, "the table's base holds updates that were taken out of this log")
            progress += applied
        if not progress:
            return records
        records += progress
