"""``flinkms generate``: a random model is published as a trained one is, and ratings are a function of their seed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.cli import main
from flinkms_sql.commands.generate import write_stream
from flinkms_sql.commands.generate_model import ModelSize, publish_random
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.stream import Stream, StreamColumn
from flinkms_sql.places import Places
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.block import Column, decode_block
from udfs.generate import PlantedRatings, random_factors


def published(store: MemoryStore, warehouse: Path, algorithm: str = "als", name: str = "rec", **size: int):
    told: list[int] = []
    version = publish_random(store, Places(warehouse=warehouse), name, algorithm, ModelSize(**size), told.append)
    assert sum(told) == ModelSize(**size).rows(algorithm)
    return version


def test_a_random_model_predicts_what_its_rows_say(tmp_path: Path) -> None:
    store = MemoryStore()
    version = published(store, tmp_path, users=70_000, items=5, factors=3, seed=9)
    assert store.snapshot().by_alias("rec").version == version.version == 1
    with closing(VersionReplica(Path(version.path.text))) as replica:
        model = configure("als", replica.version.options, replica.version.input_types)
        found = model.predict(replica, [Column(np.array([0, 69_999])), Column(np.array([4, 0]))])
    chunks = list(random_factors(70_000, 5, 3, 9))
    users = np.concatenate([rows for table, _, rows in chunks if table == "users"])
    items = np.concatenate([rows for table, _, rows in chunks if table == "items"])
    assert found.values == pytest.approx(3.5 + (users[[0, 69_999]] * items[[4, 0]]).sum(1), abs=1e-5)


def test_generating_again_is_a_new_version_of_the_same_model(tmp_path: Path) -> None:
    store = MemoryStore()
    published(store, tmp_path, users=3, items=3, factors=2)
    assert published(store, tmp_path, users=4, items=4).version == 2
    assert store.snapshot().by_alias("rec").version == 2


@pytest.mark.parametrize("algorithm", ["svm", "logistic", "ridge"])
def test_a_random_linear_model_predicts(tmp_path: Path, algorithm: str) -> None:
    version = published(MemoryStore(), tmp_path, algorithm, "clicks", features=1000)
    with closing(VersionReplica(Path(version.path.text))) as replica:
        model = configure(algorithm, replica.version.options, replica.version.input_types)
        offsets = np.array([0, 2])
        found = model.predict(replica, [Column(np.array([0, 999]), None, offsets), Column(np.array([1.0, 2.0]), None, offsets)])
    assert np.isfinite(found.values).all()
    assert len(found) == 1


@pytest.mark.parametrize(("algorithm", "size"), [
    ("als", {"users": 3}), ("als", {"users": 3, "items": 3, "features": 3}), ("svm", {"features": 3, "factors": 3}),
    ("ridge", {"users": 3, "items": 3}),
])  # fmt: skip
def test_a_size_that_does_not_fit_the_algorithm_is_refused(tmp_path: Path, algorithm: str, size: dict[str, int]) -> None:
    store = MemoryStore()
    with pytest.raises(FlinkmsError, match="a random model of algorithm") as raised:
        publish_random(store, Places(warehouse=tmp_path), "rec", algorithm, ModelSize(**size), lambda rows: None)
    assert raised.value.sqlstate == "22023"
    assert store.snapshot().models == {}


@pytest.mark.parametrize(("algorithm", "size"), [("als", {"users": 3, "items": 3, "factors": 5}), ("svm", {"features": 3})])
def test_a_model_that_is_declared_otherwise_is_left_alone(tmp_path: Path, algorithm: str, size: dict[str, int]) -> None:
    store = MemoryStore()
    published(store, tmp_path, users=3, items=3, factors=2)
    with pytest.raises(FlinkmsError, match='model "rec" is declared otherwise') as raised:
        publish_random(store, Places(warehouse=tmp_path), "rec", algorithm, ModelSize(**size), lambda rows: None)
    assert raised.value.sqlstate == "42710"
    assert [version.version for version in store.versions("rec")] == [1]


def test_ratings_into_a_stream_are_the_planted_ones(tmp_path: Path) -> None:
    kinds = (SqlType.BIGINT, SqlType.BIGINT, SqlType.DOUBLE, SqlType.TIMESTAMP_LTZ)
    stream = Stream.create(tmp_path / "events", [StreamColumn(name=f"c{n}", type=kind) for n, kind in enumerate(kinds)])
    planted = PlantedRatings(users=10, items=10, seed=4)
    write_stream(stream, planted, 500, rate=1e6)
    (segment,) = (stream.path / "log" / "generator-0").glob("*.log")
    columns = decode_block(segment.read_bytes()[64 + 32 :])
    for found, expected in zip(columns, planted.ratings(500), strict=False):
        np.testing.assert_array_equal(found.values, expected)


def test_a_stream_of_other_columns_is_refused(tmp_path: Path) -> None:
    stream = Stream.create(tmp_path / "events", [StreamColumn(name="a", type=SqlType.BIGINT)])
    with pytest.raises(FlinkmsError, match="cannot take ratings") as raised:
        write_stream(stream, PlantedRatings(users=1, items=1), 1)
    assert raised.value.sqlstate == "42804"


def test_ratings_into_a_file_are_a_function_of_the_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for file, seed in zip(files, ("1", "1", "2"), strict=True):
        assert main(["generate", "ratings", "--csv", str(file), "--rows", "300", "--seed", seed]) == 0
    first, second, third = (file.read_text() for file in files)
    assert first == second != third
    assert np.loadtxt(files[0], delimiter=",").shape == (300, 4)
    assert "irreducible RMSE 0.5" in capsys.readouterr().out
