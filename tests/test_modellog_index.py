"""Key indexes against a dict: dense and scattered integers, text, growth, removal and reuse of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.modellog import index as index_module
from flinkms_sql.modellog.index import IntIndex, TextIndex, build_index
from tests.modellog_files import objects

INT64 = st.integers(-(2**63), 2**63 - 1)
DENSE = st.integers(-50, 3000)
STEPS = st.lists(st.tuples(st.booleans(), st.lists(st.one_of(INT64, DENSE), min_size=1, max_size=40, unique=True)))


def as_keys(kind: str, numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.int64) if kind == "int64" else objects([f"k{n}é" for n in numbers])


@pytest.mark.parametrize("kind", ["int64", "text"])
@given(st.lists(st.one_of(INT64, DENSE), unique=True, max_size=60), STEPS)
@settings(max_examples=15, deadline=None)
def test_an_index_is_a_dict(kind: str, first: list[int], steps: list[tuple[bool, list[int]]]) -> None:
    index = build_index(kind, as_keys(kind, first))
    expected = dict(zip(as_keys(kind, first).tolist(), range(len(first))))
    for insert, numbers in steps:
        keys = [key for key in as_keys(kind, numbers).tolist() if (key not in expected) == insert]
        array = np.array(keys, np.int64) if kind == "int64" else objects(keys)
        if insert:
            rows = index.insert(array)
            assert not set(rows.tolist()) & set(expected.values())
            expected.update(zip(keys, rows.tolist()))
        else:
            index.remove(index.find(array))
            for key in keys:
                del expected[key]
        asked = as_keys(kind, numbers + first)
        assert index.find(asked).tolist() == [expected.get(key, -1) for key in asked.tolist()]
        assert [index.find_one(key) for key in asked.tolist()] == index.find(asked).tolist()
        live = np.ones(len(index.keys), bool) if index.live() is None else index.live()
        assert {key: row for row, key in enumerate(index.keys.tolist()) if live[row]} == expected


@pytest.mark.parametrize("spread", [1, 3, 10**12])
def test_batches_and_single_keys_agree_at_size(spread: int) -> None:
    rng = np.random.default_rng(5)
    keys = rng.permutation(np.arange(-20_000, 20_000, dtype=np.int64) * spread)
    index = IntIndex(keys[:10_000])
    for start in range(10_000, 40_000, 3_000):
        index.insert(keys[start : start + 3_000])
    assert index.find(index.keys).tolist() == list(range(40_000))
    assert (index.find(index.keys + 40_000 * spread) == -1).all()
    sample = keys[:500].tolist()
    assert [index.find_one(key) for key in sample] == index.find(keys[:500]).tolist()


def test_keys_at_the_ends_of_int64_are_found() -> None:
    ends = np.array([-(2**63), 2**63 - 1, 0, -1, 1], np.int64)
    index = IntIndex(ends)
    assert index.find(np.tile(ends, 20)).tolist() == [0, 1, 2, 3, 4] * 20
    assert index.find_one(2**63) == index.find_one(-(2**63) - 1) == -1
    top = IntIndex(np.arange(2**63 - 5, 2**63, dtype=np.int64))
    assert top.find(np.tile(ends, 20)).tolist() == [-1, 4, -1, -1, -1] * 20


@pytest.mark.parametrize("keys", [[3, 4, 3], [3, 10**15, 3], [3, 10**15, 3, 3, 3, 3]])
def test_keys_that_are_not_unique_are_refused(keys: list[int]) -> None:
    with pytest.raises(ValueError, match="not unique"):
        IntIndex(np.array(keys, np.int64))
    with pytest.raises(ValueError, match="not unique"):
        TextIndex(objects([str(key) for key in keys]))


def test_removed_rows_are_used_again() -> None:
    index = IntIndex(np.arange(10))
    for _ in range(100):
        index.remove(index.find(np.arange(5)))
        index.insert(np.arange(5))
    assert len(index.keys) == 10
    assert index.live() is None


def test_a_full_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "ROWS_MAX", 8)
    index = IntIndex(np.arange(8))
    with pytest.raises(Exception, match="cannot hold more than 8 rows"):
        index.insert(np.array([100]))
