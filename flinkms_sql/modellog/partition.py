"""PartitionReader: follows one partition from a position, frame by whole frame, through segments and epochs.

Must not know what frames hold, nor wait: ``poll`` returns what is there. When nothing is new it costs one pread; the
directory is listed at most every SCAN_INTERVAL_S, which is how late a new segment or epoch can be seen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import corrupted, io_error
from flinkms_sql.modellog.frame import (
    APPEND,
    SEGMENT_HEADER_BYTES,
    Frame,
    Incomplete,
    Malformed,
    Position,
    is_corruption,
    parse_frame,
)
from flinkms_sql.modellog.segments import Segments, read_header

SCAN_INTERVAL_S = 0.05
"""Seconds between listings of a partition's directory: far below a checkpoint interval, far above a listing's 30 us."""
PROBE_BYTES = 64 << 10
"""Bytes asked for first: more than one flush of a writer usually holds, too few to cost when there is nothing."""
POLL_BYTES_MAX = 4 << 20
"""Bytes of frames one poll returns (a larger frame comes alone): some milliseconds of work for the caller."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """Every frame that was returned and ends after ``since`` is no longer part of the log.

    What is returned next follows ``since``; the end of an epoch and offset 0 of its child are the same place.
    """

    since: Position


class PartitionReader:
    """Reads a partition from ``start``: what follows it, None for the log's beginning.

    kind: of the frames that may be there (frame.APPEND or frame.UPSERT).
    stop: read up to this position and no further, None for everything.
    clock: seconds, rising.
    """

    def __init__(
        self,
        path: Path,
        kind: int,
        start: Position | None,
        *,
        stop: Position | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.position = start
        self._kind = kind
        self._stop = stop
        self._clock = clock
        self._segments = Segments(path)
        self._ends: dict[int, int | None] = {}
        self._unexplored = False
        self._scan_at = float("-inf")
        self._handle: int | None = None
        self._file = path
        self._file_start = 0
        self._limit: int | None = None
        self._judged = (-1, -1)

    def close(self) -> None:
        """Release the open file."""
        handle, self._handle = self._handle, None  # first: a number that is closed twice may be somebody else's by then
        if handle is not None:
            os.close(handle)

    def poll(self, bytes_max: int = POLL_BYTES_MAX) -> list[Frame | Superseded]:
        """What is new, in log order, at most ``bytes_max`` bytes of it but at least a frame; [] when nothing is.

        Raises FlinkmsError XX001 for damage, 58030 for a file that is missing or unreadable.
        """
        events: list[Frame | Superseded] = []
        try:
            self._gather(events, bytes_max)
        except FlinkmsError:
            if not events:  # else they come first: the next call meets the same error, unless it has healed
                raise
        return events

    def _gather(self, events: list[Frame | Superseded], bytes_max: int) -> None:
        while bytes_max > 0:
            frames = self._read(bytes_max)
            if frames:
                events += frames
                bytes_max -= frames[-1].end.offset - frames[0].start.offset
            elif self._unexplored:
                self._unexplored = self._advance(events)
            elif not self._scan():
                break

    def follows(self, epoch: int) -> bool:
        """Whether the log is known to contain the epoch: nothing that it supersedes is returned any more."""
        return epoch in self._ends

    def _scan(self) -> bool:
        """List the directory when that is due; what was listed is explored after one more read of the open file."""
        now = self._clock()
        if now < self._scan_at:
            return False
        self._scan_at = now + SCAN_INTERVAL_S
        self._segments.scan()
        self._ends = {link.epoch: link.end for link in self._segments.chain()}
        self._unexplored = True
        return True

    def _advance(self, events: list[Frame | Superseded]) -> bool:
        """Having read all of the open file: go to where the listed files say the log continues. False: nowhere."""
        if not self._ends:
            return False
        if self.position is None:
            return self._begin()
        epoch, offset = self.position
        if epoch not in self._ends or ((end := self._ends[epoch]) is not None and offset > end):
            return self._turn_back(events)
        if self._stop is not None and self.position >= self._stop:
            return False
        if offset == end:
            epochs = list(self._ends)
            return self._go(Position(epochs[epochs.index(epoch) + 1], 0))
        if self._handle is None:
            self._limit = end
            return self._open()
        if end != self._limit:
            self._limit = end
            return True
        following = [start for start in self._segments.starts[epoch] if start > self._file_start]
        if end is not None:
            following = [start for start in following if start < end] or [end]
        if not following:
            return False
        self._require_end(following[0])
        return self._open()

    def _begin(self) -> bool:
        first = next(iter(self._ends))
        if self._kind == APPEND:
            # Retention may have taken the oldest rows of a stream: it begins with what is left of it.
            first = next(epoch for epoch in self._ends if epoch in self._segments.starts)
            return self._go(Position(first, self._segments.starts[first][0]))
        if first not in self._segments.starts:
            raise self._missing(Position(first, 0))
        return self._go(Position(first, 0))

    def _turn_back(self, events: list[Frame | Superseded]) -> bool:
        """Go back along the parents to where what was read and the log part."""
        at, since = self.position, None
        while at.epoch not in self._ends:
            if not self._segments.knows(at.epoch):
                raise self._missing(self.position)
            if at.offset:
                since = Position(at.epoch, 0)
            parent = self._segments.parent(at.epoch)
            if parent is None:
                break
            at = parent
        else:
            end = self._ends[at.epoch]
            if end is not None and at.offset > end:
                at = since = Position(at.epoch, end)
        if since is not None:
            events.append(Superseded(since))
        return self._go(at) if at.epoch in self._ends else self._begin()

    def _go(self, position: Position) -> bool:
        self.close()
        self.position = position
        return True

    def _open(self) -> bool:
        """Open the segment at the position; False when it is just being created."""
        start = self._segments.containing(self.position)
        if start is None:
            raise self._missing(self.position)
        file = self._segments.file(self.position.epoch, start)
        newest = self._ends[self.position.epoch] is None and start == self._segments.starts[self.position.epoch][-1]
        try:
            handle = os.open(file, os.O_RDONLY)
            size = os.fstat(handle).st_size
        except OSError as error:
            raise io_error(error, file, "open") from error
        if size < SEGMENT_HEADER_BYTES and newest:
            os.close(handle)
            return False
        self.close()
        self._handle, self._file, self._file_start = handle, file, start
        read_header(file, self.position.epoch, start)
        if size < self._file_offset():
            raise corrupted(file, f"it ends before offset {self.position.offset} of the log", offset=size)
        return True

    def _file_offset(self) -> int:
        return SEGMENT_HEADER_BYTES + self.position.offset - self._file_start

    def _require_end(self, continues_at: int) -> None:
        """The open file has to end where the log continues, with nothing unread in it."""
        size = os.fstat(self._handle).st_size
        if self.position.offset != continues_at:
            reason = f"no whole frame at offset {self.position.offset}, yet the log goes on at {continues_at}"
            raise corrupted(self._file, reason, offset=self._file_offset())
        if size != self._file_offset():
            raise corrupted(self._file, "bytes that are no frame before the next segment", offset=self._file_offset())

    def _missing(self, position: Position) -> FlinkmsError:
        return FlinkmsError(
            errors.IO_ERROR, f'a log segment is missing in "{self.path}"',
            detail=f"No file there holds epoch {position.epoch}, offset {position.offset}.",
            hint="Read the table again from its current base, or restore the file.",
        )  # fmt: skip

    def _read(self, bytes_max: int) -> list[Frame]:
        """Whole frames of the open file from the position on; [] at its end."""
        if self._handle is None:
            return []
        limit = self._limit
        if self._stop is not None and self.position.epoch == self._stop.epoch:
            limit = self._stop.offset if limit is None else min(limit, self._stop.offset)
        if limit is not None and self.position.offset >= limit:
            return []
        data = self._pread(0, PROBE_BYTES)
        if not data:
            return []
        if len(data) == PROBE_BYTES and bytes_max > PROBE_BYTES:
            data += self._pread(PROBE_BYTES, bytes_max - PROBE_BYTES)
        frames, problem = self._parse(data, limit, bytes_max)
        if not frames and problem is not None:
            if isinstance(problem, Incomplete) and problem.size > len(data):
                frames, problem = self._parse(self._pread(0, problem.size), limit, bytes_max)
            if not frames:
                self._judge(problem)
                return []
        if frames:
            self.position = frames[-1].end
        return frames

    def _parse(
        self, data: bytes, limit: int | None, bytes_max: int
    ) -> tuple[list[Frame], Incomplete | Malformed | None]:
        """Whole frames at the start of ``data``, and what stands after them when it is no frame."""
        view = memoryview(data)
        frames: list[Frame] = []
        at, position = 0, self.position
        while at < min(len(view), bytes_max) and (limit is None or position.offset < limit):
            found = parse_frame(view, at, position)
            if not isinstance(found, Frame):
                return frames, found
            if found.kind != self._kind or (limit is not None and found.end.offset > limit):
                reason = f"a frame of kind {found.kind} up to offset {found.end.offset} does not belong here"
                raise corrupted(self._file, reason, offset=self._file_offset() + at)
            frames.append(found)
            at += found.end.offset - position.offset
            position = found.end
        return frames, None

    def _judge(self, problem: Incomplete | Malformed) -> None:
        """Raise when what stands at the position is damage and not a frame that is being written or was cut off."""
        seen = (self._file_offset(), os.fstat(self._handle).st_size)
        if seen == self._judged:
            return
        for _ in range(2):  # a second look: the writer may have been cutting off a frame of its own meanwhile
            data = self._pread(0, seen[1] - seen[0])
            problem = parse_frame(memoryview(data), 0, self.position)
            if isinstance(problem, Frame) or not is_corruption(memoryview(data), 0, problem):
                break
        else:
            reason = problem.reason if isinstance(problem, Malformed) else "wrong length of a frame"
            raise corrupted(self._file, reason, offset=seen[0])
        self._judged = seen

    def _pread(self, skip: int, size: int) -> bytes:
        try:
            return os.pread(self._handle, size, self._file_offset() + skip)
        except OSError as error:
            raise io_error(error, self._file, "read") from error
