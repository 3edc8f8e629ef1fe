"""The registry in memory: the same laws as PostgresStore without a database, for tests and for tools that need neither.

Must not grow behaviour of its own: tests/test_catalog_contract.py runs over both stores. It has no shadows.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

from flinkms_sql.catalog import records
from flinkms_sql.catalog.dependents import Removal, refuse_dependents, removal
from flinkms_sql.catalog.leaving import MemoryLifetimes
from flinkms_sql.catalog.lifetimes import Leftover
from flinkms_sql.catalog.records import LIVE
from flinkms_sql.catalog.retirement import dropped
from flinkms_sql.catalog.storable import storable
from flinkms_sql.catalog.subjects import Subjects
from flinkms_sql.catalog.watch import CHANNELS, Channel, Watch
from flinkms_sql.places import Claim


def _now() -> datetime:
    return datetime.now(timezone.utc)


class MemoryStore(MemoryLifetimes):
    """A Store that forgets. ``now`` is the clock, for tests that need moments of their own."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._changed = threading.Condition()
        self.exclusive = Subjects().exclusive
        self._marks: dict[Channel, int] = dict.fromkeys(CHANNELS, 0)
        self._tables: dict[str, records.TableRecord] = {}
        self._models: dict[str, records.ModelRecord] = {}
        self._versions: dict[tuple[str, int], records.VersionRecord] = {}
        self._aliases: dict[tuple[str, str], int] = {}
        self._history: dict[tuple[str, str], tuple[records.AliasChange, ...]] = {}
        self._learning: dict[tuple[str, int], records.Learning] = {}
        self._jobs: dict[int, records.JobRecord] = {}
        self._metrics: list[records.MetricRecord] = []
        self._load_failures: dict[str, list[records.LoadFailure]] = {}
        self._job_ids = itertools.count(1)
        self._left: dict[Claim, Leftover] = {}

    def migrate(self) -> list[str]:
        """See Store: there is no schema."""
        return []

    def close(self) -> None:
        """See Store: there is no connection."""

    def create_table(self, *, name: str, kind: records.TableKind, columns: Sequence[records.Column],
                     options: Mapping[str, str], definition: str, path: str | None) -> records.TableRecord:
        """See Store."""
        with self._change("catalog"):
            if name in self._tables:
                raise records.duplicate("table", name)
            self._tables[name] = records.TableRecord(name=name, kind=kind, columns=tuple(columns),
                                                     options=dict(options), definition=definition, path=None if path is None else Claim(path),
                                                     created_at=self._now())
            return self._tables[name]

    def drop_tables(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """See Store."""
        with self._change("catalog", "jobs"):
            missing = [name for name in names if name not in self._tables]
            if missing and not missing_ok:
                raise records.no_table(missing[0])
            found = removal(names, (), self._models.values(), self._jobs.values(), missing)
            if not cascade:
                refuse_dependents("table", names, found.dependents)
            self._remove(found)
            for name in names:
                if (table := self._tables.pop(name, None)) is not None:
                    self._leave_stream(table)
            return found

    def create_model(self, *, name: str, algorithm: str, inputs: Sequence[records.Column],
                     outputs: Sequence[records.Column], options: Mapping[str, str], training_query: str | None,
                     definition: str, recommends: bool, tables: Sequence[str] = ()) -> records.ModelRecord:
        """See Store."""
        with self._change("catalog"):
            self._check_tables(tables)
            if name in self._models:
                raise records.duplicate("model", name)
            self._models[name] = records.ModelRecord(
                name=name, algorithm=algorithm, inputs=tuple(inputs), outputs=tuple(outputs), options=dict(options),
                training_query=training_query, definition=definition, recommends=recommends, tables=tuple(tables),
                created_at=self._now(), incarnation=secrets.token_hex(6))
            return self._models[name]

    def set_model_options(self, model: str, options: Mapping[str, str]) -> None:
        """See Store."""
        with self._change("catalog"):
            self._check_model(model)
            self._models[model] = replace(self._models[model], options=dict(options))

    def drop_models(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """See Store."""
        with self._change("catalog", "jobs"):
            missing = [name for name in names if name not in self._models]
            if missing and not missing_ok:
                raise records.unknown("model", missing[0])
            known = [name for name in names if name in self._models]
            found = removal((), known, self._models.values(), self._jobs.values(), missing)
            if not cascade:
                refuse_dependents("model", names, found.dependents)
            self._remove(found)
            return found

    def _remove(self, found: Removal) -> None:
        for job in found.jobs:
            self._set_desired(self._jobs[job], "canceled")
        for name in found.models:
            self._hand_over_learners(name)
            del self._models[name]
            self._leave_versions(version for version in self._versions.values() if version.model == name)
            for held in (self._versions, self._aliases, self._history, self._learning):
                for key in [key for key in held if key[0] == name]:
                    del held[key]
        self._metrics = [metric for metric in self._metrics if metric.measured.model not in found.models]

    def begin_version(self, model: str, *, directory: str, options: Mapping[str, str]) -> records.VersionRecord:
        """See Store."""
        with self._change("catalog"):
            self._check_model(model)
            number = max((held for name, held in self._versions if name == model), default=0) + 1
            self._versions[model, number] = records.VersionRecord(
                model=model, version=number, state="training", path=Claim(f"{directory}/v{number}"), options=dict(options),
                outcome=None, error=None, created_at=self._now(), published_at=None)
            return self._versions[model, number]

    def publish_version(self, version: records.VersionRecord, outcome: records.TrainingOutcome, *, alias: str = LIVE,
                        reason: str = "trained") -> records.VersionRecord:
        """See Store."""
        with self._change("catalog"):
            found = self._this(version, "training")
            ready = replace(found, state="ready", outcome=outcome, published_at=self._now())
            self._versions[version.model, version.version] = ready
            self._move_alias(version.model, alias, version.version, reason)
            return ready

    def complete_version(self, version: records.VersionRecord, outcome: records.TrainingOutcome) -> records.VersionRecord:
        """See Store."""
        with self._change("catalog"):
            found = self._this(version, "training")
            self._versions[version.model, version.version] = replace(found, state="ready", outcome=outcome, published_at=self._now())
            return self._versions[version.model, version.version]

    def go_live(self, version: records.VersionRecord, *, former: int | None, reason: str = "trained") -> bool:
        """See Store."""
        with self._changed:
            self._this(version, "ready")
            model, number = version.model, version.version
            live, history = self._aliases.get((model, LIVE)), self._history.get((model, LIVE), ())
            if live != former or not records.goes_live(model, number, live, history):
                return False
            self.set_alias(model, LIVE, number, reason=reason)
            return True

    def fail_version(self, version: records.VersionRecord, error: str) -> None:
        """See Store."""
        with self._change("catalog"):
            found = self._this(version, "training")
            self._versions[version.model, version.version] = replace(found, state="failed", error=error)
            self._leave_versions([found])

    def retire_version(self, version: records.VersionRecord) -> None:
        """See Store."""
        with self._change("catalog"):
            found = self._this(version, "ready")
            key = (version.model, version.version)
            named = sorted(alias for (name, alias), held in self._aliases.items() if (name, held) == key)
            if named:
                raise records.still_named(*key, named)
            self._versions[key] = replace(found, state="retired")
            self._leave_versions([found])

    def set_alias(self, model: str, alias: str, version: int, *, reason: str = "promoted") -> None:
        """See Store."""
        with self._changed:
            self._in_state(model, version, "ready")
            if self._aliases.get((model, alias)) != version:
                with self._change("catalog"):
                    self._move_alias(model, alias, version, reason)

    def drop_alias(self, model: str, alias: str) -> None:
        """See Store."""
        records.check_droppable(model, alias)
        with self._change("catalog"):
            self._check_model(model)
            if self._aliases.pop((model, alias), None) is None:
                raise records.unknown("alias", alias, model)
            self._end_alias(model, alias, self._now())

    def rollback(self, model: str, *, alias: str = LIVE) -> int:
        """See Store."""
        with self._change("catalog"):
            self._check_model(model)
            target = records.rollback_target(self._history.get((model, alias), ()))
            if target is None:
                raise records.nothing_before(model, alias)
            self._in_state(model, target, "ready")
            self._move_alias(model, alias, target, records.ROLLBACK)
            return target

    def version_as_of(self, model: str, at: datetime, *, alias: str = LIVE) -> int:
        """See Store."""
        with self._changed:
            self._check_model(model)
            return records.version_at(self._history.get((model, alias), ()), at, model=model, alias=alias)

    def version(self, model: str, version: int) -> records.VersionRecord:
        """See Store."""
        with self._changed:
            self._check_model(model)
            if (model, version) not in self._versions:
                raise records.unknown("version", str(version), model)
            return self._versions[model, version]

    def versions(self, model: str) -> list[records.VersionRecord]:
        """See Store."""
        with self._changed:
            self._check_model(model)
            return [held for _, held in sorted(self._versions.items()) if held.model == model]

    def snapshot(self) -> records.Snapshot:
        """See Store."""
        with self._changed:
            ready = {key: held for key, held in self._versions.items() if held.state == "ready"}
            retired = frozenset(key for key, held in self._versions.items() if held.state == "retired")
            return records.Snapshot(
                generation=self._marks["catalog"], tables=MappingProxyType(dict(self._tables)),
                models=MappingProxyType(dict(self._models)), versions=MappingProxyType(ready), retired=retired,
                aliases=MappingProxyType(dict(self._aliases)), history=MappingProxyType(dict(self._history)))

    def enqueue_job(self, job: records.NewJob, *, replacing: int | None = None) -> records.JobRecord:
        """See Store."""
        with self._change("jobs"):
            self._check_tables(job.tables)
            for model in job.models:
                self._check_model(model)
            if replacing is not None:
                self._set_desired(self.job(replacing), "canceled")
            if job.kind == "learn" and job.desired == "running":
                for held in self._jobs.values():
                    if (held.kind, held.model, held.desired) == ("learn", job.model, "running") and \
                            held.state not in records.ENDED:
                        raise records.has_learner(job.model or "", held.id)
            number = next(self._job_ids)
            self._jobs[number] = records.JobRecord(
                id=number, kind=job.kind, model=job.model, version=job.version, statement=job.statement,
                query=job.query, options=storable(job.options), desired=job.desired, state="queued", flink_job_id=None,
                progress=None, result=None, error=None, sqlstate=None, attempts=0, created_at=self._now(),
                started_at=None, ended_at=None)
            return self._jobs[number]

    def claim_job(self) -> records.JobRecord | None:
        """See Store."""
        with self._changed:
            for job in self._jobs.values():
                if job.state == "queued" and job.desired != "canceled":
                    with self._change("jobs"):
                        self._jobs[job.id] = replace(job, state="starting", started_at=job.started_at or self._now())
                        return self._jobs[job.id]
            return None

    def update_job(self, job: int, *, state: records.JobState | None = None, flink_job_id: str | None = None,
                   version: int | None = None, options: Mapping[str, Any] | None = None,
                   progress: Mapping[str, Any] | None = None, error: str | None = None, sqlstate: str | None = None,
                   attempts: int | None = None) -> None:
        """See Store."""
        given = {"state": state, "flink_job_id": flink_job_id, "version": version, "options": options,
                 "progress": progress, "error": error, "sqlstate": sqlstate, "attempts": attempts}
        with self._change("jobs"):
            found = self._not_ended(job)
            if state == "running":
                found, given = replace(found, error=None, sqlstate=None), given | {"error": None, "sqlstate": None,
                                                                                    "attempts": 0}
            self._jobs[job] = replace(found, **{name: storable(value) for name, value in given.items() if value is not None})

    def finish_job(self, job: int, state: records.JobEnd, *, result: Mapping[str, Any] | None = None,
                   error: str | None = None, sqlstate: str | None = None) -> None:
        """See Store."""
        with self._change("jobs"):
            self._jobs[job] = replace(self._not_ended(job), state=state, result=storable(result), error=storable(error),
                                      sqlstate=sqlstate, ended_at=self._now())

    def set_desired(self, job: int, desired: records.Desired) -> None:
        """See Store."""
        with self._change("jobs"):
            self._set_desired(self.job(job), desired)

    def job(self, job: int) -> records.JobRecord:
        """See Store."""
        with self._changed:
            if job not in self._jobs:
                raise records.unknown("job", str(job))
            return self._jobs[job]

    def jobs(self, *, states: Sequence[records.JobState] = (), model: str | None = None) -> list[records.JobRecord]:
        """See Store."""
        with self._changed:
            return [job for job in self._jobs.values()
                    if (not states or job.state in states) and (model is None or job.model == model)]

    def record_metrics(self, version: records.VersionRecord, metrics: Sequence[records.Metric]) -> None:
        """See Store."""
        with self._changed:
            self._this(version)
            at = self._now()
            self._metrics += [records.MetricRecord(measured=metric, measured_at=at) for metric in metrics]

    def metrics(self, model: str) -> list[records.MetricRecord]:
        """See Store."""
        with self._changed:
            self._check_model(model)
            return sorted((metric for metric in self._metrics if metric.measured.model == model),
                          key=lambda metric: (metric.measured_at, metric.measured.metric))

    def replace_load_failures(self, frontend: str, failures: Sequence[records.LoadFailure]) -> None:
        """See Store; it does not age what a frontend said."""
        self._load_failures[frontend] = sorted(failures, key=lambda held: (held.model, held.version))

    def load_failures(self) -> list[records.LoadFailure]:
        """See Store."""
        return [failure for _, failures in sorted(self._load_failures.items()) for failure in failures]

    def watch(self, channels: Sequence[Channel]) -> Watch:
        """See Store."""
        return Watch(self._changed, self._marks, channels)

    @contextmanager
    def _change(self, *channels: Channel) -> Iterator[None]:
        """Hold the lock; when the body succeeds, say that the channels changed."""
        with self._changed:
            yield
            for channel in channels:
                self._marks[channel] += 1
            self._changed.notify_all()

    def _check_tables(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._tables:
                raise records.no_table(name)

    def _check_model(self, model: str) -> None:
        if model not in self._models:
            raise records.unknown("model", model)

    def _this(self, version: records.VersionRecord, needed: records.VersionState | None = None) -> records.VersionRecord:
        found = self._versions.get((version.model, version.version))
        if found is None or found.path != version.path:
            raise dropped(version.model, version.version)
        return found if needed is None else self._in_state(found.model, found.version, needed)

    def _in_state(self, model: str, version: int, needed: records.VersionState) -> records.VersionRecord:
        found = self.version(model, version)
        if found.state != needed:
            raise records.wrong_state(model, version, found.state, needed)
        return found

    def _not_ended(self, job: int) -> records.JobRecord:
        found = self.job(job)
        if found.state in records.ENDED:
            raise records.job_ended(found)
        return found

    def _set_desired(self, job: records.JobRecord, desired: records.Desired) -> None:
        if desired == "canceled" and job.state == "queued":
            self._jobs[job.id] = replace(job, desired=desired, state="canceled", ended_at=self._now())
        else:
            self._jobs[job.id] = replace(job, desired=desired)

    def _end_alias(self, model: str, alias: str, at: datetime) -> None:
        changes = self._history.get((model, alias), ())
        self._history[model, alias] = tuple(
            change if change.valid_to is not None else replace(change, valid_to=at) for change in changes)

    def _move_alias(self, model: str, alias: str, version: int, reason: str) -> None:
        at = self._now()
        self._end_alias(model, alias, at)
        self._aliases[model, alias] = version
        self._history[model, alias] += (records.AliasChange(model=model, alias=alias, version=version, valid_from=at,
                                                            valid_to=None, reason=reason),)
