"""Laws of the engine: trees give PostgreSQL's rows, batches give what single requests give, pointers flip at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.catalog.address import ModelAddress, parse_address
from flinkms_sql.engine import rows
from flinkms_sql.engine.batcher import BATCH_ROWS_MAX, Batcher, PreparedPoint
from flinkms_sql.engine.columns import Value, column_of, convert, repeat, take
from flinkms_sql.engine.execute import at_once, predict_columns, run, run_node
from flinkms_sql.engine.explain import explain
from flinkms_sql.engine.registry import LoadedVersion, Period, Pointers, Registry, effective
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.nodes import OutputColumn, Parameter
from flinkms_sql.query.plan import ModelPlan, PointPlan, StreamInsertPlan
from flinkms_sql.types import SqlType
from tests.query_catalog import CATALOG, input_types
from udfs.block import Column
from udfs.model import ArgumentError


class Linear:
    """Predicts ``factor * first + second``; refuses a first argument of 13; a call of 666 is a bug."""

    algorithm = "linear"

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.sizes: list[int] = []

    def predict(self, _view: object, args: Sequence[Column]) -> Column:
        self.sizes.append(len(args[0]))
        if args[0].offsets is not None:
            return Column(np.add.reduceat(np.append(args[0].values, 0), args[0].offsets[:-1]).astype(float), args[0].valid)
        if (args[0].values == 13).any():
            raise ArgumentError("13 is unlucky", 0)
        if (args[0].values == 666).any():
            raise ZeroDivisionError
        valid = np.ones(len(args[0]), dtype=bool)
        for arg in args:
            valid &= True if arg.valid is None else arg.valid
        return Column(args[0].values * self.factor + args[1].values, None if valid.all() else valid)

    def recommend(self, _view: object, key: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        if key == 13:
            raise ArgumentError("13 is unlucky", 0)
        return np.arange(k), np.arange(k, 0, -1) * self.factor

    similar = recommend


NO_TABLES = SimpleNamespace(tables={}, constants={}, classes=None)


def loaded(name: str, version: int, factor: float) -> LoadedVersion:
    model = Linear(factor)
    return LoadedVersion(
        name=name, version=version, inputs=input_types(name), model=model, view=NO_TABLES, recommender=model,
        position=lambda: "users p0 1:64",
    )  # type: ignore[arg-type]  # fmt: skip


POINTERS = {
    "rec": Pointers(
        versions=frozenset({1, 2, 3}),
        aliases={"live": 2, "old": 1, "next": 3},
        history=(Period(version=1, valid_from=0, valid_to=1000), Period(version=2, valid_from=1000, valid_to=None)),
    ),
    "tumor": Pointers(versions=frozenset({1}), aliases={"live": 1}),
    "new": Pointers(versions=frozenset(), aliases={}),
}


def registry() -> Registry:
    found = Registry()
    found.become(loaded=[loaded("rec", 1, 10.0), loaded("rec", 2, 100.0), loaded("tumor", 1, 1.0)], pointers=POINTERS)
    return found


def values(column: Column) -> list[object]:
    found = column.values.tolist()
    return found if column.valid is None else [v if ok else None for v, ok in zip(found, column.valid, strict=True)]


def answer(text: str, parameters: Sequence[Value] = (), **options: int) -> list[tuple[object, ...]]:
    plan = analyze(text, CATALOG)
    assert isinstance(plan, ModelPlan)
    found = run(plan, parameters, registry(), **options)
    assert all(len(column) == found.row_count for column in found.columns)
    return list(zip(*(values(column) for column in found.columns), strict=True))


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        ("SELECT predict('rec', u, i) FROM unnest($1, $2) t(u, i)", [[1, 2], [5]], [(105.0,), (None,)]),
        ("SELECT u FROM (VALUES (3), (NULL), (1)) v(u) WHERE predict('rec', u, 0) > 100", [], [(3,)]),
        ("SELECT u, predict('rec', u, 1) s FROM (VALUES (2), (NULL), (1)) v(u) ORDER BY s DESC", [],
         [(None, None), (2, 201.0), (1, 101.0)]),
        ("SELECT u, predict('rec', u, 1) s FROM (VALUES (2), (NULL), (1)) v(u) ORDER BY s NULLS FIRST LIMIT 2", [],
         [(None, None), (1, 101.0)]),
        ("SELECT * FROM recommend('rec', 1, 3) OFFSET $1", [1], [(1, 200.0), (2, 100.0)]),
        ("SELECT * FROM recommend('rec', $1)", [None], []),
        ("SELECT * FROM similar($1, 1, 2)", [None], []),
        ("SELECT * FROM similar('rec@old', 1, 2) LIMIT $1", [None], [(0, 20.0), (1, 10.0)]),
        ("SELECT g FROM generate_series(5, 1, -2) g WHERE predict('rec', g, 0) <> 300", [], [(5,), (1,)]),
        ("SELECT g, predict('rec', g, 0) FROM generate_series(1, $1) g", [None], []),
        ("SELECT n, predict('rec@1', u, 2) FROM unnest($1) WITH ORDINALITY t(u, n)", [[7]], [(1, 72.0)]),
        ("SELECT predict('tumor', f), 1 FROM (VALUES (ARRAY[1, 2]), (ARRAY[3])) v(f)", [], [(3.0, 1), (3.0, 1)]),
        ("SELECT predict($1, 4, 2), $2 AS mine", ["rec@old", "x"], [(42.0, "x")]),
    ],
)  # fmt: skip
def test_trees(text: str, parameters: list[Value], expected: list[tuple[object, ...]]) -> None:
    given = [column_of(one, SqlType.BIGINT) if isinstance(one, list) else one for one in parameters]
    assert answer(text, given) == expected


@pytest.mark.parametrize(
    ("text", "parameters", "sqlstate", "position"),
    [
        ("SELECT predict('rec', u, 1) FROM (VALUES (1), (13)) v(u)", [], "22023", 23),
        ("SELECT * FROM recommend('rec', 13)", [], "22023", 32),
        ("SELECT * FROM recommend('rec', 1, -1)", [], "22023", 35),
        ("SELECT * FROM recommend('rec', 1) LIMIT $1", [-1], "2201W", 41),
        ("SELECT * FROM recommend('rec', 1) OFFSET $1", [-1], "2201X", 42),
        ("SELECT predict('rec', g, 1) FROM generate_series(1, 2, 0) g", [], "22023", 56),
        ("SELECT predict('rec', g, 1) FROM generate_series(1, 20000000) g", [], "54000", 50),
        ("SELECT * FROM recommend('rec@9', 1)", [], "42704", None),
        ("SELECT * FROM recommend('rec@nobody', 1)", [], "42704", None),
        ("SELECT * FROM recommend('rec@next', 1)", [], "55000", None),
        ("SELECT * FROM recommend($1, 1)", ["nobody"], "42704", None),
        ("SELECT * FROM recommend($1, 1)", ["new"], "55000", None),
        ("SELECT * FROM recommend($1, 1)", ["a b"], "22023", 25),
        ("SELECT * FROM recommend('rec@1960-01-01', 1)", [], "55000", None),
    ],
)
def test_errors_of_a_run(text: str, parameters: list[Value], sqlstate: str, position: int | None) -> None:
    with pytest.raises(FlinkmsError) as caught:
        answer(text, parameters)
    assert (caught.value.sqlstate, caught.value.position) == (sqlstate, position)


def test_as_of_of_the_session_is_for_live_only() -> None:
    assert answer("SELECT * FROM recommend('rec', 1, 1)", as_of=500) == [(0, 10.0)]
    assert answer("SELECT * FROM recommend('rec@2', 1, 1)", as_of=500) == [(0, 100.0)]
    assert effective(parse_address("rec@old"), 500) == parse_address("rec@old")


def test_a_stream_insert_gives_the_columns_of_the_stream() -> None:
    plan = analyze("INSERT INTO rating_events (rated_at, item_id, user_id) VALUES (now(), $1, 7), (NULL, 6.5, 8)", CATALOG)
    assert isinstance(plan, StreamInsertPlan)
    found = at_once(run_node(plan.source, [3], registry(), now=77))
    assert [values(column) for column in found.columns] == [[7, 8], [3, 7], [None, None], [77, None]]
    assert [column.values.dtype.str for column in found.columns] == ["<i8", "<i8", "<f8", "<i8"]


TWO_KEYS = (SqlType.BIGINT, SqlType.BIGINT)


def test_lookups_predict_whole_columns() -> None:
    output = OutputColumn(name="predict", type=SqlType.INT)
    arguments = [column_of([1, 2, None], SqlType.BIGINT), column_of([0, 7, 1], SqlType.BIGINT)]
    found = at_once(predict_columns(ModelAddress(name="rec", version=1), arguments, TWO_KEYS, output, (), registry()))
    assert values(found) == [10, 27, None]
    assert found.values.dtype == np.dtype("<i4")
    model = Parameter(number=1, type=SqlType.STRING, position=1)
    assert values(at_once(predict_columns(model, arguments, TWO_KEYS, output, [None], registry()))) == [None] * 3


def collect() -> tuple[list[object], Callable[[Value, Exception | None], None]]:
    found: list[object] = []
    return found, lambda value, error: found.append(value if error is None else error)


def point(text: str, as_of: int | None = None) -> PreparedPoint:
    plan = analyze(text, CATALOG)
    assert isinstance(plan, PointPlan)
    return PreparedPoint(plan, as_of)


def test_requests_of_one_turn_are_one_call_for_each_version() -> None:
    found, calls = registry(), []
    batcher = Batcher(found, calls.append)
    results, done = collect()
    live, old, literal = (point(f"SELECT predict({text})") for text in ("'rec', $1, $2", "'rec@1', $2, $1", "'rec', 1, 2"))
    for number in range(5):
        batcher.submit(live, (number, 1), done)
        batcher.submit(old, (1, number), done)
        batcher.submit(literal, (), done)
    assert (len(calls), results) == (1, [])
    calls.pop()()
    expected = [n * 100.0 + 1 for n in range(5)] + [102.0] * 5 + [n * 10.0 + 1 for n in range(5)]
    assert sorted(results) == sorted(expected)  # type: ignore[type-var]
    sizes = {version.version: version.model.sizes for version in found.loaded() if version.name == "rec"}  # type: ignore[attr-defined]
    assert sizes == {1: [5], 2: [10]}


def test_a_failing_request_fails_alone() -> None:
    calls: list[Callable[[], None]] = []
    batcher = Batcher(registry(), calls.append)
    live = point("SELECT predict('rec', $1, $2)")
    answers: dict[int, object] = {}
    for number in (1, 13, 2, 666, None):
        batcher.submit(live, (number, 0), lambda value, error, number=number: answers.update({number: error or value}))
    calls.pop()()
    assert (answers[1], answers[2], answers[None]) == (100.0, 200.0, None)
    refused = answers[13]
    assert isinstance(refused, FlinkmsError)
    assert (refused.sqlstate, refused.position) == ("22023", 23)
    assert isinstance(answers[666], ZeroDivisionError)


def test_a_promotion_takes_effect_with_the_next_flush() -> None:
    found, calls = registry(), []
    batcher = Batcher(found, calls.append)
    results, done = collect()
    live, before, named = (point("SELECT predict('rec', $1, $2)"), point("SELECT predict('rec', $1, $2)", as_of=5),
                           point("SELECT predict($1, $2, $3)"))  # fmt: skip
    for aliases in ({"live": 2}, {"live": 1}, {}):
        history = (Period(version=1, valid_from=0, valid_to=None),)
        pointers = {"rec": Pointers(versions=frozenset({1, 2}), aliases=aliases, history=history)}
        found.become(loaded=found.loaded(), pointers=pointers)
        batcher.submit(live, (1, 0), done)
        batcher.submit(before, (1, 0), done)
        batcher.submit(named, ("rec", 1, 0), done)
        batcher.submit(named, (None, 1, 0), done)
        calls.pop()()
    assert [result for result in results[:8] if result is not None] == [100.0, 100.0, 10.0, 10.0, 10.0, 10.0]
    assert [result.sqlstate for result in results if isinstance(result, FlinkmsError)] == ["55000", "55000"]


def test_a_long_queue_is_answered_in_turns() -> None:
    calls: list[Callable[[], None]] = []
    batcher = Batcher(registry(), calls.append)
    results, done = collect()
    live = point("SELECT predict('rec', $1, $2)")
    for number in range(BATCH_ROWS_MAX + 10):
        batcher.submit(live, (1000 + number, 0), done)
    calls.pop()()
    assert (len(results), len(calls)) == (BATCH_ROWS_MAX, 1)
    calls.pop()()
    assert (results, calls) == ([(1000 + n) * 100.0 for n in range(BATCH_ROWS_MAX + 10)], [])


def test_a_reader_sees_all_of_a_change_or_nothing() -> None:
    found = registry()
    generation = found.generation
    found.become(loaded=[loaded("rec", 1, 10.0)], pointers=POINTERS)
    assert found.generation == generation + 1
    with pytest.raises(FlinkmsError) as caught:
        found.resolve(parse_address("rec"))
    assert caught.value.sqlstate == "55000"
    assert found.resolve(parse_address("rec@old")).version == 1


def test_a_version_that_cannot_be_loaded_says_why() -> None:
    found = registry()
    broken = Pointers(versions=frozenset({1, 3}), aliases={"live": 3},
                      failures={3: FlinkmsError("XX001", 'file "base.json" is damaged')})
    found.become(loaded=[loaded("rec", 1, 10.0)], pointers={"rec": broken})
    with pytest.raises(FlinkmsError, match='version 3 of model "rec" cannot be loaded') as caught:
        found.resolve(parse_address("rec"))
    assert (caught.value.sqlstate, caught.value.detail) == ("55000", 'file "base.json" is damaged (XX001)')


def test_what_was_asked_of_a_model_that_became_another_meanwhile_is_not_asked_of_the_other() -> None:
    found, calls = registry(), []
    batcher = Batcher(found, calls.append)
    results, done = collect()
    batcher.submit(point("SELECT predict('rec', $1, $2)"), (1, 0), done)
    other = replace(loaded("rec", 1, 7.0), inputs=(SqlType.STRING, SqlType.BIGINT))
    found.become(loaded=[other], pointers={"rec": Pointers(versions=frozenset({1}), aliases={"live": 1})})
    calls.pop()()
    assert [error.sqlstate for error in results] == ["42804"]


def test_explain_shows_versions_and_positions_or_why_not() -> None:
    assert explain(analyze("EXPLAIN SELECT predict('rec', 1, 2)", CATALOG), registry()) == [
        "Point rec [version 2, users p0 1:64](user_id = 1, item_id = 2) -> predict DOUBLE",
        "  route: model",
    ]
    assert explain(analyze("SELECT * FROM recommend('rec@9', 1)", CATALOG), registry())[0].startswith(
        'Recommend rec@9 [model "rec" has no version 9]: 10 for 1'
    )


NUMBERS = st.lists(st.none() | st.floats(width=32) | st.integers(-3, 3).map(float), max_size=12)


@given(NUMBERS, st.booleans(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_order_is_postgres_order(given: list[float | None], descending: bool, nulls_first: bool) -> None:
    """NaN is the largest number, NULL stands where it is told, equals keep their order."""

    def rank(number: float | None) -> tuple[float, float]:
        if number is None:
            return (-9, 0) if nulls_first else (9, 0)
        key = (1.0, 0.0) if math.isnan(number) else (0.0, number)
        return (-key[0], -key[1]) if descending else key

    found = rows.order([(column_of(given, SqlType.DOUBLE), descending, nulls_first)])
    assert found.tolist() == sorted(range(len(given)), key=lambda at: rank(given[at]))


@given(NUMBERS, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), st.none() | st.floats(width=32) | st.just(1.0))
@settings(max_examples=50, deadline=None)
def test_comparisons_are_postgres_comparisons(given: list[float | None], operator: str, other: float | None) -> None:
    def key(number: float) -> tuple[bool, float]:
        return (True, 0.0) if math.isnan(number) else (False, number)

    def holds(number: float | None) -> bool:
        if number is None or other is None:
            return False
        a, b = key(number), key(other)
        return {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]

    found = rows.matches(column_of(given, SqlType.DOUBLE), operator, column_of([other], SqlType.DOUBLE))
    assert found.tolist() == [holds(number) for number in given]


def test_columns_of_lists() -> None:
    column = column_of([(1, 2), None, (), column_of([3.5], SqlType.DOUBLE)], SqlType.DOUBLE_ARRAY)
    assert (len(column), column.offsets.tolist(), column.values.tolist()) == (4, [0, 2, 2, 2, 3], [1.0, 2.0, 3.5])  # type: ignore[union-attr]
    taken = take(column, np.array([3, 0, 1]))
    assert (taken.values.tolist(), taken.offsets.tolist(), taken.valid.tolist()) == (  # type: ignore[union-attr]
        [3.5, 1.0, 2.0], [0, 1, 3, 3], [True, True, False])  # fmt: skip
    assert repeat((1, 2), SqlType.INT_ARRAY, 2).values.tolist() == [1, 2, 1, 2]
    with pytest.raises(FlinkmsError) as caught:
        column_of([(1, None)], SqlType.DOUBLE_ARRAY)
    assert caught.value.sqlstate == "22004"


def test_conversions() -> None:
    days = column_of([1, None], SqlType.DATE)
    assert values(convert(days, SqlType.DATE, SqlType.TIMESTAMP)) == [86_400_000_000, None]
    assert convert(column_of([3], SqlType.INT), SqlType.INT, SqlType.DOUBLE).values.dtype == np.float64
    with pytest.raises(FlinkmsError) as caught:
        column_of([2**40], SqlType.INT)
    assert caught.value.sqlstate == "22003"


def test_a_model_parameter_that_names_a_model_of_other_inputs_is_an_error() -> None:
    tree = analyze("SELECT predict($1, i, i) FROM generate_series(1, 3) AS t (i)", CATALOG)
    ranked = analyze("SELECT * FROM recommend($1, 1)", CATALOG)
    lookup = Parameter(number=1, type=SqlType.STRING, position=16)
    output = OutputColumn(name="predict", type=SqlType.DOUBLE)
    keys = [column_of([1], SqlType.BIGINT)] * 2
    for ask in (
        lambda: predict_point("SELECT predict($1, 1, 2)", ["tumor"]),
        lambda: run(tree, ["tumor"], registry()),
        lambda: run(ranked, ["tumor"], registry()),
        lambda: at_once(predict_columns(lookup, keys, TWO_KEYS, output, ["tumor"], registry())),
    ):
        with pytest.raises(FlinkmsError, match=r'model "tumor" takes \(double precision\[\]\), the statement') as caught:
            ask()
        assert (caught.value.sqlstate, caught.value.position is None) == ("42804", False)


def predict_point(text: str, parameters: Sequence[Value]) -> object:
    """What a batcher answers to one request. Raises its error."""
    calls: list[Callable[[], None]] = []
    results, done = collect()
    Batcher(registry(), calls.append).submit(point(text), parameters, done)
    calls.pop()()
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]
