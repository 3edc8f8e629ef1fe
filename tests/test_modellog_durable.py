"""Readers that learn stop at what is on disk: an append whose fsync hangs or fails is never theirs to see."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.durable import DurableMark, read_durable
from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.stream import Stream, StreamColumn, StreamWriter, stream_ends
from flinkms_sql.types import SqlType
from tests.modellog_files import append_frame, no_sync
from udfs.block import Column

COLUMN = StreamColumn(name="n", type=SqlType.BIGINT)


def numbers(*values: int) -> list[Column]:
    return [Column(np.array(values, np.int64))]


def readable(stream: Stream) -> list[int]:
    """The rows of frontend-0 that a bounded scan that starts now would read."""
    end = Position(*stream_ends(stream.path)["frontend-0"])
    reader = PartitionReader(stream.path / "log" / "frontend-0", APPEND, None, stop=end, clock=lambda: 0.0)
    try:
        return [int(n) for frame in reader.poll() for n in frame.columns()[0].values] if end.offset else []
    finally:
        reader.close()


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream.create(tmp_path / "events", [COLUMN], no_sync)


def test_a_row_can_be_read_after_its_fsync_and_before_its_acknowledgement(stream: Stream):
    entered, released = threading.Event(), threading.Event()
    hanging = threading.Event()

    def fsync(handle: int) -> None:
        if hanging.is_set():
            entered.set()
            assert released.wait(30)

    writer = StreamWriter(stream, "frontend-0", fsync=fsync)
    writer.append_sync(numbers(1))
    assert readable(stream) == [1]
    hanging.set()
    waiting = threading.Thread(target=writer.append_sync, args=(numbers(2),))
    waiting.start()
    assert entered.wait(30)
    assert len((stream.path / "log/frontend-0/00000001-000000000000.log").read_bytes()) > 64 + len(append_frame(1))
    assert readable(stream) == [1]
    released.set()
    waiting.join()
    assert readable(stream) == [1, 2]
    writer.close()


def test_a_row_whose_fsync_fails_is_never_read(stream: Stream):
    failing = threading.Event()

    def fsync(handle: int) -> None:
        if failing.is_set():
            raise OSError(errno.EIO, "Input/output error")

    writer = StreamWriter(stream, "frontend-0", fsync=fsync)
    writer.append_sync(numbers(1))
    failing.set()
    with pytest.raises(FlinkmsError, match="could not sync"):
        writer.append_sync(numbers(2))
    assert readable(stream) == [1]
    failing.clear()
    writer.close()
    writer = StreamWriter(stream, "frontend-0", fsync=no_sync)
    assert readable(stream) == [1]
    writer.append_sync(numbers(3))
    assert readable(stream) == [1, 3]
    writer.close()


def test_a_partition_of_a_writer_that_says_nothing_is_read_to_its_last_whole_frame(stream: Stream):
    writer = StreamWriter(stream, "frontend-0", fsync=no_sync)
    writer.append_sync(numbers(1, 2))
    writer.close()
    (stream.path / "log/frontend-0/durable").unlink()
    assert readable(stream) == [1, 2]


def test_a_mark_is_replaced_whole_when_its_writer_starts_and_a_damaged_one_is_an_error(tmp_path: Path):
    assert read_durable(tmp_path) is None
    mark = DurableMark(tmp_path, Position(1, 64), os.fsync)
    mark.publish(Position(1, 1 << 40))
    assert read_durable(tmp_path) == Position(1, 1 << 40)
    mark.close()
    (tmp_path / "durable").write_bytes(b"\0" * 24)
    with pytest.raises(FlinkmsError, match="no position with a right checksum"):
        read_durable(tmp_path)
    DurableMark(tmp_path, Position(2, 0), no_sync).close()
    assert read_durable(tmp_path) == Position(2, 0)


def test_a_reader_beside_the_writer_never_sees_half_a_position(tmp_path: Path):
    mark = DurableMark(tmp_path, Position(1, 1), no_sync)
    done = threading.Event()

    def write() -> None:
        for n in range(20_000):
            mark.publish(Position(n + 1, n + 1))
        done.set()

    writing = threading.Thread(target=write)
    writing.start()
    while not done.is_set():
        epoch, offset = read_durable(tmp_path)
        assert epoch == offset
    writing.join()
    mark.close()
