"""What binding asks of the catalog: a snapshot with the signatures of models and tables.

Must not know where the snapshot comes from. A snapshot never changes; ``generation`` grows with every new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as Choice
from typing import Protocol

from flinkms_sql.catalog.records import ModelRecord, Snapshot, TableRecord
from flinkms_sql.types import SqlType

Named = tuple[str, SqlType]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSignature:
    """How a model is called. ``recommends``: it answers recommend and similar over its first and second input."""

    name: str
    algorithm: str
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    recommends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSignature:
    """A Flink table: ``stream`` can be inserted into from SQL, ``flink`` is any other."""

    name: str
    kind: Choice["stream", "flink"]
    columns: tuple[Named, ...]


class CatalogView(Protocol):
    """Declared models and Flink tables at one moment."""

    @property
    def generation(self) -> int:
        """Two views of the same generation are equal: plans are cached by it."""

    def model(self, name: str) -> ModelSignature | None: ...

    def table(self, name: str) -> TableSignature | None: ...

    def models(self) -> Sequence[ModelSignature]:
        """All models, by name: for hints and for calls whose model is a parameter."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A CatalogView held in memory."""

    model_signatures: tuple[ModelSignature, ...] = ()
    table_signatures: tuple[TableSignature, ...] = ()
    generation: int = 0

    def model(self, name: str) -> ModelSignature | None:
        return next((model for model in self.model_signatures if model.name == name), None)

    def table(self, name: str) -> TableSignature | None:
        return next((table for table in self.table_signatures if table.name == name), None)

    def models(self) -> Sequence[ModelSignature]:
        return self.model_signatures


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
