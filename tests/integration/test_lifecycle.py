"""The life of models through SQL, on a real deployment: train from files, evaluate, refresh, roll back, fail, drop."""

from __future__ import annotations

import json

import numpy as np
import psycopg
import pytest

from tests.deployment import Deployment
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(deployment: Deployment):
    with deployment.connect() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


def metrics(connection, statement: str) -> dict[str, tuple]:
    """Metric -> (value, rows, unknown rows, failed rows)."""
    return {name: tuple(rest) for name, *rest in connection.execute(statement).fetchall()}


def version_rows(connection, model: str) -> list[tuple]:
    return connection.execute(
        "SELECT version, state, training_rows, failed_rows, error FROM flinkms.model_versions WHERE model = %s "
        "ORDER BY version", (model,)).fetchall()


def test_bad_rows_are_counted_and_a_failed_training_leaves_the_live_version(connection, folder):
    users, items, ratings = PlantedRatings(users=60, items=80, rank=4, noise=0.2, seed=1).ratings(3000)
    lines = [f"{u},{i},{r:.3f}" for u, i, r in zip(users, items, ratings, strict=True)]
    lines[10:10] = ["1,2,not a number", "", "7,8,", "oops"]
    file = folder / "ratings.csv"
    file.write_text("\n".join(lines) + "\n")
    connection.execute(f"CREATE TABLE life_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = 'csv')")
    connection.execute("CREATE MODEL life INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) "
                       "WITH ('algorithm' = 'als', 'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM life_ratings")
    ((version, state, rows, failed, error),) = version_rows(connection, "life")
    assert (version, state, error) == (1, "ready", None)
    assert rows - failed == 3000 and failed >= 2
    before = connection.execute("SELECT predict('life', 1, 2)").fetchone()[0]

    file.write_text("1,1,1e300\n1,2,-1e300\n" * 3)
    with pytest.raises(psycopg.errors.DataException, match="diverge|overflow|variance"):
        connection.execute("REFRESH MODEL life")
    assert [row[1] for row in version_rows(connection, "life")] == ["ready", "failed"]
    assert connection.execute("SELECT predict('life', 1, 2)").fetchone()[0] == before

    file.write_text("\n".join(lines[:1500]) + "\n")
    connection.execute("REFRESH MODEL life")
    after = connection.execute("SELECT predict('life', 1, 2), predict('life@1', 1, 2)").fetchone()
    assert after[0] != before and after[1] == before
    connection.execute("ALTER MODEL life ROLLBACK")
    assert connection.execute("SELECT predict('life', 1, 2)").fetchone()[0] == before
    connection.execute("ALTER MODEL life PROMOTE VERSION 3")
    assert connection.execute("SELECT predict('life', 1, 2)").fetchone()[0] == after[0]

    found = metrics(connection, "EVALUATE MODEL 'life@1' USING SELECT u, i, r FROM life_ratings")
    assert found["rmse"][0] < 0.5 and found["rmse"][3] >= 2
    recorded = connection.execute("SELECT metric, value FROM flinkms.model_metrics WHERE model = 'life' AND version = 1")
    assert dict(recorded.fetchall())["rmse"] == found["rmse"][0]
    connection.execute("DROP MODEL life")
    with pytest.raises(psycopg.errors.UndefinedObject):
        connection.execute("SELECT predict('life', 1, 2)")


def test_linear_models_train_from_json_and_libsvm(connection, folder):
    random = np.random.default_rng(3)
    features, weights = random.standard_normal((800, 5)), np.array([2.0, -1.0, 0.5, 0.0, 1.5])
    labels = (features @ weights + 0.3 > 0).astype(int)
    (folder / "rows.json").write_text("".join(
        json.dumps({"x": row.tolist(), "y": int(label)}) + "\n" for row, label in zip(features, labels, strict=True)))
    (folder / "rows.libsvm").write_text("".join(
        f"{label} " + " ".join(f"{at}:{value!r}" for at, value in enumerate(row.tolist(), 1)) + "\n"
        for row, label in zip(features, labels, strict=True)) + "1 3:x\n")
    connection.execute(f"CREATE TABLE life_json (x ARRAY<DOUBLE>, y DOUBLE) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{folder / 'rows.json'}', 'format' = 'json')")
    connection.execute(f"CREATE TABLE life_lines (line STRING) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{folder / 'rows.libsvm'}', 'format' = 'raw')")
    connection.execute("CREATE MODEL life_dense INPUT (x ARRAY<DOUBLE>) OUTPUT (y DOUBLE) "
                       "WITH ('algorithm' = 'logistic') AS SELECT x, y FROM life_json")
    sparse = ("SELECT p.indices, p.vals, p.label FROM life_lines AS l, "
              "LATERAL TABLE(flinkms_libsvm(l.line)) AS p (label, indices, vals)")
    connection.execute("CREATE MODEL life_sparse INPUT (indices ARRAY<INT>, vals ARRAY<DOUBLE>) OUTPUT (y DOUBLE) "
                       f"WITH ('algorithm' = 'svm') AS {sparse}")
    assert version_rows(connection, "life_sparse")[0][2:4] == (801, 1)
    assert metrics(connection, "EVALUATE MODEL life_dense USING SELECT x, y FROM life_json")["accuracy"][0] > 0.97
    accuracy = metrics(connection, f"EVALUATE MODEL life_sparse USING {sparse}")["accuracy"]
    assert accuracy[0] > 0.97 and accuracy[1:] == (800, 0, 1)
    row = features[0].tolist()
    dense = connection.execute("SELECT predict('life_dense', %s::float8[])", (row,)).fetchone()[0]
    thin = connection.execute("SELECT predict('life_sparse', %s::int[], %s::float8[])", ([1, 2, 3, 4, 5], row)).fetchone()[0]
    assert dense == thin == labels[0]


def test_one_statement_folds_recommendations_into_a_join(connection, deployment, folder):
    users, items, ratings = PlantedRatings(users=40, items=50, rank=4, noise=0.2, seed=2).ratings(1500)
    (folder / "r.csv").write_text("".join(f"{u},{i},{r}\n" for u, i, r in zip(users, items, ratings, strict=True)))
    connection.execute(f"CREATE TABLE life_join_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{folder / 'r.csv'}', 'format' = 'csv')")
    connection.execute("CREATE MODEL life_join INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) "
                       "WITH ('algorithm' = 'als', 'factors' = '4', 'iterations' = '2') "
                       "AS SELECT u, i, r FROM life_join_ratings")
    connection.execute("CREATE TABLE titles (i bigint PRIMARY KEY, title text)")
    connection.execute("INSERT INTO titles SELECT i, 'item ' || i FROM generate_series(0, 49) AS i")
    top = connection.execute("SELECT i, score FROM recommend('life_join', 3, 5)").fetchall()
    titled = connection.execute(
        "SELECT t.title, r.score FROM recommend('life_join', 3, 5) r JOIN titles t ON t.i = r.i ORDER BY r.score DESC"
    ).fetchall()
    assert titled == [(f"item {item}", score) for item, score in top]
    joined = connection.execute(
        "SELECT i, predict('life_join', 3, i) AS p FROM titles ORDER BY p DESC, i LIMIT 5").fetchall()
    assert joined == top
    plan = "\n".join(row[0] for row in connection.execute("EXPLAIN SELECT i, predict('life_join', 3, i) FROM titles"))
    assert "route: model + relational" in plan and "version 1" in plan
