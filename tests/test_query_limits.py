"""However large a text is, it is planned in a bounded time and depth of stack, or refused where it is too much."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import STATEMENTS_MAX, split
from flinkms_sql.query.limits import CALLS_MAX, CONSTANTS_MAX, DEPTH_MAX
from flinkms_sql.query.plan import RelayPlan
from flinkms_sql.types import parse_type
from tests.query_catalog import CATALOG

SESSION_FRAMES = 200
"""Frames of the interpreter's that are in use when a session plans a statement, and some."""

NESTED: dict[str, Callable[[int], str]] = {
    "argument": lambda n: f"SELECT predict('rec', {'(' * n}1{')' * n}, 2)",
    "call": lambda n: f"SELECT {'(' * n}predict('rec', 1, 2){')' * n}",
    "array": lambda n: f"SELECT predict('tumor', {'ARRAY[' * n}1.0{']' * n})",
    "cast": lambda n: f"SELECT predict('rec', {'CAST(' * n}1{' AS BIGINT)' * n}, 2)",
    "calls": lambda n: f"SELECT {chr(39).join(['predict(', 'rec', ', 1, ']) * n}1{')' * n}",
    "subselects": lambda n: f"{'SELECT * FROM (' * n}SELECT predict('rec', 1, 2) p{') x' * n}",
    "explain": lambda n: f"EXPLAIN SELECT {'(' * n}predict('rec', 1, 2){')' * n}",
    "insert": lambda n: f"INSERT INTO rating_events (user_id) VALUES {'(' * n}1{')' * n}",
    "condition": lambda n: f"SELECT predict('rec', 1, 2) AS p FROM movies WHERE {'(' * n}predict('rec', 1, 2) > 1{')' * n}",
    "learn": lambda n: f"INSERT INTO MODEL rec SELECT {'(' * n}1{')' * n}, 2, 3 FROM rating_events",
    "declare": lambda n: f"CREATE TABLE q (a {'(' * n}{')' * n}) WITH ('connector' = 'flinkms')",
}


def within(frames: int, act: Callable[[], object]) -> object:
    """What the act gives so many frames further down."""
    return act() if frames == 0 else within(frames - 1, act)


def outcome(text: str) -> FlinkmsError | None:
    try:
        within(SESSION_FRAMES, lambda: analyze(text, CATALOG))
    except FlinkmsError as error:
        return error
    return None


@pytest.mark.parametrize("kind", NESTED)
def test_nesting_ends_in_an_error_that_says_where(kind: str) -> None:
    text = NESTED[kind]
    nearly = outcome(text(DEPTH_MAX - 2))
    assert nearly is None or nearly.sqlstate != errors.STATEMENT_TOO_COMPLEX
    for depth in (DEPTH_MAX + 1, 10_000):
        error = outcome(text(depth))
        assert error is not None and error.sqlstate == errors.STATEMENT_TOO_COMPLEX
        opened = [at for at, character in enumerate(text(depth)) if character in "(["]
        assert error.position is not None and error.position - 1 in opened[DEPTH_MAX - 1:DEPTH_MAX + 2]


def test_what_is_postgresqls_is_relayed_at_any_depth() -> None:
    assert isinstance(analyze(f"SELECT {'(' * 20_000}1{')' * 20_000}", CATALOG), RelayPlan)


@pytest.mark.parametrize("text", [f"{'ARRAY<' * 10_000}INT{'>' * 10_000}", f"INT{'[]' * 10_000}"])
def test_a_type_is_read_at_any_depth(text: str) -> None:
    with pytest.raises(FlinkmsError) as raised:
        parse_type(text)
    assert raised.value.sqlstate == errors.UNDEFINED_OBJECT


def test_calls_over_rows_have_a_number() -> None:
    call = "predict('rec', m.id, {})"
    text = f"SELECT {', '.join(call.format(number) for number in range(CALLS_MAX + 1))} FROM movies AS m"
    error = outcome(text)
    assert error is not None and error.sqlstate == errors.PROGRAM_LIMIT_EXCEEDED
    assert error.position == text.index(call.format(CALLS_MAX)) + 1
    assert outcome(f"SELECT {', '.join(call.format(number) for number in range(CALLS_MAX))} FROM movies AS m") is None


def test_a_values_list_has_an_end() -> None:
    width = 100
    row = f"({', '.join(['1'] * width)})"
    rows = f"{', '.join([row] * (CONSTANTS_MAX // width))}, (7"
    text = f"SELECT predict('rec', a, b) FROM (VALUES {rows}{', 1' * (width - 1)})) AS v (a, b)"
    error = outcome(text)
    assert error is not None and error.sqlstate == errors.PROGRAM_LIMIT_EXCEEDED
    assert error.position == text.index("(7") + 1


def test_a_text_has_so_many_statements() -> None:
    text = "SELECT 1;" * STATEMENTS_MAX
    assert len(split(text)) == STATEMENTS_MAX
    with pytest.raises(FlinkmsError) as raised:
        split(f"{text} SELECT 2")
    assert (raised.value.sqlstate, raised.value.position) == (errors.PROGRAM_LIMIT_EXCEEDED, len(text) + 2)
