"""Retention of a stream: which segments are old enough to go, and what of them somebody has still to read.

Must not know the registry; time is an argument. Only whole segments go, oldest first, so that a log never has a hole. The
segment that a partition is being written to stays. What is deleted is gone for every reader that begins later: it begins
with the earliest row there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from flinkms_sql.modellog.files import corrupted, delete_directory, io_error, read_json, sync_directory
from flinkms_sql.modellog.frame import SEGMENT_HEADER_BYTES, Position
from flinkms_sql.modellog.segments import Segments

PIN_S_MAX = 7 * 86_400.0
"""Seconds past its retention for which a row that a learner or job has not read stays. A learner that is stopped for
longer than a long weekend must not fill the disk."""

EMPTY_S_MIN = 3600.0
"""Seconds for which the partition of an ended job that wrote nothing stays."""

_JOB_PARTITION = re.compile(r"job-([0-9]+)(?:-[0-9]+)?")
"""Partitions that jobs write. Their numbers never come again, so nobody will begin such a partition anew; a frontend's
is begun anew by the next frontend, whose offsets must not be used twice: its last segment stays."""

_DURATION = re.compile(r"([0-9]{1,9})\s*(s|min|h|d)")
_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> float:
    """Seconds of '30 d', '12 h', '90 min' or '3600 s'. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("it is a whole number above zero and a unit: s, min, h or d")
    return float(int(match[1]) * _UNITS_S[match[2]])


def trim(path: Path, now: float, *, retention_s: float | None, groups: Iterable[str] = (),
         jobs: frozenset[int] = frozenset()) -> list[Path]:
    """Delete the segments of a stream that are older than ``retention_s`` seconds (None: rows are kept for ever), and the
    partitions of ended jobs that hold nothing; the paths that were deleted, oldest first in each partition.

    now: seconds since 1970-01-01 UTC. groups: of those who are still to read the stream: what one of them has not
    committed stays for ``PIN_S_MAX`` longer. jobs: numbers of those that have not ended, so that they may still write.
    Raises FlinkmsError 58030, XX001.
    """
    committed = [positions for group in groups if (positions := _committed(path, group)) is not None]
    gone: list[Path] = []
    for partition in sorted(_partitions(path / "log")):
        ended = (match := _JOB_PARTITION.fullmatch(partition.name)) is not None and int(match[1]) not in jobs
        read_to = [positions.get(partition.name, Position(0, 0)) for positions in committed]
        segments = Segments(partition)
        segments.scan()
        due = [] if retention_s is None else _due(segments, now, retention_s, read_to, ended)
        _delete(partition, due)
        gone += due
        whole = len(due) == sum(map(len, segments.starts.values()))
        if ended and whole and (due or now - _modified_at(partition) >= EMPTY_S_MIN):
            delete_directory(partition, path / f".{partition.name}")  # outside of the log: readers list that
            gone.append(partition)
    return gone


def _due(segments: Segments, now: float, retention_s: float, read_to: Iterable[Position], ended: bool) -> list[Path]:
    """The oldest segments that may go: up to the first that may not, and never the one that is being written."""
    ordered = [Position(epoch, start) for epoch in sorted(segments.starts) for start in segments.starts[epoch]]
    found = []
    for at, following in zip(ordered, [*ordered[1:], None], strict=True):
        if following is None and not ended:
            break
        file = segments.file(*at)
        age = now - _modified_at(file)
        end = following if following is not None and following.epoch == at.epoch else _end(file, at)
        if age < retention_s or (age < retention_s + PIN_S_MAX and any(position < end for position in read_to)):
            break
        found.append(file)
    return found


def _end(file: Path, at: Position) -> Position:
    """Where the last segment of an epoch ends at most."""
    try:
        return Position(at.epoch, at.offset + max(file.stat().st_size - SEGMENT_HEADER_BYTES, 0))
    except OSError as error:
        raise io_error(error, file, "read") from error


def _committed(path: Path, group: str) -> Mapping[str, Position] | None:
    """What a group has read of each partition; None when it has committed nothing yet: it begins where it can."""
    file = path / "groups" / f"{group}.json"
    if not file.exists():
        return None
    match read_json(file):
        case {"format": 1, "positions": dict(positions)}:
            try:
                return {str(name): Position(int(at[0]), int(at[1])) for name, at in positions.items()}
            except (TypeError, ValueError, IndexError, KeyError):
                pass
    raise corrupted(file, "no positions of format 1")


def _partitions(log: Path) -> list[Path]:
    try:
        return [entry for entry in log.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise io_error(error, log, "list") from error


def _delete(partition: Path, files: Iterable[Path]) -> None:
    deleted = None
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise io_error(error, file, "delete") from error
        deleted = file
    if deleted is not None:
        sync_directory(partition)


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise io_error(error, path, "read") from error
