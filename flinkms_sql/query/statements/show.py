"""SHOW MODELS, VERSIONS, METRICS, JOBS, TABLES and DESCRIBE: each is one statement of sql/show/, over the registry.

What is named must exist: a list of nothing would say that there is a model which has none.
"""

from __future__ import annotations

from typing import Literal as Choice

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import ShowPlan
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.query.statements.parts import take_object_name
from flinkms_sql.query.statements.statement import Show
from flinkms_sql.types import SqlType

What = Choice["models", "versions", "metrics", "jobs", "tables", "model", "table"]

_TEXT, _NUMBER, _FLOAT = SqlType.STRING, SqlType.BIGINT, SqlType.DOUBLE
_COLUMNS: dict[What, dict[str, SqlType]] = {
    "models": {"model": _TEXT, "algorithm": _TEXT, "signature": _TEXT, "live": _NUMBER, "versions": _NUMBER},
    "versions": {"model": _TEXT, "version": _NUMBER, "state": _TEXT, "aliases": _TEXT, "training_rows": _NUMBER,
                 "failed_rows": _NUMBER, "duration_ms": _NUMBER, "training_metrics": _TEXT,
                 "published_at": _TEXT, "error": _TEXT},
    "metrics": {"model": _TEXT, "version": _NUMBER, "metric": _TEXT, "value": _FLOAT, "rows": _NUMBER,
                "unknown_rows": _NUMBER, "failed_rows": _NUMBER, "measured_at": _TEXT},
    "jobs": {"job": _NUMBER, "kind": _TEXT, "model": _TEXT, "version": _NUMBER, "desired": _TEXT, "state": _TEXT,
             "progress": _TEXT, "attempts": _NUMBER, "error": _TEXT},
    "tables": {"table": _TEXT, "kind": _TEXT, "connector": _TEXT, "columns": _TEXT},
    "model": {"property": _TEXT, "value": _TEXT},
    "table": {"property": _TEXT, "value": _TEXT},
}  # fmt: skip
_OF_MODEL: tuple[What, ...] = ("versions", "metrics", "jobs")
"""Lists that OF restricts to one model."""


def parse_show(cursor: Cursor, catalog: CatalogView) -> ShowPlan:
    """SHOW MODELS | TABLES | {VERSIONS | METRICS | JOBS} [OF model], DESCRIBE {MODEL model | TABLE table}.

    Raises 42704 and 42P01 for a name that the catalog does not have.
    """
    if cursor.accept("DESCRIBE") or cursor.accept("DESC"):
        if cursor.accept("TABLE"):
            return _plan(cursor, "table", _take_table(cursor, catalog))
        cursor.take("MODEL")
        return _plan(cursor, "model", _take_model(cursor, catalog))
    cursor.take("SHOW")
    for what in _OF_MODEL:
        if cursor.accept(what.upper()):
            return _plan(cursor, what, _take_model(cursor, catalog) if cursor.accept("OF") else "")
    if cursor.accept("MODELS"):
        return _plan(cursor, "models")
    cursor.take("TABLES")
    return _plan(cursor, "tables")


def _take_model(cursor: Cursor, catalog: CatalogView) -> str:
    position = cursor.position
    name = take_object_name(cursor)
    if catalog.model(name) is None:
        raise FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" does not exist', position=position,
                           hint="SHOW MODELS lists them.")  # fmt: skip
    return name


def _take_table(cursor: Cursor, catalog: CatalogView) -> str:
    position = cursor.position
    name = take_object_name(cursor)
    if catalog.table(name) is None:
        raise FlinkmsError(errors.UNDEFINED_TABLE, f'Flink table "{name}" does not exist', position=position,
                           hint="SHOW TABLES lists them; psql's \\d describes PostgreSQL's own.")  # fmt: skip
    return name


def _plan(cursor: Cursor, what: What, name: str | None = None) -> ShowPlan:
    """``name``: None where the list takes none, empty for all models."""
    cursor.take_end()
    columns = tuple(OutputColumn(name=column, type=kind) for column, kind in _COLUMNS[what].items())
    return ShowPlan(statement=Show(what=what, name=name or None), query=f"show/{what}",
                    arguments=() if name is None else (name,), columns=columns)  # fmt: skip
