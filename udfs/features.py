"""Features: the declared inputs of a linear model as rows of (weight position, value) pairs.

Must not know losses, labels or tables. Three shapes of input: numeric scalar columns; one array column; two array
columns, indices and values. Position 0 is the intercept, whose value is 1 in every row; feature j is at position j + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from udfs.block import Column
from udfs.model import ArgumentError, OptionError
from udfs.observations import Failures, exclude

Shape = Literal["columns", "array", "sparse"]

INDEX_MAX = 2**47
"""Highest feature index; the key of a range of weights leaves the bits above to the class."""

DENSE_FEATURES_MAX = 65_536
"""Most features of a dense input: their means and deviations are constants of a version, which travel as JSON."""

WRONG_LENGTH = "array is not of the model's length"
UNPAIRED = "indices and values differ in length"
BAD_INDEX = f"index is outside of 0 to {INDEX_MAX}"

_NUMBERS = frozenset({"BOOLEAN", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE"})
_REALS = frozenset({"FLOAT_ARRAY", "DOUBLE_ARRAY"})
_INDICES = frozenset({"SMALLINT_ARRAY", "INT_ARRAY", "BIGINT_ARRAY"})


@dataclass(frozen=True, slots=True)
class Features:
    """n rows: ``values`` float64[m] with a leading 1 in each row, ``starts`` int64[n] where rows begin (none is empty).

    ``positions`` int64[m] of the values; None in a dense matrix, whose rows all hold positions 0 … m / n - 1.
    """

    values: np.ndarray
    starts: np.ndarray
    positions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def matrix(self) -> np.ndarray:
        """float64[n, width] view of dense rows, the 1 included."""
        return self.values.reshape(len(self), -1)

    def row_numbers(self) -> np.ndarray:
        """int64[m]: the row of each value."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def lengths(self) -> np.ndarray:
        """int64[n]: values per row, the 1 included."""
        return np.diff(self.starts, append=len(self.values))

    def take(self, rows: np.ndarray) -> Features:
        """Some rows (a mask, or row numbers in any order)."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        lengths = self.lengths()[rows]
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(self.starts[rows] - starts, lengths)
        return Features(self.values[places], starts, None if self.positions is None else self.positions[places])


def input_shape(algorithm: str, input_types: Sequence[str]) -> Shape:
    """The shape that declared input types (names of SqlType) have. Raises OptionError when none."""
    kinds = list(input_types)
    if kinds and all(kind in _NUMBERS for kind in kinds):
        return "columns"
    if len(kinds) == 1 and kinds[0] in _REALS:
        return "array"
    if len(kinds) == 2 and kinds[0] in _INDICES and kinds[1] in _REALS:
        return "sparse"
    raise OptionError("algorithm", f'algorithm "{algorithm}" takes numeric columns, or one ARRAY<FLOAT or DOUBLE>, '
                      "or ARRAY<INT or BIGINT> indices and ARRAY<FLOAT or DOUBLE> values, "
                      f"not ({', '.join(kinds)})")  # fmt: skip


def read_features(
    shape: Shape, columns: Sequence[Column], width: int | None, kept: np.ndarray, failures: Failures
) -> Features:
    """Rows of the columns where ``kept``; malformed ones are taken out of ``kept`` and counted in ``failures``.

    ``width``: features of a dense row; None takes the most frequent length. Raises ArgumentError when the columns are
    not of the shape.
    """
    if shape == "columns":
        return _from_columns(columns, kept)
    if len(columns) != (1 if shape == "array" else 2) or any(column.offsets is None for column in columns):
        raise ArgumentError(f"{len(columns)} arguments do not fit a model over {shape} input")
    if shape == "array":
        return _from_array(columns[0], width, kept, failures)
    return _from_sparse(columns[0], columns[1], kept, failures)


def finite_inputs(columns: Sequence[Column]) -> list[np.ndarray]:
    """For each input bool[n]: the rows in which all of its numbers are finite."""
    return [_finite(column) for column in columns]


def _finite(column: Column) -> np.ndarray:
    finite = np.isfinite(column.values)
    if column.offsets is None:
        return finite
    wrong = np.zeros(len(column), np.int64)
    np.add.at(wrong, np.repeat(np.arange(len(column)), np.diff(column.offsets))[~finite], 1)
    return wrong == 0


def row_digests(features: Features, label: np.ndarray) -> np.ndarray:
    """uint64[n]: equal for equal rows; sorting by it makes a fit independent of the order in which rows came."""
    bits = (features.values + 0.0).view(np.uint64).copy()
    bits[features.starts] = (label + 0.0).view(np.uint64)
    positions = features.positions
    if positions is None:
        positions = np.tile(np.arange(features.matrix().shape[1]), len(features))
    return np.add.reduceat(_mix(bits + _mix(positions.astype(np.uint64))), features.starts)


def _mix(bits: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014) on each element."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _dense(matrix: np.ndarray) -> Features:
    rows, width = matrix.shape
    return Features(matrix.reshape(-1), np.arange(0, rows * width, width))


def _from_columns(columns: Sequence[Column], kept: np.ndarray) -> Features:
    matrix = np.ones((len(kept), len(columns) + 1))
    for number, column in enumerate(columns):
        if column.offsets is not None or column.values.dtype.kind not in "bif" or column.values.ndim != 1:
            raise ArgumentError(f"argument {number + 1} is not a number", number)
        matrix[:, number + 1] = column.values
    return _dense(matrix if kept.all() else matrix[kept])


def _from_array(column: Column, width: int | None, kept: np.ndarray, failures: Failures) -> Features:
    lengths = np.diff(column.offsets)
    if width is None:
        width = int(np.bincount(lengths[kept]).argmax()) if kept.any() else 0
        if width > DENSE_FEATURES_MAX:
            raise ArgumentError(f"arrays of {width} features; dense input has at most {DENSE_FEATURES_MAX}")
    exclude(kept, lengths == width, WRONG_LENGTH, failures)
    values = column.values if kept.all() else column.values[np.repeat(kept, lengths)]
    matrix = np.ones((int(np.count_nonzero(kept)), width + 1))
    matrix[:, 1:] = values.reshape(len(matrix), width)
    return _dense(matrix)


def _from_sparse(indices: Column, values: Column, kept: np.ndarray, failures: Failures) -> Features:
    lengths = np.diff(indices.offsets)
    exclude(kept, lengths == np.diff(values.offsets), UNPAIRED, failures)
    inside = (indices.values >= 0) & (indices.values <= INDEX_MAX)
    if not inside.all():
        good = np.ones(len(kept), bool)
        good[np.repeat(np.arange(len(kept)), lengths)[~inside]] = False
        exclude(kept, good, BAD_INDEX, failures)
    flat_indices, flat_values = indices.values, values.values
    if not kept.all():
        flat_indices = flat_indices[np.repeat(kept, lengths)]
        flat_values = flat_values[np.repeat(kept, np.diff(values.offsets))]
        lengths = lengths[kept]
    starts = np.cumsum(lengths + 1) - (lengths + 1)
    places = np.ones(len(flat_values) + len(starts), bool)
    places[starts] = False
    positions, filled = np.zeros(len(places), np.int64), np.ones(len(places))
    positions[places] = flat_indices
    positions[places] += 1
    filled[places] = flat_values
    return Features(filled, starts, positions)
