"""Bases, version.json and compaction: read back exactly, checked, and whole whenever a writer dies."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.base import (
    Chunk,
    map_rows,
    open_current,
    read_base,
    read_keys,
    read_manifest,
    read_numbers,
    verify_base,
    write_base,
    write_manifest,
)
from flinkms_sql.modellog.compact import compact, retire
from flinkms_sql.modellog.frame import Position
from flinkms_sql.modellog.replica import TableReplica, VersionReplica
from flinkms_sql.modellog.version import Table, Version, read_version, write_version
from tests.modellog_files import FlinkWriter, no_sync, objects, upsert_frame

TABLE = Table(name="t", key="int64", width=2)


def chunks(sizes: list[int], kind: str = "int64") -> list[Chunk]:
    found, start = [], 0
    for size in sizes:
        numbers = np.arange(start, start + size)
        keys = numbers * 7 if kind == "int64" else objects([f"é{n}" for n in numbers.tolist()])
        found.append(Chunk(keys=keys, rows=np.stack([numbers, -numbers], 1).astype(np.float32), sequences=numbers + 1))
        start += size
    return found


@pytest.mark.parametrize("kind", ["int64", "text"])
@pytest.mark.parametrize("sizes", [[], [0], [5], [3, 0, 4000, 1]])
def test_a_base_is_read_back(tmp_path: Path, kind: str, sizes: list[int]) -> None:
    positions = {"p0": Position(2, 96)}
    name = write_base(tmp_path, 1, chunks(sizes, kind), key=kind, width=2, positions=positions, fsync=no_sync)
    base = read_base(tmp_path / name)
    verify_base(base)
    count = sum(sizes)
    assert (base.rows, base.capacity, base.positions) == (count, count + count // 4 + 1024, {"p0": (2, 96)})
    numbers = np.arange(count)
    assert read_keys(base).tolist() == ((numbers * 7).tolist() if kind == "int64" else [f"é{n}" for n in numbers])
    mapped = map_rows(base)
    assert mapped.shape == (base.capacity, 2)
    assert (mapped[:count] == np.stack([numbers, -numbers], 1)).all()
    assert not mapped[count:].any()
    assert read_numbers(base, "sequences.i64").tolist() == (numbers + 1).tolist()
    assert not read_numbers(base, "event_times.i64").any()


def test_headroom_takes_no_space_on_disk(tmp_path: Path) -> None:
    rows = tmp_path / write_base(tmp_path, 1, chunks([40_000]), key="int64", width=2, fsync=no_sync) / "rows.f32"
    assert rows.stat().st_size == (50_000 + 1024) * 8
    assert rows.stat().st_blocks * 512 < 45_000 * 8


@pytest.mark.parametrize("name", ["keys.offsets", "keys.bytes", "rows.f32", "sequences.i64"])
def test_every_file_of_a_base_is_verified(tmp_path: Path, name: str) -> None:
    path = tmp_path / write_base(tmp_path, 1, chunks([3], "text"), key="text", width=2, fsync=no_sync)
    file = path / name
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    with pytest.raises(FlinkmsError, match=f"{name}.* is damaged: its CRC32C"):
        verify_base(read_base(path))
    file.write_bytes(data[:-1])
    with pytest.raises(FlinkmsError, match=f"{name}.* is damaged"):
        read_keys(read_base(path))


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (Chunk(keys=np.arange(2), rows=np.zeros((2, 3), np.float32)), "2 wide"),
        (Chunk(keys=np.arange(2.0), rows=np.zeros((2, 2), np.float32)), "keys"),
        (Chunk(keys=np.arange(2), rows=np.zeros((2, 2), np.float32), sequences=np.arange(3)), "3 sequences"),
    ],
)
def test_a_chunk_that_does_not_fit_leaves_no_base(tmp_path: Path, chunk: Chunk, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_base(tmp_path, 1, [chunk], key="int64", width=2, fsync=no_sync)
    assert [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")] == []


def test_keys_that_are_not_unique_are_damage(tmp_path: Path) -> None:
    name = write_base(tmp_path, 1, [*chunks([2]), *chunks([1])], key="int64", width=2, fsync=no_sync)
    write_manifest(tmp_path, name, {}, no_sync)
    with pytest.raises(FlinkmsError, match="not unique"):
        TableReplica(tmp_path, TABLE)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"format": 2}', '{"format": 1, "base": "../x", "positions": {}}',
             '{"format": 1, "base": "base-000001", "positions": {"p0": [0, -1]}}'],
)  # fmt: skip
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FlinkmsError, match=r"manifest\.json.* is damaged") as caught:
        read_manifest(tmp_path)
    assert caught.value.sqlstate == "XX001"


@pytest.mark.parametrize(
    "text", ["{}", '{"format": 1, "rows": 9, "capacity": 1, "width": 2, "key": "int64", "files": {}}']
)
def test_a_damaged_base_description_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / write_base(tmp_path, 1, chunks([3]), key="int64", width=2, fsync=no_sync)
    (path / "base.json").write_text(text)
    with pytest.raises(FlinkmsError, match=r"base\.json.* is damaged"):
        read_base(path)


def test_a_version_is_read_back_to_the_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**63 - 2**52, 50).view(np.float64)
    version = Version(
        algorithm="als", options={"factors": "2"}, input_types=("BIGINT", "BIGINT"), partitions=4,
        tables=(TABLE, Table(name="u", key="text", width=3, initial=rng.normal(size=3).astype(np.float32))),
        constants={"mean": np.float64(0.1), "bits": bits, "grid": rng.normal(size=(2, 3)), "none": np.zeros(0)},
    )  # fmt: skip
    write_version(tmp_path, version, no_sync)
    found = read_version(tmp_path)
    assert (found.algorithm, found.options, found.input_types, found.partitions) == (
        "als", {"factors": "2"}, ("BIGINT", "BIGINT"), 4,
    )  # fmt: skip
    for name, array in version.constants.items():
        assert found.constants[name].tobytes() == array.tobytes()
        assert found.constants[name].shape == np.shape(array)
    assert found.tables[0] == TABLE
    assert found.tables[1].initial.tobytes() == version.tables[1].initial.tobytes()
    assert found.classes is None and "classes" not in (tmp_path / "version.json").read_text()
    with pytest.raises(FlinkmsError, match='constant "mean" is not finite'):
        write_version(tmp_path, Version(algorithm="a", options={}, input_types=(), tables=(), partitions=1,
                                        constants={"mean": np.array([np.nan])}))  # fmt: skip


@pytest.mark.parametrize("classes", [["no", "ja"][::-1], ["", "ä", "日"], [-(2**63), 2**53 + 1]])
def test_classes_are_read_back(tmp_path: Path, classes: list) -> None:
    given = np.array(classes, object if isinstance(classes[0], str) else np.int64)
    write_version(tmp_path, Version(algorithm="svm", options={}, input_types=(), tables=(), partitions=1, classes=given),
                  no_sync)  # fmt: skip
    found = read_version(tmp_path).classes
    assert found.dtype == given.dtype and found.tolist() == classes


@pytest.mark.parametrize("classes", [None, {}, [], ["a"], ["b", "a"], ["a", "a"], ["a", 1], [0.5, 1.5], [1, 2**63], [True, 2]])
def test_damaged_classes_are_named(tmp_path: Path, classes: object) -> None:
    write_version(tmp_path, Version(algorithm="svm", options={}, input_types=(), tables=(), partitions=1), no_sync)
    file = tmp_path / "version.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "classes": classes}))
    with pytest.raises(FlinkmsError, match=r"version\.json.* is damaged"):
        read_version(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"als"', "5"), ('"width": 2', '"width": 0'), ("0.5", '"x"'), ('"partitions": 1', '"partitions": 0')],
)
def test_a_damaged_version_is_named(tmp_path: Path, old: str, new: str) -> None:
    write_version(tmp_path, Version(algorithm="als", options={}, input_types=(), tables=(TABLE,), partitions=1,
                                    constants={"c": np.array([0.5])}))  # fmt: skip
    file = tmp_path / "version.json"
    text = file.read_text().replace(old, new)
    assert text != file.read_text()
    file.write_text(text)
    with pytest.raises(FlinkmsError, match=r"version\.json.* is damaged"):
        read_version(tmp_path)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version with one table, some log, and a commit in the middle of it."""
    path = tmp_path / "v1"
    (path / "t").mkdir(parents=True)
    write_version(path, Version(algorithm="als", options={}, input_types=(), tables=(TABLE,), partitions=1), no_sync)
    write_manifest(path / "t", write_base(path / "t", 1, chunks([3]), key="int64", width=2, fsync=no_sync), {}, no_sync)
    log = FlinkWriter(path / "t" / "log" / "p0")
    log.begin()
    log.write(upsert_frame((1, 0, 2, 9.0), (2, 7, 3, 0.0), (1, 5, 1, 8.0)))
    log.commit()
    log.roll()
    log.write(upsert_frame((1, 14, 4, 6.0)))
    return path


def contents(path: Path) -> dict[int, tuple[float, int, int]]:
    replica = VersionReplica(path)
    while replica.poll():
        pass
    replica.close()
    view = replica.tables["t"]
    live = np.ones(len(view.keys), bool) if view.live is None else view.live
    values = zip(view.matrix[live, 0].tolist(), view.sequences[live].tolist(), view.event_times[live].tolist())
    return dict(zip(view.keys[live].tolist(), values))


EXPECTED = {0: (9.0, 2, 20), 5: (8.0, 1, 10), 14: (6.0, 4, 40)}


def test_compaction_contains_what_is_committed_and_readers_see_no_difference(version: Path) -> None:
    table = version / "t"
    assert contents(version) == EXPECTED
    assert compact(table, TABLE, fsync=no_sync) == "base-000002"
    base, positions = open_current(table)
    assert base.positions == positions
    assert read_keys(base).tolist() == [0, 5, 14]
    verify_base(base)
    assert contents(version) == EXPECTED
    assert compact(table, TABLE, fsync=no_sync) == "base-000002"
    replica = VersionReplica(version)
    replica.poll()
    assert compact(table, TABLE, replica.positions["t"], fsync=no_sync) == "base-000003"
    assert replica.poll() == 0
    replica.close()
    assert len(read_keys(open_current(table)[0])) == 3
    assert contents(version) == EXPECTED


def test_retention_deletes_only_what_is_old_and_contained(version: Path) -> None:
    table = version / "t"
    compact(table, TABLE, fsync=no_sync)
    now = (table / "base-000002" / "base.json").stat().st_mtime
    assert retire(table, now + 9, 10) == []
    gone = retire(table, now + 11, 10)
    assert [path.name for path in gone] == ["base-000001", "00000001-000000000000.log"]
    assert sorted(entry.name for entry in table.iterdir()) == ["base-000002", "log", "manifest.json"]
    assert contents(version) == EXPECTED


class Crash(BaseException):
    """The process dies here."""


def dying_after(calls: int, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only so many of these system calls happen."""
    left = [calls]
    for name in names:
        original = getattr(os, name)

        def dying(*args: object, original: object = original, **kwargs: object) -> object:
            if left[0] == 0:
                raise Crash
            left[0] -= 1
            return original(*args, **kwargs)

        monkeypatch.setattr(os, name, dying)


def test_a_compaction_that_dies_at_any_step_leaves_a_readable_table(version: Path, tmp_path: Path) -> None:
    steps, finished = 0, False
    while not finished:
        copy = tmp_path / f"copy-{steps}"
        shutil.copytree(version, copy)
        for attempt in (steps, -1):
            with pytest.MonkeyPatch.context() as patch:
                dying_after(attempt, ("rename", "replace", "unlink", "rmdir"), patch)
                try:
                    compact(copy / "t", TABLE, fsync=no_sync)
                    retire(copy / "t", now=2e18, keep_s=0)
                    finished = finished or attempt == steps
                except Crash:
                    assert attempt == steps
            assert contents(copy) == EXPECTED, f"after {steps} steps"
        assert len([entry for entry in (copy / "t").iterdir() if entry.name.startswith("base-")]) == 1
        steps += 1
    assert steps > 8


def test_two_compactions_at_once_are_refused(version: Path) -> None:
    def meanwhile(handle: int) -> None:
        with pytest.raises(FlinkmsError, match="being compacted") as caught:
            retire(version / "t", now=0, keep_s=0)
        assert caught.value.sqlstate == "55000"

    compact(version / "t", TABLE, fsync=meanwhile)


def test_a_log_that_does_not_lead_to_the_position_is_damage(version: Path) -> None:
    with pytest.raises(FlinkmsError, match="the log leads to"):
        compact(version / "t", TABLE, {"p0": Position(3, 0)})
    assert read_manifest(version / "t")[0] == "base-000001"
