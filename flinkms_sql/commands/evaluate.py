"""Measure a version of a model, as it is served, over held-out rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flinkms_sql.app import open_deployer
from flinkms_sql.catalog.address import parse_address
from flinkms_sql.catalog.storable import dumps
from flinkms_sql.deploy.events import Notice, Progress, Rows, Telling
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.flinkquery import read_flink_query
from flinkms_sql.query.statements.statement import EvaluateModel
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate``."""
    parser.add_argument("model", help="model address: rec, rec@3, rec@canary")
    parser.add_argument("query", help="Flink SQL that yields the model's inputs, then the label: "
                                      "'SELECT user_id, item_id, rating FROM held_out'")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print one line per metric; how far the job is goes to standard error."""
    statement = EvaluateModel(address=parse_address(arguments.model), query=read_flink_query(arguments.query, 1),
                              position=1)
    telling = Telling(0.0)
    with open_deployer(settings) as deployer, in_query(arguments.query):
        for event in deployer.execute(statement, arguments.query):
            match event:
                case Progress() if telling.is_due(event, 0.0):
                    print(event, file=sys.stderr)
                case Notice():
                    print(event, file=sys.stderr)
                case Rows():
                    show(event, as_json=arguments.json)
    return 0


@contextmanager
def in_query(query: str) -> Iterator[None]:
    """Errors whose position is in a query that was given by itself."""
    try:
        yield
    except FlinkmsError as error:
        error.query = query
        raise


def show(found: Rows, *, as_json: bool) -> None:
    """Print metrics as a table, or as JSON."""
    names = [column.name for column in found.columns]
    if as_json:
        print(dumps([dict(zip(names, row, strict=True)) for row in found.rows]))
        return
    print("  ".join(f"{name:>12}" for name in names))
    for row in found.rows:
        print("  ".join(f"{_shown(value):>12}" for value in row))


def _shown(value: object) -> str:
    """A value in a table; there is none for a metric over no rows."""
    if value is None:
        return "-"
    return f"{value:.6f}" if isinstance(value, float) else str(value)
