"""The supervisor behind ``flinkms up``: starts parts as soon as what they need is ready, restarts them, ends them all.

One loop steps every Watch; must not know any particular part. What a killed supervisor left running is ended at the next
start, when it is verifiably ours. ``down`` and ``status`` work from another process, through the lock and state file.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import logs, private, processes, state
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.processes import Identity
from flinkms_sql.runtime.state import PartState, State
from flinkms_sql.runtime.watch import Watch

logger = logging.getLogger(__name__)

STEP_S = 0.05
"""Seconds between looks at the parts: how late a death can be noticed. A look costs about 20 us a part."""

LEFTOVER_WAIT_S_MAX = 5.0
"""Seconds that what a killed supervisor left gets to end by itself."""

DOWN_WAIT_S_MAX = 60.0
"""Seconds ``down`` gives a supervisor to end its parts before it is killed and they are ended one by one."""

Report = Callable[[Sequence[PartState]], None]
"""Called in the supervisor's thread whenever a part changed."""


class Supervisor:
    """Runs parts over one data directory until ``stop``."""

    def __init__(self, parts: Sequence[Part], *, data_dir: Path, report: Report,
                 settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """``settings``: variables that commands over the data directory take theirs from while this runs."""
        self._parts = parts
        self._settings = settings
        self._data_dir = data_dir
        self._run = data_dir / "run"
        self._logs = data_dir / "logs"
        self._report = report
        self._stopping = threading.Event()
        self._shown: tuple[PartState, ...] = ()
        self._recorded: tuple[PartState, ...] = ()
        self._record_failed = False

    def stop(self) -> None:
        """Make ``run`` end the parts and return; safe from a signal handler and from another thread."""
        self._stopping.set()

    def run(self) -> None:
        """Start and watch the parts; returns after ``stop``, when nothing runs any more.

        Raises 55000 when another supervisor holds the data directory, and the part's error when one cannot be started.
        """
        private.secure(self._data_dir)
        with state.held(self._run):
            end_leftovers(self._data_dir)
            state.remember(self._run, self._settings)
            with ThreadPoolExecutor(max_workers=len(self._parts) + 1, thread_name_prefix="part") as pool:
                watches = [Watch(part, data_dir=self._data_dir, log=self._logs / f"{part.name}.log", pool=pool)
                           for part in self._parts]
                try:
                    self._watch(watches, pool)
                finally:
                    self._end(watches)
                    state.clear(self._run)

    def _watch(self, watches: Sequence[Watch], pool: ThreadPoolExecutor) -> None:
        cut, look_at = None, 0.0
        while not self._stopping.wait(STEP_S):
            if time.monotonic() >= look_at and (cut is None or cut.done()):
                cut, look_at = pool.submit(self._bound_logs), time.monotonic() + logs.LOOK_S
            ready = {watch.part.name for watch in watches if watch.phase == "ready"}
            for watch in watches:
                watch.step(time.monotonic(), ready)
            self._show(watches)
            for watch in watches:
                if watch.phase == "failed":
                    raise watch.error

    def _bound_logs(self) -> None:
        try:
            for log in logs.set_aside(self._logs):
                logger.info("%s set aside", log)
        except OSError as error:
            logger.warning("logs are not cut: %s", error)

    def _end(self, watches: Sequence[Watch]) -> None:
        """End the parts, each after those that need it; then whatever they started and lost."""
        while any(watch.phase != "stopped" for watch in watches):
            needed = {name for watch in watches if watch.phase != "stopped" for name in watch.part.needs}
            for watch in watches:
                if watch.part.name not in needed:
                    watch.stop(time.monotonic())
                if watch.phase == "stopping":
                    watch.step(time.monotonic(), frozenset())
            self._show(watches)
            time.sleep(STEP_S)
        for lost in processes.descendants(self._data_dir):
            processes.end(lost, signal.SIGTERM, LEFTOVER_WAIT_S_MAX)

    def _show(self, watches: Sequence[Watch]) -> None:
        now = tuple(watch.state for watch in watches)
        if now != self._recorded:
            self._record(now)
        if now != self._shown:
            self._shown = now
            self._report(now)

    def _record(self, now: tuple[PartState, ...]) -> None:
        try:
            state.write(self._run, State(supervisor=processes.identify(os.getpid()), parts=now))
            self._recorded, self._record_failed = now, False
        except OSError as error:
            # A full disk is no reason to end what runs. The next look tries again.
            if not self._record_failed:
                logger.warning("state of the parts is not recorded: %s", error)
            self._record_failed = True


def end_leftovers(data_dir: Path) -> list[Identity]:
    """End what a killed supervisor of this data directory left; the caller holds its lock. What was ended."""
    last = state.read(data_dir / "run")
    ended = []
    for part in reversed(last.parts if last else ()):
        if part.process is not None and part.process.alive:
            processes.end(part.process, signal.Signals(part.stop_signal), LEFTOVER_WAIT_S_MAX)
            ended.append(part.process)
    for lost in processes.descendants(data_dir):
        processes.end(lost, signal.SIGTERM, LEFTOVER_WAIT_S_MAX)
        ended.append(lost)
    return ended


def down(data_dir: Path) -> bool:
    """End the supervisor of a data directory and its parts; whether there was anything to end."""
    run = data_dir / "run"
    last = state.read(run)
    found = state.is_held(run)
    if found and last is not None:
        processes.end(last.supervisor, signal.SIGTERM, DOWN_WAIT_S_MAX)
    if not run.exists():
        return False
    with state.held(run):
        ended = end_leftovers(data_dir)
        state.clear(run)
    return found or bool(ended)


def wait_until_ready(data_dir: Path, supervisor: Callable[[], int | None], report: Report) -> None:
    """Wait until every part of a supervisor in another process is ready, reporting changes.

    ``supervisor`` gives that process's exit code, None while it runs. Raises 57P03 when it ends first.
    """
    shown: tuple[PartState, ...] = ()
    while (code := supervisor()) is None:
        last = state.read(data_dir / "run")
        if last is not None and last.supervisor.alive and last.parts != shown:
            shown = last.parts
            report(shown)
            if all(part.phase == "ready" for part in shown):
                return
        time.sleep(STEP_S)
    raise FlinkmsError(errors.CANNOT_CONNECT_NOW, f"flinkms up ended with exit code {code}",
                       detail=" / ".join(processes.last_lines(data_dir / "logs" / "supervisor.log", 3)) or None)
