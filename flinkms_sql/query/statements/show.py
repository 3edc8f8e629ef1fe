"""SHOW MODELS, VERSIONS, JOBS, TABLES and DESCRIBE MODEL: each is one statement of sql/show/, over the registry."""

from __future__ import annotations

from typing import Literal as Choice

from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import ShowPlan
from flinkms_sql.query.statements.parts import take_object_name
from flinkms_sql.query.statements.statement import Show
from flinkms_sql.types import SqlType

What = Choice["models", "versions", "jobs", "tables", "model"]

_TEXT, _NUMBER = SqlType.STRING, SqlType.BIGINT
_COLUMNS: dict[What, dict[str, SqlType]] = {
    "models": {"model": _TEXT, "algorithm": _TEXT, "signature": _TEXT, "live": _NUMBER, "versions": _NUMBER},
    "versions": {"model": _TEXT, "version": _NUMBER, "state": _TEXT, "aliases": _TEXT, "training_rows": _NUMBER,
                 "failed_rows": _NUMBER, "duration_ms": _NUMBER, "training_metrics": _TEXT,
                 "published_at": _TEXT, "error": _TEXT},
    "jobs": {"job": _NUMBER, "kind": _TEXT, "model": _TEXT, "version": _NUMBER, "desired": _TEXT, "state": _TEXT,
             "progress": _TEXT, "error": _TEXT},
    "tables": {"table": _TEXT, "kind": _TEXT, "connector": _TEXT, "columns": _TEXT},
    "model": {"property": _TEXT, "value": _TEXT},
}  # fmt: skip


def parse_show(cursor: Cursor) -> ShowPlan:
    """SHOW MODELS | VERSIONS [OF model] | JOBS | TABLES, DESCRIBE MODEL model."""
    if cursor.accept("DESCRIBE") or cursor.accept("DESC"):
        cursor.take("MODEL")
        return _plan(cursor, "model", name=True)
    cursor.take("SHOW")
    if cursor.accept("VERSIONS"):
        return _plan(cursor, "versions", name=cursor.accept("OF"))
    if cursor.accept("MODELS"):
        return _plan(cursor, "models")
    if cursor.accept("JOBS"):
        return _plan(cursor, "jobs")
    cursor.take("TABLES")
    return _plan(cursor, "tables")


def _plan(cursor: Cursor, what: What, *, name: bool = False) -> ShowPlan:
    position = cursor.position
    model = take_object_name(cursor) if name else None
    cursor.take_end()
    columns = tuple(OutputColumn(name=column, type=kind) for column, kind in _COLUMNS[what].items())
    arguments = () if what not in ("versions", "model") else (model or "",)
    statement = Show(what=what, name=model, position=position)
    return ShowPlan(statement=statement, query=f"show/{what}", arguments=arguments, columns=columns)
