"""Key indexes against a dict: dense and scattered integers, text, growth, removal and reuse of rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.modellog import index as index_module
from flinkms_sql.modellog.index import Draw, IntIndex, TextIndex, build_index
from tests.modellog_files import nine_keys, objects

INT64 = st.integers(-(2**63), 2**63 - 1)
DENSE = st.integers(-50, 3000)
STEPS = st.lists(st.tuples(st.booleans(), st.lists(st.one_of(INT64, DENSE), min_size=1, max_size=40, unique=True)))


def as_keys(kind: str, numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.int64) if kind == "int64" else objects([f"k{n}é" for n in numbers])


@pytest.mark.parametrize("kind", ["int64", "text"])
@given(st.lists(st.one_of(INT64, DENSE), unique=True, max_size=60), STEPS)
@settings(max_examples=15, deadline=None)
def test_an_index_is_a_dict(kind: str, first: list[int], steps: list[tuple[bool, list[int]]]) -> None:
    against_a_dict(kind, build_index(kind, as_keys(kind, first)), first, steps)


def multipliers_of_one(bits: int) -> int:
    """The worst draw there is: small keys share one slot, so that all but one are kept aside."""
    return 1


@given(st.lists(st.one_of(INT64, DENSE), unique=True, max_size=60), STEPS)
@settings(max_examples=15, deadline=None)
def test_an_index_is_a_dict_even_when_no_key_finds_a_slot(first: list[int], steps: list[tuple[bool, list[int]]]) -> None:
    spread = [number * 5000 % 2**63 for number in [*first, 10**14]]
    first = sorted(set(spread))
    steps = [(insert, sorted({number * 5000 % 2**63 for number in numbers})) for insert, numbers in steps]
    against_a_dict("int64", IntIndex(np.array(first, np.int64), multipliers_of_one), first, steps)


def against_a_dict(
    kind: str, index: IntIndex | TextIndex, first: list[int], steps: list[tuple[bool, list[int]]]
) -> None:
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


def sharing_slots(seed: int, count: int) -> np.ndarray:
    """int64[count]: keys in slot 0, and in no other, of every table that ``draws(seed)`` makes of up to 2^11 slots.

    The mixing is a bijection: whoever knows the multipliers goes from the slots that are wanted back to the keys.
    """
    draw = draws(seed)
    m1, m2, m3 = (draw(64) | 1 for _ in range(3))
    mixed = np.random.default_rng(seed).integers(0, 1 << 53, 3_000_000).astype(np.uint64)
    second = (mixed ^ mixed >> np.uint64(29)) * np.uint64(m3)
    mixed = mixed[second < 1 << 53][:count] * np.uint64(pow(m2, -1, 1 << 64))
    mixed ^= mixed >> np.uint64(32)
    keys = (mixed * np.uint64(pow(m1, -1, 1 << 64))).view(np.int64)
    assert len(np.unique(keys)) == count
    return keys


def draws(seed: int) -> Draw:
    """Always the same three multipliers: what an attacker would have to know."""
    rng = np.random.default_rng(seed)
    three = itertools.cycle(int(number) for number in rng.integers(0, 2**63, 3))
    return lambda bits: next(three) * 2 % 2**bits


def test_keys_chosen_to_share_their_slots_are_found_all_the_same() -> None:
    keys = sharing_slots(3, 60)
    index = IntIndex(keys, draws(3))
    assert len(index._slots.aside) == 59, "the keys do share their slots"
    assert index.find(keys).tolist() == [index.find_one(key) for key in keys.tolist()] == list(range(len(keys)))
    assert (index.find(keys + 1) == -1).all() and index.find_one(12345) == -1
    more = sharing_slots(3, 300)[60:]
    index.insert(more)
    assert (index.find(more) == np.arange(60, 60 + len(more))).all()


@pytest.mark.parametrize("others", [0, 20, 50])
def test_nine_keys_that_ended_a_model_once_are_keys_like_others(others: int) -> None:
    keys = nine_keys(others + 9)
    index = IntIndex(np.arange(others))
    index.insert(keys)
    assert index.find(np.tile(keys, 3)).tolist() == list(range(others, others + 9)) * 3
    assert IntIndex(keys).find(keys).tolist() == list(range(9))


def test_every_index_draws_multipliers_of_its_own() -> None:
    keys = sharing_slots(3, 60)
    tables = [IntIndex(keys) for _ in range(5)]
    assert not any(index._slots.aside for index in tables)
    assert len({index._slots._multipliers for index in tables}) == 5


def test_inserting_keys_that_share_their_slots_takes_a_time_that_grows_with_their_number() -> None:
    built = 0

    def counted(bits: int) -> int:
        nonlocal built
        built += 1
        return 1

    index = IntIndex(np.array([0, 2**62]), counted)
    for start in range(0, 3000, 50):
        index.insert(np.arange(start + 1, start + 51) * 10**6)
    assert built < 3 * 4 * 12, "tables of slots are drawn each time the keys have doubled, not at each insert"
    assert index.find(np.arange(1, 3001) * 10**6).tolist() == list(range(2, 3002))


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
