"""What cannot be served says why, before anything means it: each way a version's directory can be wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.commands.generate_model import ModelSize, publish_random
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog import files, loading
from flinkms_sql.modellog.frame import Position
from flinkms_sql.modellog.loading import open_version, verify_loads
from flinkms_sql.places import Places

ALGORITHMS = [("als", {"users": 9, "items": 8, "factors": 2}), ("svm", {"features": 20}), ("ridge", {"features": 20})]


def version(folder: Path, algorithm: str = "als", **size: int) -> Path:
    size = size or {"users": 9, "items": 8, "factors": 2}
    record = publish_random(MemoryStore(), Places(warehouse=folder), "rec", algorithm, ModelSize(**size), lambda rows: None)
    return Path(record.path.text)


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[0] ^= 0xFF
    file.write_bytes(data)


@pytest.mark.parametrize(("algorithm", "size"), ALGORITHMS)
def test_what_is_whole_loads(tmp_path: Path, algorithm: str, size: dict[str, int]) -> None:
    path = version(tmp_path, algorithm, **size)
    verify_loads(path)
    opened = open_version(path)
    assert opened.model.algorithm == algorithm and len(opened.inputs) == len(opened.replica.version.input_types)
    opened.replica.close()


@pytest.mark.parametrize(("spoil", "sqlstate", "reason"), [
    pytest.param(shutil.rmtree, "58030", "could not read file", id="no directory"),
    pytest.param(lambda path: (path / "version.json").write_text("{"), "XX001", "is damaged", id="version.json"),
    pytest.param(lambda path: change(path / "version.json", algorithm="oracle"), "22023", 'algorithm "oracle" does not',
                 id="algorithm"),
    pytest.param(lambda path: change(path / "version.json", options={"depth": "9"}), "22023", "depth", id="option"),
    pytest.param(lambda path: change(path / "version.json", input_types=["BIGINT", "XML"]), "22023", "XML", id="type"),
    pytest.param(lambda path: change(path / "version.json", constants={}), "XX000", "cannot be served: KeyError",
                 id="constants"),
    pytest.param(lambda path: shutil.rmtree(path / "items"), "58030", "could not read file", id="table"),
    pytest.param(lambda path: (path / "users" / "base-000001" / "keys.i64").write_bytes(b"1234"), "XX001",
                 "it has 4 bytes", id="short file"),
    pytest.param(lambda path: flip(path / "users" / "base-000001" / "rows.f32"), "XX001", "its CRC32C is", id="rows"),
])  # fmt: skip
def test_what_cannot_be_served_is_refused_with_its_reason(
    tmp_path: Path, spoil: Callable[[Path], object], sqlstate: str, reason: str
) -> None:
    path = version(tmp_path)
    spoil(path)
    with pytest.raises(FlinkmsError, match=reason) as raised:
        verify_loads(path)
    assert raised.value.sqlstate == sqlstate


def test_a_log_that_ends_before_what_was_promised_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CATCH_UP_S_MAX", 0.1)
    with pytest.raises(FlinkmsError, match="ends too early") as raised:
        open_version(version(tmp_path), {"users": {"p0": Position(1, 64)}})
    assert raised.value.sqlstate == "55000"


def test_out_of_memory_is_a_reason_like_another(tmp_path: Path) -> None:
    path = version(tmp_path)
    change(path / "users" / "base-000001" / "base.json", rows=2**58, capacity=2**58)
    with pytest.raises(FlinkmsError) as raised:
        open_version(path)
    assert raised.value.sqlstate in ("53200", "XX001")
    error = files.reason_of(MemoryError("3 PiB"), path)
    assert (error.sqlstate, error.detail) == ("53200", "3 PiB")
