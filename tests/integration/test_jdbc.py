"""pgjdbc over a real deployment: the same program against a frontend and PostgreSQL is answered the same, and leaves the same.

The driver's jar comes by Maven (``make jdbc``, a part of ``make test``); the program is tests/java.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import numpy as np
import psycopg
import pytest

from connectors import build
from flinkms_sql.modellog.frame import APPEND
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.runtime import jdk, postgres
from flinkms_sql.settings import DATABASE
from tests.bridge import bridge
from tests.deployment import ROOT, Deployment
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

SOURCES = ROOT / "tests" / "java"
JARS = ROOT / ".venv" / "java"
CONVERSATION_S_MAX = 300.0
"""Seconds of a program: ten on an idle machine."""

SIDE = 12
"""Users and items of the model, and the keys of which the oracle knows the answers."""

MODEL = ("CREATE MODEL {} INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', 'factors' = '2', "
         "'iterations' = '1') AS SELECT u, i, r FROM jdbc_ratings")
TABLES = (
    "CREATE TABLE jdbc_movies (id bigint PRIMARY KEY, title text NOT NULL)",
    f"INSERT INTO jdbc_movies SELECT g, 'movie ' || g FROM generate_series(1, {SIDE - 1}) g",
    "CREATE TABLE jdbc_kinds (n int PRIMARY KEY)",
)
ORACLE = (
    ("CREATE TABLE jdbc_events (id bigint, user_id bigint, small smallint, rating double precision, single real, note text, "
    "rated_at timestamptz(3))"),
    "CREATE TABLE answers (u bigint, i bigint, answer double precision)",
    ("CREATE FUNCTION predict(model text, u bigint, i bigint) RETURNS double precision LANGUAGE plpgsql STABLE AS $$ BEGIN "
    "IF model <> 'jdbc_rec' THEN RAISE EXCEPTION 'no' USING ERRCODE = '42704'; END IF; "
    "RETURN (SELECT answer FROM answers a WHERE a.u = predict.u AND a.i = predict.i); END $$"),
)
PAIRS = "SELECT u, i, predict('jdbc_rec', u, i) FROM unnest(%s::bigint[], %s::bigint[]) AS t(u, i)"


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the program: pgjdbc, and itself compiled."""
    jars = sorted(JARS.glob("postgresql-*.jar"))
    assert jars, "pgjdbc is not there: make jdbc fetches it, as make test does"
    target = tmp_path_factory.mktemp("classes")
    assert build.compile_java(list(SOURCES.glob("*.java")), target, [jars[-1]]) == ""
    return os.pathsep.join((str(target), str(jars[-1])))


def java(classes: str, *arguments: str) -> list[str]:
    """The lines that the program prints."""
    command = [str(jdk.find(os.environ).home / "bin" / "java"), "-cp", classes, "Conversation", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=CONVERSATION_S_MAX, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout.splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The deployment, and a database beside it that has tables for its stream and a function for its model."""

    deployment: Deployment
    oracle: str
    bridged: int

    def url(self, *, ours: bool) -> str:
        if ours:
            return f"jdbc:postgresql://127.0.0.1:{self.deployment.settings.port}/{DATABASE}?user={DATABASE}"
        return f"jdbc:postgresql://127.0.0.1:{self.bridged}/jdbc_oracle?user={postgres.SUPERUSER}"

    def stored(self, *, ours: bool) -> list[tuple[object, ...]]:
        """Rows of jdbc_events in their order of ids, the time in microseconds."""
        if ours:
            return sorted(_rows(self.deployment.stream_path("jdbc_events")), key=lambda row: row[0])
        with closing(psycopg.connect(self.oracle)) as connection:
            return connection.execute("SELECT id, user_id, small, rating, single::float8, note, (extract(epoch FROM rated_at) * 1000000)::bigint "
                                      "FROM jdbc_events ORDER BY id").fetchall()


def _rows(stream: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for partition in sorted((stream / "log").iterdir()):
        reader = PartitionReader(partition, APPEND, None)
        while events := reader.poll():
            for event in events:
                columns = [_python(column.values, column.valid) for column in event.columns()]
                found += zip(*columns, strict=True)
        reader.close()
    return found


def _python(values: np.ndarray, valid: np.ndarray | None) -> list[object]:
    return [value if valid is None or valid[at] else None for at, value in enumerate(values.tolist())]


@pytest.fixture(scope="module")
def both(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("jdbc")
    columns = PlantedRatings(users=SIDE, items=SIDE, rank=2, seed=4).ratings(400)
    np.savetxt(folder / "ratings.csv", np.column_stack(columns), fmt=("%d", "%d", "%.3f"), delimiter=",")
    sockets = postgres.socket_dir(deployment.settings.data_dir)
    server, oracle = (postgres.dsn(deployment.settings.data_dir, user=postgres.SUPERUSER).replace(f"dbname={DATABASE}", "dbname=" + name)
                      for name in ("postgres", "jdbc_oracle"))
    with deployment.connect() as connection:
        connection.execute("CREATE TABLE jdbc_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                           f"WITH ('connector' = 'filesystem', 'path' = '{folder / 'ratings.csv'}', 'format' = 'csv')")
        connection.execute("CREATE TABLE jdbc_events (id BIGINT, user_id BIGINT, small SMALLINT, rating DOUBLE, single FLOAT, "
                           "note STRING, rated_at TIMESTAMP_LTZ(3)) "
                           "WITH ('connector' = 'flinkms')")
        connection.execute(MODEL.format("jdbc_rec"))
        users, items = np.divmod(np.arange(SIDE * SIDE), SIDE)
        answers = connection.execute(PAIRS, (users.tolist(), items.tolist())).fetchall()
        with closing(psycopg.connect(server, autocommit=True)) as beside:
            beside.execute("CREATE DATABASE jdbc_oracle")
            with closing(psycopg.connect(oracle, autocommit=True)) as known:
                for statement in (*TABLES, *ORACLE):
                    known.execute(statement)
                known.cursor().executemany("INSERT INTO answers VALUES (%s, %s, %s)", answers)
            for statement in TABLES:
                connection.execute(statement)
            with bridge(sockets / postgres.SOCKET_NAME) as port:
                yield Both(deployment=deployment, oracle=oracle, bridged=port)
            beside.execute("DROP DATABASE jdbc_oracle WITH (FORCE)")
        connection.execute("DROP TABLE jdbc_movies, jdbc_kinds")
        connection.execute("DROP TABLE jdbc_ratings, jdbc_events CASCADE")


def test_a_program_is_answered_as_by_postgresql_and_leaves_the_same_rows(both, classes):
    lines = java(classes, "flinkms", both.url(ours=True), "postgresql", both.url(ours=False))
    answers: dict[str, list[str]] = {"flinkms": [], "postgresql": []}
    for line in lines:
        name, rest = line.split("\t", 1)
        answers[name].append(rest)
    assert len(answers["postgresql"]) > 1000
    assert answers["flinkms"] == answers["postgresql"]
    # As texts: NaN is not equal to itself.
    assert list(map(repr, both.stored(ours=True))) == list(map(repr, both.stored(ours=False)))


LEARN = "INSERT INTO MODEL jdbc_other SELECT user_id, user_id, rating FROM jdbc_events"


def test_deploying_is_no_row_count_for_any_client(both, classes):
    def asked(*statements: str) -> list[str]:
        return java(classes, "deploy", both.url(ours=True), *statements)

    *told, started = asked(f"execute {MODEL.format('jdbc_other')}", "update CREATE MODEL IF NOT EXISTS jdbc_other INPUT (u BIGINT) "
                           "OUTPUT (r DOUBLE) WITH ('algorithm' = 'ridge')", f"prepared {LEARN}")
    assert [line.partition(" [")[0] for line in told] == ["false 0 false -1", "0 0 false -1"]
    number = re.fullmatch(r"false 0 false -1 \[.*started job (\d+)\]", started)
    assert number, started
    shown, stopped = asked("execute SHOW JOBS OF jdbc_other", f"update STOP JOB {number[1]}")
    assert shown == "true -1 false -1 []" and stopped.startswith("0 0 false -1 [")

    with both.deployment.connect() as connection:
        done = connection.execute(LEARN)
        assert (done.statusmessage, done.rowcount, done.description) == ("START JOB", -1, None)
        job = connection.execute("SELECT max(id) FROM flinkms.jobs WHERE model = 'jdbc_other'").fetchone()[0]
        done = connection.execute(f"STOP JOB {job}", prepare=True)
        assert (done.statusmessage, done.rowcount) == ("STOP JOB", -1)
    assert asyncio.run(_executed(both.deployment, "DROP MODEL jdbc_other")) == "DROP MODEL"
    where = f"host={both.deployment.settings.host} port={both.deployment.settings.port} user={DATABASE} dbname={DATABASE}"
    shown = subprocess.run([postgres.bin_dir() / "psql", "-X", "-c", "DROP MODEL IF EXISTS jdbc_other", where], text=True,
                           capture_output=True, timeout=60, check=True)
    assert shown.stdout.splitlines() == ["DROP MODEL"] and "does not exist, skipping" in shown.stderr


async def _executed(deployment: Deployment, statement: str) -> str:
    connection = await asyncpg.connect(host=deployment.settings.host, port=deployment.settings.port, user=DATABASE, database=DATABASE)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
