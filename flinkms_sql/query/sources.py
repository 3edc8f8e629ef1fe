"""What a SELECT of the engine's reads from: VALUES, unnest, generate_series, recommend, similar, or nothing.

Must not know the rest of the statement. A column's type may be open until an argument that uses it decides: that is
how ``unnest($1, $2)`` gets its types from the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql.query.bind import K_DEFAULT, BoundCall, bind_argument
from flinkms_sql.query.constants import Parameters, Written, coerce, natural_type, read_constant
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.limits import refuse_constants
from flinkms_sql.query.nodes import (
    Constant,
    GenerateSeries,
    Literal,
    OutputColumn,
    RecommendScan,
    SimilarScan,
    Single,
    Source,
    Unnest,
    ValuesList,
)
from flinkms_sql.query.values import array_type, element_type, widens
from flinkms_sql.types import SqlType


class NeedsPostgres(Exception):
    """This statement is not of a shape the engine answers by itself; PostgreSQL has to take part."""


@dataclass(slots=True)
class OpenColumn:
    """A column of a source; ``type`` is None until it is known."""

    name: str
    type: SqlType | None


@dataclass(slots=True)
class OpenSource:
    """A source as read: ``rows`` of a VALUES list, ``arguments`` of a function."""

    kind: str
    columns: list[OpenColumn]
    alias: str | None = None
    rows: tuple[tuple[Written, ...], ...] = ()
    arguments: tuple[Written, ...] = ()
    with_ordinality: bool = False
    call: BoundCall | None = None


def read_source(cursor: Cursor, call: BoundCall | None, call_size: int, parameters: Parameters) -> OpenSource:
    """The source a FROM clause holds. ``call`` is the recommend or similar at its start, if there is one, of
    ``call_size`` tokens. Raises NeedsPostgres."""
    cursor.accept("LATERAL")
    if call is not None:
        source = _read_call(cursor, call, call_size, parameters)
    elif cursor.peek() == "(":
        source = _read_values(cursor, parameters)
    elif cursor.accept("UNNEST"):
        source = _read_unnest(cursor, parameters)
    elif cursor.accept("GENERATE_SERIES"):
        source = _read_series(cursor, parameters)
    else:
        raise NeedsPostgres
    _read_alias(cursor, source)
    return source


def _constants(cursor: Cursor, parameters: Parameters, *, defaults: bool = False) -> tuple[Written, ...]:
    """Constants in parentheses; with ``defaults``, DEFAULT is NULL."""
    start, end = cursor.skip_parentheses()
    found = []
    for first, last in split_commas(cursor.tokens, start, end):
        written = read_constant(Cursor(cursor.text, cursor.tokens, first, last), parameters)
        if defaults and last - first == 1 and cursor.tokens[first].word == "DEFAULT":
            written = Written(kind="null", value=None, type=None, position=cursor.tokens[first].position)
        if written is None:
            raise NeedsPostgres
        found.append(written)
    return tuple(found)


def _read_call(cursor: Cursor, call: BoundCall, size: int, parameters: Parameters) -> OpenSource:
    while cursor.peek() != "(":
        cursor.at += 1
        size -= 1
    arguments = _constants(cursor, parameters)[1:]
    columns = [OpenColumn(column.name, column.type) for column in call.columns]
    return OpenSource(call.function, columns, alias=call.function, arguments=arguments, call=call)


def _read_values(cursor: Cursor, parameters: Parameters) -> OpenSource:
    start, end = cursor.skip_parentheses()
    inner = Cursor(cursor.text, cursor.tokens, start, end)
    if not inner.accept("VALUES"):
        raise NeedsPostgres
    rows = read_rows(inner, parameters)
    columns = []
    for at in range(len(rows[0])):
        columns.append(OpenColumn(f"column{at + 1}", _common_type([row[at] for row in rows], parameters)))
    return OpenSource("values", columns, rows=rows)


def read_rows(cursor: Cursor, parameters: Parameters, *, defaults: bool = False) -> tuple[tuple[Written, ...], ...]:
    """The rows after VALUES, to the cursor's end. Raises NeedsPostgres unless rows are constants of one length, 54000
    when they are too many."""
    rows = [_constants(cursor, parameters, defaults=defaults)]
    count = len(rows[0])
    while cursor.accept(","):
        position = cursor.position
        rows.append(_constants(cursor, parameters, defaults=defaults))
        count += len(rows[-1])
        refuse_constants(count, position)
    if not cursor.done() or len({len(row) for row in rows}) != 1:
        raise NeedsPostgres
    return tuple(rows)


def _common_type(values: list[Written], parameters: Parameters) -> SqlType | None:
    """The type all values have in common; None while it is open."""
    common: SqlType | None = None
    for value in values:
        kind = natural_type(value, parameters)
        if kind is None or kind is common:
            continue
        if common is None or widens(common, kind):
            common = kind
        elif not widens(kind, common):
            raise NeedsPostgres
    return common


def _read_unnest(cursor: Cursor, parameters: Parameters) -> OpenSource:
    arguments = _constants(cursor, parameters)
    columns = []
    for argument in arguments:
        kind = natural_type(argument, parameters)
        if kind is not None and not kind.is_array:
            raise NeedsPostgres
        columns.append(OpenColumn("unnest", element_type(kind) if kind is not None else None))
    source = OpenSource("unnest", columns, alias="unnest", arguments=arguments)
    if cursor.accept("WITH", "ORDINALITY"):
        source.with_ordinality = True
        source.columns.append(OpenColumn("ordinality", SqlType.BIGINT))
    return source


def _read_series(cursor: Cursor, parameters: Parameters) -> OpenSource:
    arguments = _constants(cursor, parameters)
    kind = _common_type(list(arguments), parameters) or SqlType.BIGINT
    if len(arguments) not in (2, 3) or kind not in (SqlType.INT, SqlType.BIGINT):
        raise NeedsPostgres
    return OpenSource("series", [OpenColumn("generate_series", kind)], alias="generate_series", arguments=arguments)


def _read_alias(cursor: Cursor, source: OpenSource) -> None:
    if cursor.done():
        if source.kind == "values":
            raise NeedsPostgres
        return
    cursor.accept("AS")
    source.alias = cursor.take_name()
    if source.kind in ("unnest", "series") and len(source.columns) - source.with_ordinality == 1:
        source.columns[0].name = source.alias
    if cursor.peek() == "(":
        start, end = cursor.skip_parentheses()
        names = split_commas(cursor.tokens, start, end)
        if len(names) > len(source.columns) or any(last - first != 1 for first, last in names):
            raise NeedsPostgres
        for (first, _), column in zip(names, source.columns):  # the last columns may keep their names
            column.name = Cursor(cursor.text, cursor.tokens, first, first + 1).take_name()
    if not cursor.done():
        raise NeedsPostgres


def close_source(source: OpenSource | None, parameters: Parameters) -> Source:
    """The source as a node, every open type decided (text where nothing did). Raises NeedsPostgres."""
    if source is None:
        return Single()
    for column in source.columns:
        column.type = column.type or SqlType.STRING
    columns = tuple(OutputColumn(name=column.name, type=column.type or SqlType.STRING) for column in source.columns)
    match source.kind:
        case "values":
            rows = tuple(
                tuple(_closed(value, column.type, parameters) for value, column in zip(row, columns, strict=True))
                for row in source.rows
            )
            return ValuesList(rows=rows, columns=columns)
        case "unnest":
            kinds = [array_type(column.type) for column in columns[: len(source.arguments)]]
            arrays = tuple(_closed(value, kind, parameters)
                           for value, kind in zip(source.arguments, kinds, strict=True))  # fmt: skip
            return Unnest(arrays=arrays, with_ordinality=source.with_ordinality, columns=columns)
        case "series":
            start, stop, *rest = (_closed(value, columns[0].type, parameters) for value in source.arguments)
            step = rest[0] if rest else Literal(value=1, type=columns[0].type, position=start.position)
            return GenerateSeries(start=start, stop=stop, step=step, columns=columns)
    assert source.call is not None
    bound = source.call
    key, *rest = (bind_argument(value, at, bound, parameters) for at, value in enumerate(source.arguments))
    k = rest[0] if rest else Literal(value=K_DEFAULT, type=SqlType.BIGINT, position=bound.position)
    node = RecommendScan if source.kind == "recommend" else SimilarScan
    return node(model=bound.model, key=key, k=k, columns=columns)


def _closed(value: Written, kind: SqlType | None, parameters: Parameters) -> Constant:
    found = coerce(value, kind, parameters) if kind is not None else None
    if found is None:
        raise NeedsPostgres
    return found
