"""What SET accepts acts on every route, however it was set, or is refused; and names of statements are shared."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from flinkms_sql.pgwire import messages as m
from flinkms_sql.server.address import BackendAddress
from tests.control_database import control_database
from tests.serving import Running
from tests.serving import frontend as serving
from tests.wire import Outcome, Wire, outcome
from tests.zones import ZONES, insert

pytestmark = pytest.mark.integration

POINT = "SELECT predict('rec', 1, 2)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendAddress]:
    with control_database(tmp_path_factory.mktemp("pg")) as found:
        yield found


@pytest.fixture(scope="module")
def running(address: BackendAddress) -> Iterator[Running]:
    with serving(address) as served:
        yield served


@pytest.fixture(params=[False, True], ids=["alone", "linked"])
def wire(running: Running, request: pytest.FixtureRequest) -> Iterator[Wire]:
    with closing(connect(running)) as opened:
        if request.param:
            assert outcome(opened.ask("SELECT count(*) FROM movies")).error == ""
        yield opened


def connect(running: Running, **settings: str) -> Wire:
    return Wire(("127.0.0.1", running.port), user="flinkms", database="flinkms", **settings)


def value(answer: list) -> str:
    (row,) = [one for one in answer if isinstance(one, m.DataRow)]
    return row.values[0].decode()


@pytest.mark.parametrize(
    "text",
    ["SET client_encoding TO 'LATIN1'", "SET NAMES 'SQL_ASCII'", "SET LOCAL client_encoding = 'WIN1252'",
     "SELECT 1; SET client_encoding = 'LATIN1'", "SET standard_conforming_strings = off",
     'SET SESSION "standard_conforming_strings" TO 0', "SET idle_session_timeout = '5s'"],
)  # fmt: skip
def test_what_the_frontend_would_misread_is_refused(wire, text):
    assert outcome(wire.ask(text)).error == "0A000"
    series = [m.Parse(statement="", text=text.rpartition("; ")[2]), m.Bind(), m.Execute(), m.Sync()]
    assert outcome(wire.say(*series)).error == "0A000"
    assert outcome(wire.ask(POINT)).tags == ("SELECT 1",)


@pytest.mark.parametrize(
    "settings",
    [{"client_encoding": "LATIN1"}, {"standard_conforming_strings": "off"}, {"options": "-c client_encoding=LATIN1"},
     {"options": "-c standard_conforming_strings=off"}, {"options": "--standard-conforming-strings=off"}],
)  # fmt: skip
def test_it_is_refused_when_a_session_starts(running, settings):
    with closing(connect(running, **settings)) as wire:
        assert outcome(wire.started) == Outcome((), "0A000", "gone")


@pytest.mark.parametrize(
    "text",
    ["SELECT set_config('client_encoding', 'LATIN1', false)",
     "SELECT set_config('standard_conforming_strings', 'off', false)",
     "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'"],
)  # fmt: skip
def test_set_behind_the_frontends_back_it_ends_the_session(running, wire, text):
    assert "0A000" in outcome(wire.ask(text)).error


def test_a_literal_that_hides_a_statement_stays_a_literal(running, address):
    hidden = r"SELECT '\''; DELETE FROM movies; --'"
    with closing(connect(running)) as wire:
        wire.pipeline(m.Query(text="SELECT set_config('standard_conforming_strings', 'off', false)"), m.Query(text=hidden))
    with closing(psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)) as direct:
        direct.execute("ALTER ROLE postgres SET standard_conforming_strings = off")
        direct.execute("ALTER ROLE postgres SET client_encoding = 'LATIN1'")
        try:
            with closing(connect(running)) as wire:
                assert value(wire.ask("SELECT count(*) FROM movies")) == "50"
                assert value(wire.ask("SHOW standard_conforming_strings")) == "on"
                assert value(wire.ask("SHOW client_encoding")) == "UTF8"
                wire.ask(f"{hidden}; {POINT}")
                wire.ask("RESET ALL")
                assert value(wire.ask("SHOW standard_conforming_strings")) == "on"
                assert value(wire.ask("SELECT count(*) FROM movies")) == "50"
        finally:
            direct.execute("ALTER ROLE postgres RESET ALL")


@pytest.mark.parametrize(
    ("setting", "sets"),
    [("extra_float_digits", "SET extra_float_digits = 0"),
     ("extra_float_digits", "SELECT set_config('extra_float_digits', '-3', false)"),
     ("extra_float_digits", "DO $$ BEGIN SET extra_float_digits = 0; END $$")],
)  # fmt: skip
def test_text_we_do_not_write_is_refused_until_it_is_reset(wire, setting, sets):
    plain = value(wire.ask(POINT))
    assert outcome(wire.ask(sets)).error == ""
    for _ in range(3):  # by then it could have been hot
        assert outcome(wire.ask(POINT)).error == "0A000"
    series = [m.Parse(statement="", text=POINT), m.Bind(result_formats=(1,)), m.Execute(), m.Sync()]
    assert outcome(wire.say(*series)).tags == ("SELECT 1",), "binary results have no look"
    wire.ask(f"RESET {setting}")
    assert value(wire.ask(POINT)) == plain
    wire.ask("BEGIN")
    wire.ask(f"SET LOCAL {setting} = 0")
    assert outcome(wire.ask(POINT)).error == "0A000"
    wire.ask("ROLLBACK")
    assert value(wire.ask(POINT)) == plain


def test_extra_float_digits_of_the_startup_packet(running):
    with closing(connect(running, options="-c extra_float_digits=0")) as wire:
        assert outcome(wire.ask(POINT)).error == "0A000"
    with closing(connect(running, extra_float_digits="3")) as wire:
        assert outcome(wire.ask(POINT)).tags == ("SELECT 1",)


@pytest.mark.parametrize("sets", ["SET statement_timeout = 150", "SELECT set_config('statement_timeout', '150ms', false)"])
def test_statement_timeout_ends_what_the_frontend_does(wire, sets):
    wire.ask(sets)
    began = time.monotonic()
    assert outcome(wire.ask("REFRESH MODEL rec")) == Outcome((), "57014", "idle")
    assert time.monotonic() - began < 5
    wire.ask("SET statement_timeout = 0")
    assert outcome(wire.ask(POINT)).tags == ("SELECT 1",)


@pytest.mark.parametrize("text", [
    "SELECT count(*) FROM (SELECT predict('rec', g, 1) FROM generate_series(1, 2000000) g) t",
    "INSERT INTO rating_events SELECT g, g, predict('rec', g, 1), 'x' FROM generate_series(1, 900000) g",
    "SELECT predict('rec', g, 1) p FROM generate_series(1, 2000000) g ORDER BY p DESC LIMIT 1",
])  # fmt: skip
def test_what_the_engine_did_too_slowly_has_no_effect(wire, running, text):
    running.streams.events.batches.clear()
    wire.ask("SET statement_timeout = 20")
    assert outcome(wire.ask(text)) == Outcome((), "57014", "idle")
    wire.ask("SET statement_timeout = 0")
    assert outcome(wire.ask(POINT)).tags == ("SELECT 1",)
    assert running.streams.events.rows == []


def test_a_read_only_session_neither_inserts_nor_deploys(wire):
    wire.ask("SET default_transaction_read_only = on")
    assert outcome(wire.ask("INSERT INTO rating_events VALUES (1, 2, 3, NULL)")).error == "25006"
    assert outcome(wire.ask("DROP MODEL other")).error == "25006"
    assert outcome(wire.ask("EVALUATE MODEL rec USING SELECT user_id, item_id, rating FROM rating_events")).error == ""
    wire.ask("SET default_transaction_read_only = off")
    assert outcome(wire.ask("INSERT INTO rating_events VALUES (1, 2, 3, NULL)")).tags == ("INSERT 0 1",)


BECOMING = (
    "SET ROLE analyst", "SELECT set_config('role', 'analyst', false)", "EXECUTE becoming", "SELECT * FROM becomes",
    "SELECT become(), predict('rec', g, 1) FROM (SELECT 1::bigint AS g) t", "BEGIN; SET LOCAL ROLE analyst; SELECT become(); COMMIT",
    "DO $$ BEGIN PERFORM become(); END $$", "UPDATE movies SET title = title WHERE become() IS NULL",
)  # fmt: skip
"""Statements by which a session takes another role."""


def test_the_role_is_known_however_it_was_set(running, address):
    with closing(psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)) as direct:
        direct.execute("DO $$ BEGIN CREATE ROLE analyst; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        direct.execute("CREATE OR REPLACE FUNCTION become() RETURNS text LANGUAGE plpgsql AS "
                       "$$ BEGIN RETURN pg_catalog.set_config('ro' || 'le', 'analyst', false); END $$")
        direct.execute("CREATE OR REPLACE VIEW becomes AS SELECT become()")
        direct.execute("GRANT SELECT ON becomes TO PUBLIC")
    with closing(connect(running, application_name="role test")) as wire:
        (session,) = [one for one in running.server.shared.sessions.values()
                      if one.transaction.local.shown("application_name") == "role test"]
        seen = [session.transaction.role]
        wire.ask("PREPARE becoming AS SELECT become()")
        wire.ask(POINT)
        for text in BECOMING:
            for said in (text, "RESET ROLE"):
                assert outcome(wire.ask(said)).error == "", said
                wire.ask(POINT)
                seen.append(session.transaction.role)
    own = seen[0]
    assert own != "analyst" and seen == [own, *["analyst", own] * len(BECOMING)]


PREPARE = "PREPARE s AS SELECT 1"


def parse(text: str) -> tuple:
    return m.Parse(statement="s", text=text), m.Sync()


def test_a_statements_name_is_taken_whoever_took_it(running):
    with closing(connect(running)) as wire:
        assert outcome(wire.ask(PREPARE)).tags == ("PREPARE",)
        assert outcome(wire.say(*parse(POINT))).error == "42P05"
        wire.ask("DEALLOCATE s")
        assert outcome(wire.say(*parse(POINT))).error == ""
        assert outcome(wire.ask(PREPARE)).error == "42P05"
        assert outcome(wire.say(*parse("SELECT count(*) FROM movies"))).error == "42P05"
        assert outcome(wire.ask("EXECUTE s")).error == "0A000"
        assert outcome(wire.say(m.Bind(statement="s"), m.Execute(), m.Sync())).tags == ("SELECT 1",)
        assert outcome(wire.ask("DEALLOCATE s")).tags == ("DEALLOCATE",)
        assert outcome(wire.say(*parse("SELECT count(*) FROM movies"))).error == ""
        assert outcome(wire.say(*parse(POINT))).error == "42P05"
        assert outcome(wire.say(m.Close(target="statement", name="s"), *parse(POINT))).error == ""
        wire.ask("DISCARD ALL")
        assert outcome(wire.ask(PREPARE)).tags == ("PREPARE",)


def test_names_taken_before_there_is_a_link(running):
    with closing(connect(running)) as wire:
        assert outcome(wire.say(*parse(POINT))).error == ""
        assert outcome(wire.ask(PREPARE)).error == "42P05"
        assert outcome(wire.say(m.Bind(statement="s"), m.Execute(), m.Sync())).tags == ("SELECT 1",)
        assert outcome(wire.say(m.Close(target="statement", name="s"), m.Sync())).error == ""
        assert outcome(wire.ask(PREPARE)).tags == ("PREPARE",)


def test_search_path_decides_which_table_a_name_is(running, address):
    with closing(psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)) as direct:
        direct.execute("CREATE SCHEMA other; CREATE TABLE other.rating_events (LIKE public.rating_events)")
        stream = running.streams.events
        before = len(stream.rows)
        with closing(connect(running)) as wire:
            wire.ask("SET search_path TO other")
            insert = "INSERT INTO rating_events VALUES (7, 7, 7, NULL)"
            assert outcome(wire.ask(insert)).tags == ("INSERT 0 1",)
            assert outcome(wire.say(m.Parse(statement="", text=insert), m.Bind(), m.Execute(), m.Sync())).error == ""
            assert len(stream.rows) == before
            assert outcome(wire.ask(insert.replace("rating", "public.rating"))).tags == ("INSERT 0 1",)
            assert len(stream.rows) == before + 1
            wire.ask("SET search_path TO nowhere")
            assert outcome(wire.ask(insert)).error == "42P01"
            wire.ask("RESET search_path")
            assert outcome(wire.ask(insert)).tags == ("INSERT 0 1",)
            assert len(stream.rows) == before + 2
        assert direct.execute("SELECT count(*) FROM other.rating_events").fetchone() == (2,)


STYLES = {"DateStyle": ("ISO, MDY", "ISO, DMY", "German", "SQL, DMY", "Postgres, MDY"), "bytea_output": ("hex", "escape")}
SHOWN = ("DATE '2024-02-03'", "TIMESTAMP '2024-02-03 04:05'", "TIMESTAMPTZ '2024-02-03 04:05+01'", "'\\x00ff'::bytea", "'a\\000'::bytea")


@pytest.mark.parametrize(("name", "style"), [(name, style) for name, styles in STYLES.items() for style in styles])
def test_text_looks_as_in_postgres_or_is_refused(running, name, style):
    sets = {"SET": (f"SET {name} = '{style}'",), "SET LOCAL": ("BEGIN", f"SET LOCAL {name} = '{style}'"),
            "set_config": (f"SELECT set_config('{name}', '{style}', false)",),
            "a function": (f"DO $$ BEGIN SET {name} = '{style}'; END $$",), "startup": ()}  # fmt: skip
    for way, texts in sets.items():
        with closing(connect(running, **({name: style} if way == "startup" else {}))) as wire:
            for text in texts:
                assert outcome(wire.ask(text)).error == ""
            for shown in SHOWN:
                ours = wire.ask(f"SELECT t, predict('rec', 1, 2) FROM (VALUES ({shown})) AS v (t)")
                refused = outcome(ours).error == "0A000"
                if refused:
                    assert style not in ("ISO, MDY", "ISO, DMY", "hex"), (way, shown)
                    wire.ask("ROLLBACK") if way == "SET LOCAL" else None
                    for text in texts if way == "SET LOCAL" else ():
                        wire.ask(text)
                    continue
                (row,) = [one for one in ours if isinstance(one, m.DataRow)]
                assert row.values[0].decode() == value(wire.ask(f"SELECT t FROM (VALUES ({shown})) AS v (t)")), (way, shown)


WRITTEN = ("2024-02-03", "2024-2-3 04:05", "02/03/2024", "3.2.2024", "03-Feb-2024", "Feb 3, 2024", "2024/02/03", "nonsense", "2024-13-45")


@pytest.mark.parametrize("style", STYLES["DateStyle"])
def test_a_date_is_read_as_in_postgres_or_not_at_all(running, wire, style):
    wire.ask(f"SET DateStyle = '{style}'")
    for text in WRITTEN:
        for literal in (True, False):
            running.streams.visits.batches.clear()
            wire.ask("TRUNCATE visits_there")
            found = []
            for table in ("visits", "visits_there"):
                insert = f"INSERT INTO {table} (day) VALUES ({repr(text) if literal else '$1::date' if table == 'visits_there' else '$1'})"
                bind = m.Bind(values=() if literal else (text.encode(),))
                found.append(outcome(wire.say(m.Parse(statement="", text=insert), bind, m.Execute(), m.Sync())))
            if found[0].error != "0A000":
                assert found[0] == found[1], (text, literal)
                kept = [row[3] for batch in running.streams.visits.batches for row in batch]
                there = wire.ask("SELECT day - date '1970-01-01' FROM visits_there")
                assert kept == [int(one.values[0]) for one in there if isinstance(one, m.DataRow)], (text, literal)
            else:
                assert not text.startswith("2024-"), "ISO is read whatever the style"


@pytest.mark.parametrize("text", ["SELECT set_config('idle_session_timeout', '90s', false)",
                                  "DO $$ BEGIN SET idle_session_timeout = '90s'; END $$"])
def test_a_timeout_that_postgres_would_measure_wrongly_ends_the_session(wire, text):
    wire.ask(text)
    assert "0A000" in outcome(wire.ask(POINT)).error


@pytest.mark.parametrize("zone", ZONES)
def test_times_of_streams_are_those_that_postgres_would_keep(running, wire, zone):
    kept = running.streams.visits.batches
    kept.clear()
    wire.ask("TRUNCATE visits_there")
    wire.ask(f"SET timezone TO '{zone}'")
    assert outcome(wire.ask(insert("visits"))) == outcome(wire.ask(insert("visits_there")))
    with closing(psycopg.connect(running.dsn, autocommit=True)) as client:
        there = client.execute(
            "SELECT id, CASE WHEN isfinite(at) THEN (extract(epoch FROM at) * 1000000)::bigint::text ELSE at::text END,"
            " CASE WHEN isfinite(shown) THEN (extract(epoch FROM shown) * 1000000)::bigint::text ELSE shown::text END,"
            " CASE WHEN isfinite(day) THEN (day - date '1970-01-01')::text ELSE day::text END FROM visits_there"
        ).fetchall()
    (batch,) = kept
    words = {2**63 - 1: "infinity", -(2**63): "-infinity", 2**31 - 1: "infinity", -(2**31): "-infinity"}
    here = [(row[0], *(None if one is None else words.get(one, str(one)) for one in row[1:])) for row in batch]
    assert here == there


def test_a_zone_only_postgres_knows_is_refused_where_it_matters(running, wire):
    assert outcome(wire.ask("SET timezone TO 'FOO+3'")).error == ""
    assert outcome(wire.ask("INSERT INTO visits (at) VALUES ('2026-07-01 12:00')")).error == "0A000"
    assert outcome(wire.ask("INSERT INTO visits (at) VALUES ('2026-07-01 12:00Z')")).error == ""
