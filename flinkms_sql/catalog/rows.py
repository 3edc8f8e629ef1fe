"""Rows of the registry's tables to records, and records to statement parameters: the one place that knows both.

Must not run statements; shared by the synchronous and the asynchronous store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from psycopg.types.json import Jsonb

from flinkms_sql.catalog.records import (
    AliasChange,
    Column,
    JobRecord,
    Learner,
    LearnerStart,
    Learning,
    LoadFailure,
    Metric,
    MetricRecord,
    ModelRecord,
    NewJob,
    Positions,
    Snapshot,
    TableRecord,
    TrainingOutcome,
    VersionRecord,
)
from flinkms_sql.catalog.roles import RoleRights
from flinkms_sql.places import Claim
from flinkms_sql.types import SqlType

Row = Mapping[str, Any]
Key = TypeVar("Key")
Value = TypeVar("Value")


def columns_json(columns: Sequence[Column]) -> Jsonb:
    """Columns as they are stored: [{"name", "type"}], the type by its name in SqlType."""
    return Jsonb([{"name": column.name, "type": column.type.name} for column in columns])


def columns_of(stored: Iterable[Mapping[str, str]]) -> tuple[Column, ...]:
    """The inverse of ``columns_json``."""
    return tuple(Column(name=entry["name"], type=SqlType[entry["type"]]) for entry in stored)


def table(row: Row) -> TableRecord:
    """A row of flinkms.tables."""
    return TableRecord(name=row["name"], kind=row["kind"], columns=columns_of(row["columns"]), options=row["options"],
                       definition=row["definition"], path=None if row["path"] is None else Claim(row["path"]), created_at=row["created_at"])


def model(row: Row) -> ModelRecord:
    """A row of flinkms.models."""
    return ModelRecord(name=row["name"], algorithm=row["algorithm"], inputs=columns_of(row["inputs"]),
                       outputs=columns_of(row["outputs"]), options=row["options"],
                       training_query=row["training_query"], definition=row["definition"],
                       recommends=row["recommends"], tables=tuple(row["tables"]), created_at=row["created_at"],
                       incarnation=row["incarnation"])


def version(row: Row) -> VersionRecord:
    """A row of flinkms.model_versions."""
    outcome = None
    if row["published_at"] is not None:
        outcome = TrainingOutcome(training_rows=row["training_rows"], failed_rows=row["failed_rows"],
                                  failures=row["failures"], duration_ms=row["duration_ms"],
                                  code_hash=row["code_hash"], training_metrics=row["training_metrics"],
                                  positions=positions_of(row["positions"]))
    return VersionRecord(model=row["model"], version=row["version"], state=row["state"], path=Claim(row["path"]),
                         options=row["options"], outcome=outcome, error=row["error"], created_at=row["created_at"],
                         published_at=row["published_at"])


def outcome_parameters(outcome: TrainingOutcome) -> dict[str, Any]:
    """The columns that publishing sets."""
    return {"training_rows": outcome.training_rows, "failed_rows": outcome.failed_rows,
            "failures": Jsonb(dict(outcome.failures)), "duration_ms": outcome.duration_ms,
            "code_hash": outcome.code_hash, "training_metrics": Jsonb(dict(outcome.training_metrics)),
            "positions": Jsonb(positions_json(outcome.positions))}


def positions_json(positions: Positions) -> dict[str, dict[str, list[int]]]:
    """Positions as they are stored."""
    return {name: {partition: list(at) for partition, at in partitions.items()} for name, partitions in positions.items()}


def positions_of(stored: Mapping[str, Mapping[str, Sequence[int]]]) -> Positions:
    """The inverse of ``positions_json``."""
    return {name: {partition: tuple(at) for partition, at in partitions.items()} for name, partitions in stored.items()}


def learning(row: Row | None) -> Learning:
    """A row of flinkms.version_learning; None is a version that has none."""
    if row is None:
        return Learning()
    learner = None
    if row["flink_job_id"] is not None:
        start = row["start"]
        learner = Learner(job=row["job"], holds=tuple(start.get("holds", ())), flink_job_id=row["flink_job_id"], query=row["query"], plan=row["plan"],
                          start=LearnerStart(restore=start["restore"], sources=positions_of(start["sources"]),
                                             logs=positions_of(start["logs"]),
                                             apart=frozenset(start.get("apart", ()))))
    return Learning(trained_to=positions_of(row["trained_to"]), learner=learner)


def learner_parameters(learner: Learner) -> dict[str, Any]:
    """The columns of flinkms.version_learning that a learner sets."""
    start = {"restore": learner.start.restore, "sources": positions_json(learner.start.sources),
             "logs": positions_json(learner.start.logs), "apart": sorted(learner.start.apart), "holds": list(learner.holds)}
    return {"job": learner.job, "flink_job_id": learner.flink_job_id, "query": learner.query, "plan": learner.plan,
            "start": Jsonb(start)}


def alias_change(row: Row) -> AliasChange:
    """A row of flinkms.alias_history."""
    return AliasChange(**row)


def job(row: Row) -> JobRecord:
    """A row of flinkms.jobs."""
    return JobRecord(**row)


def job_parameters(new: NewJob) -> dict[str, Any]:
    """The columns of a job that the caller gives."""
    return {"kind": new.kind, "model": new.model, "version": new.version, "statement": new.statement,
            "query": new.query, "options": Jsonb(dict(new.options)), "desired": new.desired}


def metric(row: Row) -> MetricRecord:
    """A row of flinkms.model_metrics."""
    measured = Metric(model=row["model"], version=row["version"], metric=row["metric"], value=row["value"],
                      row_count=row["row_count"], unknown_rows=row["unknown_rows"], failed_rows=row["failed_rows"])
    return MetricRecord(measured=measured, measured_at=row["measured_at"])


def metric_parameters(measured: Metric) -> dict[str, Any]:
    """The columns of a measurement that the caller gives."""
    return {"model": measured.model, "version": measured.version, "metric": measured.metric,
            "value": measured.value, "row_count": measured.row_count, "unknown_rows": measured.unknown_rows,
            "failed_rows": measured.failed_rows}


def load_failure(row: Row) -> LoadFailure:
    """A row of flinkms.load_failures."""
    return LoadFailure(frontend=row["frontend"], model=row["model"], version=row["version"], error=row["error"])


def load_failure_parameters(failure: LoadFailure) -> dict[str, Any]:
    """The columns of a failure that the caller gives."""
    return {"frontend": failure.frontend, "model": failure.model, "version": failure.version, "error": failure.error}


def role_rights(row: Row) -> RoleRights:
    """A row of the statement ``rights``."""
    return RoleRights(ours=row["ours"], can_log_in=row["can_log_in"], reads=row["reads"], deploys=row["deploys"],
                      inserts=frozenset(row["inserts"]),
                      relations=frozenset((schema, name) for schema, name in row["relations"]),
                      functions=frozenset((schema, name) for schema, name in row["functions"]),
                      settings=dict(kept.split("=", 1) for kept in row["settings"]))


SNAPSHOT_STATEMENTS = (("schema", "generation"), ("tables", "list"), ("models", "list"), ("models", "list_ready"),
                       ("models", "list_aliases"), ("models", "list_history"), ("models", "list_retired"))
"""(file under sql/catalog/, statement) of a snapshot, in the order that ``snapshot`` takes their rows."""


def snapshot(generation: Sequence[Row], tables: Sequence[Row], models: Sequence[Row], versions: Sequence[Row],
             aliases: Sequence[Row], history: Sequence[Row], retired: Sequence[Row]) -> Snapshot:
    """The rows of SNAPSHOT_STATEMENTS, read in one repeatable-read transaction, as a Snapshot."""
    changes = defaultdict(list)
    for row in history:
        changes[row["model"], row["alias"]].append(alias_change(row))
    return Snapshot(
        generation=generation[0]["value"],
        tables=_frozen(map(table, tables), lambda record: record.name),
        models=_frozen(map(model, models), lambda record: record.name),
        versions=_frozen(map(version, versions), lambda record: (record.model, record.version)),
        aliases=MappingProxyType({(row["model"], row["alias"]): row["version"] for row in aliases}),
        history=MappingProxyType({key: tuple(entries) for key, entries in changes.items()}),
        retired=frozenset((row["model"], row["version"]) for row in retired),
    )


def _frozen(records: Iterable[Value], key: Callable[[Value], Key]) -> Mapping[Key, Value]:
    return MappingProxyType({key(record): record for record in records})
