"""Streams: append-only tables in the warehouse, and the group commit by which frontends append to them.

Must not know about SQL or sessions. Many concurrent appends share one frame, one write and one fsync: a worker thread
commits whatever has gathered while it was busy with the commit before. An append returns after its fsync, not earlier.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.durable import read_durable
from flinkms_sql.modellog.files import Fsync, corrupted, io_error, read_json, sync_directory, write_json
from flinkms_sql.modellog.frame import APPEND, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Position
from flinkms_sql.modellog.segments import read_committed
from flinkms_sql.modellog.writer import PartitionWriter, end_of
from flinkms_sql.types import SqlType, parse_type
from udfs.block import Column, concatenated, encode_block

PENDING_MAX = 10_000
"""Appends that wait for a commit before further ones wait for room: bounds the memory when the disk stalls."""
GROUP_ROWS_MAX = 65_536
"""Rows of the appends that share a frame (one larger append comes alone): keeps a commit well below 64 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamColumn:
    """A declared column."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream's directory and its columns in declared order."""

    path: Path
    columns: tuple[StreamColumn, ...]

    @classmethod
    def create(cls, path: Path, columns: Sequence[StreamColumn], fsync: Fsync = os.fsync) -> Stream:
        """Make the directory of a new stream. Raises FlinkmsError 42P07 when there is one, 53100, 58030."""
        file = path / "stream.json"
        if file.exists():
            raise FlinkmsError(errors.DUPLICATE_TABLE, f'stream "{path.name}" already exists in the warehouse')
        try:
            (path / "log").mkdir(parents=True, exist_ok=True)
            sync_directory(path, fsync)
            sync_directory(path.parent, fsync)
        except OSError as error:
            raise io_error(error, path, "create") from error
        declared = [{"name": column.name, "type": column.type.value.flink} for column in columns]
        write_json(file, {"format": 1, "columns": declared}, fsync)
        return cls(path=path, columns=tuple(columns))

    @classmethod
    def open(cls, path: Path) -> Stream:
        """Read stream.json. Raises FlinkmsError 58030 when it is missing, XX001 when it is damaged."""
        file = path / "stream.json"
        match read_json(file):
            case {"format": 1, "columns": [*declared]} if declared:
                pass
            case _:
                raise corrupted(file, "no columns of format 1")
        columns = []
        for entry in declared:
            match entry:
                case {"name": str(name), "type": str(text)}:
                    columns.append(StreamColumn(name=name, type=parse_type(text)))
                case _:
                    raise corrupted(file, "a column has no name and type")
        return cls(path=path, columns=tuple(columns))


def stream_ends(path: Path) -> dict[str, Position]:
    """Where each partition of a stream ends now: at what its job has committed or its frontend has synced, else after
    the last whole frame.

    The same rule as a bounded scan's (connectors/…/source/CommittedLog.java): what lies before is never taken back.
    Raises FlinkmsError 58030, XX001.
    """
    log = path / "log"
    if not log.is_dir():
        return {}
    names = sorted(entry.name for entry in log.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return {name: _end(log / name) for name in names}


def _end(partition: Path) -> Position:
    if (vouched := _vouched(partition)) is not None:
        return vouched
    whole = end_of(partition)
    # A writer may have started in between.
    return _vouched(partition) or whole


def _vouched(partition: Path) -> Position | None:
    """What the writer of a partition says of its end: a job's first, then a frontend's."""
    committed = read_committed(partition)
    return read_durable(partition) if committed is None else committed


class _Refused(FlinkmsError):
    """Rows that cannot be written whatever the disk does: their neighbours in the group have to be tried alone."""


@dataclass(slots=True, eq=False)
class _Append:
    """One append that waits for its commit; ``loop`` and ``future`` of a coroutine, or ``event`` of a thread."""

    columns: Sequence[Column]
    rows: int
    loop: asyncio.AbstractEventLoop | None = None
    future: asyncio.Future | None = None
    event: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class StreamWriter:
    """Appends to one partition of a stream, named after its owner (``frontend-0``), from any thread or event loop.

    clock: seconds since 1970-01-01 UTC. fsync: called before appends are acknowledged.
    Raises FlinkmsError as PartitionWriter does.
    """

    def __init__(
        self,
        stream: Stream,
        partition: str,
        *,
        clock: Callable[[], float] = time.time,
        fsync: Fsync = os.fsync,
        pending_max: int = PENDING_MAX,
    ) -> None:
        self.stream = stream
        self._writer = PartitionWriter(stream.path / "log" / partition, clock=clock, fsync=fsync)
        self._pending_max = pending_max
        self._changed = threading.Condition()
        self._queue: list[_Append] = []
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future]] = []
        self._closing = False
        self._worker = threading.Thread(target=self._run, name=f"append {stream.path.name}", daemon=True)
        self._worker.start()

    async def append(self, columns: Sequence[Column]) -> None:
        """Append rows, one Column per declared column, all or none; returns when they are durable.

        Waits for room when pending_max appends are waiting. Cancelling does not take the rows back.
        Raises FlinkmsError 42804 when a column does not fit its type, 22000 when a value cannot be written, 53400 when
        the rows are too many bytes for one frame, 53100 when the disk is full, 58030 when writing fails, 57P01 once the
        writer is closed.
        """
        loop = asyncio.get_running_loop()
        entry = _Append(columns, self._check(columns), loop, loop.create_future())
        if entry.rows == 0:
            return
        while (room := self._enqueue(entry)) is not None:
            await room
        await entry.future

    def append_sync(self, columns: Sequence[Column]) -> None:
        """The same for a thread without an event loop."""
        entry = _Append(columns, self._check(columns))
        if entry.rows == 0:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closing or len(self._queue) < self._pending_max)
            self._put(entry)
        entry.event.wait()
        if entry.error is not None:
            raise entry.error

    def close(self) -> None:
        """Commit what is waiting, then close. Blocks; appends that come later are refused."""
        with self._changed:
            self._closing = True
            self._wake()
        self._worker.join()
        self._writer.close()

    def _check(self, columns: Sequence[Column]) -> int:
        """Rows of an append whose shape fits the declaration. Raises FlinkmsError 42804."""
        declared = self.stream.columns
        sizes = {len(column) for column in columns} | {len(c.valid) for c in columns if c.valid is not None}
        if len(columns) != len(declared) or len(sizes) != 1:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise FlinkmsError(
                errors.DATATYPE_MISMATCH, f'stream "{self.stream.path.name}" has {len(declared)} columns',
                detail=f"The columns to append have these numbers of rows: {lengths}.",
            )  # fmt: skip
        for column, expected in zip(columns, declared):
            facts = expected.type.value
            fits = column.values.dtype == facts.dtype and column.values.ndim == 1
            if not fits or (column.offsets is not None) != expected.type.is_array:
                raise FlinkmsError(
                    errors.DATATYPE_MISMATCH, f'column "{expected.name}" is of type {facts.flink}',
                    detail=f"The values to append are {column.values.dtype}{list(column.values.shape)}.",
                )  # fmt: skip
        return len(columns[0])

    def _enqueue(self, entry: _Append) -> asyncio.Future | None:
        """None when the append is in the queue, or a future that is done when there may be room."""
        with self._changed:
            if self._closing or len(self._queue) < self._pending_max:
                self._put(entry)
                return None
            room = entry.loop.create_future()
            self._waiting.append((entry.loop, room))
            return room

    def _put(self, entry: _Append) -> None:
        if self._closing:
            raise FlinkmsError(errors.ADMIN_SHUTDOWN, f'stream "{self.stream.path.name}" is closed for appending')
        self._queue.append(entry)
        if len(self._queue) == 1:
            self._changed.notify_all()

    def _wake(self) -> None:
        """Let everybody who waits for room or work look again. Called with the lock held."""
        self._changed.notify_all()
        waiting, self._waiting = self._waiting, []
        for loop, room in waiting:
            _call(loop, [room], None)

    def _run(self) -> None:
        """The worker thread: commit what has gathered, until closed and empty."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
                group = _group(self._queue)
                del self._queue[: len(group)]
                self._wake()
            self._commit(group)

    def _commit(self, group: list[_Append]) -> None:
        """Write, sync and acknowledge; one bad append does not fail its neighbours."""
        error: BaseException | None = None
        try:
            self._writer.append(APPEND, sum(entry.rows for entry in group), self._encode(group))
            self._writer.sync()
        except _Refused as problem:
            if len(group) > 1:
                for entry in group:
                    self._commit([entry])
                return
            error = problem
        except BaseException as problem:  # noqa: BLE001 - whatever it is, those who wait have to hear of it
            error = problem
        _acknowledge(group, error)

    def _encode(self, group: list[_Append]) -> bytes:
        merged = [
            (declared.type.value.code, concatenated([entry.columns[number] for entry in group]))
            for number, declared in enumerate(self.stream.columns)
        ]
        try:
            body = encode_block(merged)
        except ValueError as error:
            raise _Refused(errors.DATA_EXCEPTION, f"rows cannot be appended: {error}") from error
        if len(body) > FRAME_BYTES_MAX - FRAME_HEADER_BYTES:
            raise _Refused(
                errors.CONFIGURATION_LIMIT_EXCEEDED, f"{len(body)} bytes in one append are too many",
                detail=f"A frame of the log holds {FRAME_BYTES_MAX} bytes at most.",
                hint="Insert fewer or smaller rows with one statement.",
            )  # fmt: skip
        return body


def _group(queue: list[_Append]) -> list[_Append]:
    """The appends at the front that share the next frame."""
    rows = 0
    for number, entry in enumerate(queue):
        rows += entry.rows
        if rows > GROUP_ROWS_MAX and number:
            return queue[:number]
    return queue[:]


def _acknowledge(group: list[_Append], error: BaseException | None) -> None:
    futures: dict[asyncio.AbstractEventLoop, list[asyncio.Future]] = {}
    for entry in group:
        if entry.loop is None:
            entry.error = error
            entry.event.set()
        else:
            futures.setdefault(entry.loop, []).append(entry.future)
    for loop, waiting in futures.items():
        _call(loop, waiting, error)


def _call(loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future], error: BaseException | None) -> None:
    """Complete futures on their loop, in one turn of it; nobody is left to tell once the loop is closed."""
    try:
        loop.call_soon_threadsafe(_complete, futures, error)
    except RuntimeError:
        pass


def _complete(futures: list[asyncio.Future], error: BaseException | None) -> None:
    for future in futures:
        if future.done():  # its coroutine was cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
