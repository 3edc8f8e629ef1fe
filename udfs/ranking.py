"""The k highest of many scores, in one pass and without sorting them.

Must not know what scores are of. A full argpartition of 100,000 scores costs as much as computing them; the maxima of
groups of them give a bound that only a handful of scores reach.
"""

from __future__ import annotations

import numpy as np

GROUP = 64
"""Scores per group whose maximum is taken: small enough that k groups are few, large enough that groups are."""

GROUPS_PER_RANK = 4
"""Groups needed per score asked for; with fewer, the bound would let too many through and a partition is as fast."""


def top_places(scores: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """int64[min(k, present)]: places of the k highest scores, highest first, equal ones by key.

    scores: float32[n], may be overwritten; -inf and NaN are not present.  keys: int64[n] or object[n] of str, unique.
    """
    k = min(k, len(scores))
    if k <= 0:
        return np.empty(0, np.int64)
    if np.isnan(scores.max()):
        np.copyto(scores, -np.inf, where=np.isnan(scores))
    places = np.flatnonzero(scores >= max(_bound(scores, k), np.finfo(np.float32).min))
    if len(places) > 2 * k:
        reached = scores[places]
        places = places[reached >= np.partition(reached, len(reached) - k)[len(reached) - k]]
    ranked = sorted(zip((-scores[places]).tolist(), keys[places].tolist(), places.tolist(), strict=True))
    return np.array([place for _, _, place in ranked[:k]], np.int64)


def _bound(scores: np.ndarray, k: int) -> np.float32:
    """A score that at least k scores reach, and few more than k."""
    groups = len(scores) // GROUP
    if groups < k * GROUPS_PER_RANK:
        return np.partition(scores, len(scores) - k)[len(scores) - k]
    maxima = scores[: groups * GROUP].reshape(GROUP, groups).max(axis=0)
    return np.partition(maxima, groups - k)[groups - k]
