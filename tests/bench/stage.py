"""The deployment that a benchmark runs on: one of its own, or one that is there already, which it leaves as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from tests.bench.factors import MODEL
from tests.deployment import Deployment, deployed

TABLES = ("rating_events", "pairs", "few_pairs", "checked_pairs", "scores", "checked_scores")


@contextmanager
def stage(running: Deployment | None) -> Iterator[Deployment]:
    """A fresh deployment; or ``running``, from which goes on leaving what benchmarks make."""
    if running is None:
        with deployed() as fresh:
            yield fresh
        return
    try:
        yield running
    finally:
        with running.connect() as connection:
            connection.execute(sql.SQL("DROP MODEL IF EXISTS {} CASCADE").format(sql.Identifier(MODEL)))
            for name in TABLES:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(name)))
