"""One at a time for a subject, among the threads of this process: what a store in memory has for PostgreSQL's session locks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flinkms_sql.catalog.records import still_held


class Subjects:
    """A lock for each subject that was ever asked for."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._asking = threading.Lock()

    @contextmanager
    def exclusive(self, subject: str, *, wait_s: float, on_wait: Callable[[], None]) -> Iterator[None]:
        """See store.Store."""
        with self._asking:
            held = self._locks.setdefault(subject, threading.Lock())
        if not held.acquire(blocking=False):
            on_wait()
            if not held.acquire(timeout=wait_s):
                raise still_held(subject, wait_s)
        try:
            yield
        finally:
            held.release()
