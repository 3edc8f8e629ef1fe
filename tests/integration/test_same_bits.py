"""The same predictions, bit for bit, from a session, from a streaming job and from a batch job, whatever the batch size."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from tests.deployment import Deployment, start_job
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

PAIRS = 10_000
SEED = 7
WAIT_S_MAX = 60.0


@pytest.fixture(scope="module")
def pairs(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, int]]:
    """A trained model ``bits``, and random pairs, a tenth of them with ids it does not know."""
    folder = tmp_path_factory.mktemp("bits")
    folder.chmod(0o755)
    users, items, ratings = PlantedRatings(users=300, items=400, rank=8, noise=0.3, seed=SEED).ratings(20_000)
    write_csv(folder / "ratings.csv", zip(users.tolist(), items.tolist(), ratings.tolist(), strict=True))
    random = np.random.default_rng(SEED)
    chosen = list(zip(random.integers(0, 330, PAIRS).tolist(), random.integers(0, 440, PAIRS).tolist(), strict=True))
    write_csv(folder / "pairs.csv", chosen)
    with deployment.connect() as connection:
        connection.execute(table("bits_ratings", "u BIGINT, i BIGINT, r DOUBLE", folder / "ratings.csv"))
        connection.execute(table("bits_pairs", "u BIGINT, i BIGINT", folder / "pairs.csv"))
        connection.execute("CREATE MODEL bits INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) "
                           "WITH ('algorithm' = 'als', 'factors' = '16', 'iterations' = '3') "
                           "AS SELECT u, i, r FROM bits_ratings")
    return chosen


def table(name: str, columns: str, path: Path) -> str:
    """A CREATE TABLE over CSV; the values are this test's own."""
    return f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv')"


def write_csv(path: Path, rows) -> None:
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(rows)


def asked(deployment: Deployment, pairs: list[tuple[int, int]], batch: int) -> np.ndarray:
    """Predictions through the frontend, ``batch`` pairs a statement, binary float8."""
    found: list[float] = []
    query = "SELECT predict('bits', u, i) FROM unnest(%s::bigint[], %s::bigint[]) AS t(u, i)"
    with deployment.connect() as connection, connection.cursor(binary=True) as cursor:
        for start in range(0, len(pairs), batch):
            users, items = zip(*pairs[start : start + batch], strict=True)
            found += [row[0] for row in cursor.execute(query, (list(users), list(items))).fetchall()]
    return np.array(found)


@pytest.fixture(scope="module")
def expected(deployment: Deployment, pairs: list[tuple[int, int]]) -> np.ndarray:
    return asked(deployment, pairs, PAIRS)


@pytest.mark.parametrize("batch", [1, 7, 512])
def test_session_gives_the_same_bits_in_every_batch(deployment, pairs, expected, batch):
    few = pairs if batch > 1 else pairs[:2000]
    assert asked(deployment, few, batch).tobytes() == expected[: len(few)].tobytes()
    assert len(np.unique(expected)) > PAIRS // 2


def test_point_predictions_give_the_same_bits(deployment, pairs, expected):
    with deployment.connect() as connection, connection.cursor(binary=True) as cursor:
        found = [cursor.execute("SELECT predict('bits', %s, %s)", pair).fetchone()[0] for pair in pairs]
    assert np.array(found).tobytes() == expected.tobytes()


def test_batch_job_gives_the_same_bits(deployment, pairs, expected, tmp_path):
    tmp_path.chmod(0o777)
    with deployment.connect() as connection:
        connection.execute(table("bits_scores", "u BIGINT, i BIGINT, r DOUBLE", tmp_path / "scores"))
        connection.execute("INSERT INTO bits_scores SELECT u, i, predict('bits', u, i) FROM bits_pairs")
    rows = [row for file in (tmp_path / "scores").rglob("part-*") for row in csv.reader(file.read_text().splitlines())]
    assert matches(rows, pairs, expected)


def test_streaming_job_gives_the_same_bits(deployment, pairs, expected):
    with deployment.connect() as connection:
        connection.execute("CREATE TABLE bits_in (u BIGINT, i BIGINT) WITH ('connector' = 'flinkms')")
        connection.execute("CREATE TABLE bits_out (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        job = start_job(connection, "INSERT INTO bits_out SELECT u, i, predict('bits', u, i) FROM bits_in")
        users, items = zip(*pairs, strict=True)
        connection.execute("INSERT INTO bits_in SELECT * FROM unnest(%s::bigint[], %s::bigint[])", (list(users), list(items)))
        try:
            rows = read_stream(deployment.stream_path("bits_out"), len(pairs))
        finally:
            connection.execute(f"STOP JOB {job}")
    assert matches(rows, pairs, expected)


def matches(rows, pairs: list[tuple[int, int]], expected: np.ndarray) -> bool:
    """Whether rows (u, i, r) are the pairs with the expected bits, in any order."""
    found = sorted((int(u), int(i), np.float64(r).tobytes()) for u, i, r in rows)
    return found == sorted((u, i, score.tobytes()) for (u, i), score in zip(pairs, expected, strict=True))


def read_stream(path: Path, rows: int) -> list[tuple]:
    """All rows of a stream once it has as many as are awaited."""
    from flinkms_sql.modellog.frame import APPEND
    from flinkms_sql.modellog.partition import PartitionReader

    readers: dict[Path, PartitionReader] = {}
    found: list[tuple] = []
    deadline = time.monotonic() + WAIT_S_MAX
    while len(found) < rows and time.monotonic() < deadline:
        for partition in (path / "log").iterdir():
            reader = readers.setdefault(partition, PartitionReader(partition, APPEND, None))
            for frame in reader.poll():
                found += zip(*(column.values.tolist() for column in frame.columns()), strict=True)
        time.sleep(0.05)
    return found
