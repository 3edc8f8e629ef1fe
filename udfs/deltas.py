"""Deltas: summing what a batch of observations adds to each key, and keeping the sums from overshooting.

Must not know any algorithm. A batch may hold a key many times, computed on one stale row, so a sum is divided by what
the key's curvature adds up to: the step of gradient descent that is stable for any batch.
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


def scaled_steps(gradients: np.ndarray, curvatures: np.ndarray, rate: float, longest: float) -> np.ndarray:
    """float32[m, width] steps rate · gradient / (1 + rate · curvature), each row no longer than ``longest``.

    ``curvatures`` [m, 1] or [m, width] bound the second derivative along the step: a step then never passes the
    minimum, whatever the rate. Rows that overflow come out as not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = rate * gradients / (1.0 + rate * curvatures)
        lengths = np.sqrt(np.vecdot(steps, steps))[:, None]
        return np.where(lengths > longest, steps * (longest / np.maximum(lengths, longest)), steps).astype(np.float32)
