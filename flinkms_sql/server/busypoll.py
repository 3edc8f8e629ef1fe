"""Busy polling: while requests follow closely on one another, the event loop looks for the next one instead of sleeping.

A processor that sleeps takes tens of microseconds to wake: as long as a prediction, its answer and the way to the client
take together. Must not know what a request is. It spins only when the last wait was shorter than a spin, so that requests
which come now and then cost nothing; and only while no other process wants the processor, which then would not sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from time import perf_counter

SPIN_S_MAX = 200e-6
"""Longest spin after an answer: what a client on this machine needs to send its next request, and some more."""

YIELD_S_MAX = 5e-6
"""A yield of the processor that takes longer was another process's turn."""

Work = Callable[[], None]


class BusyPoll:
    """``call_soon`` is the event loop's; the one here does the same, and spins when the work is done."""

    def __init__(self, call_soon: Callable[[Work], object]) -> None:
        self._call_soon = call_soon
        self._done = self._until = 0.0
        self._spinning = False

    def call_soon(self, work: Work) -> None:
        """Have work done that has come just now, in the next turn of the event loop."""
        close = perf_counter() - self._done < SPIN_S_MAX
        self._call_soon(partial(self._work, work, close))

    def _work(self, work: Work, close: bool) -> None:
        work()
        self._done = perf_counter()
        if close:
            self._until = self._done + SPIN_S_MAX
            if not self._spinning:
                self._spinning = True
                self._call_soon(self._spin)

    def _spin(self) -> None:
        began = perf_counter()
        os.sched_yield()
        if began < self._until and perf_counter() - began < YIELD_S_MAX:
            self._call_soon(self._spin)
        else:
            self._spinning = False
