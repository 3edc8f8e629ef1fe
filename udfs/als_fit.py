"""Alternating least squares with biases, in batches of numpy.linalg.solve.

Must not know about keys, tables or columns: users and items are numbers 0..n-1 here, labels have mean 0 and variance 1.
The model is label ≈ bias[user] + bias[item] + factors[user] · factors[item]. Each iteration first fits the biases to
what the factors leave over, then the user factors, then the item factors.

Speed comes from exact buckets: keys with the same number of observations are next to each other, so that a bucket is
one array (keys, count, factors) without padding, its normal equations one matmul, and their solution one batched solve.
A key with fewer observations than factors is solved in the dual, count × count: most items of a long tail are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from udfs.model import DivergedError, Progress

GATHER_ELEMENTS_MAX = 1 << 23
"""Elements gathered at a time (64 MiB of float64), so that a fit's memory does not grow with observations × factors."""

USER_PENALTY = (1.0, 0.6)
ITEM_PENALTY = (3.0, 0.2)
"""The penalty of a row with n observations is regularization × factor × n ** exponent. Between a fixed prior (exponent
0) and ALS-WR (1; Zhou et al. 2008). Both pairs were chosen on MovieLens, where held-out RMSE is flat around them."""

INITIAL_DEVIATION = 0.1
"""Standard deviation of the random item factors that the first iteration starts from."""

LOSS_GROWTH_MAX = 10.0
"""A fit whose training RMSE exceeds this multiple of the label's deviation (1 here) is no fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a fit is told: counts, penalties (unitless) and the seed of the starting factors."""

    factors: int
    iterations: int
    regularization: float
    bias_regularization: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The outcome: float64[users, factors], float64[items, factors], float64[users], float64[items], training RMSE."""

    users: np.ndarray
    items: np.ndarray
    user_bias: np.ndarray
    item_bias: np.ndarray
    rmse: float


@dataclass(frozen=True, slots=True)
class _Side:
    """Observations grouped by one side's keys, keys ordered by their number of observations.

    keys:    int64[keys]: the keys in that order.
    counts:  int64[keys], ascending.
    order:   int64[n]: observation at each place of that order.
    others:  int64[n]: the other side's key at each place.
    penalty: (factor, exponent), see USER_PENALTY.
    """

    keys: np.ndarray
    counts: np.ndarray
    order: np.ndarray
    others: np.ndarray
    penalty: tuple[float, float]

    def pieces(self, factors: int) -> Iterator[tuple[slice, slice, int]]:
        """(keys, observations, count) of runs of keys with equally many observations, small enough to gather."""
        starts = np.concatenate(([0], np.cumsum(self.counts)))
        edges = np.flatnonzero(np.diff(self.counts, prepend=-1, append=-1))
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            count = int(self.counts[first])
            step = max(1, GATHER_ELEMENTS_MAX // (count * factors))
            for low in range(first, last, step):
                high = min(low + step, last)
                yield slice(low, high), slice(int(starts[low]), int(starts[high])), count


def fit_factors(
    user: np.ndarray,
    item: np.ndarray,
    label: np.ndarray,
    sizes: tuple[int, int],
    settings: Settings,
    progress: Progress,
) -> Factors:
    """Fit to observations (int64[n], int64[n], float64[n]); ``sizes`` are the numbers of users and items.

    The outcome depends on the order of the observations only by rounding: sort them for the same bits.
    Raises DivergedError.
    """
    n_users, n_items = sizes
    by_user = _group(user, item, n_users, USER_PENALTY)
    by_item = _group(item, user, n_items, ITEM_PENALTY)
    users = np.zeros((n_users, settings.factors))
    items = np.random.default_rng(settings.seed).normal(0.0, INITIAL_DEVIATION, (n_items, settings.factors))
    user_bias, item_bias = np.zeros(n_users), np.zeros(n_items)
    explained = np.zeros(len(label))
    rmse = 0.0
    for iteration in range(1, settings.iterations + 1):
        item_bias = _bias(item, label - explained - user_bias[user], n_items, settings.bias_regularization)
        user_bias = _bias(user, label - explained - item_bias[item], n_users, settings.bias_regularization)
        rest = label - user_bias[user] - item_bias[item]
        _solve_side(by_user, rest, items, settings.regularization, out=users)
        _solve_side(by_item, rest, users, settings.regularization, out=items)
        explained = _products(users, items, user, item)
        rmse = float(np.sqrt(np.mean(np.square(rest - explained))))
        if not rmse < LOSS_GROWTH_MAX:
            raise DivergedError(f"training diverged in iteration {iteration}: the root mean square error is {rmse:g} "
                                "times the label's deviation")  # fmt: skip
        progress(iteration, settings.iterations, {"rmse": rmse})
    return Factors(users=users, items=items, user_bias=user_bias, item_bias=item_bias, rmse=rmse)


def _group(own: np.ndarray, other: np.ndarray, size: int, penalty: tuple[float, float]) -> _Side:
    """The observations of one side. Every key 0..size-1 has at least one."""
    counts = np.bincount(own, minlength=size)
    keys = np.argsort(counts, kind="stable")
    place = np.empty(size, np.int64)
    place[keys] = np.arange(size)
    order = np.argsort(place[own], kind="stable")
    return _Side(keys, counts[keys], order, other[order], penalty)


def _bias(own: np.ndarray, rest: np.ndarray, size: int, penalty: float) -> np.ndarray:
    """Mean of ``rest`` per key, shrunk as by ``penalty`` further observations of 0."""
    return np.bincount(own, rest, size) / (np.bincount(own, minlength=size) + penalty)


def _solve_side(side: _Side, rest: np.ndarray, fixed: np.ndarray, regularization: float, *, out: np.ndarray) -> None:
    """Write to ``out`` the factors of one side that are best for the ``fixed`` ones of the other."""
    factors = fixed.shape[1]
    ordered = rest[side.order]
    factor, exponent = side.penalty
    for keys, span, count in side.pieces(factors):
        rows = fixed[side.others[span]].reshape(-1, count, factors)
        target = ordered[span].reshape(-1, count, 1)
        penalty = regularization * factor * count**exponent
        out[side.keys[keys]] = _ridge(rows, target, penalty)[:, :, 0]


def _ridge(rows: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """[g, factors, 1]: ridge regressions of target [g, count, 1] on rows [g, count, factors], primal or dual."""
    transposed = rows.transpose(0, 2, 1)
    dual = rows.shape[1] < rows.shape[2]
    gram = rows @ transposed if dual else transposed @ rows
    diagonal = np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] += penalty
    try:
        return transposed @ np.linalg.solve(gram, target) if dual else np.linalg.solve(gram, transposed @ target)
    except np.linalg.LinAlgError as error:
        raise DivergedError("training diverged: the normal equations are singular; raise regularization") from error


def _products(users: np.ndarray, items: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """float64[n]: factors[user] · factors[item] per observation, gathered in pieces."""
    products = np.empty(len(user))
    step = max(1, GATHER_ELEMENTS_MAX // users.shape[1])
    for low in range(0, len(user), step):
        piece = slice(low, low + step)
        products[piece] = np.vecdot(users[user[piece]], items[item[piece]])
    return products
