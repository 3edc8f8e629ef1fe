"""Key indexes: from a key to its row number, for one key in well under a microsecond and for batches without a loop.

Must not know about rows' contents, files or the log. Row numbers are handed out by the index, dense from 0, and used
again after a key was removed. Integer keys are looked up in an array addressed by the key itself when the keys are
dense, else by cuckoo hashing (Pagh and Rodler, 2004): a key can be in two slots only, so that a batch lookup is two
vectorized steps whatever the table's size, and a removal leaves no tombstone. Slots hold row numbers (4 bytes); the key
is compared in the array of keys. Text keys are looked up in a dict: strings cannot be hashed without touching each.

No set of keys makes an index fail. The hashes' multipliers are drawn anew for every table of slots, from the operating
system, so that nobody can choose keys that share their slots; and what finds no slot all the same, after a few tables of
other multipliers and of more slots, is kept in a dict beside them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import repeat
from typing import Literal

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

ROWS_MAX = 2**31 - 1
"""Rows of one table: slots are 4 bytes each. Larger tables are split."""
DIRECT_SPAN_FACTOR = 4
"""Integer keys are addressed directly up to this many times more slots than keys: then a hash table is no smaller."""
DIRECT_SPAN_MIN = 4096
"""Slots that are always worth direct addressing: 16 KiB."""
SCALAR_BATCH_MAX = 20
"""Keys up to which a loop over ``find_one`` beats the fixed cost of the vectorized lookup."""
PLACE_ROUNDS_MAX = 200
"""Rounds of eviction after which a hash table counts as too full; at a load of 0.4 some twenty are usual."""
TABLES_MAX = 4
"""Tables of slots that are tried for a set of keys, each twice as large as the one before: a failure by chance has a
probability of some 1/n, so that what does not fit the last one was made not to."""
ASIDE_MAX = 64
"""Keys beside the slots from which on an insert tries other tables: so few cost next to nothing. When no table takes
more than that, the next try is at twice as many, so that trying costs a bounded share of inserting."""

Draw = Callable[[int], int]
"""``draw(bits)``: a number of so many random bits."""

_WORD = (1 << 64) - 1


class _Rows:
    """The keys by row number, in a buffer with room to grow, and which rows are free."""

    def __init__(self, keys: np.ndarray, dtype: type) -> None:
        self.buffer = np.empty(len(keys) + len(keys) // 4 + 1024, dtype)
        self.buffer[: len(keys)] = keys
        self.free: list[int] = []
        self._live: np.ndarray | None = None
        self.resize(len(keys))

    def resize(self, count: int) -> None:
        if count > ROWS_MAX:
            raise FlinkmsError(errors.CONFIGURATION_LIMIT_EXCEEDED, f"a table cannot hold more than {ROWS_MAX} rows")
        if count > len(self.buffer):
            grown = np.empty(count + count // 4 + 1024, self.buffer.dtype)
            grown[: self.count] = self.buffer[: self.count]
            self.buffer = grown
            if self._live is not None:
                self._live = np.concatenate((self._live, np.ones(len(grown) - len(self._live), bool)))
        self.count = count
        self.keys = self.buffer[:count]

    def take(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: a row for each new key, free ones first."""
        again = min(len(self.free), len(keys))
        new = len(keys) - again
        reused = self.free[len(self.free) - again :]
        rows = np.concatenate((np.array(reused, np.int64), np.arange(self.count, self.count + new)))
        self.resize(self.count + new)
        del self.free[len(self.free) - again :]
        self.buffer[rows] = keys
        if self._live is not None:
            self._live[rows] = True
        return rows

    def release(self, rows: np.ndarray) -> None:
        """Take back rows, each given once."""
        if self._live is None:
            self._live = np.ones(len(self.buffer), bool)
        self._live[rows] = False
        self.free += rows.tolist()

    def live(self) -> np.ndarray | None:
        """bool[count], or None when every row is live."""
        return self._live[: self.count] if self.free and self._live is not None else None


class _Direct:
    """Slots addressed by ``key - low``; one more slot, always empty, stands for every key outside."""

    def __init__(self, low: int, span: int) -> None:
        self._low = low
        self._span = span
        self._slots = np.full(span + 1, -1, np.int32)
        self._view = memoryview(self._slots)

    def bind(self, buffer: np.ndarray) -> None:
        """The key is its own address: the array of keys is not needed."""

    def find_one(self, key: int) -> int:
        slot = key - self._low
        return self._view[slot] if 0 <= slot < self._span else -1

    def find(self, keys: np.ndarray) -> np.ndarray:
        return self._slots.take(self._slot(keys)).astype(np.int64)

    def place(self, rows: np.ndarray, keys: np.ndarray) -> bool:
        slots = self._slot(keys)
        if (slots == self._span).any():
            return False
        self._slots[slots] = rows
        return True

    def remove(self, rows: np.ndarray, keys: np.ndarray) -> None:
        self._slots[self._slot(keys)] = -1

    def _slot(self, keys: np.ndarray) -> np.ndarray:
        slots = keys.view(np.uint64) - np.uint64(self._low & _WORD)
        return np.minimum(slots, np.uint64(self._span), out=slots).view(np.int64)


class _Cuckoo:
    """Slots addressed by two hashes of the key. ``bits``: binary logarithm of the number of slots.

    ``aside``: rows by key of what found no slot; ``aside_max``: how many may be. A key's mixing is ``key * m1``, folded, ``* m2``, folded, ``* m3``,
    with odd multipliers that only this table knows; the two slots are the top bits before and after the last step.
    """

    def __init__(self, bits: int, draw: Draw, buffer: np.ndarray) -> None:
        self._shift = 64 - bits
        self._multipliers = tuple(draw(64) | 1 for _ in range(3))
        self._m1, self._m2, self._m3 = (np.uint64(multiplier) for multiplier in self._multipliers)
        self._slots = np.full(1 << bits, -1, np.int32)
        self._view = memoryview(self._slots)
        self.aside: dict[int, int] = {}
        self.aside_max = ASIDE_MAX
        self.bind(buffer)

    def bind(self, buffer: np.ndarray) -> None:
        """The array of keys by row number; to be called again when it has moved."""
        self._keys = buffer
        self._keys_view = memoryview(buffer)

    def find_one(self, key: int) -> int:
        m1, m2, m3 = self._multipliers
        mixed = key * m1 & _WORD
        mixed = (mixed ^ mixed >> 32) * m2 & _WORD
        row = self._view[mixed >> self._shift]
        if row >= 0 and self._keys_view[row] == key:
            return row
        row = self._view[((mixed ^ mixed >> 29) * m3 & _WORD) >> self._shift]
        if row >= 0 and self._keys_view[row] == key:
            return row
        return self.aside.get(key, -1) if self.aside else -1

    def find(self, keys: np.ndarray) -> np.ndarray:
        mixed = self._mix(keys)
        rows = self._slots.take(self._first(mixed))
        hits = self._keys.take(rows, mode="clip") == keys
        hits &= rows >= 0
        misses = np.flatnonzero(~hits)
        if len(misses):
            others = self._slots.take(self._second(mixed[misses]))
            others[self._keys.take(others, mode="clip") != keys[misses]] = -1
            rows[misses] = others
            if self.aside:
                misses = np.flatnonzero(rows < 0)
                rows[misses] = [self.aside.get(key, -1) for key in keys[misses].tolist()]
        return rows.astype(np.int64)

    def place(self, rows: np.ndarray, keys: np.ndarray) -> bool:
        """Put new rows in; False when more than ``aside_max`` rows are in no slot: another table may be better."""
        pending = rows.astype(np.int32)
        second = np.zeros(len(rows), bool)
        for _ in range(PLACE_ROUNDS_MAX):
            mixed = self._mix(self._keys[pending])
            slots = np.where(second, self._second(mixed), self._first(mixed))
            before = self._slots[slots]
            self._slots[slots] = pending
            won = self._slots[slots] == pending
            evicting = won & (before >= 0)
            evicted = before[evicting]
            was_first = self._first(self._mix(self._keys[evicted])) == slots[evicting]
            pending = np.concatenate((pending[~won], evicted))
            second = np.concatenate((~second[~won], was_first))
            if not len(pending):
                return True
        self.aside.update(zip(self._keys[pending].tolist(), pending.tolist()))
        return len(self.aside) <= self.aside_max

    def remove(self, rows: np.ndarray, keys: np.ndarray) -> None:
        mixed = self._mix(keys)
        for slots in (self._first(mixed), self._second(mixed)):
            self._slots[slots[self._slots[slots] == rows]] = -1
        if self.aside:
            for key in keys.tolist():
                self.aside.pop(key, None)

    def _mix(self, keys: np.ndarray) -> np.ndarray:
        mixed = keys.view(np.uint64) * self._m1
        mixed ^= mixed >> np.uint64(32)
        mixed *= self._m2
        return mixed

    def _first(self, mixed: np.ndarray) -> np.ndarray:
        return (mixed >> np.uint64(self._shift)).view(np.int64)

    def _second(self, mixed: np.ndarray) -> np.ndarray:
        other = mixed ^ (mixed >> np.uint64(29))
        other *= self._m3
        return (other >> np.uint64(self._shift)).view(np.int64)


class IntIndex:
    """Index of int64 keys. Raises ValueError when ``keys`` are not unique.

    draw: of the hashes' multipliers; the operating system's randomness, but for tests.
    """

    def __init__(self, keys: np.ndarray, draw: Draw = secrets.randbits) -> None:
        self._rows = _Rows(keys, np.int64)
        self._draw = draw
        self._build()
        if not np.array_equal(self.find(self.keys), np.arange(len(keys))):
            raise ValueError("keys are not unique")

    @property
    def keys(self) -> np.ndarray:
        """int64[n] by row number."""
        return self._rows.keys

    def live(self) -> np.ndarray | None:
        """bool[n], or None when every row is live."""
        return self._rows.live()

    def find_one(self, key: int) -> int:
        """Row number of one key, -1 where it is unknown."""
        return self._slots.find_one(key)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where it is unknown."""
        if len(keys) <= SCALAR_BATCH_MAX:
            return np.array([self._slots.find_one(key) for key in keys.tolist()], np.int64)
        return self._slots.find(np.ascontiguousarray(keys, np.int64))

    def insert(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: rows for keys that are unique and not in the index."""
        buffer = self._rows.buffer
        rows = self._rows.take(keys)
        if self._rows.buffer is not buffer:
            self._slots.bind(self._rows.buffer)
        if self._rows.count > self._full or not self._slots.place(rows, self._rows.buffer[rows]):
            self._build()
        return rows

    def remove(self, rows: np.ndarray) -> None:
        """Forget the keys of live rows, each given once."""
        self._slots.remove(rows, self._rows.buffer[rows])
        self._rows.release(rows)

    def _build(self) -> None:
        live = self._rows.live()
        rows = np.arange(self._rows.count) if live is None else np.flatnonzero(live)
        keys = self._rows.buffer[rows]
        low, high = (int(keys.min()), int(keys.max())) if len(keys) else (0, 0)
        span = high - low + 1
        if span <= max(DIRECT_SPAN_FACTOR * len(keys), DIRECT_SPAN_MIN):
            self._slots: _Direct | _Cuckoo = _Direct(low, span + span // 4)
            self._slots.place(rows, keys)
            self._full = ROWS_MAX
            return
        bits = (5 * len(keys) // 2).bit_length()  # a load between 0.2 and 0.4; two hashes alone bear less than 0.5
        for attempt in range(TABLES_MAX):
            slots = _Cuckoo(bits + attempt, self._draw, self._rows.buffer)
            slots.place(rows, keys)
            if not slots.aside:
                break
            if len(np.unique(keys)) != len(keys):
                raise ValueError("keys are not unique")
        slots.aside_max = max(ASIDE_MAX, 2 * len(slots.aside))
        self._slots, self._full = slots, (2 << bits + attempt) // 5


class TextIndex:
    """Index of text keys. Raises ValueError when ``keys`` are not unique."""

    def __init__(self, keys: np.ndarray) -> None:
        self._rows = _Rows(keys, object)
        self._by_key: dict[str, int] = dict(zip(keys.tolist(), range(len(keys))))
        if len(self._by_key) != len(keys):
            raise ValueError("keys are not unique")

    @property
    def keys(self) -> np.ndarray:
        """object[n] of str by row number."""
        return self._rows.keys

    def live(self) -> np.ndarray | None:
        """bool[n], or None when every row is live."""
        return self._rows.live()

    def find_one(self, key: str) -> int:
        """Row number of one key, -1 where it is unknown."""
        return self._by_key.get(key, -1)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where it is unknown."""
        return np.fromiter(map(self._by_key.get, keys.tolist(), repeat(-1)), np.int64, len(keys))

    def insert(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: rows for keys that are unique and not in the index."""
        rows = self._rows.take(keys)
        self._by_key.update(zip(keys.tolist(), rows.tolist()))
        return rows

    def remove(self, rows: np.ndarray) -> None:
        """Forget the keys of live rows, each given once."""
        for row in rows.tolist():
            del self._by_key[self._rows.buffer[row]]
            self._rows.buffer[row] = ""
        self._rows.release(rows)


def build_index(kind: Literal["int64", "text"], keys: np.ndarray) -> IntIndex | TextIndex:
    """An index over the keys, row numbers in their order. Raises ValueError when they are not unique."""
    return IntIndex(keys) if kind == "int64" else TextIndex(keys)
