"""Laws of what ``flinkms status`` says of the disk, and of logs that are bounded while they are written to."""

from __future__ import annotations

import json
from pathlib import Path

from flinkms_sql.runtime import sizes, status
from flinkms_sql.runtime.logs import set_aside

BLOCK = 4096


def test_what_is_kept_is_counted_once_and_where_it_belongs(tmp_path: Path) -> None:
    for name, blocks in {
        "warehouse/streams/ev-1/log/frontend-0/a.log": 1, "warehouse/streams/big-1/log/frontend-0/a.log": 256,
        "warehouse/models/rec-1/v1/users/base-000001/rows.f32": 2,
        "warehouse/models/rec-1/v1/users/log/p0/b.log": 4, "warehouse/models/rec-1/v2/version.json": 8,
        "warehouse/models/old-2/.v1/users/base-000001/rows.f32": 16, "flink/checkpoints/aa/chk-1/_metadata": 32,
        "logs/jobs.log": 64, "postgres/data/base/1": 128, "flink/tmp/elsewhere": 256,
    }.items():  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * BLOCK * blocks)
    (tmp_path / "warehouse/models/rec-1/link").symlink_to(tmp_path / "postgres/data/base/1")
    with open(tmp_path / "warehouse/models/rec-1/v1/users/base-000001/rows.f32", "r+b") as base:
        base.truncate(1 << 30)  # headroom, sparse
    found = sizes.measure(tmp_path)
    assert {name: getattr(found, name) // BLOCK for name in ("streams", "models", "bases", "logs", "checkpoints", "part_logs",
                                                            "control_database")} == {
        "streams": 257, "models": 30, "bases": 18, "logs": 4, "checkpoints": 32, "part_logs": 64, "control_database": 128}
    assert list(found.each_stream.items()) == [("big-1", 256 * BLOCK), ("ev-1", BLOCK)]
    assert "streams           1.1 MB\n  big-1  1.0 MB\n  ev-1  4.1 kB\n" in status.sizes_as_text(found, None)
    assert found.versions == {"old-2": 0, "rec-1": 2}
    assert "models            122.9 kB: bases 73.7 kB, logs 16.4 kB; 2 versions of 2 models" in \
        status.sizes_as_text(found, None)


def test_nothing_is_there_before_the_first_start(tmp_path: Path) -> None:
    assert sizes.measure(tmp_path / "nowhere").models == 0
    assert sizes.last_upkeep(tmp_path / "nowhere") is None


def test_the_last_upkeep_is_shown(tmp_path: Path) -> None:
    report = tmp_path / "upkeep.json"
    report.write_text(json.dumps({"format": 1, "at": 86_400.0, "took_s": 0.25, "actions": [
        {"at": 5.0, "action": f"version {n} deleted"} for n in range(9)], "problems": ["stream ev: no"]}))
    upkeep = sizes.last_upkeep(report)
    text = status.sizes_as_text(sizes.measure(tmp_path), upkeep)
    assert "1970-01-02 00:00:00 UTC" in text and "not done: stream ev: no" in text
    assert "version 8 deleted" in text and "version 3 deleted" not in text
    shown = json.loads(status.as_json([], sizes.measure(tmp_path), upkeep))
    assert shown["upkeep"]["at"] == "1970-01-02T00:00:00+00:00" and shown["parts"] == []
    report.write_text("{")
    assert sizes.last_upkeep(report) is None


def test_a_log_is_bounded_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "jobs.log"
    with log.open("ab", buffering=0) as part:
        part.write(b"a" * 1000)
        assert set_aside(tmp_path, 1000) == []
        part.write(b"b")
        assert set_aside(tmp_path, 1000) == [log]
        part.write(b"c")
        assert log.read_bytes() == b"c"
        assert (tmp_path / "jobs.log.1").read_bytes() == b"a" * 1000 + b"b"
        part.write(b"d" * 1000)
        set_aside(tmp_path, 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.log", "jobs.log.1"]
