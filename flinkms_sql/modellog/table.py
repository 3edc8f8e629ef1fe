"""TableReplica: one table of a version in memory, base plus applied upserts.

Must not know about files of the log or positions: it is given records, and can say how to take them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flinkms_sql.modellog.base import map_rows, open_current, read_keys, read_numbers
from flinkms_sql.modellog.files import corrupted
from flinkms_sql.modellog.index import build_index
from flinkms_sql.modellog.version import Table
from udfs.block import Column

UPSERTED, DELETED = 1, 2
"""Values of ``op`` in an upsert frame."""
_PAGE_FLOATS = 1024
_INT8, _INT64, _FLOAT32, _OBJECT = (np.dtype(kind) for kind in (np.int8, np.int64, np.float32, object))


@dataclass(frozen=True, slots=True)
class Records:
    """n records in log order: ops int8[n], keys[n], int64[n], int64[n] microseconds, rows float32[n, width]."""

    ops: np.ndarray
    keys: np.ndarray
    sequences: np.ndarray
    event_times: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.ops)

    def take(self, which: np.ndarray) -> Records:
        """The records a mask or an array of indices selects."""
        return Records(
            self.ops[which], self.keys[which], self.sequences[which], self.event_times[which], self.rows[which]
        )


def records_of(columns: Sequence[Column], table: Table) -> Records:
    """The records of an upsert frame. Raises ValueError when its columns do not fit the table."""
    if len(columns) != 5 or any(column.valid is not None or column.offsets is not None for column in columns):
        raise ValueError("an upsert frame of a model's table has five columns without NULL")
    ops, keys, sequences, event_times, rows = (column.values for column in columns)
    expected = (_INT8, _INT64 if table.key == "int64" else _OBJECT, _INT64, _INT64, _FLOAT32)
    if (ops.dtype, keys.dtype, sequences.dtype, event_times.dtype, rows.dtype) != expected:
        raise ValueError(f"columns of types {[str(column.values.dtype) for column in columns]}")
    if rows.size != len(keys) * table.width or not ops.ndim == keys.ndim == sequences.ndim == event_times.ndim == 1:
        raise ValueError(f"rows of shape {rows.shape} for width {table.width}")
    if len(ops) and (ops.min() < UPSERTED or ops.max() > DELETED):
        raise ValueError("an op is neither upsert nor delete")
    return Records(ops, keys, sequences, event_times, rows.reshape(len(keys), table.width))


def concatenate(parts: Sequence[Records]) -> Records:
    """The records of several frames, one after another."""
    if len(parts) == 1:
        return parts[0]
    return Records(
        np.concatenate([part.ops for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.sequences for part in parts]),
        np.concatenate([part.event_times for part in parts]),
        np.concatenate([part.rows for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Undo:
    """What records overwrote: the former state of their keys that were there, and the keys that were not."""

    present: Records
    absent: np.ndarray

    @property
    def bytes(self) -> int:
        """Memory held, roughly."""
        return self.present.rows.nbytes + 32 * (len(self.present) + len(self.absent))


class TableReplica:
    """One table: its current base plus the records applied to it. Implements udfs.model.TableView.

    ``keys``, ``matrix``, ``sequences``, ``event_times`` (row number -> value) and ``live`` are views that the next
    ``apply`` may replace: fetch them anew for each batch. ``base_positions``: partition -> up to where the base
    contains the log. Raises FlinkmsError 58030, XX001 when the base cannot be read or does not fit ``table``.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self.table = table
        base, self.base_positions = open_current(path)
        if (base.key, base.width) != (table.key, table.width):
            raise corrupted(base.path / "base.json", f"{base.key} keys and width {base.width} do not fit the version")
        try:
            self._index = build_index(table.key, read_keys(base))
        except ValueError as error:
            raise corrupted(base.path, str(error)) from error
        self._matrix = map_rows(base)
        self._sequences = _extended(read_numbers(base, "sequences.i64"), base.capacity)
        self._event_times = _extended(read_numbers(base, "event_times.i64"), base.capacity)
        self._refresh()

    @property
    def find_one(self) -> Callable[[int | str], int]:
        """``find_one(key)``: row number of one key, -1 where it is unknown."""
        return self._index.find_one

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where it is unknown."""
        return self._index.find(keys)

    def apply(self, records: Records, *, keep: bool = False) -> Undo | None:
        """Apply records in order: the last one of a key wins. With ``keep``, what takes them back again."""
        deleting = records.ops.max(initial=UPSERTED) == DELETED
        if deleting:
            records = records.take(_last_of_each(records.keys))
        numbers = self.find(records.keys)
        undo = self._undo(records.keys, numbers) if keep else None
        if deleting:
            gone = records.ops == DELETED
            self._index.remove(numbers[gone & (numbers >= 0)])
            self._refresh()
            records, numbers = records.take(~gone), numbers[~gone]
        self._upsert(records, numbers)
        return undo

    def take_back(self, undo: Undo) -> None:
        """Make the state what it was before the records of ``undo``; the latest ones are taken back first."""
        numbers = np.unique(self.find(undo.absent))
        self._index.remove(numbers[numbers >= 0])
        self._refresh()
        self._upsert(undo.present, self.find(undo.present.keys))

    def warm(self) -> None:
        """Touch every page of the rows, so that no prediction waits for the disk."""
        self.matrix.reshape(-1)[::_PAGE_FLOATS].sum()

    def _refresh(self) -> None:
        """Set the views that readers use; after every change of the set of rows."""
        self.keys = self._index.keys
        count = len(self.keys)
        self.matrix = self._matrix[:count]
        self.sequences = self._sequences[:count]
        self.event_times = self._event_times[:count]
        self.live = self._index.live()

    def _undo(self, keys: np.ndarray, numbers: np.ndarray) -> Undo:
        known = numbers >= 0
        absent = keys[~known]
        if len(absent):
            keys, numbers = keys[known], numbers[known]
        ops = np.ones(len(keys), np.int8)
        return Undo(
            Records(ops, keys, self._sequences[numbers], self._event_times[numbers], self._matrix[numbers]), absent
        )

    def _upsert(self, records: Records, numbers: np.ndarray) -> None:
        unknown = numbers < 0
        if unknown.any():
            new = records.keys[unknown]
            self._index.insert(np.unique(new))
            self._make_room(len(self._index.keys))
            numbers[unknown] = self.find(new)
            self._refresh()
        self._matrix[numbers] = records.rows  # numpy assigns in order: of a row named twice the last value stays
        self._sequences[numbers] = records.sequences
        self._event_times[numbers] = records.event_times

    def _make_room(self, count: int) -> None:
        """Once the mapping's headroom is used up the rows move to memory of their own: a pause once per 25 % growth."""
        if count > len(self._matrix):
            capacity = count + count // 4 + 1024
            self._matrix = _extended(self._matrix, capacity)
            self._sequences = _extended(self._sequences, capacity)
            self._event_times = _extended(self._event_times, capacity)


def _extended(array: np.ndarray, count: int) -> np.ndarray:
    grown = np.zeros((count, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _last_of_each(keys: np.ndarray) -> np.ndarray:
    """Indices of the last record of each key, rising."""
    _, first_from_end = np.unique(keys[::-1], return_index=True)
    return np.sort(len(keys) - 1 - first_from_end)
