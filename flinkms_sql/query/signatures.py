"""What binding asks of the catalog: a snapshot with the signatures of models and tables.

Must not know where the snapshot comes from. A snapshot never changes; ``generation`` grows with every new one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal as Choice
from typing import Protocol

from flinkms_sql.catalog.records import ModelRecord, Snapshot, TableRecord
from flinkms_sql.types import SqlType

Named = tuple[str, SqlType]

PUBLIC = "public"
"""The schema in which PostgreSQL shows Flink tables."""


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
        """Of the snapshot."""

    @property
    def key(self) -> Hashable:
        """Two views of the same key are equal: plans are cached by it."""

    @property
    def hidden_functions(self) -> frozenset[str]:
        """Functions of ours whose names, without a schema, PostgreSQL might take for others."""

    def model(self, name: str) -> ModelSignature | None: ...

    def table(self, name: str) -> TableSignature | None: ...

    def named(self, name: str, schema: str | None) -> TableSignature | None:
        """The Flink table that PostgreSQL would find, by its shadow in public, under a name and the schema written with it."""

    def hides(self, name: str) -> bool:
        """Whether there is a Flink table of this name, which the name without a schema does not mean."""

    def seen(self, tables: frozenset[str], functions: frozenset[str]) -> CatalogView:
        """The view of a session for which names of these tables and functions, without a schema, may mean others."""

    def models(self) -> Sequence[ModelSignature]:
        """All models, by name: for hints and for calls whose model is a parameter."""

    def tables(self) -> Sequence[TableSignature]:
        """All Flink tables."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A CatalogView held in memory."""

    model_signatures: tuple[ModelSignature, ...] = ()
    table_signatures: tuple[TableSignature, ...] = ()
    generation: int = 0
    hidden_tables: frozenset[str] = frozenset()
    hidden_functions: frozenset[str] = frozenset()

    @property
    def key(self) -> Hashable:
        hidden = self.hidden_tables, self.hidden_functions
        return (self.generation, *hidden) if any(hidden) else self.generation

    def model(self, name: str) -> ModelSignature | None:
        return next((model for model in self.model_signatures if model.name == name), None)

    def table(self, name: str) -> TableSignature | None:
        return next((table for table in self.table_signatures if table.name == name), None)

    def named(self, name: str, schema: str | None) -> TableSignature | None:
        if schema not in (None, PUBLIC) or (schema is None and name in self.hidden_tables):
            return None
        return self.table(name)

    def hides(self, name: str) -> bool:
        return name in self.hidden_tables and self.table(name) is not None

    def seen(self, tables: frozenset[str], functions: frozenset[str]) -> Catalog:
        return replace(self, hidden_tables=tables, hidden_functions=functions)

    def tables(self) -> Sequence[TableSignature]:
        return self.table_signatures

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
