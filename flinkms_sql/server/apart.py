"""Work of pure Python or numpy done in a thread, so that no other session waits for it; whoever gives up ends it.

Must not know what the work is: it is a function of its own arguments that touches nothing that anybody else can see, so
that it may be ended between any two of its instructions. A thread does one piece of work and is gone: an end that comes
late finds nothing else to end.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

THREAD = "apart"
"""The name of its threads."""

APART_AT_ONCE_MAX = 2
"""Pieces of work of all sessions at one time, further ones wait: more of them only share Python's one lock."""


class _Ended(BaseException):
    """Raised in a thread whose work nobody waits for any more."""


class Apart:
    """The threads of one frontend."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(APART_AT_ONCE_MAX)

    async def run(self, work: Callable[[], T]) -> T:
        """What the work gives or raises. Cancelled, it ends the work, which had no effect."""
        async with self._places:
            loop = asyncio.get_running_loop()
            outcome: asyncio.Future[T] = loop.create_future()
            thread = threading.Thread(target=_work, args=(work, loop, outcome), name=THREAD, daemon=True)
            thread.start()
            try:
                return await outcome
            except asyncio.CancelledError:
                _end(thread)
                raise


def _work(work: Callable[[], Any], loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Any]) -> None:
    try:
        try:
            tell, value = _succeed, work()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            tell, value = _fail, error
        loop.call_soon_threadsafe(tell, outcome, value)
    except (_Ended, RuntimeError):  # the second: the loop has been closed
        pass


def _succeed(outcome: asyncio.Future[Any], value: object) -> None:
    if not outcome.done():
        outcome.set_result(value)


def _fail(outcome: asyncio.Future[Any], error: Exception) -> None:
    if not outcome.done():
        outcome.set_exception(error)


def _end(thread: threading.Thread) -> None:
    """Raise in the thread, before its next instruction of Python."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Ended))
