"""Reading and writing a partition: torn tails, damage, segments, epochs, disk full, failed syncs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.frame import APPEND, SEGMENT_HEADER_BYTES, Frame, Position, encode_frame
from flinkms_sql.modellog.partition import SCAN_INTERVAL_S, PartitionReader, Superseded
from flinkms_sql.modellog.segments import Segments
from flinkms_sql.modellog.writer import PartitionWriter
from tests.modellog_files import Clock, FlinkWriter, append_frame

FRAMES = [append_frame(1), append_frame(2, 3), append_frame(4)]
ENDS = [len(b"".join(FRAMES[:count])) for count in range(4)]


@pytest.fixture
def log(tmp_path: Path) -> FlinkWriter:
    writer = FlinkWriter(tmp_path / "p0")
    writer.begin()
    return writer


def reader_of(log: FlinkWriter, start: Position | None = None, **options: object) -> PartitionReader:
    return PartitionReader(log.path, APPEND, start, **options)


def numbers(events: list[Frame | Superseded]) -> list[int]:
    return [n for event in events if isinstance(event, Frame) for n in event.columns()[0].values.tolist()]


def read_all(log: FlinkWriter) -> list[int]:
    reader = reader_of(log)
    events = []
    try:
        while new := reader.poll():
            events += new
        return numbers(events)
    finally:
        reader.close()


def whole_frames(size: int) -> list[int]:
    return [n for n, end in ((1, ENDS[1]), (2, ENDS[2]), (3, ENDS[2]), (4, ENDS[3])) if end <= size]


def test_a_segment_cut_at_any_byte_gives_the_whole_frames_before_the_cut(log: FlinkWriter) -> None:
    log.write(*FRAMES)
    data = log.file.read_bytes()
    for size in range(len(data), SEGMENT_HEADER_BYTES - 1, -1):
        log.file.write_bytes(data[:size])
        assert read_all(log) == whole_frames(size - SEGMENT_HEADER_BYTES), f"cut at {size}"


def test_a_frame_that_is_being_written_is_read_once_it_is_whole(log: FlinkWriter) -> None:
    reader = reader_of(log, clock=Clock())
    data = b"".join(FRAMES)
    seen = []
    for at in range(len(data)):
        with open(log.file, "ab") as file:
            file.write(data[at : at + 1])
        seen += numbers(reader.poll())
        assert seen == whole_frames(at + 1)
    reader.close()


@pytest.mark.parametrize("frame", [0, 1])
def test_any_changed_byte_of_a_frame_with_others_behind_it_is_damage(log: FlinkWriter, frame: int) -> None:
    log.write(*FRAMES)
    data = log.file.read_bytes()
    for at in range(ENDS[frame], ENDS[frame + 1]):
        damaged = bytearray(data)
        damaged[SEGMENT_HEADER_BYTES + at] ^= 0x41
        log.file.write_bytes(damaged)
        reader = reader_of(log)
        with pytest.raises(FlinkmsError, match="is damaged at byte") as caught:
            numbers(reader.poll() + reader.poll())
        reader.close()
        assert caught.value.sqlstate == "XX001"
        assert str(log.file) in caught.value.message
        assert f"at byte {SEGMENT_HEADER_BYTES + ENDS[frame]}" in caught.value.message


def test_a_changed_byte_of_the_last_frame_never_lets_it_pass(log: FlinkWriter) -> None:
    log.write(*FRAMES)
    data = log.file.read_bytes()
    damage = []
    for at in range(ENDS[2], ENDS[3]):
        damaged = bytearray(data)
        damaged[SEGMENT_HEADER_BYTES + at] ^= 0x41
        log.file.write_bytes(damaged)
        reader = reader_of(log)
        try:
            assert numbers(reader.poll()) == [1, 2, 3]
            assert reader.poll() == []
        except FlinkmsError as error:
            assert error.sqlstate == "XX001"
            damage.append(at - ENDS[2])
        reader.close()
    # version, kind and flags are not under the checksum, which is right; a smaller length says that more follows
    assert set(damage) <= {4, 5, 6, 7, 8, 9, 10, 11}


def test_a_tail_of_zeros_is_a_torn_tail_until_something_follows(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    with open(log.file, "ab") as file:
        file.write(bytes(200))
    assert read_all(log) == [1]
    with open(log.file, "ab") as file:
        file.write(FRAMES[1])
    with pytest.raises(FlinkmsError, match="damaged"):
        read_all(log)


def test_a_damaged_segment_header_names_the_file(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    data = log.file.read_bytes()
    for at in range(SEGMENT_HEADER_BYTES):
        log.file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(FlinkmsError, match=r"00000001-000000000000\.log.*damaged at byte 0"):
            read_all(log)


def test_reading_starts_and_stops_where_it_is_told_to(log: FlinkWriter) -> None:
    log.write(*FRAMES)
    reader = reader_of(log, Position(1, ENDS[1]), stop=Position(1, ENDS[2]))
    assert numbers(reader.poll()) == [2, 3]
    assert reader.poll() == []
    assert reader.position == (1, ENDS[2])
    reader.close()


def test_poll_returns_no_more_than_asked_for_but_always_a_frame(log: FlinkWriter) -> None:
    log.write(*FRAMES)
    reader = reader_of(log)
    assert [numbers(reader.poll(1)) for _ in range(4)] == [[1], [2, 3], [4], []]
    reader.close()


def test_a_frame_larger_than_the_first_read_comes_whole(log: FlinkWriter) -> None:
    log.write(append_frame(*range(30_000)), FRAMES[0])
    reader = reader_of(log)
    assert numbers(reader.poll(1)) == list(range(30_000))
    assert numbers(reader.poll()) == [1]
    reader.close()


def test_segments_follow_one_another_and_new_ones_are_seen_after_an_interval(log: FlinkWriter) -> None:
    clock = Clock()
    log.write(FRAMES[0])
    log.roll()
    log.write(FRAMES[1])
    reader = reader_of(log, clock=clock)
    assert numbers(reader.poll()) == [1, 2, 3]
    log.roll()
    log.write(FRAMES[2])
    assert reader.poll() == []
    clock.now = SCAN_INTERVAL_S
    assert numbers(reader.poll()) == [4]
    reader.close()


def test_a_next_segment_is_not_there_before_its_header_is_whole(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    log.roll()
    header = log.file.read_bytes()
    for size in range(SEGMENT_HEADER_BYTES):
        log.file.write_bytes(header[:size])
        assert read_all(log) == [1]
    log.file.write_bytes(header)
    log.write(FRAMES[1])
    assert read_all(log) == [1, 2, 3]


def test_a_partition_that_does_not_exist_yet_is_empty_and_then_found(tmp_path: Path) -> None:
    clock = Clock()
    log = FlinkWriter(tmp_path / "later")
    reader = reader_of(log, clock=clock)
    assert reader.poll() == []
    log.begin()
    log.write(FRAMES[0])
    clock.now = 1
    assert numbers(reader.poll()) == [1]
    reader.close()


def test_a_missing_segment_names_the_directory(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    log.roll()
    (log.path / "00000001-000000000000.log").unlink()
    reader = reader_of(log, Position(1, 0))
    with pytest.raises(FlinkmsError, match="log segment is missing") as caught:
        reader.poll()
    assert caught.value.sqlstate == "58030"
    assert str(log.path) in caught.value.message


def test_a_gap_between_segments_and_a_position_past_the_end_are_damage(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    log.offset += 8
    log.roll()
    with pytest.raises(FlinkmsError, match="yet the log goes on at") as caught:
        read_all(log)
    assert caught.value.sqlstate == "XX001"
    reader = reader_of(log, Position(1, 5000))
    with pytest.raises(FlinkmsError, match="ends before offset 5000"):
        reader.poll()
    reader.close()


def test_an_epoch_goes_on_where_its_parent_ends(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    kept = log.write(FRAMES[1])
    log.write(FRAMES[2])
    log.begin(kept)
    log.write(append_frame(9))
    assert read_all(log) == [1, 2, 3, 9]


def test_a_reader_ahead_of_the_parent_offset_is_told_what_is_void(log: FlinkWriter) -> None:
    clock = Clock()
    kept = log.write(FRAMES[0])
    log.write(FRAMES[1], FRAMES[2])
    reader = reader_of(log, clock=clock)
    assert numbers(reader.poll()) == [1, 2, 3, 4]
    log.begin(kept)
    log.write(append_frame(9))
    clock.now = 1
    events = reader.poll()
    assert events[0] == Superseded(kept)
    assert numbers(events) == [9]
    reader.close()


def test_epochs_that_were_skipped_over_are_void_and_their_common_ancestor_is_read_on(log: FlinkWriter) -> None:
    clock = Clock()
    early = log.write(FRAMES[0])
    late = log.write(FRAMES[1])
    log.begin(early)
    log.write(append_frame(7))
    reader = reader_of(log, clock=clock)
    assert numbers(reader.poll()) == [1, 7]
    log.begin(late)
    log.write(append_frame(8))
    clock.now = 1
    events = reader.poll()
    assert events[0] == Superseded(Position(2, 0))
    assert numbers(events) == [2, 3, 8]
    assert read_all(log) == [1, 2, 3, 8]
    reader.close()


def test_a_start_at_an_epoch_that_was_superseded_before_its_first_frame_is_its_parents_end(log: FlinkWriter) -> None:
    kept = log.write(FRAMES[0])
    restored = log.begin(kept)
    log.begin(kept)
    log.write(FRAMES[1])
    reader = reader_of(log, restored)
    events = reader.poll()
    assert numbers(events) == [2, 3]
    assert len(events) == 1
    reader.close()


def test_a_start_in_an_epoch_that_is_gone_is_an_error(log: FlinkWriter) -> None:
    log.begin(None)
    (log.path / "00000001-000000000000.log").unlink()
    reader = reader_of(log, Position(1, 64))
    with pytest.raises(FlinkmsError, match="log segment is missing"):
        reader.poll()
    reader.close()


def test_a_log_begun_anew_voids_everything(log: FlinkWriter) -> None:
    clock = Clock()
    log.write(FRAMES[0])
    from_start = reader_of(log, Position(1, 0), clock=clock)
    from_middle = reader_of(log, Position(1, ENDS[1]), clock=clock)
    assert numbers(from_start.poll()) == [1]
    assert from_middle.poll() == []
    log.begin(None)
    log.write(FRAMES[1])
    clock.now = 1
    assert from_start.poll()[0] == Superseded(Position(1, 0))
    assert from_middle.poll()[0] == Superseded(Position(1, 0))
    from_start.close()
    from_middle.close()


def test_an_epoch_cut_short_of_its_childs_parent_offset_is_damage(log: FlinkWriter) -> None:
    end = log.write(*FRAMES)
    with open(log.file, "r+b") as file:
        file.truncate(SEGMENT_HEADER_BYTES + ENDS[2] + 5)
    log.begin(end)
    with pytest.raises(FlinkmsError, match="yet the log goes on at"):
        read_all(log)


def test_an_idle_poll_is_one_read(log: FlinkWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(FRAMES[0])
    reader = reader_of(log, clock=Clock())
    reader.poll()
    calls = []
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: calls.append(args) or read(*args))
    monkeypatch.setattr(os, "scandir", lambda *args: calls.append(args))
    assert reader.poll() == []
    assert len(calls) == 1
    reader.close()


def body(number: int) -> bytes:
    return append_frame(number)[32:]


def test_what_a_writer_appends_is_read_across_segments_and_starts(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    for run in range(3):
        writer = PartitionWriter(path, segment_bytes=100)
        for number in range(3):
            writer.append(APPEND, 1, body(10 * run + number))
        writer.sync()
        writer.close()
    reader = PartitionReader(path, APPEND, None)
    assert numbers(reader.poll()) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert reader.position.epoch == 3
    reader.close()


def test_a_start_without_appends_leaves_the_partition_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path)
    writer.append(APPEND, 1, body(1))
    writer.close()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    PartitionWriter(path).close()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = PartitionWriter(tmp_path / "frontend-0")
    with pytest.raises(FlinkmsError, match="open in another writer") as caught:
        PartitionWriter(tmp_path / "frontend-0")
    assert caught.value.sqlstate == "55000"
    writer.close()
    PartitionWriter(tmp_path / "frontend-0").close()


def test_a_start_cuts_off_a_torn_tail_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path)
    for number in (1, 2):
        end = writer.append(APPEND, 1, body(number))
    writer.close()
    file = path / "00000001-000000000000.log"
    data = file.read_bytes()
    half = SEGMENT_HEADER_BYTES + end.offset // 2
    for size in range(half, len(data)):
        file.write_bytes(data[:size])
        writer = PartitionWriter(path)
        assert writer.position == (1, end.offset // 2)
        assert file.stat().st_size == half
        writer.close()
    file.write_bytes(data[: half - 1] + bytes(1) + data[half:])
    damaged = bytearray(data)
    damaged[half - 9] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(FlinkmsError, match="wrong checksum"):
        PartitionWriter(path)


class FailingDisk:
    """An fsync that fails on demand."""

    def __init__(self) -> None:
        self.error: int | None = None

    def __call__(self, handle: int) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        os.fsync(handle)


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
    assert events[0] == Superseded(Position(1, ENDS[1]))
    assert numbers(events) == [3]
    reader.close()
    writer.close()


def test_a_full_disk_is_53100_leaves_whole_frames_and_can_be_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "frontend-0"
    writer = PartitionWriter(path)
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
    assert file.stat().st_size == SEGMENT_HEADER_BYTES + ENDS[1]
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
    assert [file.name for file in path.iterdir()] == []
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
