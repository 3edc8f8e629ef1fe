"""The k highest scores: always what sorting all of them gives."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.ranking import top_places


@pytest.mark.parametrize("n", [0, 1, 63, 64, 1000, 5000])
@pytest.mark.parametrize("levels", [2, 50, 10**6])
def test_top_places_are_the_head_of_a_sort(n: int, levels: int):
    """Law: by score, then by key; scores that are -inf or NaN are not there. Few levels make many ties."""
    random = np.random.default_rng((n, levels))
    scores = random.integers(0, levels, n).astype(np.float32)
    scores[random.random(n) < 0.1] = -np.inf
    scores[random.random(n) < 0.1] = np.nan
    keys = random.permutation(n)
    present = np.flatnonzero(scores > -np.inf)
    expected = present[np.lexsort((keys[present], -scores[present]))]
    for k in (-1, 0, 1, 7, 100, n, n + 10):
        assert top_places(scores.copy(), keys, k).tolist() == expected[: max(k, 0)].tolist()


def test_the_maximum_is_found_wherever_it_is():
    for place in (0, 1, 63, 64, 4000, 4096, 4099):
        scores = np.zeros(4100, np.float32)
        scores[place] = 1.0
        assert top_places(scores, np.arange(4100), 2).tolist() == [place, 1 if place == 0 else 0]


def test_text_keys_break_ties_in_order_of_text():
    keys = np.array(["b", "a", "ä", "c"], object)
    assert top_places(np.zeros(4, np.float32), keys, 3).tolist() == [1, 0, 3]
