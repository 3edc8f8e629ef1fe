"""Threads that run one at a time, in a time of their own: code that waits and blocks, made a schedule of a seed.

Whoever runs holds the baton until it waits; then whoever is due next gets it, and time passes only that way. A process is
a name that threads run under: killed, its threads end wherever they wait. Must not know what is run.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EPOCH_S = 2_000_000_000.0
"""Seconds since 1970 at which simulated time begins: after whatever a file system says of files just made."""


TIME_S_MAX = 5000.0
"""Simulated seconds of one run: more than any takes that comes to its end."""


class Killed(BaseException):
    """The process of the thread was killed. No Exception: nobody is to handle it."""


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Thread:
    """A thread, and the process it belongs to; ``due`` counts its turns, so that only the last one asked for counts."""

    process: str
    turn: threading.Lock = field(default_factory=_taken)
    killed: bool = False
    due: int = 0


class Baton:
    """The schedule. ``now``: seconds since its beginning. ``chance`` decides whatever is left to chance."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self._turns: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._back = _taken()
        self._threads: dict[int, Thread] = {}
        self._failure: BaseException | None = None

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action, which does not wait, after some time."""
        heapq.heappush(self._turns, (self.now + seconds, next(self._count), action))

    def start(self, process: str, action: Callable[[], object]) -> Thread:
        """Start a thread of a process."""
        thread = Thread(process)

        def body() -> None:
            thread.turn.acquire()
            try:
                if not thread.killed:
                    action()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised again by whoever runs the schedule
                self._failure = error
            finally:
                del self._threads[threading.get_ident()]
                self._back.release()

        real = threading.Thread(target=body, name=process, daemon=True)
        real.start()
        self._threads[real.ident or 0] = thread
        self._wake(thread, self.chance.random() * 0.001)
        return thread

    def wait(self, seconds: float) -> None:
        """Wait, in a thread of the schedule. Raises Killed."""
        thread = self._threads[threading.get_ident()]
        if not thread.killed:
            self._wake(thread, seconds)
            self._back.release()
            thread.turn.acquire()
        if thread.killed:
            raise Killed

    def kill(self, process: str) -> None:
        """End the threads of a process, each where it waits."""
        for thread in [thread for thread in self._threads.values() if thread.process == process]:
            thread.killed = True
            self._wake(thread, 0.0)

    def run(self, until: Callable[[], bool]) -> None:
        """Let time pass until something is so. Raises what a thread failed with, AssertionError when nothing is left to do."""
        while not until():
            assert self._turns, "deadlock: nothing is left to do"
            assert self.now < TIME_S_MAX, "it goes on for ever"
            at, _, action = heapq.heappop(self._turns)
            self.now = max(self.now, at)
            action()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure

    def close(self) -> None:
        """End all threads."""
        for process in {thread.process for thread in self._threads.values()}:
            self.kill(process)
        self.run(lambda: not self._threads)

    def _wake(self, thread: Thread, seconds: float) -> None:
        thread.due += 1
        turn = thread.due

        def pass_on() -> None:
            if thread.due == turn and thread in self._threads.values():
                thread.turn.release()
                self._back.acquire()

        self.later(seconds, pass_on)


class Lock:
    """A lock among threads of the schedule."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            self._baton.wait(0.01)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False


class Locks:
    """See jobs.context.Locks, and Store.exclusive."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._locks: dict[str, Lock] = {}

    def of(self, name: str) -> Lock:
        """The lock of a name."""
        return self._locks.setdefault(name, Lock(self._baton))

    @contextmanager
    def exclusive(self, subject: str, **_: object) -> Iterator[None]:
        """See Store."""
        with self.of(subject):
            yield


class Clock:
    """See jobs.clock.Clock: of a process that is never told to stop, but killed."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def monotonic(self) -> float:
        """See jobs.clock.Clock."""
        return self._baton.now

    def time(self) -> float:
        """See jobs.clock.Clock."""
        return EPOCH_S + self._baton.now

    def is_stopping(self) -> bool:
        """See jobs.clock.Clock."""
        return False

    def wait(self, seconds: float) -> bool:
        """See jobs.clock.Clock."""
        self._baton.wait(seconds)
        return False
