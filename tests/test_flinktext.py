"""What Flink runs is what was checked: no text has two readings, and a definition that has is not declared."""

from __future__ import annotations

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.submissions import DeclaredTable
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.flinktext import check_one_reading
from tests.query_catalog import CATALOG

SMUGGLED = "CREATE TABLE s (a STRING) WITH ('connector'='filesystem','format'='raw',{} 'path'='/data/a')"

MARKED = "CREATE TABLE s (a STRING, b TIMESTAMP(3), WATERMARK FOR b AS {}) WITH ('connector'='filesystem','path'='/data/a')"


@pytest.mark.parametrize("text", [
    SMUGGLED.format("/* /* */ 'path'='/outside') -- */"),
    SMUGGLED.format("/*/*/ 'path'='/outside') -- */ */"),
    SMUGGLED.format("/*+ '*/ 'x'='y',"),
    MARKED.format("b + $$) WITH ('path'='/outside') -- $$"),
    MARKED.format("b + E'\\') WITH (''path''=''/outside'') -- '"),
    MARKED.format("b // c\n"),
    MARKED.format("b +// c\n"),
    "INSERT INTO MODEL rec SELECT a, b, c /* /* */ , d -- */ \n FROM ratings",
])
def test_a_text_for_flink_that_has_two_readings_is_refused(text: str) -> None:
    with pytest.raises(FlinkmsError) as raised:
        analyze(text, CATALOG)
    assert raised.value.sqlstate == errors.FEATURE_NOT_SUPPORTED
    assert raised.value.position is not None and raised.value.position > 1


QUERY_OF = [
    "CREATE MODEL m INPUT (a BIGINT, b BIGINT) OUTPUT (c DOUBLE) WITH ('algorithm' = 'als') AS {}",
    "INSERT INTO MODEL rec {}", "EVALUATE MODEL rec USING {}", "EXPLAIN INSERT INTO MODEL rec {}",
    "INSERT INTO rating_events (user_id, item_id, rating) {}",
]


@pytest.mark.parametrize("statement", QUERY_OF)
@pytest.mark.parametrize("query", [
    "SELECT a, b, c FROM ratings /*+ OPTIONS('path'='/etc') */ WHERE a > 1", "SELECT a, b, c FROM ratings /*+ Options('x'='y') */",
    "SELECT a, b, c FROM ratings /*+ OPTIONS('x'='y') */ -- last", "(SELECT a, b, c FROM ratings /*+ STATE_TTL('r'='1 d'), options('x'='y') */)",
    "SELECT /*+ INDEX(r), NEST_LOOP(r) */ a, b, c FROM ratings r",
    "SELECT a, b, c FROM ratings r /*+ STATE_TTL('r'='1 d') */", "/*+ STATE_TTL('r'='1 d') */ SELECT a, b, c FROM ratings r",
])
def test_a_hint_acts_or_is_refused(statement: str, query: str) -> None:
    text = statement.format(query)
    with pytest.raises(FlinkmsError, match="hint") as raised:
        analyze(text, CATALOG)
    assert raised.value.sqlstate == errors.FEATURE_NOT_SUPPORTED
    assert raised.value.position == text.index("/*+") + 1


@pytest.mark.parametrize("statement", QUERY_OF)
def test_hints_for_flinks_planner_and_comments_are_let_through(statement: str) -> None:
    analyze(statement.format("/* x */ SELECT /*+ STATE_TTL('ratings'='1 d') */ user_id, item_id, rating FROM ratings /* + */ -- last"),
            CATALOG)


def test_comments_that_end_for_both_are_let_through() -> None:
    for text in ("a -- // /* b\n, c", "a /* x // -- */ , b /**/ / c", "'//', '/* /*', `//`",
                 "SELECT /*+ BROADCAST(t), STATE_TTL('a' = '1 d') */ a FROM t", "x'00', E'a', n'b', a / b * c"):
        check_one_reading(text, 1)


def test_a_table_that_flink_reads_otherwise_is_not_declared() -> None:
    checked = {"connector": "filesystem", "path": "/data/a"}
    table = DeclaredTable(name="s", definition="", options={"format": "flinkms-json"}, checked=checked, columns=["a", "b"])
    table.check_read("s", dict(reversed(checked.items())), ["A", "b"])
    for name, options, columns in (
        ("s", {**checked, "path": "/outside"}, ["a", "b"]), ("s", {**checked, "format": "raw"}, ["a", "b"]),
        ("s", {"connector": "filesystem"}, ["a", "b"]), ("s", checked, ["a"]), ("s", checked, ["b", "a"]),
        ("r", checked, ["a", "b"]),
    ):
        with pytest.raises(FlinkmsError) as raised:
            table.check_read(name, options, columns)
        assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE
