"""The time of a runner: it passes, and it is over when the runner is told to stop. Must not know what is waited for."""

from __future__ import annotations

import threading
import time


class Clock:
    """Real time. ``stopping``: set when the runner is to stop."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def monotonic(self) -> float:
        """Seconds, rising: for how long something takes."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970-01-01 UTC, as of files."""
        return time.time()

    def is_stopping(self) -> bool:
        """Whether the runner is told to stop."""
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the runner is told to stop; whether it is."""
        return self._stopping.wait(seconds)
