"""Reading a partition: torn tails, damage, segments, epochs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.frame import APPEND, SEGMENT_HEADER_BYTES, Frame, Position
from flinkms_sql.modellog.partition import SCAN_INTERVAL_S, PartitionReader, Superseded
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


def test_bytes_that_are_no_frame_before_the_next_segment_are_damage(log: FlinkWriter) -> None:
    log.write(FRAMES[0])
    with open(log.file, "ab") as file:
        file.write(bytes(5))
    log.roll()
    log.write(FRAMES[1])
    with pytest.raises(FlinkmsError, match="no frame before the next segment"):
        read_all(log)


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
