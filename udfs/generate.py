"""Generators: rating streams of known rank and noise, and random models of any size.

Must not know about files or logs: everything is an iterator of arrays. All is a function of its seed: a block of
65,536 rows has its own random stream, so neither the chunk size nor how much is read changes what row n is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from udfs.weights import RANGE

BLOCK_ROWS = 65_536
"""Rows per random stream and per chunk: a few MiB of arrays, large enough that set-up does not count."""

Chunk = tuple[str, np.ndarray, np.ndarray]
"""(table, keys[n], float32[n, width]): rows of a model as a fit gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRatings:
    """A rating stream whose ratings are mean + biases + factors · factors + noise.

    ``noise`` is the standard deviation of what no model can explain: the irreducible RMSE (ratings are neither rounded
    nor clipped). ``signal`` and ``bias`` are the deviations of the dot product and of each side's bias. Item n, counted
    from 0, is rated in proportion to 1 / (n + 1) ** ``popularity`` (Zipf); users rate equally often.
    """

    users: int
    items: int
    rank: int = 8
    noise: float = 0.5
    signal: float = 0.6
    bias: float = 0.4
    mean: float = 3.5
    popularity: float = 1.0
    seed: int = 0

    def chunks(self, rows: int, first_block: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Chunks (int64 users, int64 items, float64 ratings) of ``rows`` ratings, from a block on."""
        user_factors, user_bias = self._side(0, self.users)
        item_factors, item_bias = self._side(1, self.items)
        shares = np.cumsum(np.arange(1, self.items + 1, dtype=np.float64) ** -self.popularity)
        shares /= shares[-1]
        for number, size in enumerate(_block_sizes(rows), first_block):
            random = np.random.default_rng((self.seed, 2, number))
            user = random.integers(0, self.users, BLOCK_ROWS)[:size]
            item = np.searchsorted(shares, random.random(BLOCK_ROWS)[:size], side="right").clip(max=self.items - 1)
            noise = random.standard_normal(BLOCK_ROWS)[:size] * self.noise
            dot = np.vecdot(user_factors[user], item_factors[item])
            yield user, item, self.mean + user_bias[user] + item_bias[item] + dot + noise

    def ratings(self, rows: int, first_block: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The chunks as three whole arrays."""
        empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        user, item, rating = zip(empty, *self.chunks(rows, first_block), strict=True)
        return np.concatenate(user), np.concatenate(item), np.concatenate(rating)

    def _side(self, side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """(float64[size, rank] factors, float64[size] biases); the dot product of two sides deviates by ``signal``."""
        random = np.random.default_rng((self.seed, side))
        deviation = np.sqrt(self.signal / np.sqrt(self.rank))
        return random.normal(0.0, deviation, (size, self.rank)), random.normal(0.0, self.bias, size)


def random_factors(users: int, items: int, factors: int, seed: int = 0) -> Iterator[Chunk]:
    """Rows of a random ``als`` model, keys 0 …: [factors, bias, 1] for users, [factors, 1, bias] for items."""
    for side, (table, size) in enumerate((("users", users), ("items", items))):
        for number, rows in enumerate(_block_sizes(size)):
            random = np.random.default_rng((seed, side, number))
            matrix = random.normal(0.0, factors**-0.25, (BLOCK_ROWS, factors + 2)).astype(np.float32)[:rows]
            matrix[:, -2 + (1 - side)] = 1.0
            yield table, np.arange(number * BLOCK_ROWS, number * BLOCK_ROWS + rows), matrix


def factor_constants(factors: int) -> dict[str, np.ndarray]:
    """Constants that go with ``random_factors``: ratings around 3.5 within 0.5 to 5, neutral mean rows."""
    neutral = np.zeros((2, factors + 2))
    neutral[0, -1] = neutral[1, -2] = 1.0
    return {"mean": np.array([3.5]), "scale": np.array([1.0]), "label_range": np.array([0.5, 5.0]),
            "users": neutral[0], "items": neutral[1]}  # fmt: skip


def random_weights(features: int, seed: int = 0) -> Iterator[Chunk]:
    """Rows of a random linear model of two classes (or ridge) over features 0 …, all ranges."""
    ranges = -(-(features + 1) // RANGE)
    block = BLOCK_ROWS // RANGE
    for number, first in enumerate(range(0, ranges, block)):
        keys = np.arange(first, min(first + block, ranges))
        matrix = np.random.default_rng((seed, number)).normal(0.0, 1.0, (block, RANGE)).astype(np.float32)[: len(keys)]
        matrix.reshape(-1)[max(0, features + 1 - first * RANGE) :] = 0.0
        yield "weights", keys, matrix


def weight_constants(labels: tuple[float, ...] = (0.0, 1.0)) -> dict[str, np.ndarray]:
    """Constants that go with ``random_weights`` over sparse input; no labels for ridge."""
    return {"labels": np.array(labels), "label_center": np.zeros(1), "label_scale": np.ones(1),
            "centers": np.empty(0), "scales": np.empty(0)}  # fmt: skip


def _block_sizes(rows: int) -> Iterator[int]:
    for first in range(0, rows, BLOCK_ROWS):
        yield min(BLOCK_ROWS, rows - first)
