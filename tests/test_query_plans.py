"""Laws of planning: what is not ours is never called ours, types declared by the client hold, plans are cached."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.catalog.address import ModelAddress, parse_address, parse_moment
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.cache import PlanCache
from flinkms_sql.query.classify import LOAD_TEXT_MIN
from flinkms_sql.query.flinkquery import read_flink_query
from flinkms_sql.query.lexer import split
from flinkms_sql.query.nodes import Literal, Parameter, Predict
from flinkms_sql.query.plan import LocalPlan, ModelPlan, PointPlan, RelayPlan, RewrittenPlan, StreamInsertPlan
from flinkms_sql.query.rewrite.lookup_predict import split_conjunction
from flinkms_sql.query.signatures import Catalog
from flinkms_sql.types import SqlType
from tests.golden import ROOT
from tests.query_catalog import CATALOG

CLIENT_QUERIES = [
    text
    for path in sorted((ROOT / "clients").glob("*.sql"))
    for text in path.read_text(encoding="utf-8").strip().split("\n\n")
]
"""What psql's backslash commands, SQLAlchemy's inspector and asyncpg send, as PostgreSQL logged it."""


@pytest.mark.parametrize("number", range(len(CLIENT_QUERIES)))
def test_queries_of_clients_are_not_ours(number: int) -> None:
    for statement in split(CLIENT_QUERIES[number]):
        plan = analyze(statement.text, CATALOG)
        assert isinstance(plan, (RelayPlan, LocalPlan)), statement.text


WORDS = st.sampled_from([
    "predict", "recommend", "similar", "ratings", "model", "movies", "a", "1", "'rec'", "from", "select", "where", ",", "(",
    ")", "and", "as", ".", "=", "join", "on", "with", "insert", "into", "values", "order by", "union", "$1", "create",
    "table", "case", "end", "flinkms", "group by", "lateral", "*", "::int", "show", "set", "explain",
])  # fmt: skip


@given(st.lists(WORDS, max_size=16).map(" ".join))
@settings(max_examples=120, deadline=None)
def test_any_text_gives_a_plan_or_an_error_with_its_place(text: str) -> None:
    try:
        analyze(text, CATALOG)
    except FlinkmsError as error:
        assert error.position is None or 1 <= error.position <= len(text) + 1


@given(st.lists(WORDS.filter(lambda word: word not in ("predict", "recommend", "similar", "ratings", "model", "show",
                                                       "set", "explain")), max_size=16).map(" ".join))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_without_names_of_ours_it_is_relayed(text: str) -> None:
    assert isinstance(analyze("select " + text, CATALOG), RelayPlan)


@pytest.mark.parametrize(
    ("oids", "types"),
    [
        ((), (SqlType.BIGINT, SqlType.BIGINT)),
        ((0, 705), (SqlType.BIGINT, SqlType.BIGINT)),
        ((21, 23), (SqlType.SMALLINT, SqlType.INT)),
        ((20,), (SqlType.BIGINT, SqlType.BIGINT)),
    ],
)
def test_declared_parameter_types_hold(oids: tuple[int, ...], types: tuple[SqlType, ...]) -> None:
    plan = analyze("SELECT predict('rec', $1, $2)", CATALOG, oids)
    assert isinstance(plan, PointPlan)
    assert plan.parameter_types == types
    assert [argument.type for argument in plan.arguments] == [SqlType.BIGINT, SqlType.BIGINT]


@pytest.mark.parametrize(("oid", "sqlstate"), [(25, "42883"), (701, "42883"), (1043, "42883"), (1700, "0A000")])
def test_declared_types_that_do_not_convert(oid: int, sqlstate: str) -> None:
    with pytest.raises(FlinkmsError) as caught:
        analyze("SELECT predict('rec', 1, $1)", CATALOG, (oid,))
    assert (caught.value.sqlstate, caught.value.position) == (sqlstate, 26)


def with_models(*inputs: tuple[SqlType, ...]) -> Catalog:
    """The catalog with further models that take these."""
    rec = CATALOG.model_signatures[0]
    others = [replace(rec, name=f"other_{number}", inputs=tuple((f"a{at}", kind) for at, kind in enumerate(kinds)))
              for number, kinds in enumerate(inputs)]  # fmt: skip
    return Catalog(model_signatures=(*CATALOG.model_signatures, *others))


def test_a_model_parameter_needs_models_of_one_signature() -> None:
    with pytest.raises(FlinkmsError) as caught:
        analyze("SELECT predict($1, $2, $3)", with_models((SqlType.STRING, SqlType.BIGINT)))
    assert caught.value.sqlstate == "42P18"
    plan = analyze("SELECT predict($1, $2, $3)", with_models((SqlType.BIGINT, SqlType.BIGINT)))
    assert isinstance(plan, PointPlan)
    assert plan.parameter_types == (SqlType.STRING, SqlType.BIGINT, SqlType.BIGINT)


@pytest.mark.parametrize(
    ("text", "oids", "types"),
    [
        ("SELECT predict($1, $2, $3)", (0, 21, 23), (SqlType.BIGINT, SqlType.BIGINT)),
        ("SELECT predict($1, 1, 2)", (), (SqlType.BIGINT, SqlType.BIGINT)),
        ("SELECT predict($1, 1, 2.5)", (), (SqlType.DOUBLE, SqlType.DOUBLE)),
        ("SELECT predict($1, $2, $3)", (0, 701, 20), (SqlType.DOUBLE, SqlType.DOUBLE)),
        ("SELECT predict($1, $2::text, $3)", (), (SqlType.STRING, SqlType.BIGINT)),
        ("SELECT predict($1, u, i) FROM unnest($2::bigint[], $3::bigint[]) AS t (u, i)", (),
         (SqlType.BIGINT, SqlType.BIGINT)),
        ("SELECT predict($1, u, i) FROM (VALUES (1.5, 2)) AS t (u, i)", (), (SqlType.DOUBLE, SqlType.DOUBLE)),
    ],
)  # fmt: skip
def test_a_model_parameter_means_the_models_that_its_arguments_fit_best(
    text: str, oids: tuple[int, ...], types: tuple[SqlType, ...]
) -> None:
    catalog = with_models((SqlType.DOUBLE, SqlType.DOUBLE), (SqlType.STRING, SqlType.BIGINT))
    plan = analyze(text, catalog, oids)
    arguments = plan.arguments if isinstance(plan, PointPlan) else predict_of(plan).arguments
    assert tuple(argument.type for argument in arguments) == types


def predict_of(plan: object) -> Predict:
    """The Predict node of a plan of one."""
    assert isinstance(plan, ModelPlan)
    node = plan.root
    while not isinstance(node, Predict):
        node = node.input
    return node


def test_a_parameter_only_postgres_can_type_stays_open() -> None:
    plan = analyze("SELECT title FROM movies WHERE year = $2 AND predict('rec', $1, item_id) > 3", CATALOG)
    assert isinstance(plan, RewrittenPlan)
    assert plan.parameter_types == (SqlType.BIGINT, None)
    assert [parameter.number for parameter in plan.steps[0].parameters] == [3, 4, 5]


def test_loads_of_data_are_relayed_unread() -> None:
    rows = ", ".join(f"({number}, 'it''s {number}')" for number in range(LOAD_TEXT_MIN // 8))
    assert isinstance(analyze(f"INSERT INTO movies VALUES {rows}", CATALOG), RelayPlan)
    into_stream = ", ".join(f"({number}, 1, 1)" for number in range(LOAD_TEXT_MIN // 8))
    assert isinstance(analyze(f"INSERT INTO rating_events VALUES {into_stream}", CATALOG), StreamInsertPlan)


def test_cache_plans_a_point_once_for_all_its_constants() -> None:
    cache = PlanCache()
    first = cache.plan_simple_query("SELECT predict('rec', 42, 7)", CATALOG)
    second = cache.plan_simple_query("SELECT predict('rec', 1, -2)", CATALOG)
    assert first.plan is second.plan
    assert (first.values, second.values, len(cache)) == ((42, 7), (1, -2), 1)


@pytest.mark.parametrize(
    ("text", "sqlstate", "position"),
    [
        ("SELECT predict('rec', 1, 2.5)", "42883", 26),
        ("SELECT predict('rec', 99999999999999999999, 2)", "22003", 23),
        ("SELECT predict('rce', 1, 2)", "42704", 16),
        ("SELECT predict('rec', 1, 2, 3)", "42883", 8),
    ],
)
def test_cache_reports_errors_as_of_the_text_written(text: str, sqlstate: str, position: int) -> None:
    with pytest.raises(FlinkmsError) as caught:
        PlanCache().plan_simple_query(text, CATALOG)
    assert (caught.value.sqlstate, caught.value.position) == (sqlstate, position)


def test_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = PlanCache(entries_max=2)
    kept = cache.plan("SELECT predict('rec', 1, $1)", CATALOG)
    for number in range(5):
        cache.plan(f"SELECT {number}", CATALOG)
        assert cache.plan("SELECT predict('rec', 1, $1)", CATALOG) is kept
    assert len(cache) == 2


def test_cache_forgets_another_generation() -> None:
    cache = PlanCache()
    text = "SELECT predict('rec', 1, 2)"
    assert isinstance(cache.plan(text, CATALOG), PointPlan)
    with pytest.raises(FlinkmsError):
        cache.plan(text, Catalog(generation=CATALOG.generation + 1))


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=50, deadline=None)
def test_numbers_keep_their_bits(key: int, feature: float) -> None:
    plan = analyze(f"SELECT predict('rec', {key}, NULL)", CATALOG)
    assert isinstance(plan, PointPlan)
    assert plan.arguments[0] == Literal(value=key, type=SqlType.BIGINT, position=23)
    plan = analyze(f"SELECT predict('tumor', ARRAY[{feature!r}])", CATALOG)
    assert isinstance(plan, PointPlan)
    assert isinstance(plan.arguments[0], Literal)
    assert repr(plan.arguments[0].value) == repr((feature,)) or feature == 0


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("rec", ModelAddress(name="rec", alias="live")),
        ("rec@3", ModelAddress(name="rec", version=3)),
        ("rec@canary", ModelAddress(name="rec", alias="canary")),
        ("rec@1970-01-02", ModelAddress(name="rec", as_of=86_400_000_000)),
        ("rec@1970-01-01 01:00:00.5+01", ModelAddress(name="rec", as_of=500_000)),
        ("rec@1970-01-01T00:00:00Z", ModelAddress(name="rec", as_of=0)),
    ],
)
def test_addresses(text: str, address: ModelAddress) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "@3", "rec@", "rec@0", "rec@-1", "rec@99999999999", "a b", "rec@2026-13-01", "3"])
def test_malformed_addresses(text: str) -> None:
    with pytest.raises(FlinkmsError) as caught:
        parse_address(text, position=5)
    assert (caught.value.sqlstate, caught.value.position) == ("22023", 5)


def test_moments_before_the_epoch() -> None:
    assert parse_moment("1969-12-31 23:59:59.999999") == -1


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("a AND b", ["a", "b"]),
        ("a BETWEEN 1 AND 2 AND b", ["a BETWEEN 1 AND 2", "b"]),
        ("( a AND b ) AND c", ["( a AND b )", "c"]),
        ("CASE WHEN a AND b THEN c END AND d", ["CASE WHEN a AND b THEN c END", "d"]),
        ("a OR b AND c", ["a OR b AND c"]),
        ("( a OR b ) AND c", ["( a OR b )", "c"]),
    ],
)
def test_conjunctions(condition: str, parts: list[str]) -> None:
    words = condition.split()
    assert [" ".join(words[first:last]) for first, last in split_conjunction(words)] == parts


def test_flink_queries_know_their_tables_and_calls() -> None:
    text = (
        "WITH w AS (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' MINUTE))) "
        "SELECT a.u, predict('rec@3', a.u, i + 1) FROM w JOIN `Pairs` AS a ON a.u = w.u, ratings FOR SYSTEM_TIME AS OF a.t"
    )
    query = read_flink_query(text, 10)
    assert [table.name for table in query.tables] == ["clicks", "Pairs", "ratings"]
    assert [text[table.position - 1 :].startswith(("clicks", "`Pairs`", "ratings")) for table in query.tables] == [True] * 3
    (call,) = query.calls
    assert text[call.start : call.end] == "predict('rec@3', a.u, i + 1)"
    assert (call.address, call.arguments) == (ModelAddress(name="rec", version=3), ("a.u", "i + 1"))


@pytest.mark.parametrize("call", ["recommend('rec', a)", "predict($1, a)", "predict('rec', predict('rec', 1, 2), 3)"])
def test_flink_queries_refuse_what_flink_cannot_run(call: str) -> None:
    with pytest.raises(FlinkmsError) as caught:
        read_flink_query(f"SELECT {call} FROM t", 100)
    assert caught.value.sqlstate == "0A000"
    assert caught.value.position is not None
    assert caught.value.position >= 107


def test_a_limit_is_a_parameter_of_the_tree() -> None:
    plan = analyze("SELECT * FROM recommend('rec', $2) LIMIT $1", CATALOG, (23,))
    assert isinstance(plan, ModelPlan)
    assert plan.parameter_types == (SqlType.INT, SqlType.BIGINT)
    assert plan.root.count == Parameter(number=1, type=SqlType.BIGINT, position=42)  # type: ignore[union-attr]
