"""An event loop that is a thread of a schedule, processes on it that are killed, connections whose bytes take a while.

Must not know what is sent. Everything that is left to chance asks the schedule's, so that a seed is a whole run.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from tests.simulation.baton import Baton, Thread

DELAY_S_MAX = 0.01
"""A piece of data is under way for up to this long, in simulated seconds."""

THREAD_S_MAX = 0.02
"""A thread begins up to so many simulated seconds after it was asked for."""

LOAD_S_MAX = 2.0
"""The same of threads of the loop's own pool, which load versions."""


class Process:
    """A process that may be killed. Its tasks and its ends of connections run in its context, its threads under its name.

    Once it is dead, nothing that it still does has an effect: a thread that it asks for does not run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.open: dict[asyncio.Future[Any], None] = {}
        """What it waits for: its tasks, and what its threads are at work on."""
        self.at_death: list[Callable[[], None]] = []
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def wait_for(self, future: asyncio.Future[Any]) -> None:
        """Note that something is open."""
        self.open[future] = None
        future.add_done_callback(self._forget)

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self.open.pop(future, None)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)
"""Whose code it is that runs."""


class _Clock:
    """Stands where a selector would: there is nothing to wait for but time, which it lets pass."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None or timeout > 0:
            self._loop.baton.wait(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop, one thread of a schedule. ``listeners`` maps the path of a unix socket to who accepts there."""

    def __init__(self, baton: Baton) -> None:
        super().__init__()
        self.baton = baton
        self.chance = baton.chance
        self.listeners: dict[str, Callable[[], asyncio.Protocol]] = {}
        self.wires: list[Wire] = []
        """One end of every connection that is open, or was a moment ago."""
        self.failures: list[BaseException | None] = []
        """What work that goes on for ever has ended with."""
        self._selector = _Clock(self)
        self._thread: Thread | None = None
        self.set_task_factory(_task)

    @property
    def now(self) -> float:
        """Seconds since the schedule began."""
        return self.baton.now

    def time(self) -> float:
        """See asyncio."""
        return self.baton.now

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end; in a thread of the schedule."""
        self._thread = self.baton.current()
        asyncio.set_event_loop(self)
        try:
            self.run_until_complete(work)
        finally:
            asyncio.set_event_loop(None)
            # Tasks that are left say so when they are collected, which may be in the middle of anything.
            self.set_exception_handler(lambda _loop, _context: None)
            self.close()

    def _process_events(self, events: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        if self._thread is not None:
            self.baton.wake(self._thread)

    def run_in_executor(self, executor: object, work: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """A thread of the process that asks for it."""
        process, done = PROCESS.get(), self.create_future()
        if process is None or not process.alive:
            done.set_result(None)
            return done
        process.wait_for(done)

        def tell(end: Callable[[Any], None], found: object) -> None:
            self.call_soon_threadsafe(lambda: None if done.done() else end(found))

        def thread() -> None:
            self.baton.wait(self.chance.random() * (LOAD_S_MAX if executor is None else THREAD_S_MAX))
            try:
                found = work(*args)
            except Exception as error:  # noqa: BLE001 - whoever waits hears of it
                tell(done.set_exception, error)
            else:
                tell(done.set_result, found)

        self.baton.start(process.name, thread)
        return done

    def kill(self, process: Process) -> None:
        """kill -9: its threads end where they are, its connections are cut, nobody hears of what it had begun."""
        process.alive = False
        self.baton.kill(process.name)
        for wire in self.wires:
            if process in (wire.process, wire.other.process):
                wire.cut()
        for future in list(process.open):
            future.cancel()
        for end in process.at_death:
            end()

    async def create_unix_connection(self, factory: Callable[[], Any], path: str, **_: Any) -> tuple[Any, Any]:
        """Connect to whoever listens at ``path``."""
        accept = self.listeners.get(str(path))
        if accept is None:
            raise ConnectionRefusedError(f"nobody listens at {path}")
        near = factory()
        wire = connect(self, near, accept(), near_process=PROCESS.get())
        await asyncio.sleep(0)
        return wire, near


def _task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **options)
    if (process := PROCESS.get()) is not None:
        process.wait_for(task)
    return task


class Wire(asyncio.Transport):
    """One end of a connection: what is written here arrives at ``there``, in pieces, in order, later."""

    def __init__(self, loop: SimLoop, here: asyncio.Protocol, there: asyncio.Protocol, process: Process | None) -> None:
        super().__init__()
        self._loop = loop
        self.process = process
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
            self.other.run(self._there.data_received, self._under_way.popleft())
        elif self._closing:
            self.other.lose()
            self.lose()
            return
        self._schedule()

    def run(self, call: Callable[..., None], *args: Any) -> None:
        """Run code of the process at this end."""
        if self.process is None:
            contextvars.Context().run(call, *args)
        elif PROCESS.get() is self.process:
            call(*args)
        else:
            self.process.context.copy().run(call, *args)

    def lose(self) -> None:
        """This end learns that the connection is no more."""
        if not self._lost:
            self._lost = self._closing = True
            self._loop.call_soon(self.run, self._here.connection_lost, None)

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


def connect(loop: SimLoop, near: asyncio.Protocol, far: asyncio.Protocol, *, near_process: Process | None = None,
            far_process: Process | None = None) -> Wire:
    """Connect two protocols; the transport of the first."""
    wire, back = Wire(loop, near, far, near_process), Wire(loop, far, near, far_process)
    wire.other, back.other = back, wire
    loop.wires = [one for one in loop.wires if not one.is_closing()] + [wire]
    back.run(far.connection_made, back)
    wire.run(near.connection_made, wire)
    return wire
