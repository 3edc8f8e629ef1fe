"""Training as a function of bytes: blocks of observations in, bundles of a fitted model out (docs/modellog.md).

Must not know about Flink or files; the clock and the hash of the source come in as arguments. udfs/flink.py runs this
inside a Flink job; anything else that has blocks can run it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from udfs.algorithms import configure
from udfs.block import BIGINT, FLOAT, JSON_TAG, STRING, Column, concatenated, decode_block, encode_block, encode_bundle
from udfs.model import ArgumentError, Fitted, Model, NoneUsableError, Progress, TableSpec, none_usable
from udfs.observations import NOT_FINITE_LABEL, NULL_LABEL, not_finite_input, null_input

BUNDLE_BYTES_MAX = 8 << 20
"""Largest bundle: it is one value of a Flink row, copied whole between processes."""

BUNDLE_BYTES_RESERVED = 4096
"""Of which headers, descriptors and padding take less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What CREATE MODEL says: algorithm, its options as texts, and the input types (names of SqlType).

    ``names`` and ``label_type``, of inputs and label in their order, are for messages.
    """

    algorithm: str
    options: Mapping[str, str]
    input_types: Sequence[str]
    names: Sequence[str] = ()
    label_type: str = "DOUBLE"

    def worded(self) -> dict[str, str]:
        """Reasons for which rows are left out -> the same ones with the names of the columns."""
        if len(self.names) != len(self.input_types) + 1:
            return {}
        *inputs, label = [
            (name, f"{name} is null" if kind == "STRING" or kind.endswith("_ARRAY") else f"{name} is null or no {kind}")
            for name, kind in zip(self.names, [*self.input_types, self.label_type], strict=True)
        ]
        found = {NULL_LABEL: label[1], NOT_FINITE_LABEL: f"{label[0]} is not finite"}
        for number, (name, null) in enumerate(inputs):
            found |= {null_input(number): null, not_finite_input(number): f"{name} is not finite"}
        return found


def train(
    blocks: Sequence[bytes], config: TrainConfig, *, progress: Progress, clock: Callable[[], float], code_hash: str
) -> list[bytes]:
    """Fit bundles of at most BUNDLE_BYTES_MAX: chunks of each table's rows, and one JSON entry in the last bundle.

    blocks:    each holds the input columns and, last, the label.
    clock:     seconds, of which only differences are used.
    Raises OptionError, ArgumentError, DivergedError, and ValueError for bytes that are no block.
    """
    started = clock()
    model = configure(config.algorithm, config.options, config.input_types)
    columns = joined([decode_block(block) for block in blocks])
    if len(columns) != len(config.input_types) + 1:
        raise ArgumentError(f"{len(columns)} training columns, expected {len(config.input_types)} inputs and a label")
    worded = config.worded()
    try:
        fitted = model.fit(columns, progress)
    except NoneUsableError as error:
        raise ArgumentError(none_usable(error.rows, [
            f"{worded.get(reason, reason)} in {count}, first in row {error.first[reason] + 1}"
            for reason, count in error.failures.items()
        ])) from error  # fmt: skip
    failures = {worded.get(reason, reason): count for reason, count in fitted.failures.items()}
    fitted = replace(fitted, failures=failures)
    bundles = [
        encode_bundle([(tag, block)])
        for tag, spec in enumerate(model.tables())
        for block in _table_blocks(spec, *fitted.rows[spec.name])
    ]
    entry = _fit_entry(model, fitted, round((clock() - started) * 1000), code_hash)
    return [*bundles, encode_bundle([(JSON_TAG, entry)])]


def joined(blocks: Sequence[Sequence[Column]]) -> list[Column]:
    """Columns of all blocks, one after another. Raises ArgumentError when there is none or they differ in columns."""
    counts = {len(columns) for columns in blocks}
    if len(counts) != 1:
        raise ArgumentError("no rows to train on" if not counts else f"blocks differ in columns: {sorted(counts)}")
    return [concatenated(parts) for parts in zip(*blocks, strict=True)]


def _table_blocks(spec: TableSpec, keys: np.ndarray, matrix: np.ndarray) -> Iterator[bytes]:
    """Blocks (key, row) of a table's rows, each small enough for a bundle."""
    code = BIGINT if spec.key == "int64" else STRING
    sizes = np.full(len(keys), 8 + 4 * spec.width)
    if code == STRING:
        sizes += [len(key.encode()) for key in keys.tolist()]
    ends = np.cumsum(sizes)
    first = 0
    while first < len(keys):
        room = BUNDLE_BYTES_MAX - BUNDLE_BYTES_RESERVED + (ends[first - 1] if first else 0)
        last = max(first + 1, int(np.searchsorted(ends, room, side="right")))
        yield encode_block([(code, Column(keys[first:last])), (FLOAT, Column(matrix[first:last]))])
        first = last


def _fit_entry(model: Model, fitted: Fitted, duration_ms: int, code_hash: str) -> bytes:
    """UTF-8 JSON that describes a fit; a table's ``initial`` is the row that an unknown key starts from."""
    initial = model.initial_rows(fitted.constants)
    tables = [
        replace(spec, initial=tuple(initial[spec.name].tolist()) if spec.name in initial else None)
        for spec in model.tables()
    ]
    entry = {
        "algorithm": model.algorithm,
        "tables": [asdict(table) for table in tables],
        "constants": {name: array.tolist() for name, array in fitted.constants.items()},
        "classes": None if fitted.classes is None else fitted.classes.tolist(),
        "metrics": dict(fitted.metrics),
        "rows_read": fitted.rows_read,
        "rows_failed": fitted.rows_failed,
        "failures": dict(fitted.failures),
        "duration_ms": duration_ms,
        "code_hash": code_hash,
    }
    return json.dumps(entry, allow_nan=False).encode()
