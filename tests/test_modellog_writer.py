"""Writing a partition: restarts, locks, torn tails, failing disks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.frame import APPEND, FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, Frame, Position, encode_frame
from flinkms_sql.modellog.partition import PartitionReader, Superseded
from flinkms_sql.modellog.segments import Segments
from flinkms_sql.modellog.writer import PartitionWriter
from tests.modellog_files import Clock, append_frame, no_sync

FRAME_BYTES = len(append_frame(1))


def numbers(events: list[Frame | Superseded]) -> list[int]:
    return [n for event in events if isinstance(event, Frame) for n in event.columns()[0].values.tolist()]


def body(number: int) -> bytes:
    return append_frame(number)[32:]


def test_what_a_writer_appends_is_read_across_segments_and_starts(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    for run in range(3):
        writer = PartitionWriter(path, segment_bytes=100, fsync=no_sync)
        for number in range(3):
            writer.append(APPEND, 1, body(10 * run + number))
        writer.sync()
        writer.close()
    reader = PartitionReader(path, APPEND, None)
    assert numbers(reader.poll()) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert reader.position.epoch == 3
    reader.close()


def test_a_quiet_stream_begins_a_segment_each_day_so_that_retention_can_take_the_old_ones(tmp_path: Path) -> None:
    clock = Clock()
    writer = PartitionWriter(tmp_path / "p", clock=clock, fsync=no_sync)
    for hours in (0, 23, 24, 25, 49):
        clock.now = hours * 3600.0
        writer.append(APPEND, 1, append_frame(hours)[FRAME_HEADER_BYTES:])
        writer.sync()
    writer.close()
    assert len(list((tmp_path / "p").glob("*.log"))) == 3
    reader = PartitionReader(tmp_path / "p", APPEND, None)
    assert len(reader.poll()) == 5
    reader.close()


def test_a_start_without_appends_leaves_the_partition_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path, fsync=no_sync)
    writer.append(APPEND, 1, body(1))
    writer.sync()
    writer.close()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert sorted(before) == ["00000001-000000000000.log", "durable"]
    PartitionWriter(path, fsync=no_sync).close()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = PartitionWriter(tmp_path / "frontend-0", fsync=no_sync)
    with pytest.raises(FlinkmsError, match="open in another writer") as caught:
        PartitionWriter(tmp_path / "frontend-0", fsync=no_sync)
    assert caught.value.sqlstate == "55000"
    writer.close()
    PartitionWriter(tmp_path / "frontend-0", fsync=no_sync).close()


def test_a_start_cuts_off_a_torn_tail_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path, fsync=no_sync)
    for number in (1, 2):
        end = writer.append(APPEND, 1, body(number))
    writer.close()
    file = path / "00000001-000000000000.log"
    data = file.read_bytes()
    half = SEGMENT_HEADER_BYTES + end.offset // 2
    for size in range(half, len(data)):
        file.write_bytes(data[:size])
        writer = PartitionWriter(path, fsync=no_sync)
        assert writer.position == (1, end.offset // 2)
        assert file.stat().st_size == half
        writer.close()
    file.write_bytes(data[: half - 1] + bytes(1) + data[half:])
    damaged = bytearray(data)
    damaged[half - 9] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(FlinkmsError, match="wrong checksum"):
        PartitionWriter(path, fsync=no_sync)


class FailingDisk:
    """An fsync that fails on demand."""

    def __init__(self) -> None:
        self.error: int | None = None

    def __call__(self, handle: int) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))


def test_a_failed_sync_takes_the_frames_back_and_tells_readers_that_saw_them(tmp_path: Path) -> None:
    disk, clock = FailingDisk(), Clock()
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path, fsync=disk)
    writer.append(APPEND, 1, body(1))
    writer.sync()
    reader = PartitionReader(path, APPEND, None, clock=clock)
    writer.append(APPEND, 1, body(2))
    assert numbers(reader.poll()) == [1, 2]
    disk.error = errno.EIO
    with pytest.raises(FlinkmsError, match="could not sync file") as caught:
        writer.sync()
    assert caught.value.sqlstate == "58030"
    disk.error = None
    writer.append(APPEND, 1, body(3))
    writer.sync()
    clock.now = 1
    events = reader.poll()
    assert events[0] == Superseded(Position(1, FRAME_BYTES))
    assert numbers(events) == [3]
    reader.close()
    writer.close()


def test_a_full_disk_is_53100_leaves_whole_frames_and_can_be_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path, fsync=no_sync)
    writer.append(APPEND, 1, body(1))
    writer.sync()
    write = os.write
    state = {"room": 30}

    def full(handle: int, data: memoryview) -> int:
        if state["room"] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = write(handle, data[: state["room"]])
        state["room"] -= taken
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(FlinkmsError, match="No space left") as caught:
            writer.append(APPEND, 1, body(2))
    assert caught.value.sqlstate == "53100"
    file = path / "00000001-000000000000.log"
    assert file.stat().st_size == SEGMENT_HEADER_BYTES + FRAME_BYTES
    writer.append(APPEND, 1, body(3))
    writer.sync()
    reader = PartitionReader(path, APPEND, None)
    assert numbers(reader.poll()) == [1, 3]
    reader.close()
    writer.close()


def test_a_segment_that_cannot_be_created_leaves_the_writer_usable(tmp_path: Path) -> None:
    disk = FailingDisk()
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path, fsync=disk, segment_bytes=50)
    disk.error = errno.ENOSPC
    with pytest.raises(FlinkmsError, match="could not create file"):
        writer.append(APPEND, 1, body(1))
    assert [file.name for file in path.iterdir()] == ["durable"]
    disk.error = None
    writer.append(APPEND, 1, body(2))
    writer.sync()
    segments = Segments(path)
    segments.scan()
    assert list(segments.starts) == [1]
    writer.close()


def test_a_frame_cannot_be_larger_than_readers_accept() -> None:
    with pytest.raises(ValueError, match="cannot hold a body"):
        encode_frame(APPEND, 1, bytes(64 << 20), 0)
