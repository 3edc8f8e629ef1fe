"""Laws of the lexer: nothing is lost, nothing is mistaken for something else, and statements end where they end."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import (
    Kind,
    Token,
    cut_name,
    name_value,
    normalize,
    quote_name,
    scan,
    split,
    string_value,
    tokenize,
)
from tests.query_catalog import CATALOG

PIECES = st.sampled_from([
    "select", "a", '"a""b"', "'it''s'", "e'\\'x'", "$$a;'b$$", "$t$ $$ $t$", "-- c\n", "/* /* ; */ */", "1.5e-3", "0x1F",
    ".5", "1..2", "$1", "::", "<=", "->>", "@", "(", ")", "[", "]", ",", ";", " ", "\n", "`q r`", "ünïcode", "@-", "*", "-",
    "U&'x'", "\\", "$",
])  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40))
@settings(max_examples=80, deadline=None)
def test_tokens_join_back_to_the_text(text: str) -> None:
    try:
        tokens = list(scan(text))
    except FlinkmsError as error:
        assert error.sqlstate == "42601"
        assert error.position is not None
        assert 1 <= error.position <= len(text)
        return
    assert "".join(token.text for token in tokens) == text
    assert [token.start for token in tokens] == [sum(len(t.text) for t in tokens[:at]) for at in range(len(tokens))]


@given(st.lists(PIECES.filter(lambda piece: piece not in (";", "\\", "$")), min_size=1, max_size=12), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_statement_within_others_is_the_statement_by_itself(pieces: list[str], before: int) -> None:
    text = " ".join(pieces)
    if text.count("(") != text.count(")") or ")" in text[: text.find("(") + 1]:
        return
    alone = split(text)
    among = split("select 1; " * before + text + "\n; select 2")
    assert [statement.text for statement in among[before:-1]] == [statement.text for statement in alone]
    for statement in alone:
        assert text[statement.offset : statement.offset + len(statement.text)] == statement.text


@given(st.text(max_size=20))
@settings(max_examples=50, deadline=None)
def test_quoting_is_undone(text: str) -> None:
    quoted = tokenize(quote_name(text)) if "\x00" not in text else []
    assert [name_value(token) for token in quoted] == ([cut_name(text)] if quoted else [])
    literal = tokenize("'" + text.replace("'", "''") + "'")
    assert [string_value(token) for token in literal] == [text]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a<=-1", ["a", "<=", "-", "1"]),
        ("a @-1", ["a", "@-", "1"]),
        ("a*-1", ["a", "*", "-", "1"]),
        ("a--b\n+1", ["a", "+", "1"]),
        ("a+/* x */b", ["a", "+", "b"]),
        ("x::int[1:2]", ["x", "::", "int", "[", "1", ":", "2", "]"]),
        ("$1$$a$$", ["$1", "$$a$$"]),
        ("foo$1", ["foo$1"]),
        ("1_000.5e+3", ["1_000.5e+3"]),
    ],
)
def test_operators_and_numbers(text: str, texts: list[str]) -> None:
    """scan.l: longest operator without a comment in it; no trailing sign unless a mark of its own is in it."""
    assert [token.text for token in tokenize(text)] == texts


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("'a''b'", "a'b"),
        (r"E'a\n\x41\u00e9\'\101'", "a\nAé'A"),
        ("$x$it's$x$", "it's"),
        ("N'x'", "x"),
        (r"E'\xff'", None),
        ("B'01'", None),
        ("U&'x'", None),
    ],
)
def test_string_values(token: str, value: str | None) -> None:
    assert [string_value(found) for found in tokenize(token)] == [value]


def test_only_words_are_keywords() -> None:
    kinds = {token.text: token.word for token in tokenize("""'select' "select" select $$select$$ `select`""")}
    assert [text for text, word in kinds.items() if word == "SELECT"] == ["select"]


@pytest.mark.parametrize("text", ["'a", '"a', "$$a", "$t$ a $$", "/* a /* */", "E'a\\'", "'a''"])
def test_what_does_not_end_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(FlinkmsError, match="unterminated") as caught:
        list(scan(f"x {text}"))
    assert caught.value.position == 3


def test_bodies_of_functions_and_rules_are_not_split() -> None:
    function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 2 END; END"
    rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)"
    assert [statement.text for statement in split(f"{function}; {rule}; END")] == [function, rule, "END"]


@pytest.mark.parametrize("text", ["", " ", ";", " ; -- c\n ;;", "/* only */", "-- only"])
def test_no_statement(text: str) -> None:
    assert split(text) == []


def test_normalize_takes_numbers_out_of_points_only() -> None:
    assert normalize("select predict('rec@3' , 42, -7.5) AS s;") == ("select predict('rec@3', $1, $2) AS s;", ("42", "-7.5"))
    for text in ("SELECT predict('rec', $1, 7)", "SELECT predict('rec', 1, 2) + 1", "SELECT predict('rec')", "SELECT 1"):
        assert normalize(text) == (text, ())


def test_kinds_of_tokens() -> None:
    found = {token.text: token.kind for token in scan("a 'b' 1 $1 \"c\" + -- d")}
    assert found == {
        "a": Kind.WORD, " ": Kind.BLANK, "'b'": Kind.STRING, "1": Kind.NUMBER, "$1": Kind.PARAMETER,
        '"c"': Kind.QUOTED, "+": Kind.OPERATOR, "-- d": Kind.COMMENT,
    }  # fmt: skip


GROWTH_MAX = 8.0
"""How much longer four times the bytes may take: four times and what chance adds; sixteen times is quadratic."""


@pytest.mark.parametrize(
    "text",
    [
        lambda n: "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC " + "SELECT 1;" * n + " END; SELECT 1",
        lambda n: "EXPLAIN " * n + "SELECT 1",
        lambda n: "SELECT 1 FROM t" + "\n" * n + "x; SELECT 2",
        lambda n: "SELECT " + "(" * n + "1" + ")" * n + "; SELECT 1",
        lambda n: "/*" * n + "*/" * n + " SELECT 1; SELECT 2",
        lambda n: "SELECT " + "+-" * n + "1; SELECT 1",
        lambda n: "SELECT $$" + "$a" * n + "$$; SELECT 1",
        lambda n: "SELECT '" + "''" * n + "'; SELECT 1",
        lambda n: "SELECT predict('rec', 1" + ", 1" * n,
    ],
)
def test_reading_a_text_takes_time_linear_in_its_length(text):
    """A client chooses the text, and everybody waits while it is read."""

    def seconds(n: int) -> float:
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            for statement in split(text(n)):
                normalize(statement.text)
                with suppress(FlinkmsError):
                    analyze(statement.text, CATALOG)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(2000) < GROWTH_MAX * max(seconds(500), 1e-3)


MEMORY_MAX = 16
"""Bytes of memory for each byte of a long literal or name: a few copies of it."""


@pytest.mark.parametrize("piece", ["x", "é", "''", "a''", "\\'", "\\x41", '""', "``"])
@pytest.mark.parametrize("quote", ["'", "E'", "U&'", '"', "`", "$$", "", "/*"])
def test_a_long_token_takes_no_more_memory_than_a_few_copies(quote, piece):
    text = f"SELECT predict('rec', 1, 1), {quote}{piece * (200_000 // len(piece))}{quote[-1:]}"
    tokens: list[Token] = []
    tracemalloc.start()
    with suppress(FlinkmsError):
        tokens = tokenize(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY_MAX * 400_000 or len(tokens) > 1000  # where the mark is no such token's, it is many
