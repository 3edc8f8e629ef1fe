"""How work that takes its time is ended before it is done: by the client's CancelRequest, or by its statement_timeout.

Must not know what the work is. Work says when it may be stopped (``allow``): what must not be left half done never does.
"""

from __future__ import annotations

import asyncio

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


class Interrupts:
    """One session's. ``task`` is what is at work."""

    __slots__ = ("_allowed", "_reason", "_timer", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._allowed = False
        self._reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def allow(self, timeout_s: float) -> None:
        """The work may be stopped from here on, and is after ``timeout_s`` seconds (0: never)."""
        self._allowed = True
        if timeout_s and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout_s, self._stop, "canceling statement due to statement timeout")

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
