"""Waiting for changes of the registry: one listening connection a process, however many wait.

Whoever waits has a watch of his own, so that none takes another's news. A notification may be lost with its connection,
so a watch is woken whenever the connection is new, and whoever waits looks again after a while all the same. Must not
know what is changed, nor by whom.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, MutableMapping, Sequence
from typing import Literal

from flinkms_sql import sqlfiles
from flinkms_sql.catalog.connection import CONNECT_TIMEOUT_S, Connection, translated
from flinkms_sql.errors import FlinkmsError

logger = logging.getLogger(__name__)

Channel = Literal["catalog", "jobs"]
"""What changed: tables, models, versions or aliases; or jobs (their progress included)."""

CHANNELS: tuple[Channel, ...] = ("catalog", "jobs")

CLOSE_S_MAX = 1.0
"""Seconds until a listener that is no longer wanted lets its connection go: it looks that often while nothing happens."""

LISTEN_AGAIN_S = 0.5
"""Seconds before listening again after the control database was lost: it is back within two."""

_SCHEMA = sqlfiles.queries("catalog/schema")


class Watch:
    """What has changed on some channels since this watch last said so. For one thread at a time."""

    def __init__(self, changed: threading.Condition, marks: MutableMapping[Channel, int], channels: Sequence[Channel]) -> None:
        """``marks`` counts the changes of each channel; it is written under ``changed``, which then wakes all."""
        self._changed, self._marks, self._channels = changed, marks, tuple(channels)
        with changed:
            self._seen = dict(marks)

    def wait(self, timeout_s: float) -> set[Channel]:
        """The channels that changed since the last call, or since the watch began; empty after the timeout."""
        with self._changed:
            self._changed.wait_for(self._news, timeout_s)
            found = self._news()
            self._seen = dict(self._marks)
            return found

    def _news(self) -> set[Channel]:
        return {name for name in self._channels if self._marks[name] != self._seen[name]}


class Listener:
    """Listens on a connection of its own, in a thread, from the first watch on until it is closed."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._changed = threading.Condition()
        self._marks: dict[Channel, int] = dict.fromkeys(CHANNELS, 0)
        self._stop: threading.Event | None = None

    def watch(self, channels: Sequence[Channel]) -> Watch:
        """A watch that misses no change from now on; it is the slower while the control database is away."""
        with self._changed:
            if self._stop is None:
                self._stop, listening = threading.Event(), threading.Event()
                threading.Thread(target=self._listen, args=(self._stop, listening), name="listener", daemon=True).start()
                self._changed.wait_for(listening.is_set, CONNECT_TIMEOUT_S)
            return Watch(self._changed, self._marks, channels)

    def close(self) -> None:
        """End the thread, within CLOSE_S_MAX; a further watch starts another."""
        with self._changed:
            if self._stop is not None:
                self._stop.set()
            self._stop = None

    def _listen(self, stop: threading.Event, listening: threading.Event) -> None:
        while not stop.is_set():
            try:
                with translated(), self._connect() as connection:
                    for channel in CHANNELS:
                        connection.execute(_SCHEMA[f"listen_{channel}"])
                    with self._changed:
                        listening.set()
                        # Whatever happened while nobody listened. At once: a watch that is made now has not missed it.
                        self._tell(CHANNELS)
                    while not stop.is_set():
                        for notify in connection.notifies(timeout=CLOSE_S_MAX):
                            self._tell([name for name in CHANNELS if notify.channel == f"flinkms_{name}"])
            except FlinkmsError as error:
                if not stop.is_set():
                    logger.warning("registry: %s; listening again", error)
                stop.wait(LISTEN_AGAIN_S)

    def _tell(self, channels: Sequence[Channel]) -> None:
        with self._changed:
            for channel in channels:
                self._marks[channel] += 1
            self._changed.notify_all()
