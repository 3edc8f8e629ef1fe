"""PartitionWriter: the one writer of a partition that a frontend owns; frames in, segment files out.

Must not know about streams or threads: one caller at a time. An offset is never used twice: a start, and a failure that
takes written frames away, begin a new epoch, so that a reader that had seen more than survived notices.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.durable import DurableMark
from flinkms_sql.modellog.files import Fsync, corrupted, io_error, sync_directory
from flinkms_sql.modellog.frame import (
    SEGMENT_HEADER_BYTES,
    Frame,
    Malformed,
    Position,
    SegmentHeader,
    encode_frame,
    encode_segment_header,
    is_corruption,
    parse_frame,
)
from flinkms_sql.modellog.segments import SEGMENT_BYTES, Segments, read_header, segment_name

SEGMENT_S_MAX = 86_400.0
"""Seconds after which an append begins the next segment: retention deletes whole ones, and a quiet stream would take months
to fill one. A file a day and partition is what that costs."""


class PartitionWriter:
    """Appends frames to the partition in ``path``, which is created, and repairs the torn tail of an earlier run.

    number: the partition's, for the segment headers. clock: seconds since 1970-01-01 UTC.
    fsync: called with a file descriptor before anything counts as durable.
    Raises FlinkmsError 55000 when another process or writer has the partition open.
    """

    def __init__(
        self,
        path: Path,
        *,
        number: int = 0,
        clock: Callable[[], float] = time.time,
        fsync: Fsync = os.fsync,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.path = path
        self._number = number
        self._clock = clock
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._handle: int | None = None
        self._file = path
        self._file_start = 0
        self._began_at = 0.0
        self._parent: Position | None = None
        self._lock = self._take_lock()
        try:
            self.position = self.durable = self._repair()
            self._mark = DurableMark(path, self.durable, fsync)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close without a further sync; the partition may be opened again afterwards."""
        self._close_segment()
        self._mark.close()
        os.close(self._lock)

    def append(self, kind: int, rows: int, body: bytes) -> Position:
        """Write one frame; the position after it, which is durable after the next ``sync``.

        Raises FlinkmsError 53100 when the disk is full, 58030 on another failure: then no frame since the last sync is
        there, and the writer can go on. Raises ValueError when the frame would be too large.
        """
        data = encode_frame(kind, rows, body, int(self._clock() * 1e6))
        segment = self.position.offset - self._file_start
        if self._handle is None:
            self._begin_epoch()
        elif segment and (segment + len(data) > self._segment_bytes or self._clock() - self._began_at >= SEGMENT_S_MAX):
            self.sync()
            self._close_segment()
            self._create_segment()
        try:
            self._write(data)
        except OSError as error:
            self._take_back()
            raise io_error(error, self._file, "write") from error
        self.position = Position(self.position.epoch, self.position.offset + len(data))
        return self.position

    def sync(self) -> None:
        """Make all appended frames durable, and then visible to readers that learn from them.

        Raises FlinkmsError 53100, 58030: then no frame since the last sync is there, and the writer can go on.
        """
        if self._handle is None or self.position == self.durable:
            return
        try:
            self._fsync(self._handle)
            self._mark.publish(self.position)
        except OSError as error:
            self._take_back()
            raise io_error(error, self._file, "sync") from error
        self.durable = self.position

    def _take_lock(self) -> int:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            sync_directory(self.path.parent, self._fsync)
            lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise io_error(error, self.path, "create") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise FlinkmsError(
                errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'log partition "{self.path}" is open in another writer',
                hint="Give each frontend a name of its own.",
            ) from error  # fmt: skip
        return lock

    def _repair(self) -> Position:
        """Cut off a torn tail; the position where the log ends."""
        segments = Segments(self.path)
        segments.scan()
        if not segments.starts:
            return Position(0, 0)
        epoch = max(segments.starts)
        start = segments.starts[epoch][-1]
        file = segments.file(epoch, start)
        read_header(file, epoch, start)
        try:
            data = file.read_bytes()
            size = _whole_bytes(file, data)
            if size < len(data):
                os.truncate(file, size)
            with open(file, "rb") as opened:
                self._fsync(opened.fileno())
        except OSError as error:
            raise io_error(error, file, "repair") from error
        return Position(epoch, start + size - SEGMENT_HEADER_BYTES)

    def _begin_epoch(self) -> None:
        self._parent = self.position if self.position.epoch else None
        before = self.position
        self.position = Position(before.epoch + 1, 0)
        try:
            self._create_segment()
        except FlinkmsError:
            self.position = before
            raise
        self.durable = self.position

    def _create_segment(self) -> None:
        """A new segment file at the position, visible by rename once its header is durable."""
        epoch, start = self.position
        header = SegmentHeader(
            epoch=epoch, number=self._number, start=start, parent=self._parent, created_at=int(self._clock() * 1e6)
        )
        file = self.path / segment_name(epoch, start)
        temporary = self.path / f".{file.name}"
        handle = None
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
            os.write(handle, encode_segment_header(header))
            self._fsync(handle)
            os.rename(temporary, file)
            sync_directory(self.path, self._fsync)
        except OSError as error:
            if handle is not None:
                os.close(handle)
            temporary.unlink(missing_ok=True)
            raise io_error(error, file, "create") from error
        self._handle, self._file, self._file_start = handle, file, start
        self._began_at = header.created_at / 1e6

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def _take_back(self) -> None:
        """Cut off what is not durable. After a failed fsync the kernel may call lost pages clean: none may stay.

        Readers may have seen whole frames of it, or the cut may fail: then the next append begins an epoch.
        """
        whole_frames = self.position != self.durable
        self.position = self.durable
        try:
            os.ftruncate(self._handle, SEGMENT_HEADER_BYTES + self.durable.offset - self._file_start)
        except OSError:
            whole_frames = True
        if whole_frames:
            self._close_segment()

    def _close_segment(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def end_of(path: Path) -> Position:
    """The end of the last whole frame of a partition, read without touching it. Raises FlinkmsError 58030, XX001."""
    segments = Segments(path)
    segments.scan()
    if not segments.starts:
        return Position(0, 0)
    epoch = max(segments.starts)
    start = segments.starts[epoch][-1]
    file = segments.file(epoch, start)
    try:
        size = _whole_bytes(file, file.read_bytes())
    except OSError as error:
        raise io_error(error, file, "read") from error
    return Position(epoch, start + size - SEGMENT_HEADER_BYTES)


def _whole_bytes(file: Path, data: bytes) -> int:
    """Bytes of a segment file up to the end of its last whole frame. Raises FlinkmsError XX001 on damage before it."""
    view = memoryview(data)
    at = SEGMENT_HEADER_BYTES
    while at < len(view):
        found = parse_frame(view, at, Position(0, at))
        if isinstance(found, Frame):
            at = found.end.offset
        elif is_corruption(view, at, found):
            reason = found.reason if isinstance(found, Malformed) else "wrong length of a frame"
            raise corrupted(file, reason, offset=at)
        else:
            break
    return at
