"""Who answers a statement: a table over plan, text and what the session is in."""

from __future__ import annotations

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.server.route import Route, View, refuse_writing, route
from flinkms_sql.server.states import NEXT, State
from tests.serving import Catalogs

CATALOG = Catalogs().current()
ALONE = View(shown=("timezone",))
LINKED = View(linked=True, shown=("timezone",))
EVENT = "INSERT INTO rating_events VALUES (1, 2, 3, NULL)"
HERE, RAW, TEXT = Route.HERE, Route.RAW, Route.TEXT


def ask(text: str, view: View) -> Route | str:
    """The route, or the SQLSTATE of the refusal."""
    try:
        return route(analyze(text, CATALOG), text, view)
    except FlinkmsError as error:
        return error.sqlstate


def view(**changes: object) -> View:
    return View(**({"shown": ("timezone",)} | changes))


@pytest.mark.parametrize(
    ("text", "alone", "linked", "several_linked", "failed", "pending_block"),
    [
        # text                                     alone    linked   several  failed   rows wait in a block
        ("SELECT predict('rec', 1, 2)",            HERE,    HERE,    HERE,    "25P02", HERE),
        (EVENT,                                    HERE,    HERE,    HERE,    "25P02", HERE),
        ("SELECT * FROM movies",                   RAW,     RAW,     TEXT,    "25P02", RAW),
        ("SELECT 1",                               HERE,    RAW,     TEXT,    "25P02", RAW),
        ("BEGIN",                                  HERE,    RAW,     TEXT,    "25P02", RAW),
        ("COMMIT",                                 HERE,    RAW,     TEXT,    RAW,     HERE),
        ("ROLLBACK",                               HERE,    RAW,     TEXT,    RAW,     RAW),
        ("COMMIT AND CHAIN",                       "25P01", "25P01", "25P01", RAW,     HERE),
        ("SAVEPOINT a",                            "25P01", "25P01", "25P01", RAW,     RAW),
        ("ROLLBACK TO a",                          "25P01", "25P01", "25P01", RAW,     RAW),
        ("RELEASE a",                              "25P01", "25P01", "25P01", RAW,     RAW),
        ("PREPARE TRANSACTION 'x'",                RAW,     RAW,     TEXT,    RAW,     "0A000"),
        ("SET timezone TO 'UTC'",                  HERE,    RAW,     TEXT,    "25P02", RAW),
        ("SET work_mem TO '1MB'",                  RAW,     RAW,     TEXT,    "25P02", RAW),
        ("SET client_encoding TO 'LATIN1'",        "0A000", "0A000", "0A000", "25P02", "0A000"),
        ("SET standard_conforming_strings TO off", "0A000", "0A000", "0A000", "25P02", "0A000"),
        ("SET flinkms.as_of = ''",                 HERE,    HERE,    HERE,    "25P02", HERE),
        ("SHOW timezone",                          HERE,    RAW,     TEXT,    "25P02", RAW),
        ("SHOW work_mem",                          RAW,     RAW,     TEXT,    "25P02", RAW),
        ("DISCARD ALL",                            HERE,    RAW,     TEXT,    "25P02", RAW),
        ("DROP MODEL rec",                         HERE,    HERE,    HERE,    "25P02", "25001"),
        ("DO $$ BEGIN END $$",                     RAW,     RAW,     TEXT,    "25P02", RAW),
    ],
)  # fmt: skip
def test_where_a_statement_goes(text, alone, linked, several_linked, failed, pending_block):
    assert ask(text, ALONE) == alone
    assert ask(text, LINKED) == linked
    assert ask(text, view(linked=True, several=True)) == several_linked
    assert ask(text, view(linked=True, status="failed")) == failed
    assert ask(text, view(linked=True, status="transaction", pending=True)) == pending_block


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("SELECT * FROM movies", {"linked": True, "pending": True}, TEXT),
        ("DO $$ BEGIN END $$", {"linked": True, "pending": True}, "0A000"),
        ("DO $$ BEGIN END $$", {"linked": True, "pending": True, "several": True}, TEXT),
        ("COMMIT", {"linked": True, "hidden": True, "several": True}, HERE),
        ("BEGIN", {"linked": True, "hidden": True, "several": True}, HERE),
        ("DROP MODEL rec", {"linked": True, "hidden": True, "several": True}, "25001"),
        ("SET LOCAL timezone TO 'UTC'", {"several": True}, TEXT),
        ("SET LOCAL timezone TO 'UTC'", {"several": True, "status": "transaction"}, HERE),
        ("BEGIN READ ONLY", {"status": "transaction"}, RAW),
        ("BEGIN READ ONLY", {"pending": True}, RAW),
        ("ROLLBACK TO a", {"status": "failed"}, "3B001"),
        ("DEALLOCATE s", {"linked": True, "prepared": ("s",)}, HERE),
        ("DEALLOCATE s", {"linked": True}, RAW),
        ("EXECUTE s(1)", {"linked": True, "prepared": ("s",)}, "0A000"),
        ("EXECUTE t(1)", {"linked": True, "prepared": ("s",)}, RAW),
        # Only parsed or bound: what the state of the block forbids is said when it is run.
        ("DROP MODEL rec", {"executes": False}, HERE),
        ("DROP MODEL rec", {"executes": False, "linked": True, "status": "transaction"}, HERE),
        ("DROP MODEL rec", {"executes": False, "linked": True, "status": "failed"}, "25P02"),
        ("ROLLBACK", {"executes": False, "linked": True, "status": "failed"}, RAW),
        ("SAVEPOINT a", {"executes": False, "linked": True}, RAW),
        ("SET client_encoding TO 'LATIN1'", {"executes": False}, "0A000"),
    ],
)
def test_what_else_decides(text, given, expected):
    assert ask(text, view(**given)) == expected


@pytest.mark.parametrize(
    ("text", "refused"),
    [(EVENT, "INSERT"), ("DROP MODEL rec", "DROP MODEL"), ("REFRESH MODEL rec", "REFRESH MODEL"),
     ("EVALUATE MODEL rec USING SELECT user_id, item_id, rating FROM rating_events", None),
     ("SELECT predict('rec', 1, 2)", None), ("SHOW MODELS", None)],
)  # fmt: skip
def test_a_read_only_transaction_does_not_write(text, refused):
    plan = analyze(text, CATALOG)
    refuse_writing(plan, read_only=False)
    if refused is None:
        refuse_writing(plan, read_only=True)
        return
    with pytest.raises(FlinkmsError, match=f"cannot execute {refused} in a read-only transaction") as caught:
        refuse_writing(plan, read_only=True)
    assert caught.value.sqlstate == "25006"


def test_every_state_is_reached_and_left():
    assert set(NEXT) == set(State)
    assert set().union(*NEXT.values()) == set(State), "each is the next of one"
    assert all(State.ENDED in after for state, after in NEXT.items() if state is not State.ENDED)
    assert NEXT[State.ENDED] == frozenset()
    assert {state for state, after in NEXT.items() if State.HOT in after} == {State.RESTING}, "only a whole request is hot"
    assert {state for state, after in NEXT.items() if State.COPYING in after} == {State.WORKING}
