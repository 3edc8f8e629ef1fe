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
    """The schedule. ``now``: seconds since its beginning. ``chance`` decides whatever is left to chance.

    Who waits or ends hands the baton on itself, so that nobody has to wake who is due next anyway.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self._turns: list[tuple[float, int, Callable[[], Thread | None]]] = []
        self._count = itertools.count()
        self._back = _taken()
        """Released when whoever runs the schedule is to go on."""
        self._threads: dict[int, Thread] = {}
        self._failure: BaseException | None = None
        self._until: Callable[[], bool] = lambda: True

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
                thread.due += 1
                self._hand_on(None)

        real = threading.Thread(target=body, name=process, daemon=True)
        real.start()
        self._threads[real.ident or 0] = thread
        self._wake(thread, self.chance.random() * 0.001)
        return thread

    def wait(self, seconds: float | None) -> None:
        """Wait, in a thread of the schedule; None: until it is woken. Raises Killed."""
        thread = self.current()
        if not thread.killed:
            if seconds is not None:
                self._wake(thread, seconds)
            self._hand_on(thread)
        if thread.killed:
            raise Killed

    def current(self) -> Thread:
        """The thread that has the baton."""
        return self._threads[threading.get_ident()]

    def wake(self, thread: Thread) -> None:
        """End a thread's wait."""
        self._wake(thread, 0.0)

    def kill(self, process: str) -> None:
        """End the threads of a process, each where it waits."""
        for thread in [thread for thread in self._threads.values() if thread.process == process]:
            thread.killed = True
            self.wake(thread)

    def run(self, until: Callable[[], bool]) -> None:
        """Let time pass until something is so. Raises what a thread failed with, AssertionError when nothing is left to do."""
        self._until = until
        found = self._next()
        if found is not None:
            found.turn.release()
            self._back.acquire()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """End all threads."""
        for process in dict.fromkeys(thread.process for thread in self._threads.values()):
            self.kill(process)
        self.run(lambda: not self._threads)

    def _hand_on(self, thread: Thread | None) -> None:
        """Let whoever is due next go on, and wait until that is this thread, None: one that has ended."""
        found = self._next()
        if found is not None and found is thread:
            return
        (self._back if found is None else found.turn).release()
        if thread is not None:
            thread.turn.acquire()

    def _next(self) -> Thread | None:
        """Run actions until it is a thread's turn; None when it is up to whoever runs the schedule."""
        try:
            while self._failure is None and not self._until():
                assert self._turns, "deadlock: nothing is left to do"
                assert self.now < TIME_S_MAX, "it goes on for ever"
                at, _, action = heapq.heappop(self._turns)
                self.now = max(self.now, at)
                found = action()
                if found is not None:
                    return found
        except BaseException as error:  # noqa: BLE001 - see start
            self._failure = error
        return None

    def _wake(self, thread: Thread, seconds: float) -> None:
        thread.due += 1
        turn = thread.due
        heapq.heappush(self._turns, (self.now + seconds, next(self._count), lambda: thread if thread.due == turn else None))


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
