"""Deltas: summing what a batch of observations adds to each key, and keeping the sums from overshooting.

Must not know any algorithm. A batch may hold a key many times, computed on one stale row, so a sum is divided by what
its curvature adds up to: the step of gradient descent that is stable for a batch of any size.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from udfs.observations import factorize


class Groups:
    """The rows of a batch by their keys: ``unique`` keys[m], int32 ``counts``[m], ``first``[m] a row of each."""

    __slots__ = ("_order", "_starts", "counts", "first", "unique")

    def __init__(self, keys: np.ndarray) -> None:
        codes = keys if keys.dtype.kind != "O" else factorize(keys)[1]
        self._order = np.argsort(codes, kind="stable")
        ordered = codes[self._order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(keys) else self._order
        self._starts = np.append(starts, len(keys))
        self.counts = np.diff(self._starts).astype(np.int32)
        self.first = self._order[starts]
        self.unique = keys[self.first]

    def sums(self, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        """float64[m, width]: for each key the sum of float64 weights[n] times values[n, width], in the batch's order.

        It is the product of a sparse matrix, with a row for each key, and ``values``: five times as fast as gathering
        the products in order and numpy's reduceat over them.
        """
        if len(self.unique) == len(self._order):
            return weights[self._order, None] * values[self._order]
        chosen = (weights[self._order], self._order, self._starts)
        return csr_array(chosen, shape=(len(self.unique), len(values))) @ values.astype(np.float64, copy=False)


def damped(gradients: np.ndarray, curvatures: np.ndarray, rate: float) -> np.ndarray:
    """Steps rate · gradient / (1 + rate · curvature); the curvatures broadcast to the gradients.

    ``curvatures`` bound the second derivative along the step: a step then never passes the minimum, whatever the rate.
    """
    return gradients * (rate / (1.0 + rate * curvatures))


def clipped(steps: np.ndarray, longest: float) -> np.ndarray:
    """The steps [m, width], a longer one shortened to ``longest`` (Euclidean)."""
    lengths = np.sqrt(np.vecdot(steps, steps))[:, None]
    return steps * (longest / np.maximum(lengths, longest))
