"""Parts that several of our statements share: column lists, option lists, names, queries for Flink."""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.flinkquery import FlinkQuery, read_flink_query
from flinkms_sql.query.flinktext import refuse_hints
from flinkms_sql.query.lexer import Kind, is_too_long, name_too_long
from flinkms_sql.query.statements.statement import Column, Named
from flinkms_sql.types import SqlType, parse_type

_AFTER_TYPE = ("NOT", "NULL", "PRIMARY", "COMMENT", "METADATA", "CONSTRAINT", "UNIQUE", "DEFAULT")


def take_object_name(cursor: Cursor) -> str:
    """A name without a schema, whole; our objects are in none. Raises FlinkmsError 42622, 0A000."""
    name = take_whole_name(cursor)
    if cursor.peek() == ".":
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "models and Flink tables are in no schema",
                           hint=f"Leave out {name}.", position=cursor.position)  # fmt: skip
    return name


def take_whole_name(cursor: Cursor, what: str = "a name") -> str:
    """A name that nobody cuts. Raises FlinkmsError 42622 for one that PostgreSQL would."""
    token = cursor.token
    if token is not None and is_too_long(token):
        raise name_too_long(token, token.position)
    return cursor.take_name(what)


def take_if_not_exists(cursor: Cursor) -> bool:
    """Whether IF NOT EXISTS stands here; it is stepped over."""
    return cursor.accept("IF", "NOT", "EXISTS")


def take_if_exists(cursor: Cursor) -> bool:
    """Whether IF EXISTS stands here; it is stepped over."""
    return cursor.accept("IF", "EXISTS")


def take_dropped(cursor: Cursor) -> tuple[tuple[Named, ...], bool, bool]:
    """``[IF EXISTS] name, … [CASCADE | RESTRICT]`` up to the end: the names, whether they may be missing, whether it cascades."""
    if_exists = take_if_exists(cursor)
    targets = [_take_dropped_name(cursor)]
    while cursor.accept(","):
        targets.append(_take_dropped_name(cursor))
    cascade = cursor.accept("CASCADE")
    if not cascade:
        cursor.accept("RESTRICT")
    cursor.take_end()
    return tuple(targets), if_exists, cascade


def _take_dropped_name(cursor: Cursor) -> Named:
    if cursor.peek() == "PUBLIC" and cursor.peek(1) == ".":
        cursor.at += 2
    position = cursor.position
    return Named(name=take_object_name(cursor), position=position)


def take_column(cursor: Cursor) -> Column:
    """``name TYPE`` at the cursor, which stays before any constraint."""
    position = cursor.position
    name = take_whole_name(cursor, "a column name")
    return Column(name=name, type=take_type(cursor), position=position)


def take_type(cursor: Cursor) -> SqlType:
    """A type as Flink or PostgreSQL writes it, up to a constraint or the cursor's end."""
    start, position = cursor.at, cursor.position
    while not cursor.done() and cursor.peek() not in _AFTER_TYPE:
        cursor.at += 1
    if cursor.at == start:
        raise cursor.syntax_error(expected="a type")
    return parse_type(cursor.source(start, cursor.at), position=position)


def take_columns(cursor: Cursor) -> tuple[Column, ...]:
    """``(name TYPE, …)``, without constraints, names all different."""
    start, end = cursor.skip_parentheses()
    columns: list[Column] = []
    for first, last in split_commas(cursor.tokens, start, end):
        inner = Cursor(cursor.text, cursor.tokens, first, last)
        column = take_column(inner)
        _ = inner.accept("NOT", "NULL") or inner.accept("NULL")
        inner.take_end()
        refuse_duplicate(column, columns)
        columns.append(column)
    if not columns:
        raise Cursor(cursor.text, cursor.tokens, end).syntax_error(expected="a column")
    return tuple(columns)


def refuse_duplicate(column: Column, columns: list[Column]) -> None:
    """Raises 42701 when a column of this name was declared before."""
    if any(known.name == column.name for known in columns):
        raise FlinkmsError(errors.DUPLICATE_COLUMN, f'column "{column.name}" specified more than once', position=column.position)


def take_options(cursor: Cursor) -> dict[str, str]:
    """``('name' = 'value', …)``. Raises 42601 when a name comes twice."""
    start, end = cursor.skip_parentheses()
    options: dict[str, str] = {}
    for first, last in split_commas(cursor.tokens, start, end):
        inner = Cursor(cursor.text, cursor.tokens, first, last)
        position = inner.position
        name = inner.take_string("an option name in quotes")
        inner.take("=")
        value = inner.take_string("an option value in quotes")
        inner.take_end()
        if name in options:
            raise FlinkmsError(errors.SYNTAX_ERROR, f"option '{name}' is given more than once", position=position)
        options[name] = value
    return options


def take_query(cursor: Cursor) -> FlinkQuery:
    """The rest of the statement as a query for Flink."""
    if cursor.peek() not in ("SELECT", "WITH", "VALUES", "("):
        raise cursor.syntax_error(expected="SELECT")
    before, first, last = cursor.tokens[cursor.at - 1].end, cursor.token, cursor.tokens[cursor.end - 1]
    refuse_hints(cursor.text[before : first.start], before + 1)
    refuse_hints(cursor.text[last.end :], last.end + 1)
    return read_flink_query(cursor.source(cursor.at, cursor.end), cursor.position)


def take_version(cursor: Cursor) -> int:
    """A version number, from 1."""
    token = cursor.token
    if token is None or token.kind is not Kind.NUMBER or not token.text.isdigit() or int(token.text) == 0:
        raise cursor.syntax_error(expected="a version number")
    return cursor.take_integer()
