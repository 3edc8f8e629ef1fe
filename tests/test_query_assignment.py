"""What a value becomes when a column of a stream stores it, and what it may be as an argument: PostgreSQL's casts.

Values and SQLSTATEs are PostgreSQL 18's, for a table with such columns and a function with such an argument.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from flinkms_sql.engine.execute import at_once, run_node
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import oids
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import StreamInsertPlan
from flinkms_sql.query.signatures import Catalog, TableSignature
from flinkms_sql.server.binding import planned
from flinkms_sql.types import SqlType
from tests.serving import REC, registry

COLUMNS = {"small": SqlType.SMALLINT, "big": SqlType.BIGINT, "single": SqlType.FLOAT, "double": SqlType.DOUBLE,
           "moment": SqlType.TIMESTAMP_LTZ, "numbers": SqlType.BIGINT_ARRAY, "note": SqlType.STRING}
CATALOG = Catalog(model_signatures=(REC,), generation=1, table_signatures=(
    TableSignature(name="kept", kind="stream", columns=tuple(COLUMNS.items())),))


def stored(column: str, expression: str, *values: object, declared: tuple[int, ...] = ()) -> object:
    """What the column holds after INSERT INTO kept (column) VALUES (expression)."""
    plan = planned(lambda types: analyze(f"INSERT INTO kept ({column}) VALUES ({expression})", CATALOG, types), declared)
    assert isinstance(plan, StreamInsertPlan)
    found = at_once(run_node(plan.source, values, registry(users=2, items=2, factors=2))).columns[list(COLUMNS).index(column)]
    if found.offsets is not None:
        return found.values.tolist()
    return None if found.valid is not None and not found.valid[0] else found.values.tolist()[0]


@pytest.mark.parametrize(("column", "oid", "given", "expected"), [
    ("big", oids.FLOAT8, 2.5, 2), ("big", oids.FLOAT8, 3.5, 4), ("big", oids.FLOAT8, -2.5, -2), ("big", oids.FLOAT4, 1.75, 2),
    ("big", oids.NUMERIC, Decimal("2.5"), 3), ("big", oids.NUMERIC, Decimal("-2.5"), -3),
    ("big", oids.NUMERIC, Decimal("9223372036854775807.4"), 2**63 - 1), ("small", oids.INT8, 32767, 32767),
    ("small", oids.FLOAT8, 32767.4, 32767), ("single", oids.FLOAT8, 0.1, 0.10000000149011612),
    ("single", oids.FLOAT8, float("inf"), float("inf")), ("single", oids.INT8, 2**40, 2.0**40), ("double", oids.NUMERIC, Decimal("0.1"), 0.1),
    ("double", oids.INT8, 3, 3.0), ("big", oids.FLOAT8, None, None), ("big", oids.NUMERIC, None, None), ("small", oids.INT4, None, None),
])  # fmt: skip
def test_a_number_of_any_type_is_stored_as_that_of_the_column(column, oid, given, expected):
    assert stored(column, "$1", given, declared=(oid,)) == expected


@pytest.mark.parametrize(("column", "oid", "given"), [
    ("small", oids.INT8, 32768), ("small", oids.INT4, -32769), ("small", oids.FLOAT8, 32767.5), ("big", oids.FLOAT8, 2.0**63),
    ("big", oids.FLOAT8, float("nan")), ("big", oids.FLOAT8, float("inf")), ("big", oids.NUMERIC, Decimal("9223372036854775807.5")),
    ("big", oids.NUMERIC, Decimal("NaN")), ("single", oids.FLOAT8, 1e300), ("single", oids.FLOAT8, 1e-300),
    ("double", oids.NUMERIC, Decimal("1e400")),
])  # fmt: skip
def test_a_number_that_the_column_cannot_hold_is_refused(column, oid, given):
    with pytest.raises(FlinkmsError) as caught:
        stored(column, "$1", given, declared=(oid,))
    assert caught.value.sqlstate == "22003"


@pytest.mark.parametrize(("column", "oid"), [("big", oids.BOOL), ("big", oids.TEXT), ("double", oids.VARCHAR), ("moment", oids.NUMERIC),
                                             ("moment", oids.INT8), ("small", oids.DATE)])
def test_what_is_no_number_is_not_stored_as_one(column, oid):
    with pytest.raises(FlinkmsError) as caught:
        stored(column, "$1", None, declared=(oid,))
    assert caught.value.sqlstate == "42804"


def test_a_parameter_of_two_columns_is_converted_for_each():
    plan = planned(lambda types: analyze("INSERT INTO kept (big, double) VALUES ($1, $1)", CATALOG, types), (oids.NUMERIC,))
    columns = at_once(run_node(plan.source, (Decimal("4.5"),), registry(users=2, items=2, factors=2))).columns
    assert (columns[1].values.tolist(), columns[3].values.tolist()) == ([5], [4.5])


@pytest.mark.parametrize(("column", "expression", "expected"), [
    ("big", "'2.5'::float8", 2), ("big", "('4.5'::numeric)", 5), ("double", "'4.5'::numeric", 4.5), ("big", "cast(2.5 AS decimal)", 3),
    ("small", "'7'::int8", 7), ("numbers", "'{\"1\", 2 ,\"3\"}'", [1, 2, 3]), ("numbers", "'[2:3]={1,2}'", [1, 2]),
])  # fmt: skip
def test_literals_are_stored_alike(column, expression, expected):
    assert stored(column, expression) == expected


@pytest.mark.parametrize("text", ["{1,,2}", "{1", "x", '{"1}', "{x}", '{""}'])
def test_a_malformed_array_is_refused(text):
    with pytest.raises(FlinkmsError) as caught:
        stored("numbers", f"'{text}'")
    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize("text", ["2026-02-03 +00", "2026-02-03+00", "2026-02-03z", "2026-02-03 utc", "2026-02-03 -05", "2026-02-03 +05:30"])
def test_a_date_may_have_an_offset(text):
    shift = {"-05": 5 * 60, "+05:30": -5 * 60 - 30}.get(text[11:], 0)
    expected = datetime(2026, 2, 3, tzinfo=timezone.utc).timestamp() + shift * 60
    assert stored("moment", f"'{text}'") == expected * 1_000_000


@pytest.mark.parametrize("text", ["2026-02-03-05", "2026-02-03t+00", "2026-02-03 05"])
def test_but_not_every_text_behind_it_is_one(text):
    with pytest.raises(FlinkmsError) as caught:
        stored("moment", f"'{text}'")
    assert caught.value.sqlstate == "22007"


@pytest.mark.parametrize("oid", [oids.BOOL, oids.TEXT, oids.VARCHAR, oids.FLOAT8, oids.NUMERIC, oids.DATE])
def test_an_argument_of_another_type_is_of_no_function(oid):
    with pytest.raises(FlinkmsError) as caught:
        planned(lambda types: analyze("SELECT predict('rec', $1, 2)", CATALOG, types), (oid,))
    assert caught.value.sqlstate == "42883"
