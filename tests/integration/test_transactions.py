"""Transactions with PostgreSQL as the oracle: the rows of a stream are those that a table would have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from flinkms_sql.pgwire import messages as m
from flinkms_sql.server.address import BackendAddress
from tests.control_database import control_database
from tests.serving import Running
from tests.serving import frontend as serving
from tests.transaction_scripts import Script
from tests.wire import Outcome, Wire, outcome

pytestmark = pytest.mark.integration

SCRIPTS = 240
"""Some seconds of them; each session is new at both."""
ORACLE = """
CREATE FUNCTION predict(model text, user_id bigint, item_id bigint) RETURNS double precision LANGUAGE plpgsql AS
  'BEGIN IF model <> ''rec'' THEN RAISE EXCEPTION ''no'' USING ERRCODE = ''42704''; END IF; RETURN 1; END';
CREATE TABLE rating_events (user_id bigint, item_id bigint, rating double precision, note text);
CREATE TABLE movies (item_id bigint PRIMARY KEY, title text NOT NULL, year int);
INSERT INTO movies SELECT i, 'movie ' || i, 1990 + i FROM generate_series(1, 50) i;
"""
PLAIN = "CREATE TABLE plain (n int, UNIQUE (n) DEFERRABLE INITIALLY DEFERRED)"


@dataclass(frozen=True)
class Both:
    """The frontend, and PostgreSQL itself with the same tables."""

    running: Running
    address: BackendAddress

    def ours(self, **settings: str) -> Wire:
        return Wire(("127.0.0.1", self.running.port), user="flinkms", database="flinkms", **settings)

    def postgres(self, **settings: str) -> Wire:
        return Wire(f"{self.address.host}/.s.PGSQL.5432", user="postgres", database="oracle", **settings)

    def direct(self, database: str) -> psycopg.Connection:
        return psycopg.connect(host=self.address.host, user="postgres", dbname=database, autocommit=True)

    def clear(self) -> None:
        self.running.streams.events.batches.clear()
        for database in ("flinkms", "oracle"):
            with closing(self.direct(database)) as connection:
                connection.execute("TRUNCATE plain, rating_events")

    def left(self, database: str) -> tuple[list[int], list[int]]:
        """The rows of the stream (or the table that stands for it) and of the plain table."""
        with closing(self.direct(database)) as connection:
            plain = [row[0] for row in connection.execute("SELECT n FROM plain ORDER BY n")]
            events = [row[0] for row in connection.execute("SELECT user_id FROM rating_events ORDER BY 1")]
        if database == "flinkms":
            assert events == [], "a row of a stream went to PostgreSQL"
            events = sorted(row[0] for row in self.running.streams.events.rows)
        return events, plain


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with control_database(tmp_path_factory.mktemp("pg")) as address:
        with closing(psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)) as connection:
            connection.execute(PLAIN)
            connection.execute("CREATE DATABASE oracle")
        with closing(psycopg.connect(host=address.host, user="postgres", dbname="oracle", autocommit=True)) as connection:
            connection.execute(ORACLE)
            connection.execute(PLAIN)
        with serving(address) as running:
            yield Both(running, address)


def play(wire: Wire, script: Script) -> list[Outcome]:
    """The outcomes of a script; the connection is cut at the end, whatever is open."""
    with closing(wire):
        if script.linked:
            wire.ask("SELECT count(*) FROM movies")
        return [outcome(answer) for sent in script.rounds for answer in wire.pipeline(*sent)]


@pytest.mark.parametrize("part", range(4))
def test_generated_scripts_leave_the_same_rows_tags_errors_and_statuses(both, part):
    for seed in range(part, SCRIPTS, 4):
        script = Script(seed)
        both.clear()
        expected, found = play(both.postgres(), script), play(both.ours(), script)
        assert found == expected, (seed, script.texts)
        assert both.left("flinkms") == both.left("oracle"), (seed, script.texts)


def agree(both: Both, *texts: str, **settings: str) -> tuple[list[int], list[int]]:
    """Ask both the same simple queries, which must go the same way; the rows that are left."""
    both.clear()
    with closing(both.ours(**settings)) as ours, closing(both.postgres(**settings)) as postgres:
        for text in texts:
            assert outcome(ours.ask(text)) == outcome(postgres.ask(text)), text
    assert both.left("flinkms") == both.left("oracle")
    return both.left("flinkms")


def event(number: int) -> str:
    return f"INSERT INTO rating_events VALUES ({number}, 0, 1.5, NULL)"


@pytest.mark.parametrize(
    ("texts", "events"),
    [
        (("BEGIN", event(1), "SELECT 1/0 FROM pg_class", "COMMIT"), []),
        (("BEGIN; " + event(1), "SELECT 1/0 FROM pg_class; COMMIT", "COMMIT"), []),
        (("BEGIN", "SAVEPOINT a", event(1), "ROLLBACK TO a", "COMMIT"), []),
        (("BEGIN; SAVEPOINT a; SELECT count(*) FROM movies", event(1), "ROLLBACK TO a; SELECT 1", "COMMIT"), []),
        (("BEGIN", "SAVEPOINT a", event(1), "SAVEPOINT a", event(2), "ROLLBACK TO a", "RELEASE a", "COMMIT"), [1]),
        (("BEGIN", "SAVEPOINT a", event(1), "SAVEPOINT b", event(2), "RELEASE a", "ROLLBACK TO b", "COMMIT"), []),
        (("BEGIN", event(1), "SAVEPOINT a", event(2), "SELECT 1/0", "ROLLBACK TO a", event(3), "COMMIT"), [1, 3]),
        (("BEGIN READ ONLY", event(1), "COMMIT"), []),
        (("BEGIN", "SET TRANSACTION READ ONLY", event(1), "COMMIT"), []),
        (("SET default_transaction_read_only = on", event(1), "BEGIN READ WRITE", event(2), "COMMIT"), [2]),
        (("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", event(1)), []),
        ((event(1) + "; COMMIT; " + event(2) + "; SELECT 1/0 FROM movies",), [1]),
        ((event(1) + "; ROLLBACK; " + event(2),), [2]),
        ((event(1) + "; BEGIN; " + event(2), "ROLLBACK"), []),
        ((event(1) + "; INSERT INTO plain VALUES (1); BEGIN READ ONLY; SELECT 1", event(2), "COMMIT"), []),
        ((event(1) + "; INSERT INTO plain VALUES (1), (1)",), []),
        (("BEGIN", event(1), "INSERT INTO plain VALUES (1), (1)", "COMMIT", event(2)), [2]),
        ((event(1) + "; SET timezone TO 'Asia/Tokyo'; SELECT 1/0", "SHOW timezone"), []),
        (("BEGIN", event(1), "COMMIT AND CHAIN", event(2), "ROLLBACK AND CHAIN", event(3), "COMMIT"), [1, 3]),
        ((event(1) + "; SAVEPOINT a",), []),
        (("BEGIN", event(1), "DO $$ BEGIN PERFORM 1; END $$", "COMMIT"), [1]),
        ((event(1) + "; DO $$ BEGIN COMMIT; END $$",), []),
        (("BEGIN READ ONLY", event(1), "COMMIT AND CHAIN; SAVEPOINT b", "COMMIT"), []),
        (("BEGIN READ ONLY", event(1), "ROLLBACK; SELECT count(*) FROM movies", event(2)), [2]),
        (("BEGIN READ ONLY", event(1), "SELECT 1; ROLLBACK; SELECT count(*) FROM movies", "ROLLBACK", event(2)), [2]),
        (("BEGIN", event(1), "BEGIN ISOLATION LEVEL SERIALIZABLE", event(2), "COMMIT"), []),
        (("BEGIN", event(1), "BEGIN ISOLATION LEVEL READ COMMITTED", event(2), "COMMIT"), [1, 2]),
        (("BEGIN", event(1), "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "COMMIT"), []),
        (("BEGIN", event(1), "SET LOCAL transaction_isolation = 'serializable'", "COMMIT"), []),
        (("BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", event(1), "SHOW transaction_isolation", "COMMIT"), [1]),
        (("BEGIN", event(1), "START TRANSACTION READ ONLY", event(2), "COMMIT"), []),
        (("BEGIN READ ONLY", "SET TRANSACTION READ WRITE", event(1), "COMMIT"), [1]),
        (("BEGIN; " + event(1) + "; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT",), []),
        ((event(1) + "; BEGIN ISOLATION LEVEL SERIALIZABLE; " + event(2), "COMMIT"), []),
        ((event(1) + "; BEGIN ISOLATION LEVEL READ COMMITTED; " + event(2), "COMMIT"), [1, 2]),
        ((event(1) + "; BEGIN READ ONLY; SELECT 1", event(2), "COMMIT"), []),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_rows_of_a_stream_follow_their_transaction(both, texts, events, linked):
    before = ("SELECT count(*) FROM movies",) if linked else ()
    assert agree(both, *before, *texts)[0] == events


def test_what_ends_a_block_from_outside_takes_its_rows(both):
    both.clear()
    with closing(both.ours(options="-c idle_in_transaction_session_timeout=200")) as wire:
        wire.ask("BEGIN; SELECT count(*) FROM movies")
        assert outcome(wire.ask(event(1))).tags == ("INSERT 0 1",)
        assert outcome(wire.answer()) == Outcome((), "25P03", "gone")
    with closing(both.ours()) as wire:
        wire.ask("SET statement_timeout = 100")
        wire.ask("BEGIN; SELECT count(*) FROM movies")
        wire.ask(event(2))
        assert outcome(wire.ask("SELECT pg_sleep(5)")).error == "57014"
        assert outcome(wire.ask("COMMIT")).tags == ("ROLLBACK",)
    assert both.left("flinkms")[0] == []


def test_psycopgs_nested_transactions(both):
    both.clear()
    with closing(psycopg.connect(both.running.dsn)) as connection, connection.transaction():
        connection.execute(event(1))
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute(event(2))
            raise ZeroDivisionError
        with connection.transaction(), connection.transaction():
            connection.execute(event(3))
    assert both.left("flinkms")[0] == [1, 3]


@pytest.mark.parametrize("text", ["ROLLBACK", "COMMIT", "ROLLBACK TO a"])
@pytest.mark.parametrize("name", ["", "S_1"])
def test_a_statement_that_is_prepared_in_a_failed_block_ends_it(both, text, name):
    """As pgjdbc does: its ROLLBACK is a named statement."""
    for wire in (both.ours(), both.postgres()):
        with closing(wire):
            wire.ask("BEGIN; SAVEPOINT a; SELECT count(*) FROM movies")
            assert outcome(wire.ask("SELECT 1/0 FROM movies")).status == "failed"
            series = [m.Parse(statement=name, text=text), m.Bind(statement=name), m.Execute(), m.Sync()]
            found = outcome(wire.say(*series))
            assert (found.tags, found.error) == (("ROLLBACK",), "")
            assert found.status == ("transaction" if text == "ROLLBACK TO a" else "idle")
            again = outcome(wire.say(m.Parse(statement="", text="SELECT 1"), m.Bind(), m.Execute(), m.Sync()))
            assert again.tags == ("SELECT 1",)


def test_a_pipeline_that_begins_inserts_and_does_not_commit(both):
    both.clear()
    with closing(both.ours()) as wire:
        wire.ask("SELECT count(*) FROM movies")
        series = [part for text in ("BEGIN", event(1))
                  for part in (m.Parse(statement="", text=text), m.Bind(), m.Execute())]
        assert outcome(wire.say(*series, m.Sync())) == Outcome(("BEGIN", "INSERT 0 1"), "", "transaction")
        assert both.left("flinkms")[0] == []
        assert outcome(wire.ask("ROLLBACK")).tags == ("ROLLBACK",)
    assert both.left("flinkms")[0] == []


def test_what_could_end_a_transaction_out_of_sight_is_refused(both):
    both.clear()
    with closing(both.ours()) as wire:
        series = [part for text in (event(1), "DO $$ BEGIN ROLLBACK; END $$")
                  for part in (m.Parse(statement="", text=text), m.Bind(), m.Execute())]
        assert outcome(wire.say(*series, m.Sync())) == Outcome(("INSERT 0 1",), "0A000", "idle")
        wire.ask("BEGIN")
        wire.ask(event(2))
        assert outcome(wire.ask("PREPARE TRANSACTION 'x'")) == Outcome((), "0A000", "failed")
        assert outcome(wire.ask("COMMIT")).tags == ("ROLLBACK",)
    assert both.left("flinkms")[0] == []
