"""Ranges of weights: how the weight vectors of linear models are rows of a table, and how they are read.

Must not know losses or labels. A weight at position p of class c is element p % 256 of the row with key
c << 40 | p // 256; a row that is not there reads as zeros. A dense vector of usual size is one row or a few, and
100,000 sparse features are read by one gather.
"""

from __future__ import annotations

import numpy as np

from udfs.features import Features
from udfs.model import TableView

RANGE = 256
"""Weights per row: 1 KiB, small enough for a delta of a few features, large enough for a gather of few rows."""

CLASS_SHIFT = 40


def class_keys(number: int, ranges: np.ndarray) -> np.ndarray:
    """int64: keys of some ranges of the class with that number."""
    return number << CLASS_SHIFT | ranges


def to_ranges(positions: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(keys[m], float32[m, 256]) of weights [p, c] at ascending positions [p]."""
    ranges, codes = np.unique(positions // RANGE, return_inverse=True)
    rows = np.zeros((weights.shape[1], len(ranges), RANGE), np.float32)
    rows[:, codes, positions % RANGE] = weights.T
    keys = [class_keys(number, ranges) for number in range(weights.shape[1])]
    return np.concatenate(keys), rows.reshape(-1, RANGE)


def weights_of(table: TableView, features: Features, number: int) -> np.ndarray:
    """float64[m]: the weight in class ``number`` of each value of the features, 0 where its range is not there."""
    positions = features.positions
    if positions is None:
        width = features.matrix().shape[1]
        vector = _range_rows(table, class_keys(number, np.arange(-(-width // RANGE)))).reshape(-1)[:width]
        return np.tile(vector, len(features))
    ranges = positions // RANGE
    highest = int(ranges.max())
    if highest < len(ranges):
        return _range_rows(table, class_keys(number, np.arange(highest + 1))).reshape(-1)[positions]
    ranges, codes = np.unique(ranges, return_inverse=True)
    return _range_rows(table, class_keys(number, ranges))[codes, positions % RANGE]


def _range_rows(table: TableView, keys: np.ndarray) -> np.ndarray:
    """float64[len(keys), 256] rows, zeros for an unknown key."""
    found = table.find(keys)
    rows = np.zeros((len(keys), RANGE))
    known = found >= 0
    rows[known] = table.matrix[found[known]]
    return rows
