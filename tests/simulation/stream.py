"""Streams on a simulated disk: an append is durable when its sync is over, and a kill finds some syncs done, some not.

Must not know sessions. Implements server.services.Streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from tests.simulation.loop import SimLoop
from udfs.block import Column

SYNC_S_MAX = 0.02
"""A sync takes up to this long, in simulated seconds."""

FAILURE_SHARE = 0.03
"""Share of the appends that fail: the disk is full."""


class SimStream:
    """One stream; ``durable`` are the numbers in its first column, in order. It outlives the frontends that write it."""

    def __init__(self, loop: SimLoop) -> None:
        self.durable: list[int] = []
        self.fails = False
        self._loop = loop
        self._open: set[asyncio.Future[None]] = set()

    async def append(self, columns: Sequence[Column]) -> None:
        """See server.services.StreamWriter."""
        numbers = columns[0].values.tolist()
        if self.fails and self._loop.chance.random() < FAILURE_SHARE:
            await asyncio.sleep(SYNC_S_MAX * self._loop.chance.random())
            raise FlinkmsError(errors.DISK_FULL, "the disk is full")
        synced: asyncio.Future[None] = self._loop.create_future()
        self._open.add(synced)
        self._loop.call_later(SYNC_S_MAX * self._loop.chance.random(), self._sync, synced, numbers)
        await synced

    def _sync(self, synced: asyncio.Future[None], numbers: list[int]) -> None:
        if synced in self._open:
            self._open.discard(synced)
            self.durable += numbers
            if not synced.done():
                synced.set_result(None)

    def kill(self) -> None:
        """The writer is gone: what it had not synced may be on the disk or not."""
        for synced in list(self._open):
            self._open.discard(synced)
            synced.cancel()


class SimStreams:
    """The streams of the simulation: there is one."""

    def __init__(self, loop: SimLoop) -> None:
        self.events = SimStream(loop)

    def writer(self, table: str) -> SimStream:
        """See server.services.Streams."""
        if table != "rating_events":
            raise FlinkmsError(errors.UNDEFINED_TABLE, f'stream "{table}" does not exist')
        return self.events
