"""Frozen records of the registry, one per table of sql/catalog/, and the Snapshot a frontend works from.

Must not know about any database: a record is the same whichever store gave it. Timestamps are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from flinkms_sql import errors
from flinkms_sql.catalog.address import LIVE, ModelAddress
from flinkms_sql.catalog.retirement import retired
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Claim
from flinkms_sql.types import SqlType

TableKind = Literal["stream", "flink"]
VersionState = Literal["training", "ready", "failed", "retired"]
JobKind = Literal["train", "learn", "evaluate", "score", "insert"]
JobState = Literal["queued", "starting", "running", "restarting", "finished", "failed", "canceled"]
JobEnd = Literal["finished", "failed", "canceled"]
Desired = Literal["finished", "running", "canceled"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

ENDED: tuple[JobEnd, ...] = ("finished", "failed", "canceled")
"""States a job does not leave."""

OPEN: tuple[JobState, ...] = ("queued", "starting", "running", "restarting")
"""The other states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A declared column: of a table, or of a model's INPUT or OUTPUT list."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRecord:
    """A declared stream (connector flinkms, can be inserted into) or any other Flink table."""

    name: str
    kind: TableKind
    columns: tuple[Column, ...]
    options: Mapping[str, str]
    definition: str
    path: Claim | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A declared model; ``recommends`` says whether recommend() and similar() apply to it.

    ``tables`` are the Flink tables that the training query reads.
    incarnation: letters and digits that no other model has, not even one of the same name before it or after it.
    """

    name: str
    algorithm: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    options: Mapping[str, str]
    training_query: str | None
    definition: str
    recommends: bool
    tables: tuple[str, ...]
    created_at: datetime
    incarnation: str

    def __post_init__(self) -> None:
        if not self.inputs or not self.outputs:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'model "{self.name}" needs an input and an output')
        if self.recommends and len(self.inputs) != 2:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE,
                               f'model "{self.name}" recommends, so it needs two inputs, not {len(self.inputs)}')


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """What a finished training leaves in the registry beside its tables.

    ``positions`` are the log positions a reader must have reached before it serves the version:
    table -> partition -> (epoch, offset). Empty when the base alone is the version.
    """

    training_rows: int
    failed_rows: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    duration_ms: int
    code_hash: str
    training_metrics: Mapping[str, float] = field(default_factory=dict)
    positions: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version of a model; ``outcome`` is None until it was published."""

    model: str
    version: int
    state: VersionState
    path: Claim
    options: Mapping[str, str]
    outcome: TrainingOutcome | None
    error: str | None
    created_at: datetime
    published_at: datetime | None


Positions = Mapping[str, Mapping[str, Sequence[int]]]
"""Where something stands in logs: directory of a stream, or name of a table of a model -> partition -> (epoch, offset),
of streams also (epoch, offset, rows of the frame there)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerStart:
    """Where a learner starts.

    sources: by a stream's directory; what is not named is read from its beginning.
    logs:    by the version's table: what a log holds past it is superseded.
    restore: URI of the checkpoint these positions are from, when its query's own state is to be restored too.
    apart:   directories of streams that the query's scans had read unequally far: only its own state says what it learned.
    """

    sources: Positions = field(default_factory=dict)
    logs: Positions = field(default_factory=dict)
    restore: str | None = None
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A Flink job that teaches a version: its newest complete checkpoint, else ``start``, is what the version has learned.
    ``plan`` says what may restore that, ``job`` who asked for it, ``holds`` in what its query holds rows back: windows, joins."""

    job: int | None
    flink_job_id: str
    query: str
    plan: str
    start: LearnerStart
    holds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What a version knows of streams: where its training ended in those it read, and its latest learner, if any."""

    trained_to: Positions = field(default_factory=dict)
    learner: Learner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """An alias named this version from ``valid_from`` until just before ``valid_to`` (None: still does)."""

    model: str
    alias: str
    version: int
    valid_from: datetime
    valid_to: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be enqueued. ``desired = 'running'``: a standing job, resubmitted whenever it is not there."""

    kind: JobKind
    statement: str
    query: str
    model: str | None = None
    version: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    desired: Desired = "finished"

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that the job reads and writes: they must exist."""
        return (*self.options.get("tables", ()), *self.options.get("targets", ()))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the job works for or asks: they must exist."""
        return tuple(name for name in (self.model, *(call["model"] for call in self.options.get("calls", ()))) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job: what was asked, what is wanted, and how far it is.

    While it restarts, ``error`` is what ended the newest of its ``attempts``; a job that runs has none.
    """

    id: int
    kind: JobKind
    model: str | None
    version: int | None
    statement: str
    query: str
    options: Mapping[str, Any]
    desired: Desired
    state: JobState
    flink_job_id: str | None
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    error: str | None
    sqlstate: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One measurement of a served version; rows with unknown ids count in ``value``, failed rows do not."""

    model: str
    version: int
    metric: str
    value: float
    row_count: int
    unknown_rows: int
    failed_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """A measurement with the moment it was taken."""

    measured: Metric
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailure:
    """A ready version that a frontend, by the address it listens on, cannot load, and why."""

    frontend: str
    model: str
    version: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a frontend needs, as of one moment. ``generation`` grows with every change of it.

    ``versions`` holds ready versions only, ``retired`` names those whose files go; ``history`` is per (model, alias),
    oldest first.
    """

    generation: int
    tables: Mapping[str, TableRecord]
    models: Mapping[str, ModelRecord]
    versions: Mapping[tuple[str, int], VersionRecord]
    aliases: Mapping[tuple[str, str], int]
    history: Mapping[tuple[str, str], tuple[AliasChange, ...]]
    retired: frozenset[tuple[str, int]] = frozenset()

    def resolve(self, address: ModelAddress) -> VersionRecord:
        """The version an address means now. Raises as the three methods below do."""
        if address.version is not None:
            return self.by_number(address.name, address.version)
        if address.as_of is not None:
            return self.as_of(address.name, _EPOCH + timedelta(microseconds=address.as_of))
        return self.by_alias(address.name, address.alias or LIVE)

    def by_alias(self, model: str, alias: str = LIVE) -> VersionRecord:
        """The version an alias names. Raises 42704 for unknown names, 55000 when the model has no version yet."""
        self._known(model)
        number = self.aliases.get((model, alias))
        if number is None and alias == LIVE:
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'model "{model}" has no live version',
                               hint="Its first training has not finished; see flinkms.model_versions.")
        if number is None:
            raise unknown("alias", alias, model)
        return self.by_number(model, number)

    def by_number(self, model: str, version: int) -> VersionRecord:
        """A ready version by number. Raises 42704 when there is none, 55000 when it was retired."""
        self._known(model)
        if (found := self.versions.get((model, version))) is None:
            if (model, version) in self.retired:
                raise retired(model, version)
            raise unknown("ready version", str(version), model)
        return found

    def as_of(self, model: str, at: datetime, alias: str = LIVE) -> VersionRecord:
        """The version an alias named at a moment. Raises 42704 when it named none then."""
        self._known(model)
        return self.by_number(model, version_at(self.history.get((model, alias), ()), at, model=model, alias=alias))

    def _known(self, model: str) -> None:
        if model not in self.models:
            raise unknown("model", model)


def version_at(history: Sequence[AliasChange], at: datetime, *, model: str, alias: str) -> int:
    """The version that the history of one alias shows at a moment. Raises 42704 when it named none then."""
    for change in reversed(history):
        if change.valid_from <= at and (change.valid_to is None or at < change.valid_to):
            return change.version
    raise FlinkmsError(errors.UNDEFINED_OBJECT,
                       f'alias "{alias}" of model "{model}" named no version at {at.isoformat(sep=" ")}',
                       hint="flinkms.alias_history shows what was live when.")


ROLLBACK = "rollback"
"""The reason under which a rollback is recorded; ``rollback_target`` reads it back."""


def rollback_target(history: Sequence[AliasChange]) -> int | None:
    """The version that was served before the present one; None when there is none.

    The history of an alias is a stack: a promotion pushes, a rollback pops. So a second rollback goes further back
    instead of returning to the version that the first one left.
    """
    stack: list[int] = []
    for change in history:
        if change.reason == ROLLBACK and len(stack) > 1:
            stack.pop()
        elif not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack[-2] if len(stack) > 1 else None


def unknown(kind: str, name: str, model: str | None = None) -> FlinkmsError:
    """The error for a name that is not in the registry."""
    place = f' of model "{model}"' if model else ""
    return FlinkmsError(errors.UNDEFINED_OBJECT, f'{kind} "{name}"{place} does not exist')


def no_table(name: str) -> FlinkmsError:
    """The error for a table that is not in the registry."""
    return FlinkmsError(errors.UNDEFINED_TABLE, f'Flink table "{name}" does not exist',
                        hint="CREATE TABLE … WITH ('connector' = …) declares one.")


def duplicate(kind: str, name: str) -> FlinkmsError:
    """The error for a name that is taken."""
    return FlinkmsError(errors.DUPLICATE_OBJECT, f'{kind} "{name}" already exists')


def wrong_state(model: str, version: int, state: str, needed: str) -> FlinkmsError:
    """The error for a version that is not in the state an operation needs."""
    if state == "retired":
        return retired(model, version)
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                        f'version {version} of model "{model}" is {state}, not {needed}')


def still_named(model: str, version: int, aliases: Sequence[str]) -> FlinkmsError:
    """The error for retiring a version that is served."""
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                        f'version {version} of model "{model}" is named by alias {", ".join(aliases)}')


def nothing_before(model: str, alias: str) -> FlinkmsError:
    """The error for a rollback of an alias that only ever named one version."""
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                        f'alias "{alias}" of model "{model}" has no earlier version')


def has_learner(model: str, job: int) -> FlinkmsError:
    """The error for a second standing job that would teach a model."""
    return FlinkmsError(errors.OBJECT_IN_USE, f'model "{model}" already learns: job {job}',
                        detail="A version has one learner: two would fight for its log.",
                        hint=f"STOP JOB {job} ends it at a savepoint; the next one goes on from there.")


def goes_live(model: str, version: int, live: int | None, history: Sequence[AliasChange]) -> bool:
    """Whether a version that was trained is to become live: not when a newer one is, nor when it was live before."""
    return not (live is not None and live > version) and all(change.version != version for change in history)


def still_held(subject: str, wait_s: float) -> FlinkmsError:
    """The error for a wait for what another does."""
    return FlinkmsError(errors.LOCK_NOT_AVAILABLE, f"another {subject} has not ended within {wait_s:.0f} s",
                        hint="SHOW JOBS shows what it waits for.")


def job_ended(job: JobRecord) -> FlinkmsError:
    """The error for a change of a job that has ended."""
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"job {job.id} is already {job.state}")


def check_droppable(model: str, alias: str) -> None:
    """Raises 55000 for the alias live: addresses without a version mean it."""
    if alias == LIVE:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                           f'alias "{LIVE}" of model "{model}" cannot be dropped',
                           hint="Drop the model, or promote another version.")
