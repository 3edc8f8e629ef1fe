"""CREATE TABLE … WITH ('connector' = …), DROP TABLE of a Flink table, INSERT INTO a Flink table a query of Flink's.

The grammar is Flink's. The whole definition is kept: Flink parses it again; here it is read for what the catalog,
the stream and PostgreSQL's shadow of the table need.
"""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.flinktext import check_one_reading
from flinkms_sql.query.lexer import name_value
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.query.statements.parts import (
    refuse_duplicate,
    take_column,
    take_dropped,
    take_if_not_exists,
    take_object_name,
    take_options,
    take_query,
)
from flinkms_sql.query.statements.statement import Column, CreateTable, DropTable, Score


def parse_create_table(cursor: Cursor) -> CreateTable:
    """CREATE TABLE [IF NOT EXISTS] name (columns, WATERMARK, PRIMARY KEY) [COMMENT …] [PARTITIONED BY …] WITH (…)."""
    cursor.take("CREATE")
    if cursor.peek() in ("TEMPORARY", "TEMP"):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a Flink table cannot be temporary", position=cursor.position)
    cursor.take("TABLE")
    if_not_exists = take_if_not_exists(cursor)
    position = cursor.position
    name = take_object_name(cursor)
    body = _Body()
    start, end = cursor.skip_parentheses()
    for first, last in split_commas(cursor.tokens, start, end):
        body.read(Cursor(cursor.text, cursor.tokens, first, last))
    if not body.columns:
        raise Cursor(cursor.text, cursor.tokens, end).syntax_error(expected="a column")
    if cursor.accept("COMMENT"):
        cursor.take_string()
    if cursor.accept("PARTITIONED", "BY"):
        cursor.skip_parentheses()
    cursor.take("WITH")
    options = take_options(cursor)
    cursor.take_end()
    if "connector" not in options:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'table "{name}" names no connector',
                           hint="Add 'connector' = 'flinkms' or another to WITH (…).", position=position)  # fmt: skip
    check_one_reading(cursor.source(0, cursor.end), cursor.tokens[0].position)
    names = [column.name for column in body.columns]
    for key in body.primary_key:
        if key not in names:
            raise FlinkmsError(errors.UNDEFINED_COLUMN, f'column "{key}" named in key does not exist',
                               position=position)  # fmt: skip
    return CreateTable(name=name, columns=tuple(body.columns), primary_key=body.primary_key, watermark=body.watermark,
                       options=options, if_not_exists=if_not_exists, definition=cursor.source(0, cursor.end),
                       position=position)  # fmt: skip


class _Body:
    """What stands in the parentheses of a CREATE TABLE, entry by entry."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.primary_key: tuple[str, ...] = ()
        self.watermark: str | None = None

    def read(self, cursor: Cursor) -> None:
        if cursor.accept("WATERMARK", "FOR"):
            self.watermark = cursor.take_name("a column name")
            cursor.take("AS")
            return
        if cursor.peek() == "CONSTRAINT" and cursor.peek(2) == "PRIMARY":
            cursor.at += 2
        if cursor.accept("PRIMARY", "KEY"):
            start, end = cursor.skip_parentheses()
            names = [Cursor(cursor.text, cursor.tokens, first, last).take_name("a column name")
                     for first, last in split_commas(cursor.tokens, start, end)]  # fmt: skip
            self.primary_key = tuple(names)
            return
        if cursor.peek(1) == "AS":
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "computed columns are not supported",
                               hint="Compute it in the query that reads the table.",
                               position=cursor.position)  # fmt: skip
        column = take_column(cursor)
        refuse_duplicate(column, self.columns)
        self.columns.append(column)
        self.read_constraints(cursor, column)

    def read_constraints(self, cursor: Cursor, column: Column) -> None:
        while not cursor.done():
            if cursor.accept("PRIMARY", "KEY"):
                self.primary_key = (column.name,)
                cursor.accept("NOT", "ENFORCED")
            elif cursor.accept("COMMENT"):
                cursor.take_string()
            elif cursor.accept("METADATA"):
                if cursor.accept("FROM"):
                    cursor.take_string()
                cursor.accept("VIRTUAL")
            elif not (cursor.accept("NOT", "NULL") or cursor.accept("NULL")):
                raise cursor.syntax_error()


def parse_drop_table(cursor: Cursor, catalog: CatalogView) -> DropTable:
    """DROP TABLE [IF EXISTS] name, … [CASCADE | RESTRICT]: Flink tables. Raises 0A000 when some are PostgreSQL's."""
    cursor.take("DROP", "TABLE")
    targets, if_exists, cascade = take_dropped(cursor)
    for target in targets:
        before = next(token for token in reversed(cursor.tokens) if token.position < target.position)
        if before.word != "." and catalog.hides(target.name):
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "Flink tables are dropped in a statement of their own",
                               detail=f'"{target.name}" means another table here.', position=target.position)  # fmt: skip
        if len(targets) > 1 and catalog.table(target.name) is None:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "Flink tables are dropped in a statement of their own",
                               detail=f'"{target.name}" is no Flink table.', position=target.position)  # fmt: skip
    return DropTable(targets=targets, if_exists=if_exists, cascade=cascade)


def parse_score(cursor: Cursor, target: int) -> Score:
    """INSERT INTO table [(columns)] query; ``target`` is the token that names the table."""
    position = cursor.tokens[target].position
    cursor.at = target
    table = cursor.take_name()
    columns: tuple[str, ...] = ()
    if cursor.peek() == "(" and cursor.peek(1) not in ("SELECT", "WITH", "VALUES"):
        start, end = cursor.skip_parentheses()
        ranges = split_commas(cursor.tokens, start, end)
        columns = tuple(name_value(cursor.tokens[first]) or "" for first, _ in ranges)
    return Score(table=table, columns=columns, query=take_query(cursor), position=position)
