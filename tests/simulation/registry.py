"""The registry as a process reaches it: each call takes a moment, does not arrive or is not answered while it is away.

Must not know what is called. The registry itself is the one in memory, which outlives the processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flinkms_sql import errors
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.watch import Channel, Watch
from flinkms_sql.errors import FlinkmsError
from tests.simulation.baton import Baton, Locks

CALL_S_MAX = 0.005
"""A call takes up to this long, in simulated seconds."""

LOOK_S = 0.02
"""Simulated seconds until a notification arrives."""


class SimStore:
    """A Store, to those who run in a schedule."""

    def __init__(self, store: MemoryStore, baton: Baton, locks: Locks, lost_share: Callable[[], float]) -> None:
        self._store, self._baton, self._lost_share = store, baton, lost_share
        self.exclusive = locks.exclusive

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def call(*args: Any, **options: Any) -> Any:
            self._travel()
            found = method(*args, **options)
            self._travel()
            return found

        return call

    def watch(self, channels: Sequence[Channel]) -> SimWatch:
        """See Store."""
        return SimWatch(self._store.watch(channels), self._baton)

    def _travel(self) -> None:
        self._baton.wait(self._baton.chance.random() * CALL_S_MAX)
        if self._baton.chance.random() < self._lost_share():
            raise FlinkmsError(errors.CONNECTION_FAILURE, "the registry does not answer")


class SimWatch:
    """See catalog.watch.Watch."""

    def __init__(self, watch: Watch, baton: Baton) -> None:
        self._watch, self._baton = watch, baton

    def wait(self, timeout_s: float) -> set[Channel]:
        """See Watch."""
        until = self._baton.now + timeout_s
        while not (found := self._watch.wait(0.0)) and self._baton.now < until:
            self._baton.wait(LOOK_S)
        return found
