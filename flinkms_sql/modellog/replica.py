"""Replicas: the tables of a served version in memory, kept as new as the log.

Must not know about SQL, sessions or which version is live. Not thread-safe: ``poll`` and the reads belong to one
thread, usually the event loop's, so that a reader sees all of a frame or nothing and needs no lock.

Applying may fail at any step: memory runs out, a frame is damaged. First a table changes, then the position moves; what
is not applied yet is kept and tried again. A change that ended half way leaves its table in doubt: nobody reads it
before it was loaded again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import corrupted, reason_of
from flinkms_sql.modellog.frame import UPSERT, Frame, Position
from flinkms_sql.modellog.partition import PartitionReader, Superseded
from flinkms_sql.modellog.segments import read_committed
from flinkms_sql.modellog.table import Records, TableReplica, Undo, concatenate, records_of
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


Doubt = dict[str, FlinkmsError | None]
"""Names of tables that a change may have left half way, with the reason once it is known."""


class _Partition:
    """One partition of one table: its reader, what it returned that is not applied yet, and what is applied but not
    committed.

    ``position``: up to which all is applied. It moves after the table has changed, never before: what cannot be applied
    stays in ``_waiting`` and is what the next call begins with.
    ``doubt``: has the table's name while it is being changed, and afterwards when that failed.
    ``_complete_from``: everything applied after this position can be taken back.
    """

    def __init__(self, table: TableReplica, name: str, clock: Callable[[], float], doubt: Doubt) -> None:
        self.name = name
        self.doubt = doubt
        self.path = table.path / "log" / name
        self.position = table.base_positions.get(name)
        self._table = table
        self._clock = clock
        self._reader = self._open()
        self._waiting: deque[Frame | Superseded] = deque()
        self._look_at = float("-inf")
        self._committed = Position(0, 0)
        self._applied: deque[_Applied] = deque()
        self._applied_bytes = 0
        self._complete_from = self.position or Position(0, 0)

    def close(self) -> None:
        """Release the open file."""
        self._reader.close()

    def poll(self, bytes_max: int) -> int | None:
        """Apply what is new to the table; the number of records, or None when the table has to be loaded again.

        When it raises and the table is not in doubt, the next call goes on after what was applied.
        """
        if not self._waiting:
            self._read(bytes_max)
        records = 0
        if self._waiting and not any(isinstance(event, Superseded) for event in self._waiting):
            self._look()
        while self._waiting:
            first = self._waiting[0]
            if not isinstance(first, Superseded):
                records += self._apply_run()
            elif first.since < self._complete_from:
                return None
            else:
                self._take_back(first.since)
                records += 1
        self.position = self._reader.position
        return records

    def _open(self) -> PartitionReader:
        return PartitionReader(self.path, UPSERT, self.position, clock=self._clock)

    def _read(self, bytes_max: int) -> None:
        try:
            self._waiting.extend(self._reader.poll(bytes_max))
        except Exception:
            # It may have gone past what it did not return: another one starts where the table is.
            self._waiting.clear()
            self._reader.close()
            self._reader = self._open()
            raise

    def _apply_run(self) -> int:
        """Apply the frames that wait before the next Superseded, those that are committed apart from the others."""
        frames = list(takewhile(lambda event: not isinstance(event, Superseded), self._waiting))
        settled = sum(frame.end <= self._committed for frame in frames)
        return self._apply(frames[:settled], keep=False) + self._apply(frames[settled:], keep=True)

    def _apply(self, frames: Sequence[Frame], *, keep: bool) -> int:
        """Apply waiting frames as one batch; up to the first one that does not fit, which is then an error."""
        parts = []
        failure: FlinkmsError | None = None
        for frame in frames:
            try:
                parts.append(records_of(frame.columns(), self._table.table))
            except ValueError as error:
                failure = corrupted(self.path, f"frame {frame.start.epoch}/{frame.start.offset}: {error}")
                break
        if parts:
            self._change(frames[: len(parts)], concatenate(parts), keep=keep)
        if failure is not None:
            raise failure
        return sum(len(part) for part in parts)

    def _change(self, frames: Sequence[Frame], records: Records, *, keep: bool) -> None:
        """Apply the records of the first frames that wait."""
        self.doubt[self._table.table.name] = None
        undo = self._table.apply(records, keep=keep)
        if undo is None:
            self._complete_from = frames[-1].end
        else:
            self._remember(_Applied(frames, undo))
        for _ in frames:
            self._waiting.popleft()
        self.position = frames[-1].end
        del self.doubt[self._table.table.name]

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
        if committed is None or not self._reader.follows(committed.epoch):
            return
        self._committed = committed
        while self._applied and self._applied[0].end <= committed:
            self._forget()

    def _take_back(self, since: Position) -> None:
        """Make the table what it was at ``since``, as the first event that waits wants it."""
        self.doubt[self._table.table.name] = None
        while self._applied and self._applied[-1].end > since:
            latest = self._applied.pop()
            self._applied_bytes -= latest.bytes
            self._table.take_back(latest.undo)
            kept = [frame for frame in latest.frames if frame.end <= since]
            if kept:
                records = concatenate([records_of(frame.columns(), self._table.table) for frame in kept])
                self._remember(_Applied(kept, self._table.apply(records, keep=True)))
        self._waiting.popleft()
        self.position = since
        del self.doubt[self._table.table.name]


class _InDoubt(Mapping[str, TableReplica]):
    """The tables of a version some of which are in doubt: whoever reads one of those is told why."""

    def __init__(self, tables: Mapping[str, TableReplica], doubt: Doubt) -> None:
        self._tables = tables
        self._doubt = doubt

    def __getitem__(self, name: str) -> TableReplica:
        if name not in self._doubt:
            return self._tables[name]
        reason = self._doubt[name]
        raise FlinkmsError(
            errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'table "{self._tables[name].path}" has to be loaded again',
            detail=f"An update of it failed half way: {reason.message}." if reason else "An update of it failed half way.",
            hint="Loading it is tried again and again; the frontend's log tells what is in the way.",
        )  # fmt: skip

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


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
        self._doubt: Doubt = {}
        self._tables = {table.name: TableReplica(path / table.name, table) for table in self.version.tables}
        self._partitions = {name: self._open_log(table, self._doubt) for name, table in self._tables.items()}
        self._guarded = _InDoubt(self._tables, self._doubt)

    @property
    def tables(self) -> Mapping[str, TableReplica]:
        """Table name -> replica; one is replaced when it had to be loaded again, and not to be had until then (55000)."""
        return self._guarded if self._doubt else self._tables

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """Float64 arrays fixed with the version."""
        return self.version.constants

    @property
    def classes(self) -> np.ndarray | None:
        """The classes that labels are numbers of, or None."""
        return self.version.classes

    @property
    def positions(self) -> dict[str, dict[str, Position]]:
        """Table -> partition -> position up to which the log is applied; partitions never begun are absent."""
        return {
            table: {part.name: part.position for part in partitions if part.position is not None}
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

        More may be waiting when it is not 0. Raises FlinkmsError when something could not be applied: 58030, XX001,
        53200 …; the other partitions are kept up to date all the same, and the next call tries again, from where this
        one failed. So a frame is applied or an error tells of it, at every call.
        """
        records = 0
        failures: list[FlinkmsError] = []
        for name in self._tables:
            records += self._poll_table(name, bytes_max, failures)
        if records or failures:  # before the frame that failed there may have been others
            self.generation += 1
        if failures:
            raise failures[0]
        return records

    def warm(self) -> None:
        """Touch every page, so that the first predictions are as fast as all others."""
        for table in self._tables.values():
            table.warm()

    def close(self) -> None:
        """Release the open files; the tables stay readable."""
        for partitions in self._partitions.values():
            for part in partitions:
                part.close()

    def _open_log(self, table: TableReplica, doubt: Doubt) -> list[_Partition]:
        return [_Partition(table, f"p{number}", self._clock, doubt) for number in range(self.version.partitions)]

    def _poll_table(self, name: str, bytes_max: int, failures: list[FlinkmsError]) -> int:
        records = 0
        void = False
        for part in self._partitions[name]:
            if name in self._doubt:
                break
            try:
                applied = part.poll(bytes_max)
                void = void or applied is None
                records += applied or 0
            except Exception as error:  # noqa: BLE001 - whatever it is: the next call tries again
                failures.append(reason_of(error, part.path))
        if not (void or name in self._doubt):
            return records
        try:
            return records + self._reload(name)
        except Exception as error:  # noqa: BLE001 - as above
            failures.append(reason_of(error, self._tables[name].path))
        if name in self._doubt:
            self._doubt[name] = failures[-1]
        return records

    def _reload(self, name: str) -> int:
        """Frames are void that cannot be taken back, or the table is in doubt: load it again, up to the end of its log,
        before it is used.

        Blocks for as long as opening the version would. Raises XX001 when the base itself holds void frames.
        """
        old, partitions = self._tables[name], []
        doubt: Doubt = {}
        try:
            fresh = TableReplica(old.path, old.table)
            partitions = self._open_log(fresh, doubt)
            records = _catch_up(partitions)
        except BaseException:
            for part in partitions:
                part.close()
            raise
        self._doubt.setdefault(name)  # until all of it is exchanged
        for part in self._partitions[name]:
            part.close()
        for part in partitions:
            part.doubt = self._doubt
        self._tables[name], self._partitions[name] = fresh, partitions
        del self._doubt[name]
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
