"""The k best rows of a matrix for a vector, without copying the matrix.

Must not know what rows mean. One BLAS matrix-vector product finds candidates; the caller's exact scores decide among
them, because BLAS rounds a product of a whole matrix otherwise than one of a single row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ROUNDING = 2.0**-23
"""Two rounding units of float32: two float32 dot products of one pair differ by at most width × this × the norms."""


def top_rows(
    approximate: np.ndarray, keys: np.ndarray, k: int, slack: Callable[[np.ndarray], float],
    exact: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(row numbers, exact scores) of the k highest exact scores, best first, ties by key.

    approximate:  float32[n], overwritten; -inf or NaN leaves a row out.
    slack(rows):  how far below the k-th best an approximate score may be and its exact one still reach the top, given
                  k candidates.
    exact(rows):  float64 scores of some rows.
    """
    n = len(approximate)
    k = min(k, n)
    if k <= 0:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    best = np.argpartition(approximate, n - k)[n - k :]
    if np.isnan(approximate[best]).any():
        np.copyto(approximate, -np.inf, where=np.isnan(approximate))
        best = np.argpartition(approximate, n - k)[n - k :]
    floor = approximate[best].min() - slack(best)
    rows = np.flatnonzero(approximate >= floor)
    rows = rows[approximate[rows] > -np.inf]
    scores = exact(rows)
    if len(rows) > k:
        kept = scores >= np.partition(scores, len(rows) - k)[len(rows) - k]
        rows, scores = rows[kept], scores[kept]
    order = sorted(zip((-scores).tolist(), keys[rows].tolist(), range(len(rows)), strict=True))[:k]
    chosen = np.array([place for _, _, place in order], np.int64)
    return rows[chosen], scores[chosen]
