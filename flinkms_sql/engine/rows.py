"""Which rows match a comparison and in which order rows come, as PostgreSQL has it: NaN equals NaN and is larger than
every other number; NULL matches nothing and sorts as the largest value. Must not know nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from udfs.block import Column


def matches(column: Column, operator: str, operand: Column) -> np.ndarray:
    """bool[n]: whether ``column operator operand`` is true; ``operand`` has one row."""
    if operand.valid is not None:
        return np.zeros(len(column), dtype=bool)
    values, other = column.values, operand.values[0]
    if values.dtype.kind == "f":
        nan, other_nan = np.isnan(values), bool(np.isnan(other))
        equal = (values == other) | (nan & other_nan)
        less = (values < other) | (~nan & other_nan)
    else:
        equal = np.asarray(values == other, dtype=bool)
        less = np.zeros(len(values), dtype=bool) if values.dtype == object else values < other
    found = {
        "=": equal,
        "<>": ~equal,
        "<": less,
        "<=": less | equal,
        ">": ~(less | equal),
        ">=": ~less,
    }[operator]
    return found if column.valid is None else found & column.valid


def order(keys: Sequence[tuple[Column, bool, bool]]) -> np.ndarray:
    """Row numbers in the order of keys (column, descending, nulls first); rows that compare equal keep their order."""
    ranks = []
    for column, descending, nulls_first in reversed(keys):
        rank = np.unique(column.values, return_inverse=True)[1].astype(np.int64)
        if descending:
            rank = -rank
        if column.valid is not None:
            beyond = len(rank) + 1
            rank = np.where(column.valid, rank, -beyond if nulls_first else beyond)
        ranks.append(rank)
    return np.lexsort(ranks)
