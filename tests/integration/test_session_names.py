"""What a name without a schema means, and what a session starts with: PostgreSQL's own answer, whoever has to know it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from flinkms_sql.pgwire import messages as m
from flinkms_sql.server.address import BackendAddress
from tests.control_database import control_database
from tests.serving import Running
from tests.serving import frontend as serving
from tests.wire import Outcome, Wire, outcome

pytestmark = pytest.mark.integration

INSERT = "INSERT INTO rating_events VALUES (7, 7, 7, NULL)"
TEMPORARY = "CREATE TEMP TABLE rating_events (LIKE public.rating_events)"
OTHERS = """
CREATE SCHEMA other; CREATE TABLE other.rating_events (LIKE public.rating_events); CREATE SCHEMA "Odd, one";
CREATE TABLE "Odd, one".rating_events (LIKE public.rating_events);
CREATE FUNCTION other.predict(model text, a int, b int) RETURNS text LANGUAGE sql AS $$ SELECT 'theirs' $$;
CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE rating_events (LIKE public.rating_events); END $$;
CREATE TABLE visits (LIKE visits_there); CREATE ROLE shadowed LOGIN SUPERUSER; CREATE SCHEMA shadowed AUTHORIZATION shadowed;
CREATE TABLE shadowed.rating_events (LIKE public.rating_events);
ALTER FUNCTION other.predict OWNER TO shadowed; ALTER ROLE shadowed SET search_path = "$user", public;
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendAddress]:
    with control_database(tmp_path_factory.mktemp("pg")) as found:
        with closing(direct(found)) as connection:
            connection.execute(OTHERS)
            connection.execute("INSERT INTO flinkms.tables (name, kind, columns, options, definition)"
                               " SELECT name, 'stream', '[]', '{}', '' FROM unnest(ARRAY['rating_events', 'visits']) AS name")
        yield found


@pytest.fixture(scope="module")
def running(address: BackendAddress) -> Iterator[Running]:
    with serving(address, rights=f"host={address.host} user=postgres dbname=flinkms") as served:
        yield served


def direct(address: BackendAddress) -> psycopg.Connection:
    return psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)


def frontend(running: Running, **settings: str) -> Wire:
    return Wire(("127.0.0.1", running.port), user="flinkms", database="flinkms", **settings)


def postgres(address: BackendAddress, **settings: str) -> Wire:
    return Wire(f"{address.host}/.s.PGSQL.{address.port}", user=address.user, database="flinkms", **settings)


def series(text: str) -> tuple[m.ClientMessage, ...]:
    return m.Parse(statement="", text=text), m.Bind(), m.Execute()


def played(wire: Wire, script: Sequence[str], way: str) -> list[Outcome]:
    match way:
        case "one by one":
            return [outcome(wire.ask(text)) for text in script]
        case "extended":
            return [outcome(wire.say(*series(text), m.Sync())) for text in script]
        case "pipelined":
            return [outcome(one) for one in wire.pipeline(*(one for text in script for one in (*series(text), m.Sync())))]
    return [outcome(wire.ask("; ".join(script)))]


SCRIPTS = {
    "nothing": (),
    "temporary": (TEMPORARY,),
    "a view": ("CREATE TEMP VIEW rating_events AS SELECT 1 AS user_id, 2 AS item_id, 3.0 AS rating, NULL AS note",),
    "gone": (TEMPORARY, "DROP TABLE rating_events"),
    "gone by name": (TEMPORARY, "DROP TABLE pg_temp.rating_events"),
    "discarded": (TEMPORARY, "DISCARD TEMP"),
    "rolled back": ("BEGIN", TEMPORARY, "ROLLBACK"),
    "failed": ("BEGIN", TEMPORARY, "SELECT 1/0 FROM pg_class", "COMMIT"),
    "to a savepoint": ("BEGIN", "SAVEPOINT a", TEMPORARY, INSERT, "ROLLBACK TO a", INSERT, "COMMIT"),
    "on commit": ("BEGIN", f"{TEMPORARY} ON COMMIT DROP", INSERT, "COMMIT"),
    "within a block": ("BEGIN", INSERT, TEMPORARY, INSERT, "COMMIT"),
    "renamed": ("CREATE TEMP TABLE x (LIKE public.rating_events)", "ALTER TABLE x RENAME TO rating_events"),
    "by a function": ("SELECT make()",),
    "by DO": ("DO $$ BEGIN PERFORM make(); END $$",),
    "earlier": ("SET search_path = other, public",),
    "quoted": ('SET search_path = "Odd, one", public',),
    "later": ("SET search_path = public, other",),
    "temporary later": (TEMPORARY, "SET search_path = public, pg_temp"),
    "not public": ("SET search_path = other",),
    "nowhere": ("SET search_path = nowhere",),
    "set by a function": ("SELECT set_config('search_path', 'other, public', false)",),
    "for a block": ("BEGIN", "SET LOCAL search_path = other, public", INSERT, "COMMIT"),
    "set and reset": ("SET search_path = other, public", INSERT, "RESET search_path"),
    "a role's own": ("SET ROLE shadowed",),
    "a role's own and back": ("SET ROLE shadowed", INSERT, "RESET ROLE"),
    "read": (TEMPORARY, "SELECT count(*) FROM rating_events", "UPDATE rating_events SET rating = 1", "TRUNCATE rating_events",
             "EXPLAIN SELECT * FROM rating_events", "SELECT count(*) FROM rating_events r JOIN pg_class c ON c.oid = r.user_id",
             "DELETE FROM rating_events", "TABLE rating_events", "LOCK TABLE rating_events"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["one by one", "extended", "pipelined", "one text"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_row_goes_where_it_would_go_in_postgres(running, address, name, way):
    script = [*SCRIPTS[name], INSERT]
    stream = running.streams.events.batches
    stream.clear()
    with closing(direct(address)) as client:
        def counts() -> list[int]:
            found = []
            for schema in ("public", "other", "Odd, one", "shadowed"):
                query = psycopg.sql.SQL("WITH gone AS (DELETE FROM {}.rating_events RETURNING 1) SELECT count(*) FROM gone")
                found.append(client.execute(query.format(psycopg.sql.Identifier(schema))).fetchone()[0])
            return found

        with closing(postgres(address)) as wire:
            told = played(wire, script, way)
        (there, *others) = counts()
        with closing(frontend(running)) as wire:
            assert played(wire, script, way) == told
        assert [sum(map(len, stream)), *others] == [there, *counts()[1:]]


@pytest.mark.parametrize("text", [
    "SELECT predict('rec', 1, 2)", "SELECT predict('rec', 1, 2) || 'x' FROM pg_class LIMIT 1",
    "EXPLAIN SELECT predict('rec', 1, 2)", "SELECT other.predict('rec', 1, 2)",
])  # fmt: skip
@pytest.mark.parametrize("path", ["other, public", "public, other"])
def test_a_call_is_of_the_function_that_postgres_finds(running, address, text, path):
    with closing(postgres(address)) as wire, closing(frontend(running)) as ours:
        for one in (wire, ours):
            one.ask(f"SET search_path = {path}")
        for _ in range(3):  # by then it could have been hot
            assert values(ours.ask(text)) == values(wire.ask(text))
            assert values(ours.say(*series(text), m.Sync())) == values(wire.say(*series(text), m.Sync()))
        assert outcome(ours.ask("SELECT flinkms.predict('rec', 1, 2)")).tags == ("SELECT 1",)
        assert outcome(ours.ask("INSERT INTO public.rating_events SELECT 1, 2, predict('rec', 1, 2), 'x'")).error == "0A000"
        ours.ask("SET search_path = public")
        assert values(ours.ask("SELECT predict('rec', 1, 2)")) != [(b"theirs",)]


def values(answer: Sequence[m.ServerMessage]) -> list[tuple]:
    return [one.values for one in answer if isinstance(one, m.DataRow)]


def test_a_name_that_must_mean_two_things_is_refused(running):
    with closing(frontend(running)) as wire:
        wire.ask(TEMPORARY)
        assert outcome(wire.ask("INSERT INTO public.rating_events SELECT * FROM rating_events")).error == "0A000"
        assert outcome(wire.ask("DROP TABLE rating_events, public.visits")).error == "0A000"
        prepared = m.Parse(statement="s", text=INSERT), m.Sync()
        assert outcome(wire.say(*prepared)).error == ""
        wire.ask("DROP TABLE rating_events")
        assert outcome(wire.say(m.Parse(statement="t", text=INSERT), m.Sync())).error == ""
        wire.ask(TEMPORARY)
        assert outcome(wire.say(m.Bind(statement="t"), m.Execute(), m.Sync())).error == "0A000", "it was told another plan"


def test_without_a_link_it_is_known_of_others_too(running, address):
    running.streams.events.batches.clear()
    with serving(replace(address, user="shadowed"), rights=f"host={address.host} user=postgres dbname=flinkms") as served:
        with closing(frontend(served)) as wire:
            assert outcome(wire.ask(INSERT)).tags == ("INSERT 0 1",)
            assert served.streams.events.rows == []
        with closing(frontend(served, search_path="public")) as wire:
            assert outcome(wire.ask(INSERT)).tags == ("INSERT 0 1",)
            assert len(served.streams.events.rows) == 1
    with closing(direct(address)) as client:
        assert client.execute("DELETE FROM shadowed.rating_events RETURNING 1").fetchall() == [(1,)]


# ---- what is kept for a role and a database ----

KEPT = {
    "default_transaction_read_only": "on",
    "statement_timeout": "5000",
    "lock_timeout": "90000",
    "search_path": "other, public",
    "TimeZone": "Europe/Berlin",
    "DateStyle": "ISO, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "application_name": "kept",
    "role": "shadowed",
    "work_mem": "8MB",
    "client_min_messages": "error",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "idle_session_timeout": "7000",
}
FORCED = {"client_encoding": "UTF8", "standard_conforming_strings": "on", "idle_session_timeout": "0"}
CHANGES = ("", "SET {} TO DEFAULT", "RESET {}", "RESET ALL", "DISCARD ALL")


@pytest.mark.parametrize("where", ["ROLE postgres", "DATABASE flinkms", "ROLE postgres IN DATABASE flinkms", "ROLE ALL"])
def test_a_session_starts_with_what_is_kept_for_it_and_goes_back_to_it(running, address, where):
    with closing(direct(address)) as client:
        try:
            for name, value in KEPT.items():
                client.execute(f"ALTER {where} SET {name} = {value if name == 'search_path' else repr(value)}")
            running.read_rights()
            for linked in (False, True):
                for change in CHANGES if where == "ROLE postgres" else CHANGES[:1]:
                    with closing(postgres(address)) as wire, closing(frontend(running)) as ours:
                        if linked:
                            ours.ask("SELECT count(*) FROM movies")
                        for name, value in KEPT.items():
                            other = "postgres" if name == "role" else value
                            for one in (wire, ours):
                                if change and name not in FORCED:
                                    one.ask(f"SET {name} = {other if name == 'search_path' else repr(other)}")
                                    one.ask(change.format(name))
                            told, found = wire.ask(f"SHOW {name}"), ours.ask(f"SHOW {name}")
                            expected = [(FORCED[name].encode(),)] if name in FORCED else values(told)
                            assert values(found) == expected, (name, change, linked)
        finally:
            client.execute(f"ALTER {where} RESET ALL")
            client.execute("ALTER DATABASE flinkms SET search_path = public")
            running.read_rights()


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_kept_holds_from_the_first_statement(running, address, linked):
    with closing(direct(address)) as client:
        def kept(name: str, value: str) -> Wire:
            client.execute("ALTER ROLE postgres RESET ALL")
            client.execute(f"ALTER ROLE postgres SET {name} = {value}")
            running.read_rights()
            wire = frontend(running)
            if linked:
                wire.ask("SELECT count(*) FROM movies")
            return wire

        try:
            with closing(kept("default_transaction_read_only", "on")) as wire:
                assert outcome(wire.ask(INSERT)).error == "25006"
                assert outcome(wire.ask("DROP MODEL rec")).error == "25006"
                wire.ask("SET default_transaction_read_only = off")
                assert outcome(wire.ask(INSERT)).tags == ("INSERT 0 1",)
                wire.ask("RESET ALL")
                assert outcome(wire.ask(INSERT)).error == "25006"
            with closing(kept("statement_timeout", "'20ms'")) as wire:
                slow = "SELECT predict('rec', g, 1) FROM generate_series(1, 2000000) g"
                assert outcome(wire.ask(slow)).error == "57014"
            with closing(kept("extra_float_digits", "0")) as wire:
                assert outcome(wire.ask("SELECT predict('rec', 1, 2)")).error == "0A000"
            with closing(kept("search_path", "other, public")) as wire:
                running.streams.events.batches.clear()
                assert outcome(wire.ask(INSERT)).tags == ("INSERT 0 1",)
                assert running.streams.events.rows == []
            with closing(kept("TimeZone", "'Asia/Tokyo'")) as wire:
                running.streams.visits.batches.clear()
                assert outcome(wire.ask("INSERT INTO visits (at) VALUES ('1970-01-01 09:00')")).error == ""
                assert running.streams.visits.batches[0][0][1] == 0
            with closing(kept("role", "shadowed")) as wire:
                assert values(wire.ask("SELECT current_user")) == [(b"shadowed",)]
                assert [one.transaction.role for one in running.server.shared.sessions.values()] == ["shadowed"]
        finally:
            client.execute("ALTER ROLE postgres RESET ALL")
            running.read_rights()
