"""Dropping in PostgreSQL: what a removal comes to, and carrying it out. Steps of a change, which holds the lock.

Must not decide what depends on what: dependents.py does, for both stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flinkms_sql import sqlfiles
from flinkms_sql.catalog import records, rows, shadows
from flinkms_sql.catalog.connection import Connection
from flinkms_sql.catalog.dependents import Removal, removal
from flinkms_sql.catalog.lifetimes import LEARNERS

_TABLES = sqlfiles.queries("catalog/tables")
_MODELS = sqlfiles.queries("catalog/models")
_JOBS = sqlfiles.queries("catalog/jobs")


def removal_of(connection: Connection, tables: Sequence[str], models: Sequence[str], missing: Sequence[str]) -> Removal:
    """What dropping these tables and models comes to."""
    unended = connection.execute(_JOBS["list"], {"states": list(records.OPEN), "model": None})
    return removal(tables, models, [rows.model(row) for row in connection.execute(_MODELS["list"])],
                   [rows.job(row) for row in unended], missing)


def remove(connection: Connection, found: Removal) -> None:
    """Forget the models of a removal, and tell its jobs to end."""
    for job in found.jobs:
        connection.execute(_JOBS["set_desired"], {"job": job, "desired": "canceled"})
    for model in found.models:
        connection.execute(_JOBS["hand_over_learners"], {"model": model, "option": LEARNERS})
        connection.execute(_MODELS["delete"], {"model": model})
    if found.models:
        shadows.drop_stubs(connection, map(rows.model, connection.execute(_MODELS["list"])))


def check_tables(connection: Connection, names: Iterable[str]) -> None:
    """Raises 42P01 for the first of the tables that is not registered."""
    known = {row["name"] for row in connection.execute(_TABLES["list"])}
    for name in names:
        if name not in known:
            raise records.no_table(name)
