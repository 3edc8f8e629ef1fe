"""What every kind of job works with, and how a job is followed to its end.

Must not know what a job computes. A followed job ends in one of four ways: finished (``follow`` returns), failed
(``JobFailed``), canceled because its row says so (``JobCanceled``), or lost with the cluster (``JobLost``).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flinkms_sql import errors
from flinkms_sql.catalog.records import JobRecord, ModelRecord, Snapshot, TableRecord, VersionRecord, unknown
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.clock import Clock
from flinkms_sql.jobs.cluster import ENDED_STATES, Cluster
from flinkms_sql.jobs.failures import cannot_get_better, is_encoding, root_cause
from flinkms_sql.jobs.files import check_columns, check_files, check_rows, headers, is_local, not_utf8, reading_options
from flinkms_sql.jobs.submissions import DeclaredTable, Flink
from flinkms_sql.places import Places
from flinkms_sql.types import SqlType

POLL_S = 0.1
"""Seconds between two looks at a job: short beside the second a job takes to start."""

POLL_AGE_SHARE = 0.02
POLL_S_MAX = 0.5
"""A job is looked at less often the longer it is followed: by this share of that time, up to these seconds. Standing jobs
run for months, and each look asks the registry and the job manager."""

LOST_S_MAX = 5.0
"""Seconds a cluster may not know a job, or not answer, before the job counts as lost."""


class JobFailed(FlinkmsError):
    """Flink gave the job up; the message names the root cause."""


class JobCanceled(Exception):
    """The job's row says that it is to be canceled, and it is."""


class JobLost(Exception):
    """The cluster no longer knows the job: it was restarted without it."""


class RunnerStopping(Exception):
    """The runner is shutting down; the job is left as it is, to be followed again by the next runner."""


class Locks:
    """A lock for each name."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def of(self, name: str) -> threading.Lock:
        """The lock of a name, always the same."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """The registry, the cluster and who submits to it, where checkpoints are kept, and the runner's time."""

    store: Store
    cluster: Cluster
    flink: Flink
    checkpoints: Path
    places: Places
    clock: Clock
    teaching: Locks = field(default_factory=Locks)
    """By model, held while it is decided which Flink job teaches a version: two that did would fight for its log."""

    def follow(self, job: JobRecord, flink_job_id: str, on_tick: Callable[[str], None],
               end: Callable[[str], None] | None = None) -> None:
        """Wait for the Flink job to finish; ``on_tick`` gets its state at each look.

        end: how the Flink job is ended when its row says that it is to be; it is canceled unless this says otherwise.
        """
        began = last_seen = self.clock.monotonic()
        while True:
            if self.clock.is_stopping():
                raise RunnerStopping
            if self.store.job(job.id).desired == "canceled":
                (end or self.cluster.cancel)(flink_job_id)
                raise JobCanceled
            try:
                status = self.cluster.status(flink_job_id)
            except FlinkmsError:
                status = None
            if status is not None and status.state is not None:
                last_seen = self.clock.monotonic()
                if status.state == "FINISHED":
                    return
                if status.state == "FAILED":
                    raise self._failed(job, status.failure)
                if status.failure and job.desired == "finished" and cannot_get_better(status.failure):
                    # Somebody waits, and Flink's further attempts would end in the same way.
                    self.cluster.cancel(flink_job_id)
                    raise self._failed(job, status.failure)
                if status.state == "CANCELED":
                    raise JobCanceled
                on_tick(status.state)
            elif self.clock.monotonic() - last_seen > LOST_S_MAX:
                raise JobLost
            self.clock.wait(min(max(POLL_S, POLL_AGE_SHARE * (self.clock.monotonic() - began)), POLL_S_MAX))

    def _failed(self, job: JobRecord, stacktrace: str | None) -> JobFailed:
        """The error of a failed Flink job, with the file that is to blame where its failure does not name it."""
        if stacktrace and is_encoding(stacktrace) and is_local(self.cluster.address):
            found = not_utf8(self.store.snapshot().tables, job.options.get("tables", ()))
            if found is not None:
                return JobFailed(found.sqlstate, found.message, hint=found.hint)
        return job_failed(stacktrace)

    def record_submission(self, job: JobRecord, flink_job_id: str, *, version: int | None = None,
                          options: Mapping[str, Any] | None = None, progress: Mapping[str, Any] | None = None) -> None:
        """Record under which id the job is about to be submitted; whoever takes it up finds it, or that it never came."""
        self.store.update_job(job.id, state="starting", flink_job_id=flink_job_id, version=version, options=options,
                              progress=progress)

    def is_known(self, flink_job_id: str | None) -> bool:
        """Whether the cluster has this job and it has not ended otherwise than well."""
        if flink_job_id is None:
            return False
        state = self.cluster.status(flink_job_id).state
        return state is not None and (state not in ENDED_STATES or state == "FINISHED")

    def wait_for_cluster(self) -> None:
        """Return when the cluster has a task manager; raises RunnerStopping."""
        while not self.cluster.is_ready():
            if self.clock.wait(POLL_S):
                raise RunnerStopping

    def check_files(self, tables: Sequence[str], *, filled: bool = False) -> None:
        """Raise what a bounded job over these tables would fail with seconds later.

        filled: it cannot do without a row of them.
        """
        if is_local(self.cluster.address):
            known = {table.name: table for table in self.tables(tables)}
            check_files(known, tables)
            if filled:
                check_rows(known, tables)
                check_columns(known, tables)

    def headers(self, tables: Sequence[str]) -> list[str]:
        """What to tell of files of these tables whose header was read as a row."""
        return headers(self.store.snapshot().tables, tables) if is_local(self.cluster.address) else []

    def tables(self, names: Sequence[str]) -> list[TableRecord]:
        """The registered tables of these names. Raises 42P01 for one that is not there, 42501 for one that names what it
        may not reach: a row may say what no statement could."""
        declared = self.store.snapshot().tables
        for name in names:
            if name not in declared:
                raise FlinkmsError(errors.UNDEFINED_TABLE, f'Flink table "{name}" does not exist')
        for name in names:
            self.places.check_table(declared[name].options)
        return [declared[name] for name in names]

    def declared(self, tables: Iterable[TableRecord],
                 access: Callable[[TableRecord], Mapping[str, str]]) -> tuple[DeclaredTable, ...]:
        """Registered tables for a job; ``access`` says how a stream is read or written: options beside its path."""
        return tuple(DeclaredTable(name=record.name, definition=record.definition, options=self._options(record, access),
                                   checked=record.options, columns=[column.name for column in record.columns])
                     for record in tables)

    def _options(self, record: TableRecord, access: Callable[[TableRecord], Mapping[str, str]]) -> Mapping[str, str | None]:
        if record.kind == "stream":
            return {"path": str(self.places.stream(record.path)), **access(record)}
        return reading_options(record.options)


def new_flink_job_id() -> str:
    """An id for a Flink job. Chosen here and recorded before the job is submitted: a runner that is killed in between,
    or whose client never hears the answer, cannot lead to the job running twice."""
    return uuid.uuid4().hex


def declared_model(snapshot: Snapshot, model: str) -> ModelRecord:
    """A model as it is declared. Raises 42704: it may be dropped at any moment of a job."""
    record = snapshot.models.get(model)
    if record is None:
        raise unknown("model", model)
    return record


def signature(snapshot: Snapshot, model: str) -> list[str]:
    """Names of a model's inputs and, last, its output: what the columns of a training or learning query are for."""
    record = declared_model(snapshot, model)
    return [column.name for column in (*record.inputs, record.outputs[0])]


def input_types(snapshot: Snapshot, model: str) -> tuple[SqlType, ...]:
    """The declared input types of a model."""
    return tuple(column.type for column in declared_model(snapshot, model).inputs)


def output_type(snapshot: Snapshot, model: str) -> SqlType:
    """The declared output type of a model."""
    return declared_model(snapshot, model).outputs[0].type


def job_failed(stacktrace: str | None) -> JobFailed:
    """The error of a failed Flink job."""
    return JobFailed(
        errors.DATA_EXCEPTION, f"job failed: {root_cause(stacktrace)}" if stacktrace else "job failed",
        detail=(stacktrace or "")[:4000] or None,
    )


def resolve(snapshot: Snapshot, model: str, version: int | None) -> VersionRecord:
    """The ready version a job names, or the live one when it names none."""
    return snapshot.by_alias(model) if version is None else snapshot.by_number(model, version)
