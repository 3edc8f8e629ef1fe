"""An event loop whose time passes only when nothing is left to do, and connections whose bytes take a while.

Must not know what is sent. Everything that is left to chance asks ``SimLoop.chance``, so that a seed is a whole run.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

DELAY_S_MAX = 0.01
"""A piece of data is under way for up to this long, in simulated seconds."""


class _Clock:
    """Stands where a selector would: there is nothing to wait for but time, which it lets pass."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise AssertionError("deadlock: nothing is left to do, and somebody waits")
        self._loop.now += max(timeout, 0.0)
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop; ``now`` is its time in seconds. ``listeners`` maps the path of a unix socket to who accepts there."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.now = 0.0
        self.chance = random.Random(seed)
        self.listeners: dict[str, Callable[[], asyncio.Protocol]] = {}
        self.wires: list[Wire] = []
        """One end of every connection that is open, or was a moment ago."""
        self._selector = _Clock(self)

    def time(self) -> float:
        """See asyncio."""
        return self.now

    def _process_events(self, events: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    async def create_unix_connection(self, factory: Callable[[], Any], path: str, **_: Any) -> tuple[Any, Any]:
        """Connect to whoever listens at ``path``."""
        accept = self.listeners.get(str(path))
        if accept is None:
            raise ConnectionRefusedError(f"nobody listens at {path}")
        near = factory()
        wire = connect(self, near, accept())
        await asyncio.sleep(0)
        return wire, near


class Wire(asyncio.Transport):
    """One end of a connection: what is written here arrives at ``there``, in pieces, in order, later."""

    def __init__(self, loop: SimLoop, here: asyncio.Protocol, there: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = loop
        self._here = here
        self._there = there
        self.other: Wire
        self._under_way: deque[bytes] = deque()
        self._scheduled = False
        self._paused = False
        self._closing = False
        self._lost = False

    def write(self, data: bytes) -> None:
        """Send; cut where chance wants it."""
        if self._closing or not data:
            return
        rest = bytes(data)
        while rest:
            size = len(rest) if self._loop.chance.random() < 0.7 else self._loop.chance.randint(1, len(rest))
            self._under_way.append(rest[:size])
            rest = rest[size:]
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self.other._paused and (self._under_way or self._closing):
            self._scheduled = True
            self._loop.call_later(self._loop.chance.random() * DELAY_S_MAX, self._arrive)

    def _arrive(self) -> None:
        self._scheduled = False
        if self.other._lost or self.other._paused:
            return
        if self._under_way:
            self._there.data_received(self._under_way.popleft())
        elif self._closing:
            self.other.lose()
            self.lose()
            return
        self._schedule()

    def lose(self) -> None:
        """This end learns that the connection is no more."""
        if not self._lost:
            self._lost = self._closing = True
            self._loop.call_soon(self._here.connection_lost, None)

    def cut(self) -> None:
        """Both ends learn of it, and nothing that is under way arrives."""
        for wire in (self, self.other):
            wire._under_way.clear()
            wire.lose()

    def close(self) -> None:
        """What was written still arrives, then the end."""
        self._closing = True
        self._schedule()

    def abort(self) -> None:
        """See asyncio."""
        self.cut()

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._closing

    def pause_reading(self) -> None:
        """See asyncio."""
        self._paused = True

    def resume_reading(self) -> None:
        """See asyncio."""
        self._paused = False
        self.other._schedule()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is always room."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket."""
        return default


def connect(loop: SimLoop, near: asyncio.Protocol, far: asyncio.Protocol) -> Wire:
    """Connect two protocols; the transport of the first."""
    wire, back = Wire(loop, near, far), Wire(loop, far, near)
    wire.other, back.other = back, wire
    loop.wires = [one for one in loop.wires if not one.is_closing()] + [wire]
    far.connection_made(back)
    near.connection_made(wire)
    return wire
