"""A model's tables in memory: for tests, offline evaluation and generators.

Must not know about logs or files; the serving replica is another implementation of the same protocol. Applying a push
does what the sink does: one float32 addition per row, an unknown key starting from its table's initial row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from udfs.model import Fitted, Model, Push, TableSpec


class ArrayTable:
    """One table: implements TableView. ``keys`` are unique."""

    def __init__(
        self, spec: TableSpec, keys: np.ndarray, matrix: np.ndarray, initial: np.ndarray | None = None
    ) -> None:
        if matrix.shape != (len(keys), spec.width):
            raise ValueError(f"table {spec.name}: rows {matrix.shape} for {len(keys)} keys of width {spec.width}")
        self.spec = spec
        self.keys = keys.astype(np.int64) if spec.key == "int64" else keys.astype(object)
        self.matrix = np.array(matrix, np.float32, order="C")
        self.live: np.ndarray | None = None
        self._initial = np.zeros(spec.width, np.float32) if initial is None else initial.astype(np.float32)
        self._numbers = {key: number for number, key in enumerate(self.keys.tolist())}

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where the key is unknown or deleted."""
        numbers = self._numbers
        return np.array([numbers.get(key, -1) for key in keys.tolist()], np.int64)

    def find_one(self, key: int | str) -> int:
        """Row number of one key, -1 where the key is unknown or deleted."""
        return self._numbers.get(key, -1)

    def apply(self, push: Push) -> None:
        """Add the deltas to the rows of their keys."""
        fresh = push.keys[self.find(push.keys) < 0]
        if len(fresh):
            first = len(self.keys)
            self.keys = np.concatenate((self.keys, fresh.astype(self.keys.dtype)))
            self.matrix = np.concatenate((self.matrix, np.tile(self._initial, (len(fresh), 1))))
            self.live = None if self.live is None else np.concatenate((self.live, np.ones(len(fresh), bool)))
            self._numbers.update(zip(fresh.tolist(), range(first, first + len(fresh)), strict=True))
        self.matrix[self.find(push.keys)] += push.deltas

    def delete(self, keys: np.ndarray) -> None:
        """Take rows out: they are no longer found and no longer live."""
        live = np.ones(len(self.keys), bool) if self.live is None else self.live.copy()
        for key in keys.tolist():
            number = self._numbers.pop(key, None)
            if number is not None:
                live[number] = False
        self.live = live


class ArrayView:
    """All tables of one fit: implements ModelView."""

    def __init__(self, model: Model, fitted: Fitted) -> None:
        initial = model.initial_rows(fitted.constants)
        self.constants: Mapping[str, np.ndarray] = dict(fitted.constants)
        self.classes = fitted.classes
        self.tables = {
            spec.name: ArrayTable(spec, *fitted.rows[spec.name], initial.get(spec.name)) for spec in model.tables()
        }

    def apply(self, pushes: list[Push]) -> None:
        """Add what ``Model.learn`` returned."""
        for push in pushes:
            self.tables[push.table].apply(push)
