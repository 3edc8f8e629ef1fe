"""Carry out a deployment file, statement by statement; what is already true is left alone.

``flinkms plan`` prints the very stages that this carries out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from flinkms_sql import errors
from flinkms_sql.app import open_deployer
from flinkms_sql.deploy.events import Done, Event, Notice, Progress, Rows
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.script import applying
from flinkms_sql.deploy.stages import SIGNS, Stage
from flinkms_sql.encoding import undecodable
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of apply and of plan."""
    parser.add_argument("file", type=Path, help="deployment file: SQL statements, ${NAME} inside quotes is a variable")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="variables",
                        help="value of a variable; else the environment's")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry the file out, with progress; what is already true is left alone."""
    text, values = read_file(arguments.file), variables(arguments.variables)
    with open_deployer(settings) as deployer, applying(
        deployer.store, text, values, on_wait=say_waiting, file=str(arguments.file)
    ) as found:
        apply_stages(found, deployer)
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


def read_file(file: Path) -> str:
    """The text of a deployment file. Raises FlinkmsError 58030, and 22021 where it is not in UTF-8."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f"could not read {file}: {error.strerror}") from error
    if (place := undecodable([data])) is not None:
        raise FlinkmsError(errors.CHARACTER_NOT_IN_REPERTOIRE, f"{file} is not in UTF-8: {place}")
    return data.decode()


def say_waiting() -> None:
    """Tell whoever applies that he is not the only one."""
    print("waiting for another apply", flush=True)


def apply_stages(found: list[Stage], deployer: Deployer) -> None:
    """Carry stages out in order, each on a line of its own: a bar on a terminal, plain text elsewhere."""
    console = Console(file=sys.stdout)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"),
               TimeElapsedColumn())
    for number, stage in enumerate(found):
        with Bars(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
            task, job, events = bars.add_task(stage.what, total=None, note=""), None, deployer.apply(stage)
            try:
                for event in events:
                    match event:
                        case Progress():
                            job = event.job
                            bars.update(task, total=event.total or None, completed=event.done, note=str(event))
                        case Notice():
                            console.print(f"  {event}", highlight=False)
                        case Rows():
                            for row in event.rows:
                                console.print(*row)
                        case Done():
                            sign = SIGNS.get(stage.action, "+") if event.changed else "="
                            console.print(f"{sign} {stage.what}", highlight=False)
            except KeyboardInterrupt as interrupt:
                leave(events, interrupt)
                console.print(interrupted(stage, job, len(found) - number - 1), highlight=False)
                raise


def leave(events: Iterator[Event], interrupt: KeyboardInterrupt) -> None:
    """End what a statement waits for, wherever it was interrupted, without taking back what it has begun."""
    if isinstance(events, Generator):
        with suppress(KeyboardInterrupt, StopIteration):
            events.throw(interrupt)


def interrupted(stage: Stage, job: int | None, left: int) -> str:
    """What an interrupted ``apply`` leaves: the job that goes on without it, and how much was not begun."""
    begun = f"not sure to be done: {stage.what}" if job is None else f"job {job} goes on: {stage.what}"
    rest = f"; not begun: {left} statement{'s' if left != 1 else ''}" if left else ""
    return f"interrupted in line {stage.given.entry.line}; {begun}{rest}; apply the file again to go on"
