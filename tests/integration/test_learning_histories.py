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
            assert "(learn crashes) is restarting" in (status := deployment.status()) and "/ by zero" in status
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


WINDOW = ("SELECT {first} + COUNT(*), i, 4.0 FROM TABLE(TUMBLE(TABLE held_events, DESCRIPTOR(seen), INTERVAL '10' SECOND)) "
          "GROUP BY i, window_start, window_end")
"""One observation for each window, whose user is 1000 (or another number) and how many rows the window held."""


def test_a_window_over_a_promotion_holds_what_is_said(deployment: Deployment, tmp_path: Path):
    """What was in it where the training ended is not in the new version's, and still in the former one's."""
    with deployment.connect() as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("CREATE TABLE held_events (u BIGINT, i BIGINT, r DOUBLE, seen TIMESTAMP_LTZ(3), "
                           "WATERMARK FOR seen AS seen) WITH ('connector' = 'flinkms')")

        def insert(*seconds: int) -> None:
            connection.execute("INSERT INTO held_events VALUES " + ", ".join(
                f"({second}, {second % 3 + 1}, 4.0, '2024-01-01 00:00:{second:02d}+00')" for second in seconds))

        insert(0, 3)
        connection.execute("CREATE MODEL held INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                           "'factors' = '2', 'iterations' = '1') AS SELECT u, i, r FROM held_events")
        connection.execute(f"INSERT INTO MODEL held {WINDOW.format(first=1000)}")
        insert(0, 3)
        assert not [text for text in notices if "windows" in text]
        (file := tmp_path / "held.sql").write_text(
            "REFRESH MODEL held;\nALTER MODEL held ROLLBACK;\n" f"INSERT INTO MODEL held {WINDOW.format(first=2000)};\n")
        planned = deployment.command("plan", str(file)).splitlines()
        assert [line.partition(";")[2].strip() for line in planned] == [
            *["windows of its learning query begin empty for a version that has not learned by it"] * 2,
            "rows that it then holds in windows are not learned"]
        connection.execute("REFRESH MODEL held")
        assert any(text.startswith("windows of the learning query (job ") and "began empty for version 2" in text for text in notices)
        insert(6, 15)  # the window of the rows above ends with one more row
        users = {1: [], 2: []}
        for version in (2, 1):
            notices.clear()
            connection.execute(f"ALTER MODEL held PROMOTE VERSION {version}")
            assert not [text for text in notices if "windows" in text], "both have learned by this query"
            with replica_of(deployment.version_path("held", version)) as replica:
                wait_for(lambda replica=replica: learned(replica) == 1, "the window to be learned")
                table = replica.tables["users"]
                users[version] = table.keys[table.sequences > 0].tolist()
        assert users == {2: [1001], 1: [1003]}
        stop(connection, "held")


def stop(connection: psycopg.Connection, model: str) -> None:
    """STOP JOB of the newest learner of a model."""
    newest = "SELECT max(id) FROM flinkms.jobs WHERE kind = 'learn' AND model = %s"
    job = connection.execute(newest, (model,)).fetchone()[0]
    connection.execute(f"STOP JOB {job}")
