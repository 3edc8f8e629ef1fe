"""Busy polling: it spins after requests that come close together, and ends when time is up or another process's turn came."""

from __future__ import annotations

from collections import deque

import pytest

from flinkms_sql.server import busypoll
from flinkms_sql.server.busypoll import SPIN_S_MAX, YIELD_S_MAX, BusyPoll


class Loop:
    """An event loop by hand, and its clock: every yield of the processor takes ``yield_s``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.yield_s, self.yields = 1.0, YIELD_S_MAX / 5, 0
        self._soon: deque[busypoll.Work] = deque()
        monkeypatch.setattr(busypoll, "perf_counter", lambda: self.now)
        monkeypatch.setattr(busypoll.os, "sched_yield", self._yielded)
        self.polling = BusyPoll(self._soon.append)
        self.worked = 0

    def _yielded(self) -> None:
        self.yields += 1
        self.now += self.yield_s

    def request(self, after_s: float) -> None:
        """A request comes; then the loop runs until it would sleep."""
        self.now += after_s
        self.polling.call_soon(self._work)
        while self._soon:
            self._soon.popleft()()

    def _work(self) -> None:
        self.worked += 1
        self.now += 20e-6


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_requests_far_apart_are_slept_between(loop: Loop):
    for _ in range(5):
        loop.request(after_s=SPIN_S_MAX * 1.01)
    assert loop.worked == 5 and loop.yields == 0


def test_after_a_request_soon_after_another_it_spins_as_long_as_is_allowed(loop: Loop):
    loop.request(after_s=1)
    loop.request(after_s=SPIN_S_MAX / 2)
    answered = loop.now - loop.yields * loop.yield_s
    assert loop.yields > 10
    assert SPIN_S_MAX <= loop.now - answered <= SPIN_S_MAX + 2 * loop.yield_s


def test_it_leaves_the_processor_to_whoever_wants_it(loop: Loop):
    loop.request(after_s=1)
    loop.yield_s = YIELD_S_MAX * 2
    loop.request(after_s=SPIN_S_MAX / 2)
    assert loop.yields == 1


def test_work_that_comes_while_it_spins_is_done_in_the_next_turn_and_the_spin_goes_on(loop: Loop):
    loop.request(after_s=1)
    loop.polling.call_soon(loop._work)
    turns = []
    for _ in range(8):
        loop._soon.popleft()()
        turns.append((loop.worked, len(loop._soon)))
        if len(turns) == 3:
            loop.polling.call_soon(loop._work)
    assert turns[0] == (2, 1), "one spin at a time"
    assert turns[4][0] == 3 and turns[-1][1] == 1
