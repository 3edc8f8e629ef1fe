"""Deploying statements over a real deployment: what they refuse, what they say, and that nothing of them runs on alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from flinkms_sql.jobs.cluster import ENDED_STATES, Cluster
from tests.deployment import ROOT, Deployment
from tests.faults import learned, replica_of
from tests.running import wait_for
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

ENDED_S_MAX = 10.0
"""Seconds until a canceled statement's Flink job has ended: its cancel is seen within one; a loaded machine is slower."""

SLOW = ("CREATE TABLE dep_slow (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'datagen', 'rows-per-second' = '10', "
        "'number-of-rows' = '100000', 'fields.u.min' = '0', 'fields.u.max' = '9', 'fields.i.min' = '0', 'fields.i.max' = '9')")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dep")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def connection(deployment: Deployment, folder: Path) -> Iterator[psycopg.Connection]:
    """A connection to a deployment with a model ``dep`` that is trained from a file, and a stream."""
    columns = PlantedRatings(users=20, items=20, rank=3, seed=4).ratings(800)
    np.savetxt(folder / "ratings.csv", np.column_stack(columns), fmt=("%d", "%d", "%.3f"), delimiter=",")
    with deployment.connect() as connection:
        connection.execute("CREATE TABLE dep_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                           f"WITH ('connector' = 'filesystem', 'path' = '{folder / 'ratings.csv'}', 'format' = 'csv')")
        connection.execute("CREATE TABLE dep_events (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        connection.execute(SLOW)
        connection.execute("CREATE MODEL dep INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                           "'factors' = '4', 'iterations' = '2') AS SELECT u, i, r FROM dep_ratings")
        yield connection
        connection.execute("DROP TABLE IF EXISTS dep_ratings, dep_events, dep_slow CASCADE")


def test_metrics_over_rows_without_a_prediction_have_no_value(connection: psycopg.Connection) -> None:
    found = connection.execute("EVALUATE MODEL dep USING SELECT CAST(NULL AS BIGINT), i, r FROM dep_ratings").fetchall()
    assert {row[0]: row[1:] for row in found}["rmse"] == (None, 0, 0, 800)
    notices = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    found = connection.execute("EVALUATE MODEL dep USING SELECT u, i, r FROM dep_ratings WHERE u < 0").fetchall()
    assert {row[1:] for row in found} == {(None, 0, 0, 0)}
    assert "the query returned no rows: nothing was measured" in notices


def job_of(deployment: Deployment, text: str) -> tuple[int, str, str | None]:
    """(number, state, Flink's id) of the newest job of a statement."""
    with deployment.connect() as connection:
        return connection.execute("SELECT id, state, flink_job_id FROM flinkms.jobs WHERE statement = %s "
                                  "ORDER BY id DESC LIMIT 1", (text,)).fetchone() or (0, "", None)


@pytest.mark.parametrize("way", ["cancel", "disconnect"])
def test_who_cancels_or_leaves_takes_the_flink_job_along(connection: psycopg.Connection, deployment: Deployment,
                                                         way: str) -> None:
    text = f"EVALUATE MODEL dep USING SELECT u, i, r FROM dep_slow WHERE '{way}' <> ''"
    asking = deployment.connect()
    raised: list[Exception] = []

    def ask() -> None:
        try:
            asking.execute(text)
        except psycopg.Error as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: job_of(deployment, text)[1] == "running")
    cluster, flink_job_id = Cluster(deployment.flink_address()), job_of(deployment, text)[2]
    wait_for(lambda: cluster.status(flink_job_id).state == "RUNNING")
    began = time.monotonic()
    if way == "cancel":
        asking.cancel_safe()
    else:
        # As of a client that is killed: the socket closes, and no Terminate comes.
        with socket.socket(fileno=os.dup(asking.fileno())) as held:
            held.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: job_of(deployment, text)[1] == "canceled", ENDED_S_MAX)
    wait_for(lambda: cluster.status(flink_job_id).state in (None, *ENDED_STATES), ENDED_S_MAX)
    assert time.monotonic() - began < ENDED_S_MAX
    thread.join(ENDED_S_MAX)
    assert isinstance(raised[0], psycopg.errors.QueryCanceled if way == "cancel" else psycopg.OperationalError)
    asking.close()


def test_what_is_needed_is_not_dropped_and_cascade_says_what_goes(connection: psycopg.Connection) -> None:
    connection.execute("CREATE MODEL dep_other INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                       "'factors' = '2', 'iterations' = '1') AS SELECT u, i, r FROM dep_ratings WHERE u < 15")
    connection.execute("INSERT INTO MODEL dep_other SELECT u, i, r FROM dep_events")
    learner = connection.execute("SELECT max(id) FROM flinkms.jobs WHERE model = 'dep_other'").fetchone()[0]
    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as raised:
        connection.execute("DROP TABLE dep_events")
    assert raised.value.diag.message_detail == f"job {learner} (learning of model dep_other) depends on table dep_events."
    with pytest.raises(psycopg.errors.ObjectInUse, match=f"job {learner}"):
        connection.execute("INSERT INTO MODEL dep_other SELECT u, i, r FROM dep_events WHERE r > 1")

    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    connection.execute("DO $$ BEGIN EXECUTE 'CREATE VIEW dep_view AS SELECT * FROM dep_' || 'events'; END $$")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="PostgreSQL"):
        connection.execute("DROP TABLE dep_events CASCADE")
    connection.execute("DROP VIEW dep_view")
    connection.execute("DROP MODEL dep_other")
    assert f"job {learner} (learning of model dep_other) ends with the model" in notices
    wait_for(lambda: connection.execute("SELECT state FROM flinkms.jobs WHERE id = %s", (learner,)).fetchone()[0] == "canceled")
    described = dict(connection.execute("DESCRIBE TABLE dep_ratings").fetchall())
    assert described["model trained from it"] == "dep" and described["column u"] == "BIGINT"
    assert connection.execute("SHOW METRICS OF dep").fetchall() == []
    assert {row[2] for row in connection.execute("SHOW JOBS OF dep")} == {"dep"}


def test_two_who_apply_one_file_train_once(connection: psycopg.Connection, deployment: Deployment, folder: Path) -> None:
    file = folder / "twice.sql"
    file.write_text("CREATE MODEL dep_twice INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                    "'factors' = '2', 'iterations' = '1') AS SELECT u, i, r FROM dep_ratings WHERE u < 10;\n")
    environment = {**os.environ, **deployment.settings.environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flinkms_sql", "apply", str(file)]
    both = [subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    printed = sorted(process.communicate(timeout=120)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert [line for text in printed for line in text.splitlines()] == [
        "+ model dep_twice: als (factors 2, iterations 1)", "waiting for another apply",
        "= model dep_twice: als (factors 2, iterations 1)"]
    trained = connection.execute("SELECT count(*) FROM flinkms.jobs WHERE model = 'dep_twice'").fetchone()
    assert trained == (1,)
    connection.execute("DROP MODEL dep_twice")


def test_a_changed_learning_query_goes_on_where_the_former_stopped(deployment: Deployment, folder: Path) -> None:
    file = folder / "learning.sql"
    learning = "INSERT INTO MODEL dep_taught SELECT u, i, r FROM dep_lessons"

    def applied(query: str, how: str = "apply") -> str:
        file.write_text(f"{query};\n")
        return deployment.command(how, str(file))

    def learners(connection: psycopg.Connection) -> list[tuple[int]]:
        return connection.execute("SELECT id FROM flinkms.jobs WHERE model = 'dep_taught' AND desired = 'running' "
                                  "AND state NOT IN ('finished', 'failed', 'canceled')").fetchall()

    deployment.command("generate", "model", "dep_taught", "--users", "20", "--items", "20", "--factors", "4")
    with deployment.connect() as connection, replica_of(deployment.version_path("dep_taught")) as replica:
        connection.execute("CREATE TABLE dep_lessons (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        applied(learning)
        connection.execute("INSERT INTO dep_lessons VALUES (1, 1, 3.0), (2, 2, 4.0), (1, 3, 5.0), (1, 1, NULL)")
        wait_for(lambda: learned(replica) == 3)

        ((former,),) = learners(connection)
        wait_for(lambda: connection.execute("SELECT progress -> 'left_out' FROM flinkms.jobs WHERE id = %s", (former,)).fetchone()
                 == ({"label is null or not finite": 1},))
        assert f"job {former} (learn dep_taught) is running" in (told := deployment.command("status")) and "label is null or not finite in 1" in told
        changed = f"{learning} WHERE r > 1"
        assert f"! line   1  replace    learning of model dep_taught from dep_lessons, in place of job {former}" in applied(
            changed, "plan")
        applied(changed)
        assert "= line   1  unchanged" in applied(changed, "plan")
        connection.execute("INSERT INTO dep_lessons VALUES (4, 4, 0.5), (5, 5, 4.0)")
        wait_for(lambda: learned(replica) == 4)

        with pytest.raises(subprocess.CalledProcessError, match="apply") as raised:
            applied(f"{learning} WHERE no_such_function(r)")
        assert "no_such_function" in raised.value.output
        connection.execute("INSERT INTO dep_lessons VALUES (6, 6, 0.5), (7, 7, 4.0)")
        wait_for(lambda: learned(replica) == 5)
        ((last,),) = learners(connection)
        connection.execute(f"STOP JOB {last}")
        assert learned(replica) == 5
        connection.execute("DROP MODEL dep_taught")
        connection.execute("DROP TABLE dep_lessons")
