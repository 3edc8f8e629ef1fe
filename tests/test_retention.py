"""Laws of a stream's retention: the oldest whole segments go when they are old enough and read; a reader starts after them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.retention import EMPTY_S_MIN, PIN_S_MAX, parse_duration, trim
from flinkms_sql.modellog.stream import Stream, StreamColumn, StreamWriter
from flinkms_sql.types import SqlType
from tests.modellog_files import FlinkWriter, append_frame, no_sync
from udfs.block import Column, decode_block

NOW = 1e9
HOUR = 3600.0


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    Stream.create(tmp_path / "events", [StreamColumn(name="n", type=SqlType.BIGINT)], no_sync)
    return tmp_path / "events"


def partition(stream: Path, name: str, ages_h: list[float]) -> FlinkWriter:
    """A partition of one segment per age, each with one row: its number."""
    writer = FlinkWriter(stream / "log" / name)
    writer.begin()
    for number, age in enumerate(ages_h):
        if number:
            writer.roll()
        writer.write(append_frame(number))
        os.utime(writer.file, (NOW - age * HOUR,) * 2)
    return writer


def rows(path: Path, start: Position | None = None) -> list[int]:
    reader = PartitionReader(path, APPEND, start)
    found = []
    while frames := reader.poll():
        found += [int(n) for frame in frames for n in decode_block(frame.body)[0].values]
    reader.close()
    return found


def committed(stream: Path, group: str, **positions: Position) -> str:
    (stream / "groups").mkdir(exist_ok=True)
    (stream / "groups" / f"{group}.json").write_text(json.dumps(
        {"format": 1, "positions": {name.replace("_", "-"): [*at, 0] for name, at in positions.items()}}))
    return group


@pytest.mark.parametrize(("text", "seconds"), [("30 d", 30 * 86400), ("12h", 12 * 3600), ("5 min", 300), ("60 s", 60)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "0 d", "-1 d", "1.5 h", "1 day", "١ d", "d", "9" * 12 + " d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="number above zero"):
        parse_duration(text)


def test_without_a_retention_rows_stay_for_ever(stream: Path) -> None:
    log = partition(stream, "frontend-0", [1e6, 1e5, 1e4])
    assert trim(stream, NOW, retention_s=None) == []
    assert rows(log.path) == [0, 1, 2]


def test_the_oldest_whole_segments_go_and_readers_begin_after_them(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 49, 23, 0])
    assert len(trim(stream, NOW, retention_s=24 * HOUR)) == 2
    assert rows(log.path) == [2, 3]
    assert trim(stream, NOW, retention_s=24 * HOUR) == []


def test_a_log_never_has_a_hole(stream: Path) -> None:
    """A segment that is old behind one that is not (a clock was set back) stays with it."""
    log = partition(stream, "frontend-0", [50, 1, 50, 0])
    assert len(trim(stream, NOW, retention_s=24 * HOUR)) == 1
    assert rows(log.path) == [1, 2, 3]


def test_the_segment_that_is_written_to_stays(stream: Path) -> None:
    log = partition(stream, "frontend-0", [1e5, 1e5])
    trim(stream, NOW, retention_s=HOUR)
    assert rows(log.path) == [1]


def test_epochs_go_like_segments(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 49])
    os.utime(log.file, (NOW - 49 * HOUR,) * 2)
    log.begin(parent=log.position)
    log.write(append_frame(2))
    assert len(trim(stream, NOW, retention_s=24 * HOUR)) == 2
    assert rows(log.path) == [2]


def test_a_frontend_that_restarts_over_a_trimmed_partition_uses_no_offset_twice(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 49])
    trim(stream, NOW, retention_s=24 * HOUR)
    end = log.position
    writer = StreamWriter(Stream.open(stream), "frontend-0", fsync=no_sync)
    writer.append_sync([Column(np.array([7]))])
    writer.close()
    assert rows(log.path, end) == [7]
    assert rows(log.path) == [1, 7]


def test_what_a_reader_has_not_read_stays_but_not_for_ever(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 49, 48, 0])
    second = Position(1, sorted(int(file.stem.split("-")[1]) for file in log.path.glob("*.log"))[1])
    group = committed(stream, "version-1", frontend_0=second)
    assert len(trim(stream, NOW, retention_s=24 * HOUR, groups=[group])) == 1
    assert rows(log.path) == [1, 2, 3]
    late = NOW + PIN_S_MAX - 25 * HOUR + 1
    assert len(trim(stream, late, retention_s=24 * HOUR, groups=[group])) == 1
    assert rows(log.path) == [2, 3]


def test_a_group_that_ended_or_has_not_begun_pins_nothing(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 0])
    committed(stream, "job-3", frontend_0=Position(1, 0))
    trim(stream, NOW, retention_s=24 * HOUR, groups=["job-4"])
    assert rows(log.path) == [1]


def test_a_partition_that_a_reader_does_not_know_yet_is_unread(stream: Path) -> None:
    log = partition(stream, "frontend-0", [50, 0])
    group = committed(stream, "version-1", frontend_1=Position(9, 0))
    assert trim(stream, NOW, retention_s=24 * HOUR, groups=[group]) == []
    assert rows(log.path) == [0, 1]


def test_the_partition_of_an_ended_job_goes_with_its_last_row(stream: Path) -> None:
    log = partition(stream, "job-17-0", [50, 30])
    assert len(trim(stream, NOW, retention_s=24 * HOUR, jobs=frozenset({17}))) == 1, "it may still write"
    assert rows(log.path) == [1]
    group = committed(stream, "version-1", job_17_0=Position(1, 0))
    trim(stream, NOW, retention_s=24 * HOUR, groups=[group])
    assert log.path.exists(), "not everybody has read it"
    committed(stream, "version-1", job_17_0=log.position)
    trim(stream, NOW, retention_s=24 * HOUR, groups=[group])
    assert not log.path.exists()
    assert sorted(path.name for path in stream.iterdir()) == ["groups", "log", "stream.json"]


def test_the_partition_of_a_job_that_wrote_nothing_goes(stream: Path) -> None:
    (stream / "log" / "job-17-0").mkdir()
    (stream / "log" / "frontend-3").mkdir()
    made_at = (stream / "log" / "job-17-0").stat().st_mtime
    assert trim(stream, made_at + EMPTY_S_MIN - 1, retention_s=None) == []
    assert [path.name for path in trim(stream, made_at + EMPTY_S_MIN + 1, retention_s=None)] == ["job-17-0"]
    assert (stream / "log" / "frontend-3").exists()
