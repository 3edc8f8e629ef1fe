"""Deltas: summing what a batch of observations adds to each key, and keeping the sums from overshooting.

Must not know any algorithm. A batch may hold a key many times, computed on one stale row, so a sum is divided by what
its curvature adds up to: the step of gradient descent that is stable for a batch of any size.
"""

from __future__ import annotations

import numpy as np

from udfs.observations import factorize


def sum_by_key(keys: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """(unique keys[m], int32[m] rows of each, the [n, width] values summed to [m, width])."""
    unique, codes = factorize(keys)
    counts = np.bincount(codes, minlength=len(unique))
    if len(unique) == 0:
        return unique, counts.astype(np.int32), list(values)
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    return unique, counts.astype(np.int32), [np.add.reduceat(value[order], starts, axis=0) for value in values]


def damped(gradients: np.ndarray, curvatures: np.ndarray, rate: float) -> np.ndarray:
    """Steps rate · gradient / (1 + rate · curvature), element by element.

    ``curvatures`` bound the second derivative along the step: a step then never passes the minimum, whatever the rate.
    """
    return rate * gradients / (1.0 + rate * curvatures)


def clipped(steps: np.ndarray, longest: float) -> np.ndarray:
    """The steps [m, width], a longer one shortened to ``longest`` (Euclidean)."""
    lengths = np.sqrt(np.vecdot(steps, steps))[:, None]
    return np.where(lengths > longest, steps * (longest / np.maximum(lengths, longest)), steps)
