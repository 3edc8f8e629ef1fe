"""A training that cannot end well: the live version serves on, its error names the cause, nothing half done is left."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

from tests.deployment import Deployment
from tests.faults import Background, pid_of, predictions, wait_for
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

PAIRS = (list(range(50)), list(range(50)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model ``frail`` that is served, and the file it is trained from."""

    deployment: Deployment
    file: Path

    def versions(self) -> list[tuple[int, str, str | None]]:
        """(version, state, error), oldest first."""
        with self.deployment.connect() as connection:
            return connection.execute("SELECT version, state, error FROM flinkms.model_versions "
                                      "WHERE model = 'frail' ORDER BY version").fetchall()


def write_good(file: Path) -> None:
    columns = PlantedRatings(users=50, items=40, rank=3, seed=2).ratings(3000)
    np.savetxt(file, np.column_stack(columns), fmt=("%d", "%d", "%.3f"), delimiter=",")


def write_huge(file: Path) -> None:
    file.write_text("".join(f"{number % 7},{number % 5},{(-1) ** number}e300\n" for number in range(200)))


def write_malformed(file: Path) -> None:
    file.write_text("not,a,rating\n" * 200)


def write_nothing(file: Path) -> None:
    file.write_text("")


def remove(file: Path) -> None:
    file.unlink()


@pytest.fixture(scope="module")
def trained(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("frail")
    folder.chmod(0o755)
    file = folder / "ratings.csv"
    write_good(file)
    deployment.execute("CREATE TABLE frail_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = 'csv')")
    deployment.execute("CREATE MODEL frail INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                       "'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM frail_ratings")
    yield Trained(deployment=deployment, file=file)


CAUSES = [
    pytest.param(write_huge, "training diverged before iteration 1: the variance of the label overflows", id="diverged"),
    pytest.param(write_malformed, "no row of 200 can be trained on: u is null or no BIGINT in 200, first in row 1", id="malformed"),
    pytest.param(write_nothing, 'no rows to train on: file ".*ratings.csv" of table "frail_ratings" is empty', id="empty"),
    pytest.param(remove, 'file ".*ratings.csv" of table "frail_ratings" does not exist', id="missing"),
]


@pytest.mark.parametrize(("spoil", "cause"), CAUSES)
def test_a_failed_training_leaves_the_live_version_and_names_the_cause(
    trained: Trained, spoil: Callable[[Path], None], cause: str
):
    before, earlier = predictions(trained.deployment, "frail", *PAIRS), trained.versions()
    spoil(trained.file)
    with pytest.raises(psycopg.Error, match=cause):
        trained.deployment.execute("REFRESH MODEL frail")
    *others, (version, state, error) = trained.versions()
    assert others == earlier and (version, state) == (len(earlier) + 1, "failed") and re.search(cause, error)
    assert predictions(trained.deployment, "frail", *PAIRS) == before
    with trained.deployment.connect() as connection:
        job = connection.execute("SELECT state, version, error FROM flinkms.jobs WHERE kind = 'train' "
                                 "AND model = 'frail' ORDER BY id DESC LIMIT 1").fetchone()
        assert job[:2] == ("failed", version) and re.search(cause, job[2])


def test_after_failures_the_next_training_is_published(trained: Trained):
    write_good(trained.file)
    before, earlier = predictions(trained.deployment, "frail", *PAIRS), trained.versions()
    trained.deployment.execute("REFRESH MODEL frail")
    assert trained.versions() == [*earlier, (len(earlier) + 1, "ready", None)]
    assert predictions(trained.deployment, "frail", *PAIRS) == before, "the same rows give the same bits"


def test_a_model_whose_first_training_fails_is_not_there_and_can_be_created_again(trained: Trained):
    create = ("CREATE MODEL frailer INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
              "'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM frail_ratings")
    write_huge(trained.file)
    with pytest.raises(psycopg.Error, match="training diverged"):
        trained.deployment.execute(create)
    with trained.deployment.connect() as connection, pytest.raises(psycopg.Error, match='model "frailer" does not exist'):
        connection.execute("SELECT predict('frailer', 1, 1)")
    write_good(trained.file)
    trained.deployment.execute(create)
    assert predictions(trained.deployment, "frailer", *PAIRS) == predictions(trained.deployment, "frail", *PAIRS)


def test_a_version_that_cannot_be_loaded_fails_its_training_with_the_reason(trained: Trained):
    """A byte of its base is another one than was written, while the runner does not look."""
    write_good(trained.file)
    before, earlier = predictions(trained.deployment, "frail", *PAIRS), trained.versions()
    create = ("CREATE MODEL spoilt INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
              "'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM frail_ratings")
    for statement, model in (("REFRESH MODEL frail", "frail"), (create, "spoilt")):
        error = spoilt(trained.deployment, statement, model)
        assert (error.sqlstate, predictions(trained.deployment, "frail", *PAIRS)) == ("XX001", before)
        assert re.match(r'file ".*/base-000001/.*" is damaged', error.diag.message_primary), error
    *others, (version, state, reason) = trained.versions()
    assert others == earlier and (version, state) == (len(earlier) + 1, "failed") and "is damaged" in reason
    with trained.deployment.connect() as connection:
        assert connection.execute("SELECT count(*) FROM flinkms.models WHERE name = 'spoilt'").fetchone() == (0,)
        connection.execute("REFRESH MODEL frail")
    assert trained.versions()[-1] == (len(earlier) + 2, "ready", None)
    assert predictions(trained.deployment, "frail", *PAIRS) == before


def spoilt(deployment: Deployment, statement: str, model: str) -> psycopg.Error:
    """How a training ends whose base is damaged between its Flink job and whoever publishes it."""
    ends: list[psycopg.Error] = []

    def train() -> None:
        with pytest.raises(psycopg.Error) as caught:
            deployment.execute(statement)
        ends.append(caught.value)

    runner = pid_of(deployment, "jobs")
    with deployment.connect() as connection, Background(train):
        newest = ("SELECT v.path FROM flinkms.jobs AS j JOIN flinkms.model_versions AS v USING (model, version) "
                  "WHERE j.model = %s AND j.state = 'running' AND j.kind = 'train'")
        wait_for(lambda: connection.execute(newest, (model,)).fetchone(), "the training to be with Flink")
        os.kill(runner, signal.SIGSTOP)
        try:
            path = Path(connection.execute(newest, (model,)).fetchone()[0])
            wait_for((path / "fit.json").exists, "the base to be complete")
            file, = (path / "users").glob("base-*/rows.f32")
            data = bytearray(file.read_bytes())
            data[0] ^= 1
            file.write_bytes(data)
        finally:
            os.kill(runner, signal.SIGCONT)
    return ends[0]


AT_ONCE_S = 4.0
"""Below the first pause of Flink's attempts on a busy machine, and the start of a job with a Python worker."""


@pytest.fixture(scope="module")
def rows(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables ``odd`` (x, y, s, a) of six rows, ``odd_json`` with a malformed row, ``odd_lines`` (LibSVM), and folders."""
    folder = tmp_path_factory.mktemp("odd")
    folder.chmod(0o755)
    (folder / "odd.csv").write_text("1,0,p\n2,1,q\n-3,0,p\n4,1,q\nNaN,1,q\n,0,p\n")
    (folder / "header.csv").write_text("x,y,s\n1,0,p\n2,1,q\n")
    (folder / "latin.csv").write_bytes("1,0,p\n2,1,q\n3,1,Grüße\n".encode("latin-1"))
    (folder / "odd.libsvm").write_text("1 3:1 1:2\n-1 2:1 1:1\nx 1:1\n")
    (folder / "odd.json").write_text('{"x": 1, "y": 0}\n{"x": 2, "y": 1}\n{"x": "no", "y": 1}\n'
                                     'not json\n\n[3, 4]\n{"x": 5, "y": 0\n{"x": 6, "y": 1}\n')
    (folder / "nothing").mkdir()
    options = "WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = '{}')"
    for name, columns, file, kind in (
        ("odd", "x DOUBLE, y DOUBLE, s STRING", "odd.csv", "csv"),
        ("odd_header", "x DOUBLE, y DOUBLE, s STRING", "header.csv", "csv"),
        ("odd_titled", "x DOUBLE, y DOUBLE, s STRING", "header.csv", "csv', 'csv.skip-header' = 'true"),
        ("odd_latin", "x DOUBLE, y DOUBLE, s STRING", "latin.csv", "csv"),
        ("odd_lines", "line STRING", "odd.libsvm", "raw"),
        ("odd_json", "x DOUBLE, y DOUBLE", "odd.json", "json"),
        ("odd_nothing", "x DOUBLE, y DOUBLE", "nothing", "csv"),
        ("odd_keywords", 'user float8, "order" DOUBLE, Value text', "odd.csv", "csv"),
        ("odd_narrow", "x DOUBLE, y DOUBLE", "odd.csv", "csv"),
    ):
        deployment.execute(f"CREATE TABLE {name} ({columns}) {options.format(folder / file, kind)}")
    return folder


MODEL = "CREATE MODEL odd INPUT (x DOUBLE) OUTPUT (y {output}) WITH ('algorithm' = '{algorithm}') AS {query}"
REFUSED = [
    # (query, output, algorithm, message, SQLSTATE, what stands at the position)
    ("SELECT x FROM odd", "DOUBLE", "ridge", "the query returns 1 columns (x), but 2 are expected (x, y)", "42804", "SELECT x FROM"),
    ("SELECT x, y, y FROM odd", "DOUBLE", "ridge", "returns 3 columns (x, y, y0), but 2", "42804", "SELECT x, y, y"),
    ("SELECT x, z FROM odd", "DOUBLE", "ridge", "Column 'z' not found", "42703", "z FROM"),
    ("SELECT x, twice(y) FROM odd", "DOUBLE", "ridge", "No match found for function signature twice", "42883", "twice"),
    ("SELECT ARRAY[x], y FROM odd", "DOUBLE", "ridge",
     'column 1 of the query, "EXPR$0", is ARRAY<DOUBLE>, which cannot be cast to x DOUBLE', "42804", "SELECT ARRAY"),
    ("SELECT x, y FROM odd_nothing", "DOUBLE", "ridge", 'nothing" of table "odd_nothing" is empty', "22000", None),
    ("SELECT x, y FROM odd_narrow", "DOUBLE", "ridge", 'odd.csv" of table "odd_narrow" has 3 columns, the table has 2', "42804",
     None),
    ("SELECT x, y FROM odd", "STRING", "ridge", "does not answer output y STRING", "42804", None),
]
FAILED = [
    # (query, output, algorithm, message): these take a job
    ("SELECT x, s FROM odd", "DOUBLE", "ridge",
     "can be trained on: x is null or no DOUBLE in 1, first in row 6; y is null or no DOUBLE in 5, first in row 1"),
    ("SELECT x, 'p' FROM odd", "STRING", "svm", "the label is 'p' in every row that can be trained on"),
    ("SELECT x, 1 / CAST(y AS INT) FROM odd", "DOUBLE", "ridge", "/ by zero"),
    ("SELECT x, CAST(s AS INT) FROM odd", "DOUBLE", "ridge", "'p'"),
    ("SELECT x, y FROM odd_latin", "DOUBLE", "ridge",
     'latin.csv" of table "odd_latin" is not in UTF-8: byte 0xfc in line 3, byte 7 of it'),
    ("SELECT x, y FROM odd WHERE x > 100", "DOUBLE", "ridge", "no rows to train on: the query returned none"),
]


def fails(deployment: Deployment, query: str, output: str, algorithm: str) -> tuple[psycopg.Error, str, float]:
    """(error, statement, seconds) of a CREATE MODEL that has to fail and leave nothing behind."""
    statement = MODEL.format(query=query, output=output, algorithm=algorithm)
    with deployment.connect() as connection:
        began = time.monotonic()
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        took = time.monotonic() - began
        assert connection.execute("SELECT count(*) FROM flinkms.models WHERE name = 'odd'").fetchone() == (0,)
    assert not re.search(r"java|org\.|Py4J|Traceback|\w+Exception", str(caught.value)), caught.value
    return caught.value, statement, took


@pytest.mark.parametrize(("query", "output", "algorithm", "message", "sqlstate", "place"), REFUSED)
def test_what_shows_before_a_job_runs_is_refused_at_once(
    deployment, rows, query, output, algorithm, message, sqlstate, place
):
    error, statement, took = fails(deployment, query, output, algorithm)
    assert message in error.diag.message_primary and error.sqlstate == sqlstate
    assert took < AT_ONCE_S
    if place is not None:
        assert statement[int(error.diag.statement_position) - 1 :].startswith(place)


@pytest.mark.parametrize(("query", "output", "algorithm", "message"), FAILED)
def test_a_job_that_cannot_get_better_is_given_up_with_its_reason(deployment, rows, query, output, algorithm, message):
    error, _, _ = fails(deployment, query, output, algorithm)
    assert message in error.diag.message_primary
    with deployment.connect() as connection:
        flink_job, = connection.execute("SELECT flink_job_id FROM flinkms.jobs ORDER BY id DESC LIMIT 1").fetchone()
    assert attempts(deployment, flink_job) <= 2


def attempts(deployment: Deployment, flink_job: str) -> int:
    """How often a job failed."""
    host, _, port = deployment.flink_address().rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("GET", f"/jobs/{flink_job}/exceptions?maxExceptions=10")
        return len(json.loads(connection.getresponse().read())["exceptionHistory"]["entries"])


TRAINED = [
    # (query, output, algorithm, rows, failures)
    ("SELECT x, y FROM odd", "DOUBLE", "ridge", 6, {"x is null or no DOUBLE": 1, "x is not finite": 1}),
    ("SELECT x, CASE WHEN y = 1 THEN 1.0 ELSE 0.0 END FROM odd", "BOOLEAN", "svm", 6, None),
    ("SELECT x, s FROM odd_header", "STRING", "svm", 3, {"x is null or no DOUBLE": 1}),
    ("SELECT x, s FROM odd_titled", "STRING", "svm", 2, {}),
    ("SELECT x, y FROM odd_json", "DOUBLE", "ridge", 7, {"x is null or no DOUBLE": 4}),
    ("SELECT User, `order` FROM odd_keywords WHERE value = 'p' OR \"order\" > 0", "INT", "svm", 6, None),
]


@pytest.mark.parametrize(("query", "output", "algorithm", "count", "failures"), TRAINED)
def test_odd_rows_are_counted_by_column_and_reason(deployment, rows, query, output, algorithm, count, failures):
    told: list[str] = []
    with deployment.connect() as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute(MODEL.format(query=query, output=output, algorithm=algorithm))
        found = connection.execute("SELECT training_rows, failures FROM flinkms.model_versions WHERE model = 'odd'").fetchone()
        connection.execute("DROP MODEL odd")
    assert found[0] == count and (failures is None or found[1] == failures)
    left_out = [message for message in told if "could not be trained on" in message]
    assert left_out == ([f"{sum(found[1].values())} of {count} rows could not be trained on: "
                         + "; ".join(f"{reason} in {number}" for reason, number in sorted(found[1].items()))] if found[1] else [])
    assert any("looks like a header" in message for message in told) is ("odd_header" in query)


def test_libsvm_indices_need_no_order_and_a_boolean_input_takes_numbers(deployment, rows):
    with deployment.connect() as connection:
        connection.execute(
            "CREATE MODEL odd INPUT (i ARRAY<INT>, v ARRAY<DOUBLE>) OUTPUT (y INT) WITH ('algorithm' = 'svm') AS SELECT p.i, p.v, "
            "p.y FROM odd_lines AS l, LATERAL TABLE(flinkms_libsvm(l.line)) AS p (y, i, v)")
        found = connection.execute("SELECT failures FROM flinkms.model_versions WHERE model = 'odd'").fetchone()[0]
        assert found == {"i is null": 1}
        assert connection.execute("SELECT predict('odd', ARRAY[3, 1], ARRAY[1.0, 2.0]), "
                                  "predict('odd', ARRAY[1, 3], ARRAY[2.0, 1.0])").fetchone() == (1, 1)
        connection.execute("DROP MODEL odd")
        connection.execute("CREATE MODEL odd INPUT (x DOUBLE, b BOOLEAN) OUTPUT (y DOUBLE) WITH ('algorithm' = 'ridge') AS "
                           "SELECT x, CASE WHEN x > 1 THEN 1.0 ELSE 0.0 END, y FROM odd")
        connection.execute("DROP MODEL odd")


def test_evaluations_and_scores_over_a_missing_file_are_refused_at_once(trained, rows):
    trained.deployment.execute("CREATE TABLE odd_missing (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'filesystem', "
                               f"'path' = '{rows / 'missing.csv'}', 'format' = 'csv')")
    trained.deployment.execute("CREATE TABLE odd_scores (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
    for statement in ("EVALUATE MODEL frail USING SELECT u, i, r FROM odd_missing",
                      "INSERT INTO odd_scores SELECT u, i, predict('frail', u, i) FROM odd_missing"):
        began = time.monotonic()
        with pytest.raises(psycopg.errors.UndefinedFile, match='missing.csv" of table "odd_missing" does not exist'):
            trained.deployment.execute(statement)
        assert time.monotonic() - began < AT_ONCE_S
