"""The registry as a process reaches it: each call takes a moment, does not arrive or is not answered while it is away.

Must not know what is called. The registry itself is the one in memory, which outlives the processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from flinkms_sql import errors
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.catalog.watch import Channel, Watch
from flinkms_sql.errors import FlinkmsError
from tests.simulation.baton import Baton, Locks
from tests.simulation.loop import Process

CALL_S_MAX = 0.005
"""A call takes up to this long, in simulated seconds."""

LOOK_S = 0.02
"""Simulated seconds until a notification arrives."""

NEWS_S_MAX = 0.5
"""Simulated seconds until a frontend looks again: what changes meanwhile it sees as one step."""

SLOW_SHARE, SLOW_S_MAX = 0.5, 2.5
"""Share of the snapshots that take long to arrive, and how long: others that were taken later arrive before."""


class SimStore:
    """A Store, to those who run in a schedule; what a ``process`` says that is dead does not arrive."""

    def __init__(self, store: MemoryStore, baton: Baton, locks: Locks, lost_share: Callable[[], float],
                 process: Process | None = None) -> None:
        self._store, self._baton, self._lost_share, self._process = store, baton, lost_share, process
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
        if self._process is not None and not self._process.alive:
            # Only generators that nobody will step again still say something: they end, and no more.
            raise GeneratorExit
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


class SimReader:
    """See catalog.asynchronous.SnapshotReader. ``seen`` keeps what it has read, by generation.

    deaf_until: when it hears again of changes, in simulated seconds; what it asks for it is answered before.
    """

    def __init__(self, store: MemoryStore, baton: Baton, lost_share: Callable[[], float], seen: dict[int, Snapshot]) -> None:
        self._store, self._baton, self._lost_share, self._seen = store, baton, lost_share, seen
        self.deaf_until = 0.0

    async def snapshot(self) -> Snapshot:
        """See SnapshotReader."""
        await self._travel(CALL_S_MAX)
        found = self._store.snapshot()
        self._seen[found.generation] = found
        await self._travel(SLOW_S_MAX if self._baton.chance.random() < SLOW_SHARE else CALL_S_MAX)
        return found

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """See SnapshotReader."""
        last = None
        while True:
            found = await self.snapshot()
            if last is None or found.generation != last.generation:
                last = found
                yield found
            await asyncio.sleep(NEWS_S_MAX * self._baton.chance.random())
            await asyncio.sleep(self.deaf_until - self._baton.now)

    async def _travel(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._baton.chance.random())
        if self._baton.chance.random() < self._lost_share():
            raise FlinkmsError(errors.CONNECTION_FAILURE, "the registry does not answer")
