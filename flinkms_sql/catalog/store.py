"""What a registry can do: the protocol that PostgresStore and MemoryStore keep (tests/test_catalog_contract.py).

Unknown names raise FlinkmsError 42704, taken ones 42710, operations at the wrong moment 55000; a lost connection is
08006 and leaves nothing half done: every operation is one transaction. Stores may be shared between threads.

What a process does over time to a version takes the record it holds, not a name and number: those of a model that was
dropped can be another's. A version is the one that has the path of the record; when that is gone, 42704.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from flinkms_sql.catalog.dependents import Removal
from flinkms_sql.catalog.lifetimes import Lifetimes
from flinkms_sql.catalog.records import (
    LIVE,
    Column,
    Desired,
    JobEnd,
    JobRecord,
    JobState,
    Learner,
    Learning,
    LoadFailure,
    Metric,
    MetricRecord,
    ModelRecord,
    NewJob,
    Positions,
    Snapshot,
    TableKind,
    TableRecord,
    TrainingOutcome,
    VersionRecord,
)
from flinkms_sql.catalog.watch import Channel, Watch


class Store(Lifetimes, Protocol):
    """The registry. Mutators return the new record where the caller needs what the store made up, else None."""

    def migrate(self) -> list[str]:
        """Bring the schema up to date; names of the migrations applied now. Raises 55000 when an applied one changed."""

    def close(self) -> None:
        """Release connections; the store may be used again afterwards."""

    def create_table(self, *, name: str, kind: TableKind, columns: Sequence[Column], options: Mapping[str, str],
                     definition: str, path: str | None) -> TableRecord:
        """Declare a stream or Flink table, and its shadow."""

    def drop_tables(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """Forget tables and their shadows, in one change; files stay.

        Raises 2BP01 when a model's training query or a job that has not ended works with one of them; with ``cascade``
        those go too. Raises 42P01 for unknown names, unless they may be missing.
        """

    def create_model(self, *, name: str, algorithm: str, inputs: Sequence[Column], outputs: Sequence[Column],
                     options: Mapping[str, str], training_query: str | None, definition: str,
                     recommends: bool, tables: Sequence[str] = ()) -> ModelRecord:
        """Declare a model, and the stub functions of its signature.

        Raises 42P01 when one of ``tables`` is unknown, 42723 when a user has a function of such a signature in public.
        """

    def set_model_options(self, model: str, options: Mapping[str, str]) -> None:
        """Replace the options of a model; versions trained from now on have them."""

    def drop_models(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """Forget models with their versions, aliases, history and metrics, and ask their jobs to end; files stay.

        Raises 2BP01 when a job that has not ended asks one of them; with ``cascade`` it is told to end too.
        """

    def begin_version(self, model: str, *, directory: str, options: Mapping[str, str]) -> VersionRecord:
        """Take the next version number; state training, path ``<directory>/v<number>``."""

    def publish_version(self, version: VersionRecord, outcome: TrainingOutcome, *, alias: str = LIVE,
                        reason: str = "trained") -> VersionRecord:
        """training -> ready, and the alias to it, in one transaction."""

    def complete_version(self, version: VersionRecord, outcome: TrainingOutcome) -> VersionRecord:
        """training -> ready, and no alias: it can be asked by number, and goes live later."""

    def go_live(self, version: VersionRecord, *, former: int | None, reason: str = "trained") -> bool:
        """Let the alias live name a version that was trained, in place of ``former``, which it was compared with.

        Whether the alias moved: not when another is live by now, a newer one is, or it was live before. Raises 55000 when
        the version is not ready.
        """

    def fail_version(self, version: VersionRecord, error: str) -> None:
        """training -> failed; aliases stay where they are."""

    def retire_version(self, version: VersionRecord) -> None:
        """ready -> retired, so that its files may be deleted. Raises 55000 while an alias names it."""

    def learning(self, version: VersionRecord) -> Learning:
        """What a version knows of streams."""

    def record_training(self, version: VersionRecord, trained_to: Positions) -> None:
        """Record up to where the training of a version reads streams, before it does."""

    def record_learner(self, version: VersionRecord, learner: Learner) -> None:
        """Record which Flink job is about to teach a version, and where it starts, in place of the one before."""

    def set_alias(self, model: str, alias: str, version: int, *, reason: str = "promoted") -> None:
        """Let an alias name a ready version; nothing changes when it does already."""

    def drop_alias(self, model: str, alias: str) -> None:
        """Forget an alias; its history stays. Raises 55000 for the alias live."""

    def rollback(self, model: str, *, alias: str = LIVE) -> int:
        """Let an alias name the version it named before (see records.rollback_target); that version's number."""

    def version_as_of(self, model: str, at: datetime, *, alias: str = LIVE) -> int:
        """The version an alias named at a moment."""

    def version(self, model: str, version: int) -> VersionRecord:
        """One version in any state."""

    def versions(self, model: str) -> list[VersionRecord]:
        """All versions of a model, oldest first."""

    def snapshot(self) -> Snapshot:
        """Tables, models, ready versions, aliases and their history as of one moment."""

    def enqueue_job(self, job: NewJob, *, replacing: int | None = None) -> JobRecord:
        """Add a job in state queued; the job it replaces is told to end in the same change. Raises 42704 and 42P01 when what it works with does not exist, 55006 for a second standing job that would teach a model."""

    def claim_job(self) -> JobRecord | None:
        """Take the oldest queued job that is not to be canceled: queued -> starting. No two callers get the same."""

    def update_job(self, job: int, *, state: JobState | None = None, flink_job_id: str | None = None,
                   version: int | None = None, options: Mapping[str, Any] | None = None,
                   progress: Mapping[str, Any] | None = None, error: str | None = None, sqlstate: str | None = None,
                   attempts: int | None = None) -> None:
        """Record what is given; None leaves a field as it is. Raises 55000 when the job has ended.

        error, sqlstate, attempts: why and how often it is started anew; the state running takes them back.
        """

    def finish_job(self, job: int, state: JobEnd, *, result: Mapping[str, Any] | None = None,
                   error: str | None = None, sqlstate: str | None = None) -> None:
        """End a job. Raises 55000 when it has ended already."""

    def set_desired(self, job: int, desired: Desired) -> None:
        """Say what is wanted of a job; a queued one that is to be canceled is canceled at once."""

    def job(self, job: int) -> JobRecord:
        """One job."""

    def jobs(self, *, states: Sequence[JobState] = (), model: str | None = None) -> list[JobRecord]:
        """Jobs in any of the states (none given: all), of one model or of all, oldest first."""

    def record_metrics(self, version: VersionRecord, metrics: Sequence[Metric]) -> None:
        """Add measurements of a version, all at this moment."""

    def metrics(self, model: str) -> list[MetricRecord]:
        """Measurements of a model, oldest first."""

    def replace_load_failures(self, frontend: str, failures: Sequence[LoadFailure]) -> None:
        """Say what a frontend cannot load: all there is of it, instead of what it said before."""

    def load_failures(self) -> list[LoadFailure]:
        """What frontends have not been able to load in the last five minutes, by frontend, model and version."""

    def watch(self, channels: Sequence[Channel]) -> Watch:
        """A watch of one's own over channels: no change from now on is missed, nor taken from another watch."""

    def exclusive(self, subject: str, *, wait_s: float, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """The right to do something: one at a time has it for a subject, and loses it by ending, in whatever way.

        ``on_wait`` is called once when another has it. Raises 55P03 when he still has it after ``wait_s``.
        """
