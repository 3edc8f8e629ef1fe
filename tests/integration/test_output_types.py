"""One answer of every output type from a session, a batch job and a streaming job; classes by name from end to end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg
import pytest
from sklearn import datasets

from flinkms_sql.types import SqlType
from tests.deployment import Deployment, start_job
from tests.integration.test_same_bits import read_stream, table, write_csv

pytestmark = pytest.mark.integration

RIDGE = ("SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE")
CLASSIFIERS = ("BOOLEAN", "STRING")
TYPES = (*RIDGE, *CLASSIFIERS)
FLOAT = TYPES.index("FLOAT")
ASKED = [*np.linspace(-60_000, 60_000, 901).tolist(), 0.0, 40_000.4, -1e6, 3e9, -3e9, 1e19, -1e19, None]
SPECIES = ("iris setosa", "iris versicolor", "iris virginica")
LEARNED_S_MAX = 30.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("output")
    found.chmod(0o777)
    return found


@pytest.fixture(scope="module")
def models(deployment: Deployment, folder: Path) -> list[str]:
    """Models out_smallint … over one number x: ridge answers about x, classifiers whether, or how, it differs from 0."""
    x = np.linspace(-50_000, 50_000, 2_001)
    names = np.where(x < -9_000, "low", np.where(x > 9_000, "high", "mid"))
    write_csv(folder / "numbers.csv", zip(x.tolist(), names.tolist(), (x > 0).astype(int).tolist(), strict=True))
    write_csv(folder / "asked.csv", ((number, "" if value is None else repr(value)) for number, value in enumerate(ASKED)))
    deployment.execute(table("out_numbers", "x DOUBLE, name STRING, positive INT", folder / "numbers.csv"))
    deployment.execute(table("out_asked", "n BIGINT, x DOUBLE", folder / "asked.csv"))
    label = dict.fromkeys(RIDGE, "x") | {"BOOLEAN": "CASE WHEN positive = 1 THEN 1.0 ELSE 0.0 END", "STRING": "name"}
    statements = [
        f"CREATE MODEL out_{kind.lower()} INPUT (x DOUBLE) OUTPUT (y {kind}) WITH ('algorithm' = "
        f"'{'ridge' if kind in RIDGE else 'logistic'}', 'regularization' = '0.001') AS SELECT x, {label[kind]} FROM out_numbers"
        for kind in TYPES
    ]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(deployment.execute, statements))
    return [f"out_{kind.lower()}" for kind in TYPES]


@pytest.fixture(scope="module")
def expected(deployment: Deployment, models: list[str]) -> list[tuple]:
    """(n, answers of all models …), asked at once."""
    calls = ", ".join(f"predict('{model}', x)" for model in models)
    query = f"SELECT n, {calls} FROM unnest(%s::float8[]) WITH ORDINALITY AS t(x, n)"
    with deployment.connect() as connection, connection.cursor(binary=True) as cursor:
        rows = [(number - 1, *answers) for number, *answers in cursor.execute(query, (ASKED,)).fetchall()]
        assert [column.type_code for column in cursor.description][1:] == [SqlType[kind].value.oid for kind in TYPES]
    return rows


def test_answers_round_saturate_and_are_null_for_null(expected: list[tuple]):
    by_type = {kind: [row[at] for row in expected] for at, kind in enumerate(TYPES, 1)}
    doubles = by_type["DOUBLE"]
    for kind, bits in (("SMALLINT", 16), ("INT", 32), ("BIGINT", 64)):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        assert by_type[kind] == [None if one is None else max(low, min(high, round(one))) for one in doubles], kind
    assert by_type["SMALLINT"][:1] == [-32768] and 32767 in by_type["SMALLINT"] and 2**63 - 1 in by_type["BIGINT"]
    assert by_type["FLOAT"] == [None if one is None else float(np.float32(one)) for one in doubles]
    assert by_type["STRING"][0] == "low" and by_type["STRING"][901] == "mid" and by_type["STRING"][902] == "high"
    assert by_type["BOOLEAN"][0] is False and by_type["BOOLEAN"][902] is True
    assert all(values[-1] is None for values in by_type.values())


def test_predictions_over_rows_of_postgresql_are_the_same(deployment, models, expected):
    calls = ", ".join(f"predict('{model}', x)" for model in models)
    query = f"SELECT n - 1, {calls} FROM unnest(%s::float8[]) WITH ORDINALITY AS t(x, n) ORDER BY n"
    with deployment.connect() as connection, connection.cursor(binary=True) as cursor:
        assert repr(cursor.execute(query, (ASKED,)).fetchall()) == repr(expected)


@pytest.mark.parametrize("binary", [False, True])
def test_point_predictions_are_the_same(deployment, models, expected, binary):
    for rows in (expected[::60], expected[-8:]):
        with deployment.connect() as connection, connection.cursor(binary=binary) as cursor:
            for number, *answers in rows:
                found = [cursor.execute(f"SELECT predict('{model}', %s::float8)", (ASKED[number],)).fetchone()[0]
                         for model in models]
                # The text of a real is the shortest that reads back as one.
                found[FLOAT] = None if found[FLOAT] is None else float(np.float32(found[FLOAT]))
                assert repr(found) == repr(answers)
                literal = "NULL" if ASKED[number] is None else repr(ASKED[number])
                text = connection.execute(f"SELECT predict('out_string', {literal})").fetchone()[0]
                assert text == answers[-1]


COLUMNS = ", ".join(f"y{at} {kind}" for at, kind in enumerate(TYPES))


def test_batch_and_streaming_jobs_give_the_same(deployment, models, expected):
    calls = ", ".join(f"predict('{model}', x)" for model in models)
    with deployment.connect() as connection:
        for name in ("out_batch", "out_stream"):
            connection.execute(f"CREATE TABLE {name} (n BIGINT, {COLUMNS}) WITH ('connector' = 'flinkms')")
        connection.execute(f"INSERT INTO out_batch SELECT n, {calls} FROM out_asked")
        connection.execute("CREATE TABLE out_in (n BIGINT, x DOUBLE) WITH ('connector' = 'flinkms')")
        job = start_job(connection, f"INSERT INTO out_stream SELECT n, {calls} FROM out_in")
        connection.execute("INSERT INTO out_in (x, n) SELECT * FROM unnest(%s::float8[], %s::bigint[])",
                           (ASKED, list(range(len(ASKED)))))
        try:
            found = {name: read_stream(deployment.stream_path(name), len(ASKED)) for name in ("out_batch", "out_stream")}
        finally:
            connection.execute(f"STOP JOB {job}")
    for name, rows in found.items():
        by_number = {row[0]: row[1:] for row in rows}
        assert len(rows) == len(expected), name
        for number, *answers in expected[:-1]:
            assert repr(list(by_number[number])) == repr(answers), (name, number)
        # A row of NULLs is read as zeros and empty texts.
        assert not any(by_number[len(ASKED) - 1])


@pytest.fixture(scope="module")
def iris(deployment: Deployment, folder: Path) -> Iterator[tuple[psycopg.Connection, np.ndarray, list[str]]]:
    """A model over three species by name, its features and their names."""
    data = datasets.load_iris()
    names = [SPECIES[number] for number in data.target.tolist()]
    write_csv(folder / "iris.csv", ([*row, name] for row, name in zip(data.data.tolist(), names, strict=True)))
    columns = "a DOUBLE, b DOUBLE, c DOUBLE, d DOUBLE"
    deployment.execute(table("out_iris", f"{columns}, species STRING", folder / "iris.csv"))
    with deployment.connect() as connection:
        connection.execute(f"CREATE MODEL iris INPUT ({columns}) OUTPUT (species STRING) WITH ('algorithm' = 'logistic', "
                           "'learning_rate' = '0.5') AS SELECT a, b, c, d, species FROM out_iris")
        yield connection, data.data, names


ASK_IRIS = "SELECT predict('iris', a, b, c, d) FROM unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[]) t(a, b, c, d)"


def test_species_are_answered_and_measured_by_name(iris):
    connection, features, names = iris
    found = [row[0] for row in connection.execute(ASK_IRIS, features.T.tolist()).fetchall()]
    correct = np.mean([one == other for one, other in zip(found, names, strict=True)])
    assert set(found) == set(SPECIES) and correct > 0.93
    rows = connection.execute("EVALUATE MODEL iris USING SELECT a, b, c, d, species FROM out_iris").fetchall()
    metrics = {row[0]: row[1:] for row in rows}
    assert set(metrics) == {"accuracy", "f1"} and metrics["accuracy"] == (correct, 150, 0, 0)
    wrong = connection.execute("EVALUATE MODEL iris USING SELECT a, b, c, d, 'tulip' FROM out_iris").fetchall()
    assert {row[1:3] for row in wrong} == {(0.0, 150)}
    kept = connection.execute(f"SELECT a FROM ({ASK_IRIS.replace('SELECT', 'SELECT a,', 1)}) q (a, s) WHERE s = 'iris setosa'",
                              features.T.tolist()).fetchall()
    assert len(kept) == 50


def test_over_no_rows_metrics_are_null_and_over_no_labels_too(iris):
    connection = iris[0]
    for condition, failed in (("a < 0", 0), ("a > 7.5", 6)):
        rows = connection.execute("EVALUATE MODEL iris USING SELECT a, b, c, d, CAST(NULL AS STRING) FROM out_iris "
                                  f"WHERE {condition}").fetchall()
        assert sorted(rows) == [("accuracy", None, 0, 0, failed), ("f1", None, 0, 0, failed)]


def test_learning_takes_names_and_leaves_out_unknown_ones(iris):
    """Observations that call setosa virginica, with a species in between that the model does not know."""
    connection, features, _ = iris
    connection.execute("CREATE TABLE iris_seen (a DOUBLE, b DOUBLE, c DOUBLE, d DOUBLE, species STRING) "
                       "WITH ('connector' = 'flinkms')")
    job = start_job(connection, "INSERT INTO MODEL iris SELECT a, b, c, d, species FROM iris_seen")
    row = features[0].tolist()
    try:
        deadline = time.monotonic() + LEARNED_S_MAX
        while time.monotonic() < deadline:
            for name in ("tulip", "iris virginica"):
                rows = ", ".join(["(%s, %s, %s, %s, %s)"] * 100)
                connection.execute(f"INSERT INTO iris_seen VALUES {rows}", [*row, name] * 100)
            found = connection.execute("SELECT predict('iris', %s::float8, %s::float8, %s::float8, %s::float8)", row)
            if found.fetchone()[0] == "iris virginica":
                return
        raise AssertionError("the model did not learn the new name of a row")
    finally:
        connection.execute(f"STOP JOB {job}")
