"""A version of random rows: bases written as training would leave them, then one publish.

Must not know how a version is trained. It goes through the same files and the same registry as training, so that a
generated model is served, learned into and scored like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.records import Column as Declared
from flinkms_sql.catalog.records import ModelRecord, TrainingOutcome, VersionRecord
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.base import Chunk, write_base, write_manifest
from flinkms_sql.modellog.loading import verify_loads
from flinkms_sql.modellog.naming import model_directory
from flinkms_sql.modellog.version import Table, Version, write_version
from flinkms_sql.places import Places
from flinkms_sql.query.lexer import quote_name
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.generate import Chunk as Rows
from udfs.generate import factor_constants, random_factors, random_weights, weight_constants
from udfs.model import Model, OptionError
from udfs.source import code_hash
from udfs.weights import RANGE

ALGORITHMS = ("als", "svm", "logistic", "ridge")
FACTORS_DEFAULT = 32
PARTITIONS = 4
"""Key partitions of a generated version's log, as many as a trained one has."""

INPUTS: Mapping[str, tuple[Declared, ...]] = {
    "als": (Declared(name="user_id", type=SqlType.BIGINT), Declared(name="item_id", type=SqlType.BIGINT)),
    **dict.fromkeys(ALGORITHMS[1:], (Declared(name="indices", type=SqlType.BIGINT_ARRAY),
                                     Declared(name="vals", type=SqlType.DOUBLE_ARRAY))),
}
"""As in sql/generate/models.sql."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """How large: users, items and factors, or features. None where it is not given."""

    users: int | None = None
    items: int | None = None
    factors: int | None = None
    features: int | None = None
    seed: int = 0

    def rows(self, algorithm: str) -> int:
        """Rows in all tables. Raises FlinkmsError 22023 when the size does not fit the algorithm."""
        factorised = self.users is not None and self.items is not None and self.features is None
        linear = self.features is not None and self.users is None and self.items is None and self.factors is None
        if not (factorised if algorithm == "als" else linear):
            needed = "--users and --items" if algorithm == "als" else "--features alone"
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'a random model of algorithm "{algorithm}" needs {needed}')
        return self.users + self.items if algorithm == "als" else -(-(self.features + 1) // RANGE)


def publish_random(store: Store, places: Places, name: str, algorithm: str, size: ModelSize,
                   advance: Callable[[int], object]) -> VersionRecord:
    """Write a new version of the model, declared if it is not, and make it live; ``advance`` is told of rows written.

    Raises FlinkmsError 22023 when the size does not fit, 42710 when the model is declared otherwise, 53100, 58030.
    """
    size.rows(algorithm)
    began = time.monotonic()
    record = store.snapshot().models.get(name) or _declare(store, name, algorithm, size)
    model = _configured(record, algorithm, size)
    version = store.begin_version(name, directory=str(model_directory(places.warehouse, name, record.incarnation)),
                                  options=record.options)
    try:
        directory = places.version(version.path)
        _write(directory, record, model, size, advance)
        verify_loads(directory)
    except Exception as error:
        store.fail_version(version, str(error))
        raise
    outcome = TrainingOutcome(training_rows=0, duration_ms=int((time.monotonic() - began) * 1e3), code_hash=code_hash())
    return store.publish_version(version, outcome, reason="generated")


def _declare(store: Store, name: str, algorithm: str, size: ModelSize) -> ModelRecord:
    factors = str(size.factors or FACTORS_DEFAULT)
    declaration = sqlfiles.queries("generate/models")[algorithm]
    definition = declaration.replace(":name", quote_name(name)).replace(":factors", factors)
    return store.create_model(
        name=name, algorithm=algorithm, inputs=INPUTS[algorithm], training_query=None, definition=definition,
        outputs=(Declared(name="rating" if algorithm == "als" else "label", type=SqlType.DOUBLE),),
        options={"algorithm": algorithm} | ({"factors": factors} if algorithm == "als" else {}),
        recommends=algorithm == "als",
    )


def _configured(record: ModelRecord, algorithm: str, size: ModelSize) -> Model:
    """The model as it is declared. Raises 42710 when that is not what is to be generated."""
    try:
        model = configure(record.algorithm, _options(record), [column.type.name for column in record.inputs])
    except OptionError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error)) from error
    width = model.tables()[0].width
    other_factors = algorithm == "als" and size.factors not in (None, width - 2)
    dense = algorithm != "als" and [column.type.is_array for column in record.inputs] != [True, True]
    if record.algorithm != algorithm or other_factors or dense or any(spec.key != "int64" for spec in model.tables()):
        raise FlinkmsError(errors.DUPLICATE_OBJECT, f'model "{record.name}" is declared otherwise',
                           detail=f"It is declared as: {record.definition}.",
                           hint="Rows are generated for integer keys and sparse features only.")
    return model


def _options(record: ModelRecord) -> dict[str, str]:
    return {name: text for name, text in record.options.items() if name != "algorithm"}


def _write(directory: Path, record: ModelRecord, model: Model, size: ModelSize, advance: Callable[[int], object]) -> None:
    """Bases and manifests of all tables, then version.json, which makes the directory a version."""
    specs = {spec.name: spec for spec in model.tables()}
    rows, constants = _generated(model, size, specs)
    for table, chunks in groupby(rows, key=lambda chunk: chunk[0]):
        spec = specs[table]
        base = write_base(directory / table, 1, _chunks(chunks, advance), key=spec.key, width=spec.width)
        write_manifest(directory / table, base, {})
    initial = model.initial_rows(constants)
    write_version(directory, Version(
        algorithm=model.algorithm, options=_options(record), constants=constants, partitions=PARTITIONS,
        input_types=tuple(column.type.name for column in record.inputs),
        tables=tuple(Table(name=spec.name, key=spec.key, width=spec.width, initial=initial.get(spec.name))
                     for spec in specs.values()),
    ))  # fmt: skip


def _generated(model: Model, size: ModelSize, specs: Mapping[str, object]) -> tuple[Iterator[Rows], dict[str, np.ndarray]]:
    """Rows, one table after the other, and constants."""
    if size.users is not None and size.items is not None:
        factors = specs["users"].width - 2
        return random_factors(size.users, size.items, factors, size.seed), factor_constants(factors)
    labels = () if model.algorithm == "ridge" else (0.0, 1.0)
    return random_weights(size.features, size.seed), weight_constants(labels)


def _chunks(rows: Iterator[Rows], advance: Callable[[int], object]) -> Iterator[Chunk]:
    for _, keys, matrix in rows:
        yield Chunk(keys=keys, rows=matrix)
        advance(len(keys))
