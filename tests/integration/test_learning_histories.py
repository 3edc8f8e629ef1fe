"""Exactly once over random histories: insert, commit, roll back, stop, start, change, refresh, promote, go back, kill -9.

FLINKMS_HISTORIES is how many are tried (1), FLINKMS_HISTORY_STEPS how long each is (10), FLINKMS_HISTORY_SEED the first
seed (5). A seed is one history, whatever the machine; tests/simulation has the breadth.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psycopg
import pytest

from flinkms_sql.modellog.files import read_json
from flinkms_sql.modellog.stream import Stream, StreamWriter
from tests.deployment import Deployment
from tests.faults import check_every_delta, learned, replica_of, wait_for
from tests.histories import History, planned
from udfs.block import Column

pytestmark = pytest.mark.integration

HISTORIES = int(os.environ.get("FLINKMS_HISTORIES", "1"))
STEPS = int(os.environ.get("FLINKMS_HISTORY_STEPS", "10"))
SEED = int(os.environ.get("FLINKMS_HISTORY_SEED", "5"))


@pytest.mark.parametrize("seed", range(SEED, SEED + HISTORIES))
def test_every_committed_row_is_learned_once_by_every_version_that_was_live(deployment: Deployment, seed: int):
    steps = planned(seed, STEPS)
    told = f"FLINKMS_HISTORY_SEED={seed} FLINKMS_HISTORY_STEPS={STEPS}: {', '.join(map(str, steps))}"
    print(f"\n{told}")
    history = History(deployment, f"history_{seed}", seed)
    try:
        history.play(steps)
        history.check()
    except AssertionError as error:
        raise AssertionError(f"{told}: {error}") from error
    finally:
        if (job := history.job()) is not None:
            deployment.execute(f"STOP JOB {job}")


def test_a_learner_that_crashes_says_why_and_another_query_goes_on_where_it_stopped(deployment: Deployment):
    with deployment.connect() as connection:
        connection.execute("CREATE TABLE crash_ratings (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        connection.execute("INSERT INTO crash_ratings SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::float8[])",
                           ([n % 20 for n in range(200)], [n % 17 for n in range(200)], [1.0 + n % 5 for n in range(200)]))
        connection.execute("CREATE MODEL crashes INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                           "'factors' = '4', 'iterations' = '2') AS SELECT u, i, r FROM crash_ratings")
        connection.execute("CREATE TABLE crash_events (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        connection.execute("INSERT INTO MODEL crashes SELECT u, i, r + 1 / (u - 13) FROM crash_events")
        with pytest.raises(psycopg.errors.ObjectInUse, match="already learns"):
            connection.execute("INSERT INTO MODEL crashes SELECT u, i, r FROM crash_events")
        with replica_of(deployment.version_path("crashes")) as replica:
            connection.execute("INSERT INTO crash_events VALUES (1, 1, 3.0), (2, 2, 4.0), (1, 3, 5.0)")
            wait_for(lambda: learned(replica) == 3, "the first rows to be learned")
            connection.execute("INSERT INTO crash_events VALUES (3, 3, 3.0), (13, 4, 4.0)")

            def shown() -> tuple:
                query = "SELECT state, error, attempts FROM flinkms.jobs WHERE kind = 'learn' AND model = 'crashes'"
                return connection.execute(f"{query} ORDER BY id DESC LIMIT 1").fetchone()

            wait_for(lambda: "/ by zero" in (shown()[1] or ""), "the job to be in trouble")
            assert shown()[0] == "restarting" and shown()[2] >= 1
            assert "(learn crashes) is restarting" in (status := deployment.command("status")) and "/ by zero" in status
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="could not catch up: .*by zero"):
                connection.execute("REFRESH MODEL crashes")
            states = "SELECT version, state FROM flinkms.model_versions WHERE model = 'crashes' ORDER BY version"
            live = "SELECT version FROM flinkms.model_aliases WHERE model = 'crashes'"
            assert connection.execute(states).fetchall() == [(1, "ready"), (2, "ready")]
            assert connection.execute(live).fetchall() == [(1,)]
            stop(connection, "crashes")
            connection.execute("INSERT INTO MODEL crashes SELECT u, i, r FROM crash_events")
            wait_for(lambda: learned(replica) >= 5, "the rest to be learned")
            assert shown() == ("running", None, 0)
            check_every_delta(replica, {"users": [1, 2, 1, 3, 13], "items": [1, 2, 3, 3, 4]})
            stop(connection, "crashes")


def test_another_query_goes_on_from_two_scans_of_a_stream_only_where_both_stand(deployment: Deployment, tmp_path: Path):
    """One of the scans looks for partitions when it starts and then not for an hour, so that the other is ahead of it."""
    tmp_path.chmod(0o755)
    columns = f"(u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms', 'path' = '{tmp_path}/events'"
    twice = "SELECT u, i, r FROM twice_events UNION ALL SELECT u + 5, i, r FROM twice_seldom"
    once = "SELECT u, i, r FROM twice_events"
    with deployment.connect() as connection:
        deployment.command("generate", "model", "twice", "--users", "20", "--items", "20", "--factors", "4")
        connection.execute(f"CREATE TABLE twice_events {columns})")
        connection.execute(f"CREATE TABLE twice_seldom {columns}, 'attach' = 'true', 'scan.discovery-interval' = '1 h')")
        connection.execute("INSERT INTO twice_events VALUES (1, 1, 3.0)")
        connection.execute(f"INSERT INTO MODEL twice {twice}")
        with replica_of(deployment.version_path("twice")) as replica:
            wait_for(lambda: learned(replica) == 2, "both scans to read the first row")
            late = StreamWriter(Stream.open(tmp_path / "events"), "late")
            late.append_sync([Column(np.array(values)) for values in ([2], [2], [4.0])])
            late.close()
            wait_for(lambda: learned(replica) == 3, "one scan to read the second row")
            stop(connection, "twice")
            committed, = [read_json(file)["positions"] for file in (tmp_path / "events" / "groups").iterdir()]
            assert "late" not in committed and committed, "retention would take the row from the scan that is behind"
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="with another query") as refused:
                connection.execute(f"INSERT INTO MODEL twice {once}")
            assert 'stream "twice_events"' in str(refused.value) and twice in str(refused.value)
            connection.execute(f"INSERT INTO MODEL twice {twice}")
            wait_for(lambda: learned(replica) == 4, "the other scan to read the second row")
            stop(connection, "twice")
            connection.execute(f"INSERT INTO MODEL twice {once}")
            connection.execute("INSERT INTO twice_events VALUES (3, 3, 5.0)")
            wait_for(lambda: learned(replica) >= 5, "the third row to be learned")
            stop(connection, "twice")
            check_every_delta(replica, {"users": [1, 6, 2, 7, 3], "items": [1, 1, 2, 2, 3]})


def stop(connection: psycopg.Connection, model: str) -> None:
    """STOP JOB of the newest learner of a model."""
    newest = "SELECT max(id) FROM flinkms.jobs WHERE kind = 'learn' AND model = %s"
    job = connection.execute(newest, (model,)).fetchone()[0]
    connection.execute(f"STOP JOB {job}")
