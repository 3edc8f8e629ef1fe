"""Generators: what they promise of noise, popularity and shape, and that a seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.generate import BLOCK_ROWS, PlantedRatings, factor_constants, random_factors, random_weights
from udfs.weights import RANGE


def test_ratings_deviate_by_what_was_planted():
    quiet, noisy = (PlantedRatings(users=500, items=300, noise=noise, seed=4).ratings(60_000) for noise in (0.0, 0.7))
    assert np.array_equal(quiet[0], noisy[0]) and np.array_equal(quiet[1], noisy[1])
    assert np.std(noisy[2] - quiet[2]) == pytest.approx(0.7, rel=0.02)
    flat = PlantedRatings(users=500, items=300, noise=0.0, bias=0.0, popularity=0.0, signal=0.6).ratings(60_000)
    assert np.std(flat[2]) == pytest.approx(0.6, rel=0.15)


def test_items_are_rated_by_popularity():
    _, item, _ = PlantedRatings(users=10, items=1000, popularity=1.0).ratings(60_000)
    counts = np.bincount(item, minlength=1000)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.2)
    assert counts[0] / 60_000 == pytest.approx(1 / np.sum(1 / np.arange(1, 1001)), rel=0.05)


def test_a_prefix_and_a_later_block_are_parts_of_the_same_stream():
    stream = PlantedRatings(users=50, items=40)
    whole = stream.ratings(BLOCK_ROWS + 100)
    for mine, prefix, later in zip(whole, stream.ratings(77), stream.ratings(100, first_block=1), strict=True):
        assert np.array_equal(mine[:77], prefix) and np.array_equal(mine[BLOCK_ROWS:], later)
    assert [len(user) for user, _, _ in stream.chunks(2 * BLOCK_ROWS + 5)] == [BLOCK_ROWS, BLOCK_ROWS, 5]
    assert [len(values) for values in stream.ratings(0)] == [0, 0, 0]


def test_random_factors_are_rows_of_als():
    chunks = list(random_factors(BLOCK_ROWS + 3, 10, factors=4, seed=1))
    assert [(table, len(keys)) for table, keys, _ in chunks] == [("users", BLOCK_ROWS), ("users", 3), ("items", 10)]
    assert chunks[1][1].tolist() == [BLOCK_ROWS, BLOCK_ROWS + 1, BLOCK_ROWS + 2]
    for table, keys, matrix in chunks:
        assert matrix.shape == (len(keys), 6) and matrix.dtype == np.float32
        assert (matrix[:, -1 if table == "users" else -2] == 1.0).all()
    dots = chunks[0][2][:1000, :4] @ chunks[2][2][:, :4].T
    assert np.std(dots) == pytest.approx(1.0, rel=0.3)
    assert all(np.isfinite(array).all() for array in factor_constants(4).values())


def test_random_weights_cover_the_features_and_nothing_else():
    chunks = list(random_weights(RANGE * 300))
    keys = np.concatenate([keys for _, keys, _ in chunks])
    flat = np.concatenate([matrix for _, _, matrix in chunks]).reshape(-1)
    assert keys.tolist() == list(range(301)) and len(flat) == 301 * RANGE
    assert (flat[: RANGE * 300 + 1] != 0).all() and (flat[RANGE * 300 + 1 :] == 0).all()
