"""What a deployment file amounts to: one list of stages, read by ``plan`` (prints it) and ``apply`` (carries it out).

Pure: a file's statements and what is registered in, stages out. A statement that is already true is a stage that does
nothing, so that applying twice changes nothing; one that contradicts what is registered is an error before any is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, Snapshot, TableRecord
from flinkms_sql.deploy.placing import in_statement
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import tokenize
from flinkms_sql.query.script import ScriptStatement
from flinkms_sql.query.statements import statement as ast
from flinkms_sql.query.statements.describe import describe as described

Action = Literal["create", "train", "start", "replace", "run", "wait", "unchanged"]

SIGNS = {"unchanged": "=", "wait": "~", "replace": "!"}
"""What a line of a plan begins with; every other action adds something: +."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One statement of the deployment file of this name."""

    file: str
    entry: ScriptStatement
    statement: ast.Deploying

    @property
    def text(self) -> str:
        """The statement as written, variables put in."""
        return self.entry.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one statement comes to."""

    given: Given
    action: Action
    what: str

    def __str__(self) -> str:
        return f"{SIGNS.get(self.action, '+')} line {self.given.entry.line:>3}  {self.action:<9}  {self.what}"


def stages(script: Sequence[Given], snapshot: Snapshot, jobs: Sequence[JobRecord], holding: Mapping[str, str]) -> list[Stage]:
    """The stages of a file, in its order; ``holding``: by model, in what its standing job's query holds rows back.

    Raises 42710 when something is registered with another definition.
    """
    return [_stage(given, snapshot, jobs, holding) for given in script]


def _stage(given: Given, snapshot: Snapshot, jobs: Sequence[JobRecord], holding: Mapping[str, str]) -> Stage:
    with in_statement(given.file, given.entry):
        action = _action(given, snapshot, jobs)
    besides = _besides(action, given.statement, jobs, holding)
    return Stage(given=given, action=action, what=describe(given.statement) + besides)


def _besides(action: Action, statement: ast.Deploying, jobs: Sequence[JobRecord], holding: Mapping[str, str]) -> str:
    """What else a stage does."""
    match action, statement:
        case "replace", ast.LearnModel():
            known = standing_learner(jobs, statement.name)
            held = holding.get(statement.name)
            return (f", in place of job {known.id}, which is stopped and from whose end it goes on" if known else "") + (
                f"; rows that it then holds in {held} are not learned" if held else "")
        case "run", ast.RefreshModel() | ast.PromoteVersion() | ast.RollbackModel():
            held = holding.get(statement.name)
            return f"; {held} of its learning query begin empty for a version that has not learned by it" if held else ""
    return ""


def _action(given: Given, snapshot: Snapshot, jobs: Sequence[JobRecord]) -> Action:
    match statement := given.statement:
        case ast.CreateTable():
            known = snapshot.tables.get(statement.name)
            if known is None:
                return "create"
            check_same("table", statement.name, known.definition, statement.definition, statement.position)
            return "unchanged"
        case ast.CreateModel():
            return _model_action(statement, snapshot, jobs)
        case ast.LearnModel():
            known = standing_learner(jobs, statement.name)
            if known is None:
                return "start"
            return "unchanged" if same_text(known.query, statement.query.text) else "replace"
        case ast.Score():
            known = scored(jobs, given.text, snapshot.tables.get(statement.table))
            if known is None:
                return "run"
            return "wait" if known.desired == "finished" and known.state not in ENDED else "unchanged"
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


def standing_learner(jobs: Sequence[JobRecord], model: str) -> JobRecord | None:
    """The standing job that teaches a model, whether it runs at the moment or not. A model has one."""
    return next((job for job in jobs if job.kind == "learn" and job.model == model and job.desired == "running"
                 and job.state not in ENDED), None)


def scored(jobs: Sequence[JobRecord], text: str, table: TableRecord | None) -> JobRecord | None:
    """The newest job of the very same INSERT into the table as it is: it stands, is under way, or has done its work."""
    return next((job for job in reversed(jobs) if job.kind == "score" and same_text(job.statement, text)
                 and table is not None and job.created_at >= table.created_at
                 and (job.state == "finished" or (job.state not in ENDED and job.desired != "canceled"))), None)


def same_text(one: str, other: str) -> bool:
    """Whether two texts differ in white space and comments between their words at most."""
    return [token.text for token in tokenize(one)] == [token.text for token in tokenize(other)]


def check_same(kind: str, name: str, known: str, given: str, position: int) -> None:
    """Raises 42710 when two definitions differ in more than white space."""
    if not same_text(known, given):
        raise FlinkmsError(errors.DUPLICATE_OBJECT, f'{kind} "{name}" already exists with another definition',
                           detail=f"It is declared as: {known}.", hint=f"DROP {kind.upper()} {name} first.",
                           position=position)


def describe(statement: ast.Deploying) -> str:
    """A statement in a few words; of what it makes anew, with what that is made of."""
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
    return described(statement)
