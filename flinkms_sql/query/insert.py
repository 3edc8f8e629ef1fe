"""INSERT INTO a stream, of rows the engine can compute by itself -> StreamInsertPlan.

Must not know how a stream is written. Values are converted as PostgreSQL does on assignment; columns that are not
named are NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.bind import written_type
from flinkms_sql.query.constants import Parameters, Written, coerce, count_parameters
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.enginequery import plan_engine_query
from flinkms_sql.query.lexer import Token, name_value
from flinkms_sql.query.nodes import (
    ColumnRef,
    Constant,
    Literal,
    Node,
    OutputColumn,
    Parameter,
    Predict,
    Project,
    Scalar,
    Single,
    ValuesList,
    Widened,
)
from flinkms_sql.query.plan import PointPlan, StreamInsertPlan
from flinkms_sql.query.scopes import read_structure
from flinkms_sql.query.signatures import CatalogView, Named, TableSignature
from flinkms_sql.query.sources import NeedsPostgres, read_rows
from flinkms_sql.query.values import assigns, from_number
from flinkms_sql.types import SqlType


def plan_stream_insert(
    text: str, tokens: list[Token], target: int, catalog: CatalogView, parameters: Parameters
) -> StreamInsertPlan:
    """The plan of an INSERT whose table is named by token ``target``. Raises FlinkmsError."""
    table = catalog.table(name_value(tokens[target]) or "")
    assert table is not None  # classify found it
    cursor = Cursor(text, tokens, target + 1)
    columns = _take_columns(cursor, table)
    _refuse_tail(cursor)
    try:
        if cursor.accept("VALUES"):
            source = _values(cursor, table, columns, parameters)
        else:
            source = _select(text, tokens[cursor.at :], table, columns, catalog, parameters)
    except NeedsPostgres:
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            f'what is inserted into stream "{table.name}" must be constants',
            hint="Write VALUES of literals and parameters, or SELECT from unnest, generate_series or VALUES.",
            position=cursor.position,
        ) from None
    types = parameters.types(count_parameters(tokens, parameters.declared))
    return StreamInsertPlan(table=table.name, source=source, parameter_types=types)


def _take_columns(cursor: Cursor, table: TableSignature) -> list[Named]:
    if cursor.peek() != "(" or cursor.peek(1) in ("SELECT", "VALUES", "WITH", "("):
        return list(table.columns)
    start, end = cursor.skip_parentheses()
    columns: list[Named] = []
    known = dict(table.columns)
    for first, last in split_commas(cursor.tokens, start, end):
        inner = Cursor(cursor.text, cursor.tokens, first, last)
        position, name = inner.position, inner.take_name("a column name")
        inner.take_end()
        if name not in known:
            raise FlinkmsError(errors.UNDEFINED_COLUMN, f'column "{name}" of stream "{table.name}" does not exist',
                               position=position)  # fmt: skip
        if any(name == other for other, _ in columns):
            raise FlinkmsError(errors.DUPLICATE_COLUMN, f'column "{name}" specified more than once', position=position)
        columns.append((name, known[name]))
    return columns


def _refuse_tail(cursor: Cursor) -> None:
    """RETURNING and ON CONFLICT: a stream has no keys and gives nothing back."""
    depth = 0
    for token in cursor.tokens[cursor.at : cursor.end]:
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word in ("RETURNING", "CONFLICT"):
            what = "RETURNING" if token.word == "RETURNING" else "ON CONFLICT"
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{what} is not supported for a stream",
                               position=token.position)  # fmt: skip


def _values(cursor: Cursor, table: TableSignature, columns: Sequence[Named], parameters: Parameters) -> Node:
    position = cursor.position
    rows = read_rows(cursor, parameters, defaults=True)
    if len(rows[0]) > len(columns):
        raise FlinkmsError(errors.SYNTAX_ERROR, "INSERT has more expressions than target columns",
                           position=rows[0][len(columns)].position)  # fmt: skip
    named = columns[: len(rows[0])]
    converted = []
    for row in rows:
        given = {name: _assigned(value, name, kind, parameters)
                 for value, (name, kind) in zip(row, named, strict=True)}  # fmt: skip
        converted.append(tuple(
            given.get(name) or Literal(value=None, type=kind, position=position) for name, kind in table.columns
        ))  # fmt: skip
    return ValuesList(rows=tuple(converted), columns=_columns(table))


def _assigned(written: Written, name: str, kind: SqlType, parameters: Parameters) -> Constant:
    found = coerce(written, kind, parameters)
    given = written.type
    if found is None and written.kind == "parameter":
        given = given or parameters.known(written.number, written.position)
        if given is not None and assigns(given, kind) and parameters.use(written.number, given, written.position):
            value = Parameter(number=written.number, type=given, position=written.position)
            found = Widened(constant=value, type=kind, position=written.position)
    elif found is None and given is not None and assigns(given, kind):
        literal = Literal(value=written.value, type=given, position=written.position)  # type: ignore[arg-type]
        found = Widened(constant=literal, type=kind, position=written.position)
    elif found is None and isinstance(written.value, Decimal):
        number = from_number(written.value, kind, cast=True, position=written.position)
        found = None if number is None else Literal(value=number, type=kind, position=written.position)
    if found is None:
        raise _mismatch(name, kind.value.postgres, written_type(written, parameters), written.position)
    return found


def _mismatch(name: str, expected: str, found: str, position: int) -> FlinkmsError:
    return FlinkmsError(
        errors.DATATYPE_MISMATCH,
        f'column "{name}" is of type {expected} but expression is of type {found}',
        position=position,
    )


def _select(
    text: str, tokens: list[Token], table: TableSignature, columns: Sequence[Named], catalog: CatalogView,
    parameters: Parameters,
) -> Node:  # fmt: skip
    if not tokens or tokens[0].word != "SELECT":
        raise NeedsPostgres
    plan = plan_engine_query(text, tokens, read_structure(tokens), catalog, parameters, [kind for _, kind in columns])
    if isinstance(plan, PointPlan):
        node: Node = Predict(input=Single(), model=plan.model, arguments=plan.arguments, column=plan.column)
    else:
        node = plan.root
    if len(node.columns) > len(columns):
        raise FlinkmsError(errors.SYNTAX_ERROR, "INSERT has more expressions than target columns",
                           position=tokens[0].position)  # fmt: skip
    places = {name: index for index, (name, _) in enumerate(columns[: len(node.columns)])}
    outputs: list[Scalar] = []
    for name, kind in table.columns:
        index = places.get(name)
        if index is None:
            outputs.append(Literal(value=None, type=kind, position=tokens[0].position))
            continue
        found = node.columns[index]
        if not assigns(found.type, kind):
            raise _mismatch(name, kind.value.postgres, found.type.value.postgres, tokens[0].position)
        outputs.append(ColumnRef(index=index, name=found.name, type=kind, position=tokens[0].position))
    return Project(input=node, outputs=tuple(outputs), columns=_columns(table))


def _columns(table: TableSignature) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(name=name, type=kind) for name, kind in table.columns)
