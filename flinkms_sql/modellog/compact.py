"""Compaction of one table: a new base from the old one and the log, and deletion of what nobody needs any more.

Must not know about models or the registry; time is an argument. At most one process compacts a table. A crash at any
step leaves a readable table: a base becomes visible whole, the manifest changes by rename, deletion comes last and
begins by hiding what it deletes under a dot-name.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.base import Chunk, read_base, read_manifest, write_base, write_manifest
from flinkms_sql.modellog.files import Fsync, corrupted, delete_directory, io_error, sync_directory
from flinkms_sql.modellog.frame import UPSERT, Frame, Position
from flinkms_sql.modellog.partition import POLL_BYTES_MAX, PartitionReader
from flinkms_sql.modellog.segments import Segments, read_committed
from flinkms_sql.modellog.table import TableReplica, records_of
from flinkms_sql.modellog.version import Table

CHUNK_ROWS = 65_536
"""Rows written at a time, so that a compaction needs little memory beyond the table itself."""

_BASE = re.compile(r"base-(\d{6,})")


def compact(
    path: Path, table: Table, positions: Mapping[str, Position] | None = None, *, fsync: Fsync = os.fsync
) -> str:
    """Write a base that contains the log up to ``positions`` and make it the current one; the name of the current base.

    positions: partition -> position, None for what is committed. Nothing is done when the base has all of it already.
    Raises FlinkmsError 55000 when another process compacts the table, 53100, 58030, XX001.
    """
    with _only_one(path):
        current, _ = read_manifest(path)
        replica = TableReplica(path, table)
        wanted = _committed(path) if positions is None else positions
        ahead = {p: end for p, end in wanted.items() if end > replica.base_positions.get(p, Position(1, 0))}
        if not ahead:
            return current
        for partition, end in ahead.items():
            _replay(replica, path / "log" / partition, replica.base_positions.get(partition), end)
        number = 1 + max(_numbers(path))
        contained = {**replica.base_positions, **ahead}
        name = write_base(
            path, number, _chunks(replica), key=table.key, width=table.width, positions=contained, fsync=fsync
        )
        write_manifest(path, name, contained, fsync)
        return name


def sizes(path: Path) -> tuple[int, int]:
    """(bytes of the current base, bytes of the log past it that are committed). Raises FlinkmsError 58030, XX001."""
    name, contained = read_manifest(path)
    log = 0
    for partition, end in _committed(path).items():
        segments = Segments(path / "log" / partition)
        segments.scan()
        begin = contained.get(partition, Position(0, 0))
        for link in segments.chain():
            if begin.epoch <= link.epoch <= end.epoch:
                last = end.offset if link.epoch == end.epoch else link.end or 0
                log += max(last - (begin.offset if link.epoch == begin.epoch else 0), 0)
    try:
        return sum(file.stat().st_size for file in (path / name).iterdir()), log
    except OSError as error:
        raise io_error(error, path / name, "read") from error


def retire(path: Path, now: float, keep_s: float) -> list[Path]:
    """Delete bases that stopped being current over ``keep_s`` seconds before ``now`` (seconds since 1970-01-01 UTC),
    and segments as old that the oldest base which is left contains wholly; the paths that were deleted.

    Readers of an older base that have not kept up, and time travel, reach back ``keep_s``. Raises FlinkmsError 55000,
    58030, XX001.
    """
    with _only_one(path):
        current, _ = read_manifest(path)
        numbers = sorted(_numbers(path))
        kept = int(current.removeprefix("base-"))
        gone: list[Path] = []
        for number, following in itertools.pairwise(numbers):
            if number < kept and _age(path / _name(following) / "base.json", now) >= keep_s:
                gone.append(path / _name(number))
        oldest = next(path / _name(number) for number in numbers if path / _name(number) not in gone)
        for base in gone:
            delete_directory(base, base.with_name(f".{base.name}"))
        for partition, position in read_base(oldest).positions.items():
            gone += _covered(path / "log" / partition, position, now, keep_s)
        return gone


def _name(number: int) -> str:
    return f"base-{number:06d}"


def _numbers(path: Path) -> list[int]:
    """Numbers of the bases there are, whole ones only."""
    return [int(match[1]) for entry in path.iterdir() if (match := _BASE.fullmatch(entry.name))]


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the table's lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise io_error(error, path, "open") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlinkmsError(
                errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'table "{path}" is being compacted by another process'
            ) from error
        yield
    finally:
        os.close(handle)


def _committed(path: Path) -> dict[str, Position]:
    """Partition -> what is committed; without one whose writer is being restored just now."""
    log = path / "log"
    found = {}
    for partition in log.iterdir() if log.exists() else ():
        position = read_committed(partition)
        segments = Segments(partition)
        segments.scan()
        if position is not None and position.epoch in {link.epoch for link in segments.chain()}:
            found[partition.name] = position
    return found


def _replay(replica: TableReplica, log: Path, start: Position | None, end: Position) -> None:
    """Apply a partition from ``start`` to ``end``. Raises XX001 when the log does not lead there."""
    reader = PartitionReader(log, UPSERT, start, stop=end, clock=lambda: 0.0)
    try:
        while events := reader.poll(POLL_BYTES_MAX):
            for event in events:
                if not isinstance(event, Frame):
                    raise corrupted(log, f"the base holds updates past {tuple(event.since)}, where the log was cut")
                try:
                    replica.apply(records_of(event.columns(), replica.table))
                except ValueError as error:
                    raise corrupted(log, f"frame {event.start.epoch}/{event.start.offset}: {error}") from error
        if reader.position != end:
            raise corrupted(log, f"the log leads to {reader.position and tuple(reader.position)}, not to {tuple(end)}")
    finally:
        reader.close()


def _chunks(replica: TableReplica) -> Iterator[Chunk]:
    """The live rows of a table, some at a time."""
    numbers = np.arange(len(replica.keys)) if replica.live is None else np.flatnonzero(replica.live)
    for start in range(0, len(numbers), CHUNK_ROWS):
        part = numbers[start : start + CHUNK_ROWS]
        yield Chunk(
            keys=replica.keys[part],
            rows=replica.matrix[part],
            sequences=replica.sequences[part],
            event_times=replica.event_times[part],
        )


def _covered(log: Path, position: Position, now: float, keep_s: float) -> list[Path]:
    """Delete the segments before ``position`` that are old enough; their paths."""
    segments = Segments(log)
    segments.scan()
    holding = segments.containing(position)
    gone = []
    for epoch, starts in segments.starts.items():
        for start in starts:
            before = epoch < position.epoch or (epoch == position.epoch and holding is not None and start < holding)
            file = segments.file(epoch, start)
            if before and _age(file, now) >= keep_s:
                _delete_file(file)
                gone.append(file)
    if gone:
        sync_directory(log)
    return gone


def _age(file: Path, now: float) -> float:
    try:
        return now - file.stat().st_mtime
    except OSError as error:
        raise io_error(error, file, "read") from error


def _delete_file(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise io_error(error, path, "delete") from error
