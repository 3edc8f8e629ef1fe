"""The registry's snapshot as planner and engine want it: signatures, and what every address means. Pure."""

from __future__ import annotations

from datetime import datetime

from flinkms_sql.catalog.records import LIVE, ModelRecord, Snapshot, TableRecord
from flinkms_sql.engine.registry import Period, Pointers
from flinkms_sql.query.signatures import Catalog, ModelSignature, TableSignature


def catalog_of(snapshot: Snapshot) -> Catalog:
    """Signatures of all models and Flink tables."""
    return Catalog(
        model_signatures=tuple(_model(record) for record in snapshot.models.values()),
        table_signatures=tuple(_table(record) for record in snapshot.tables.values()),
        generation=snapshot.generation,
    )


def _model(record: ModelRecord) -> ModelSignature:
    return ModelSignature(
        name=record.name, algorithm=record.algorithm, recommends=record.recommends,
        inputs=tuple((column.name, column.type) for column in record.inputs),
        outputs=tuple((column.name, column.type) for column in record.outputs),
    )


def _table(record: TableRecord) -> TableSignature:
    return TableSignature(name=record.name, kind=record.kind,
                          columns=tuple((column.name, column.type) for column in record.columns))


def pointers_of(snapshot: Snapshot) -> dict[str, Pointers]:
    """Per model: ready versions, aliases, and the history of the alias live."""
    return {
        name: Pointers(
            versions=frozenset(number for model, number in snapshot.versions if model == name),
            aliases={alias: number for (model, alias), number in snapshot.aliases.items() if model == name},
            history=tuple(
                Period(version=change.version, valid_from=_microseconds(change.valid_from),
                       valid_to=None if change.valid_to is None else _microseconds(change.valid_to))
                for change in snapshot.history.get((name, LIVE), ())
            ),
        )
        for name in snapshot.models
    }


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
