"""What a deployment file amounts to: one list of stages, read by ``plan`` (prints it) and ``apply`` (carries it out).

Pure: a file's statements and what is registered in, stages out. A statement that is already true is a stage that does
nothing, so that applying twice changes nothing; one that contradicts what is registered is an error before any is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, Snapshot
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.statements import statement as ast

Action = Literal["create", "train", "start", "run", "wait", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One statement of a deployment file, with the line it starts at."""

    line: int
    text: str
    statement: ast.Deploying


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one statement comes to."""

    given: Given
    action: Action
    what: str

    def __str__(self) -> str:
        sign = {"unchanged": "=", "wait": "~"}.get(self.action, "+")
        return f"{sign} line {self.given.line:>3}  {self.action:<9}  {self.what}"


def stages(script: Sequence[Given], snapshot: Snapshot, jobs: Sequence[JobRecord]) -> list[Stage]:
    """The stages of a file, in its order. Raises 42710 when something is registered with another definition."""
    return [Stage(given=given, action=_action(given.statement, snapshot, jobs), what=describe(given.statement))
            for given in script]


def _action(statement: ast.Deploying, snapshot: Snapshot, jobs: Sequence[JobRecord]) -> Action:
    match statement:
        case ast.CreateTable():
            known = snapshot.tables.get(statement.name)
            if known is None:
                return "create"
            check_same("table", statement.name, known.definition, statement.definition, statement.position)
            return "unchanged"
        case ast.CreateModel():
            return _model_action(statement, snapshot, jobs)
        case ast.LearnModel():
            return "start" if standing_job(jobs, "learn", statement.query.text, statement.name) is None else "unchanged"
        case ast.Score():
            return "run"
    return "run"


def _model_action(statement: ast.CreateModel, snapshot: Snapshot, jobs: Sequence[JobRecord]) -> Action:
    known = snapshot.models.get(statement.name)
    if known is None:
        return "train" if statement.query is not None else "create"
    check_same("model", statement.name, known.definition, statement.definition, statement.position)
    if statement.query is None or (statement.name, LIVE) in snapshot.aliases:
        return "unchanged"
    return "train" if training_job(jobs, statement.name) is None else "wait"


def training_job(jobs: Sequence[JobRecord], model: str) -> JobRecord | None:
    """The training of a model that is under way."""
    return next((job for job in jobs if job.kind == "train" and job.model == model and job.state not in ENDED), None)


def standing_job(jobs: Sequence[JobRecord], kind: str, query: str, model: str | None = None) -> JobRecord | None:
    """The standing job of this kind, query and model that is wanted, whether it runs at the moment or not."""
    return next((job for job in jobs if job.kind == kind and job.query == query and job.desired == "running"
                 and job.state not in ENDED and (model is None or job.model == model)), None)


def check_same(kind: str, name: str, known: str, given: str, position: int) -> None:
    """Raises 42710 when two definitions differ in more than white space."""
    if known.split() != given.split():
        raise FlinkmsError(errors.DUPLICATE_OBJECT, f'{kind} "{name}" already exists with another definition',
                           detail=f"It is declared as: {known}.", hint=f"DROP {kind.upper()} {name} first.",
                           position=position)


def describe(statement: ast.Deploying) -> str:
    """A statement in a few words."""
    match statement:
        case ast.CreateTable():
            kind = "stream" if statement.options.get("connector") == "flinkms" else "table"
            return f"{kind} {statement.name} ({statement.options.get('connector')})"
        case ast.CreateModel():
            options = ", ".join(f"{key} {value}" for key, value in statement.options.items() if key != "algorithm")
            return f"model {statement.name}: {statement.algorithm}{f' ({options})' if options else ''}"
        case ast.LearnModel():
            return f"learning of model {statement.name} from {', '.join(table.name for table in statement.query.tables)}"
        case ast.Score():
            return f"scoring into {statement.table}"
        case ast.EvaluateModel():
            return f"evaluation of model {statement.address}"
        case ast.StopJob():
            return f"stop job {statement.job}"
    return f"{type(statement).__name__} {statement.name}"
