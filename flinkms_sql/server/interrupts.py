"""How work that takes its time is ended before it is done: by the client's CancelRequest, or by its statement_timeout.

Must not know what the work is. Work says when it may be stopped (``allow``): what must not be left half done never does.
"""

from __future__ import annotations

import asyncio
import time

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

_TIMEOUT = "canceling statement due to statement timeout"


class Interrupts:
    """One session's. ``task`` is what is at work.

    Work that may be stopped is so wherever it waits, and nowhere else: a task is never at work when it is told to stop.
    What it did in the end still counts only ``in_time``, for a timer is as late as the event loop is.
    """

    __slots__ = ("_allowed", "_began", "_reason", "_timer", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._allowed = False
        self._began = 0.0
        self._reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A statement has come: its time runs from here."""
        self._began = time.monotonic()

    def allow(self, timeout_s: float) -> None:
        """The work may be stopped from here on, and is ``timeout_s`` seconds (0: never) after its statement has come."""
        self._allowed = True
        if timeout_s and self._timer is None:
            left_s = max(0.0, self._began + timeout_s - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(left_s, self._stop, _TIMEOUT)

    @property
    def spent_s(self) -> float:
        """Seconds since the statement has come."""
        return time.monotonic() - self._began

    def forbid(self, timeout_s: float) -> None:
        """What comes now must not be left half done. Raises FlinkmsError 57014 when it comes too late."""
        self.statement_done()
        if 0 < timeout_s < self.spent_s:
            raise FlinkmsError(errors.QUERY_CANCELED, _TIMEOUT)

    def cancel(self) -> None:
        """The client asks for it."""
        self._stop("canceling statement due to user request")

    def _stop(self, reason: str) -> None:
        if self._allowed and self.task is not None:
            self._allowed, self._reason = False, reason
            self.task.cancel()

    def statement_done(self) -> None:
        """What comes next has its own time, and may not be stopped before it says so."""
        self._allowed = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def caught(self) -> FlinkmsError | None:
        """Why the work was cancelled, once; None: not by us."""
        reason, self._reason = self._reason, None
        return None if reason is None else FlinkmsError(errors.QUERY_CANCELED, reason)

    def end(self) -> None:
        """The work is done."""
        self.statement_done()
        self.task, self._reason = None, None
