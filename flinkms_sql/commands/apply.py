"""Carry out a deployment file, statement by statement; what is already true is left alone.

``flinkms plan`` prints the very stages that this carries out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from flinkms_sql import errors
from flinkms_sql.app import open_deployer
from flinkms_sql.deploy.events import Done, Notice, Progress, Rows
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.stages import Given, Stage, stages
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.script import read_script
from flinkms_sql.query.signatures import Catalog, TableSignature
from flinkms_sql.query.statements import statement as ast
from flinkms_sql.serving.views import catalog_of
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of apply and of plan."""
    parser.add_argument("file", type=Path, help="deployment file: SQL statements, ${NAME} inside quotes is a variable")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="variables",
                        help="value of a variable; else the environment's")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry the file out, with progress; what is already true is left alone."""
    with open_deployer(settings) as deployer:
        apply_stages(read_stages(arguments.file, variables(arguments.variables), deployer), deployer)
    return 0


def variables(given: list[str]) -> Mapping[str, str]:
    """The environment with NAME=VALUE texts over it. Raises FlinkmsError 22023."""
    chosen = dict(os.environ)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'"{text}" is not NAME=VALUE')
        chosen[name] = value
    return chosen


def read_stages(file: Path, values: Mapping[str, str], deployer: Deployer) -> list[Stage]:
    """The stages of a deployment file against what is registered now. Errors name the file's line."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f"could not read {file}: {error.strerror}") from error
    snapshot = deployer.store.snapshot()
    catalog, given = catalog_of(snapshot), []
    for entry in read_script(text, values):
        plan = analyze(entry.text, catalog)
        if not isinstance(plan, DeployPlan):
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{file}:{entry.line}: not a deploying statement",
                               hint="Run relational statements through psql; see docs/sql.md.")
        given.append(Given(line=entry.line, text=entry.text, statement=plan.statement))
        catalog = _with(catalog, plan.statement)
    return stages(given, snapshot, deployer.store.jobs())


def _with(catalog: Catalog, statement: ast.Deploying) -> Catalog:
    """The catalog as it is once a statement was carried out: later statements of the file may name what it declares."""
    if not isinstance(statement, ast.CreateTable) or catalog.table(statement.name) is not None:
        return catalog
    kind = "stream" if statement.options.get("connector") == "flinkms" else "flink"
    table = TableSignature(name=statement.name, kind=kind,
                           columns=tuple((column.name, column.type) for column in statement.columns))
    return replace(catalog, table_signatures=(*catalog.table_signatures, table))


def apply_stages(found: list[Stage], deployer: Deployer) -> None:
    """Carry stages out in order, each on a line of its own: a bar on a terminal, plain text elsewhere."""
    console = Console(file=sys.stdout)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"),
               TimeElapsedColumn())
    for stage in found:
        with Bars(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
            task = bars.add_task(stage.what, total=None, note="")
            for event in deployer.apply(stage):
                match event:
                    case Progress():
                        bars.update(task, total=event.total or None, completed=event.done, note=str(event))
                    case Notice():
                        console.print(f"  {event}", highlight=False)
                    case Rows():
                        for row in event.rows:
                            console.print(*row)
                    case Done():
                        sign = "+" if event.changed else "="
                        console.print(f"{sign} {stage.what}", highlight=False)
