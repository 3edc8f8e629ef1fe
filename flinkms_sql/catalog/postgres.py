"""The registry in PostgreSQL: the Store that everything uses at run time.

Statements are in sql/catalog/*.sql; must not join any. Each operation is one transaction, so that a reader sees a
publish whole or not at all and kill -9 leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from flinkms_sql import sqlfiles
from flinkms_sql.catalog import records, rows, shadows
from flinkms_sql.catalog.connection import Connection, Database
from flinkms_sql.catalog.dependents import Removal, refuse_dependents
from flinkms_sql.catalog.lifetimes import PostgresLifetimes
from flinkms_sql.catalog.migrations import migrate
from flinkms_sql.catalog.records import LIVE
from flinkms_sql.catalog.removing import check_tables, removal_of, remove
from flinkms_sql.catalog.retirement import dropped
from flinkms_sql.catalog.watch import Channel, Listener, Watch

_SCHEMA = sqlfiles.queries("catalog/schema")
_TABLES = sqlfiles.queries("catalog/tables")
_MODELS = sqlfiles.queries("catalog/models")
_LEARNING = sqlfiles.queries("catalog/learning")
_JOBS = sqlfiles.queries("catalog/jobs")


class PostgresStore(PostgresLifetimes):
    """A Store over one PostgreSQL database, by libpq connection string."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn)
        self._listener = Listener(self._database.connect)

    def migrate(self) -> list[str]:
        """See Store."""
        with self._database.transaction() as connection:
            return migrate(connection)

    def close(self) -> None:
        """See Store."""
        self._database.close()
        self._listener.close()

    def create_table(self, *, name: str, kind: records.TableKind, columns: Sequence[records.Column],
                     options: Mapping[str, str], definition: str, path: str | None) -> records.TableRecord:
        """See Store; a table of the user's own of that name is 42P07."""
        parameters = {"name": name, "kind": kind, "columns": rows.columns_json(columns),
                      "options": Jsonb(dict(options)), "definition": definition, "path": path}
        with self._database.change() as (connection, _):
            record = rows.table(_insert(connection, _TABLES["insert"], parameters, "table"))
            shadows.create_table(connection, record)
        return record

    def drop_tables(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """See Store; 2BP01 also while a view of PostgreSQL's uses the shadow."""
        with self._database.change() as (connection, _):
            known = {row["name"] for row in connection.execute(_TABLES["list"])}
            missing = [name for name in names if name not in known]
            if missing and not missing_ok:
                raise records.no_table(missing[0])
            found = removal_of(connection, names, (), missing)
            if not cascade:
                refuse_dependents("table", names, found.dependents)
            remove(connection, found)
            for name in names:
                connection.execute(_TABLES["delete"], {"name": name})
                shadows.drop_table(connection, name)
        return found

    def create_model(self, *, name: str, algorithm: str, inputs: Sequence[records.Column],
                     outputs: Sequence[records.Column], options: Mapping[str, str], training_query: str | None,
                     definition: str, recommends: bool, tables: Sequence[str] = ()) -> records.ModelRecord:
        """See Store."""
        parameters = {"name": name, "algorithm": algorithm, "inputs": rows.columns_json(inputs),
                      "outputs": rows.columns_json(outputs), "options": Jsonb(dict(options)),
                      "training_query": training_query, "definition": definition, "recommends": recommends,
                      "tables": Jsonb(list(tables))}
        with self._database.change() as (connection, _):
            check_tables(connection, tables)
            record = rows.model(_insert(connection, _MODELS["insert"], parameters, "model"))
            shadows.create_stubs(connection, record)
        return record

    def set_model_options(self, model: str, options: Mapping[str, str]) -> None:
        """See Store."""
        with self._database.change() as (connection, _):
            if connection.execute(_MODELS["set_options"], {"model": model, "options": Jsonb(dict(options))}).rowcount == 0:
                raise records.unknown("model", model)

    def drop_models(self, names: Sequence[str], *, cascade: bool = False, missing_ok: bool = False) -> Removal:
        """See Store."""
        with self._database.change() as (connection, _):
            known = {row["name"] for row in connection.execute(_MODELS["list"])}
            missing = [name for name in names if name not in known]
            if missing and not missing_ok:
                raise records.unknown("model", missing[0])
            found = removal_of(connection, (), [name for name in names if name in known], missing)
            if not cascade:
                refuse_dependents("model", names, found.dependents)
            remove(connection, found)
        return found

    def begin_version(self, model: str, *, directory: str, options: Mapping[str, str]) -> records.VersionRecord:
        """See Store."""
        with self._database.change() as (connection, _):
            _check_model(connection, model)
            parameters = {"model": model, "directory": directory, "options": Jsonb(dict(options))}
            return rows.version(connection.execute(_MODELS["begin_version"], parameters).fetchone())

    def publish_version(self, version: records.VersionRecord, outcome: records.TrainingOutcome, *, alias: str = LIVE,
                        reason: str = "trained") -> records.VersionRecord:
        """See Store."""
        with self._database.change() as (connection, at):
            row = connection.execute(_MODELS["publish"], _this(connection, version, "training")
                                     | rows.outcome_parameters(outcome)).fetchone()
            _move_alias(connection, version.model, alias, version.version, at, reason)
        return rows.version(row)

    def complete_version(self, version: records.VersionRecord, outcome: records.TrainingOutcome) -> records.VersionRecord:
        """See Store."""
        with self._database.change() as (connection, _):
            return rows.version(connection.execute(_MODELS["publish"], _this(connection, version, "training")
                                                   | rows.outcome_parameters(outcome)).fetchone())

    def go_live(self, version: records.VersionRecord, *, former: int | None, reason: str = "trained") -> bool:
        """See Store."""
        model, number = version.model, version.version
        with self._database.change() as (connection, at):
            _this(connection, version, "ready")
            found = connection.execute(_MODELS["get_alias"], {"model": model, "alias": LIVE}).fetchone()
            live = found and found["version"]
            if live != former or not records.goes_live(model, number, live, _history(connection, model, LIVE)):
                return False
            _move_alias(connection, model, LIVE, number, at, reason)
        return True

    def fail_version(self, version: records.VersionRecord, error: str) -> None:
        """See Store."""
        with self._database.change() as (connection, _):
            key = _this(connection, version, "training")
            connection.execute(_MODELS["set_version_state"], key | {"state": "failed", "error": error})

    def retire_version(self, version: records.VersionRecord) -> None:
        """See Store."""
        with self._database.change() as (connection, _):
            key = _this(connection, version, "ready")
            named = [row["alias"] for row in connection.execute(_MODELS["aliases_of_version"], key)]
            if named:
                raise records.still_named(version.model, version.version, named)
            connection.execute(_MODELS["set_version_state"], key | {"state": "retired", "error": None})

    def learning(self, version: records.VersionRecord) -> records.Learning:
        """See Store."""
        with self._database.transaction() as connection:
            return rows.learning(connection.execute(_LEARNING["get"], _this(connection, version)).fetchone())

    def record_training(self, version: records.VersionRecord, trained_to: records.Positions) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            connection.execute(_LEARNING["record_training"], _this(connection, version)
                               | {"trained_to": Jsonb(rows.positions_json(trained_to))})

    def record_learner(self, version: records.VersionRecord, learner: records.Learner) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            connection.execute(_LEARNING["record_learner"], _this(connection, version) | rows.learner_parameters(learner))

    def set_alias(self, model: str, alias: str, version: int, *, reason: str = "promoted") -> None:
        """See Store."""
        with self._database.change() as (connection, at):
            _check_state(connection, model, version, "ready")
            _move_alias(connection, model, alias, version, at, reason)

    def drop_alias(self, model: str, alias: str) -> None:
        """See Store."""
        records.check_droppable(model, alias)
        key = {"model": model, "alias": alias}
        with self._database.change() as (connection, at):
            _check_model(connection, model)
            if connection.execute(_MODELS["drop_alias"], key).rowcount == 0:
                raise records.unknown("alias", alias, model)
            connection.execute(_MODELS["end_alias"], key | {"at": at})

    def rollback(self, model: str, *, alias: str = LIVE) -> int:
        """See Store."""
        with self._database.change() as (connection, at):
            _check_model(connection, model)
            target = records.rollback_target(_history(connection, model, alias))
            if target is None:
                raise records.nothing_before(model, alias)
            _check_state(connection, model, target, "ready")
            _move_alias(connection, model, alias, target, at, records.ROLLBACK)
        return target

    def version_as_of(self, model: str, at: datetime, *, alias: str = LIVE) -> int:
        """See Store."""
        with self._database.transaction() as connection:
            _check_model(connection, model)
            return records.version_at(_history(connection, model, alias), at, model=model, alias=alias)

    def version(self, model: str, version: int) -> records.VersionRecord:
        """See Store."""
        with self._database.transaction() as connection:
            return _version(connection, model, version)

    def versions(self, model: str) -> list[records.VersionRecord]:
        """See Store."""
        with self._database.transaction() as connection:
            _check_model(connection, model)
            return [rows.version(row) for row in connection.execute(_MODELS["list_versions"], {"model": model})]

    def snapshot(self) -> records.Snapshot:
        """See Store."""
        with self._database.transaction() as connection:
            connection.execute(_SCHEMA["one_moment"])
            found = [connection.execute(sqlfiles.queries(f"catalog/{file}")[name]).fetchall()
                     for file, name in rows.SNAPSHOT_STATEMENTS]
        return rows.snapshot(*found)

    def enqueue_job(self, job: records.NewJob, *, replacing: int | None = None) -> records.JobRecord:
        """See Store."""
        # A change: what a job works with cannot go while the job comes.
        with self._database.change() as (connection, _):
            check_tables(connection, job.tables)
            for model in job.models:
                _check_model(connection, model)
            if replacing is not None:
                connection.execute(_JOBS["set_desired"], {"job": replacing, "desired": "canceled"})
            try:
                with connection.transaction():
                    return rows.job(connection.execute(_JOBS["insert"], rows.job_parameters(job)).fetchone())
            except psycopg.errors.UniqueViolation as error:
                standing = connection.execute(_JOBS["learner_of_model"], {"model": job.model}).fetchone()
                raise records.has_learner(job.model or "", standing["id"] if standing else 0) from error

    def claim_job(self) -> records.JobRecord | None:
        """See Store."""
        with self._database.transaction() as connection:
            # Not one UPDATE: its trigger would tell of a change even when no row is there to be claimed.
            queued = connection.execute(_JOBS["next_queued"]).fetchone()
            return None if queued is None else rows.job(connection.execute(_JOBS["claim"], queued).fetchone())

    def update_job(self, job: int, *, state: records.JobState | None = None, flink_job_id: str | None = None,
                   version: int | None = None, options: Mapping[str, Any] | None = None,
                   progress: Mapping[str, Any] | None = None, error: str | None = None, sqlstate: str | None = None,
                   attempts: int | None = None) -> None:
        """See Store."""
        self._change_job(job, "update", {"state": state, "flink_job_id": flink_job_id, "version": version,
                                         "options": _json(options), "progress": _json(progress), "error": error,
                                         "sqlstate": sqlstate, "attempts": attempts})

    def finish_job(self, job: int, state: records.JobEnd, *, result: Mapping[str, Any] | None = None,
                   error: str | None = None, sqlstate: str | None = None) -> None:
        """See Store."""
        self._change_job(job, "finish", {"state": state, "result": _json(result), "error": error, "sqlstate": sqlstate})

    def set_desired(self, job: int, desired: records.Desired) -> None:
        """See Store."""
        self._change_job(job, "set_desired", {"desired": desired})

    def job(self, job: int) -> records.JobRecord:
        """See Store."""
        with self._database.transaction() as connection:
            return _job(connection, job)

    def jobs(self, *, states: Sequence[records.JobState] = (), model: str | None = None) -> list[records.JobRecord]:
        """See Store."""
        with self._database.transaction() as connection:
            found = connection.execute(_JOBS["list"], {"states": list(states), "model": model})
            return [rows.job(row) for row in found]

    def record_metrics(self, version: records.VersionRecord, metrics: Sequence[records.Metric]) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            _this(connection, version)
            for metric in metrics:
                connection.execute(_MODELS["insert_metric"], rows.metric_parameters(metric))

    def metrics(self, model: str) -> list[records.MetricRecord]:
        """See Store."""
        with self._database.transaction() as connection:
            _check_model(connection, model)
            return [rows.metric(row) for row in connection.execute(_MODELS["list_metrics"], {"model": model})]

    def replace_load_failures(self, frontend: str, failures: Sequence[records.LoadFailure]) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            connection.execute(_MODELS["delete_load_failures"], {"frontend": frontend})
            for failure in failures:
                connection.execute(_MODELS["insert_load_failure"], rows.load_failure_parameters(failure))

    def load_failures(self) -> list[records.LoadFailure]:
        """See Store."""
        with self._database.transaction() as connection:
            return [rows.load_failure(row) for row in connection.execute(_MODELS["list_load_failures"])]

    def watch(self, channels: Sequence[Channel]) -> Watch:
        """See Store; all watches of a store share one connection."""
        return self._listener.watch(channels)

    def exclusive(self, subject: str, *, wait_s: float, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """See Store."""
        return self._database.exclusive(subject, wait_s=wait_s, on_wait=on_wait)

    def _change_job(self, job: int, statement: str, parameters: Mapping[str, Any]) -> None:
        with self._database.transaction() as connection:
            if connection.execute(_JOBS[statement], {"job": job, **parameters}).rowcount == 0:
                raise records.job_ended(_job(connection, job))


def _insert(connection: Connection, statement: str, parameters: Mapping[str, Any], kind: str) -> rows.Row:
    try:
        return connection.execute(statement, parameters).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise records.duplicate(kind, parameters["name"]) from error


def _json(value: Mapping[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(dict(value))


def _check_model(connection: Connection, model: str) -> None:
    if connection.execute(_MODELS["get"], {"model": model}).fetchone() is None:
        raise records.unknown("model", model)


def _version(connection: Connection, model: str, version: int) -> records.VersionRecord:
    _check_model(connection, model)
    row = connection.execute(_MODELS["get_version"], {"model": model, "version": version}).fetchone()
    if row is None:
        raise records.unknown("version", str(version), model)
    return rows.version(row)


def _this(connection: Connection, version: records.VersionRecord,
          needed: records.VersionState | None = None) -> dict[str, Any]:
    """The key of a version that a caller holds, which stays until the transaction ends. Raises 42704 and 55000."""
    key = {"model": version.model, "version": version.version}
    row = connection.execute(_MODELS["hold_version"], key | {"path": version.path.text}).fetchone()
    if row is None:
        raise dropped(version.model, version.version)
    if needed not in (None, row["state"]):
        raise records.wrong_state(version.model, version.version, row["state"], needed)
    return key


def _check_state(connection: Connection, model: str, version: int, needed: records.VersionState) -> None:
    found = _version(connection, model, version)
    if found.state != needed:
        raise records.wrong_state(model, version, found.state, needed)


def _move_alias(connection: Connection, model: str, alias: str, version: int, at: datetime, reason: str) -> None:
    key = {"model": model, "alias": alias}
    row = connection.execute(_MODELS["get_alias"], key).fetchone()
    if row is not None and row["version"] == version:
        return
    connection.execute(_MODELS["set_alias"], key | {"version": version})
    connection.execute(_MODELS["end_alias"], key | {"at": at})
    connection.execute(_MODELS["start_alias"], key | {"version": version, "at": at, "reason": reason})


def _history(connection: Connection, model: str, alias: str) -> list[records.AliasChange]:
    found = connection.execute(_MODELS["history_of_alias"], {"model": model, "alias": alias})
    return [rows.alias_change(row) for row in found]


def _job(connection: Connection, job: int) -> records.JobRecord:
    row = connection.execute(_JOBS["get"], {"job": job}).fetchone()
    if row is None:
        raise records.unknown("job", str(job))
    return rows.job(row)
