"""Laws of upkeep: a log that has outgrown its table is compacted, readers see no difference, what is deleted is old."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.jobs.upkeep import keep_up_version
from flinkms_sql.modellog.base import Chunk, write_base, write_manifest
from flinkms_sql.modellog.compact import sizes
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.version import Table, Version, write_version
from tests.modellog_files import FlinkWriter, no_sync, upsert_frame

TABLE = Table(name="t", key="int64", width=2, initial=(0.0, 0.0))
LOG_BYTES_MIN = 4096


@pytest.fixture
def log(tmp_path: Path) -> FlinkWriter:
    """The log of a version whose one table has three rows."""
    path = tmp_path / "v1"
    (path / "t").mkdir(parents=True)
    write_version(path, Version(algorithm="als", options={}, input_types=(), tables=(TABLE,), partitions=1), no_sync)
    rows = Chunk(keys=np.arange(3), rows=np.ones((3, 2), np.float32), sequences=np.zeros(3, np.int64),
                 event_times=np.zeros(3, np.int64))  # fmt: skip
    write_manifest(path / "t", write_base(path / "t", 1, [rows], key="int64", width=2, fsync=no_sync), {}, no_sync)
    writer = FlinkWriter(path / "t" / "log" / "p0")
    writer.begin()
    return writer


def update(log: FlinkWriter, updates: range) -> None:
    """Commit so many updates of one row, a frame and a segment each."""
    for number in updates:
        log.write(upsert_frame((1, 1, number, float(number))))
        log.roll()
    log.commit()


def state(version: Path) -> list[tuple[int, int, float]]:
    replica = VersionReplica(version)
    while replica.poll():
        pass
    replica.close()
    table = replica.tables["t"]
    return sorted(zip(table.keys.tolist(), table.sequences.tolist(), table.matrix[:, 0].tolist()))


def keep_up(version: Path, now: float = 0.0) -> list[str]:
    return keep_up_version(version, keep_s=60, log_bytes_min=LOG_BYTES_MIN, clock=lambda: now)


def test_only_a_log_that_outgrew_its_table_is_compacted(log: FlinkWriter) -> None:
    version = log.path.parents[2]
    update(log, range(1, 5))
    assert 0 < sizes(version / "t")[1] < LOG_BYTES_MIN
    assert keep_up(version) == []
    update(log, range(5, 60))
    log.write(upsert_frame((1, 2, 1, 5.0)))  # not committed: not compacted, but there
    assert sizes(version / "t")[1] > LOG_BYTES_MIN
    before = state(version)
    assert before == [(0, 0, 1.0), (1, 59, 59.0), (2, 1, 5.0)]
    assert keep_up(version) == ["base-000002"]
    assert state(version) == before
    assert sizes(version / "t")[1] == 0
    assert keep_up(version) == []


def test_what_a_base_contains_is_counted_across_epochs(log: FlinkWriter) -> None:
    version = log.path.parents[2]
    update(log, range(1, 60))
    assert keep_up(version) == ["base-000002"]
    restored = log.begin(parent=log.position)
    assert sizes(version / "t")[1] == 0
    update(log, range(60, 63))
    assert sizes(version / "t")[1] == log.position.offset - restored.offset


def test_superseded_files_go_when_they_are_old_enough(log: FlinkWriter) -> None:
    version = log.path.parents[2]
    update(log, range(1, 60))
    segments = len(list(log.path.glob("*.log")))
    keep_up(version)
    made_at = (version / "t" / "base-000002" / "base.json").stat().st_mtime
    keep_up(version, now=made_at + 59)
    assert len(list(log.path.glob("*.log"))) == segments
    before = state(version)
    keep_up(version, now=made_at + 61)
    assert len(list(log.path.glob("*.log"))) == 1
    assert [path.name for path in (version / "t").glob("base-*")] == ["base-000002"]
    assert state(version) == before


def test_a_table_that_cannot_be_looked_after_is_left_for_the_next_round(log: FlinkWriter) -> None:
    version = log.path.parents[2]
    update(log, range(1, 60))
    manifest = version / "t" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text("{")
    assert keep_up(version) == []
    manifest.write_text(text)
    assert keep_up(version) == ["base-000002"]
