"""A name is the same to PostgreSQL, Flink and here: what PostgreSQL would cut is cut where only it is asked, else refused."""

from __future__ import annotations

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import NAME_BYTES_MAX, name_value, tokenize
from flinkms_sql.query.plan import LocalPlan, StreamInsertPlan
from flinkms_sql.query.signatures import Catalog, TableSignature
from flinkms_sql.query.statements.statement import Savepoint
from flinkms_sql.server.names import deallocated_name
from flinkms_sql.types import SqlType
from tests.query_catalog import CATALOG

WHOLE = "y" * NAME_BYTES_MAX
LONG = WHOLE + "A"
CUT = Catalog(table_signatures=(TableSignature(name=WHOLE, kind="stream", columns=((WHOLE, SqlType.BIGINT),)),))


@pytest.mark.parametrize(("text", "name"), [
    (LONG, WHOLE), (f'"{LONG}"', WHOLE), ("é" * 32, "é" * 31), ("a" + "é" * 31, "a" + "é" * 31), ('"' + '""' * 64 + '"', '"' * 63),
    ("ÉcoLE", "École"), ("ÄÖ", "ÄÖ"), ("İx", "İx"), ("KELVIN", "kelvin"), ("\u212aX", "\u212ax"), ("ABC", "abc"), ('"ABC"', "ABC"),
])  # fmt: skip
def test_a_name_is_as_postgres_keeps_it(text: str, name: str) -> None:
    assert [name_value(token) for token in tokenize(text)] == [name]
    assert deallocated_name(f"DEALLOCATE {text}") in (name, None)


def test_what_only_postgres_would_see_is_cut_as_it_does() -> None:
    plan = analyze(f"INSERT INTO {LONG} ({LONG}B) VALUES (1)", CUT)
    assert isinstance(plan, StreamInsertPlan) and plan.table == WHOLE
    plan = analyze(f"ROLLBACK TO {LONG}", CUT)
    assert isinstance(plan, LocalPlan) and plan.statement == Savepoint(action="rollback to", name=WHOLE)


@pytest.mark.parametrize("text", [
    f"CREATE TABLE {LONG} (a STRING) WITH ('connector' = 'blackhole')",
    f"CREATE TABLE t (`{LONG}` STRING) WITH ('connector' = 'blackhole')",
    f"CREATE TABLE t (a STRING, PRIMARY KEY ({LONG}) NOT ENFORCED) WITH ('connector' = 'blackhole')",
    f"CREATE MODEL {LONG} INPUT (a BIGINT) OUTPUT (b DOUBLE) USING 'ridge' AS SELECT a, b FROM t",
    f"CREATE MODEL m INPUT ({LONG} BIGINT) OUTPUT (b DOUBLE) USING 'ridge' AS SELECT a, b FROM t",
    f"CREATE MODEL m INPUT (a BIGINT) OUTPUT ({LONG} DOUBLE) USING 'ridge' AS SELECT a, b FROM t",
    f"INSERT INTO MODEL rec SELECT user_id, item_id, rating AS {LONG} FROM ratings",
    f"INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM {LONG}",
    f"DROP MODEL {LONG}", f"ALTER MODEL {LONG} ROLLBACK", f"REFRESH MODEL {LONG}", f"DESCRIBE MODEL {LONG}",
    "CREATE TABLE " + "é" * 32 + " (a STRING) WITH ('connector' = 'blackhole')",
])
def test_a_name_that_two_systems_would_not_know_by_the_same_is_refused(text: str) -> None:
    with pytest.raises(FlinkmsError) as raised:
        analyze(text, CATALOG)
    assert raised.value.sqlstate == errors.NAME_TOO_LONG
    assert raised.value.position is not None and text[raised.value.position - 1] in "yé`"


def test_a_name_of_63_bytes_is_none_too_long() -> None:
    for text in (f"CREATE TABLE {WHOLE} ({WHOLE} STRING) WITH ('connector' = 'blackhole')", f"DROP MODEL {WHOLE}"):
        analyze(text, CATALOG)
