"""One part being watched: waiting, preparing, starting, ready, restarting. A state machine that is stepped.

Must not block: what may block (prepare, probe, started) runs in the pool, and a step only looks whether it is done.
Processes are started by the thread that steps, because a leash ends with the thread that made it.
"""

from __future__ import annotations

import errno
import signal
import subprocess
import time
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import processes
from flinkms_sql.runtime.part import SETTLED_S, Part
from flinkms_sql.runtime.processes import Identity
from flinkms_sql.runtime.state import PartState, Phase

FIRST_STARTS_MAX = 3
"""Starts in a row without getting ready before ``up`` gives up: the first may meet the remains of a killed server."""

BACKOFF_S = 0.2
"""Seconds before the first restart; doubles with each one that follows soon."""

BACKOFF_S_MAX = 10.0

STEADY_S = 60.0
"""Seconds after which a part that is still ready counts as healthy: its next restart is quick again."""

PROBE_PAUSE_S = 0.05

LOG_LINES = 3
"""Lines of the part's log that an error shows."""


class Watch:
    """The supervisor's view of one part. ``now`` is a monotonic clock in seconds."""

    def __init__(self, part: Part, *, data_dir: Path, log: Path, pool: ThreadPoolExecutor) -> None:
        self.part = part
        self.phase: Phase = "waiting"
        self.error: FlinkmsError | None = None
        self._data_dir = data_dir
        self._log = log
        self._pool = pool
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None
        self._task: Future[bool] | None = None
        self._not_before = 0.0
        self._began_at = 0.0
        self._settled_at = 0.0
        self._ready_at: float | None = None
        self._failures = 0
        self._restarts = 0
        self._ready_ms: int | None = None
        self._was_ready = False
        self._stop_at: float | None = None

    @property
    def state(self) -> PartState:
        """As it is shown and stored."""
        return PartState(name=self.part.name, phase=self.phase, address=self.part.address, process=self._identity,
                         restarts=self._restarts, ready_ms=self._ready_ms,
                         reason=self.error.message if self.error else None, stop_signal=int(self.part.stop_signal))

    def step(self, now: float, ready: AbstractSet[str]) -> None:
        """Move on as far as possible without blocking; ``ready`` are the names of the parts that are."""
        match self.phase:
            case "waiting" | "restarting":
                if now >= self._not_before and ready.issuperset(self.part.needs):
                    self._began_at = now
                    self._task = self._pool.submit(self._prepare)
                    self.phase = "preparing"
            case "preparing":
                if self._task.done():
                    self._start(now)
            case "starting":
                self._watch_start(now)
            case "ready":
                if self._exit_code() is not None:
                    self._ended(now)
            case "stopping":
                self._watch_stop(now)
            case "failed" | "stopped":
                pass

    def stop(self, now: float) -> None:
        """Ask the part to end; ``step`` until the phase is stopped."""
        if self.phase in ("stopping", "stopped"):
            return
        self.phase = "stopping"
        self._stop_at = now + self.part.stop_wait_s
        if self._exit_code() is None and self._process is not None:
            self._process.send_signal(self.part.stop_signal)

    def _prepare(self) -> bool:
        self.part.prepare()
        return True

    def _probe(self, pid: int) -> bool:
        if self.part.ready is None:
            if time.monotonic() < self._settled_at:
                return False
        elif not self.part.ready(pid):
            return False
        self.part.started()
        return True

    def _exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def _start(self, now: float) -> None:
        try:
            self._task.result()
            if self.part.command:
                self._process = processes.start(self.part, data_dir=self._data_dir, log=self._log)
                self._identity = processes.identify(self._process.pid)
        except (FlinkmsError, OSError) as error:
            self._failed_to_start(now, _as_flinkms(self.part.name, error))
            return
        self.phase = "starting"
        self._settled_at = now + (SETTLED_S if self.part.command else 0.0)
        self._task = None

    def _watch_start(self, now: float) -> None:
        pid = self._process.pid if self._process is not None else 0
        if self._exit_code() is not None:
            self._ended(now)
        elif self._task is None:
            if now >= self._not_before:
                self._task = self._pool.submit(self._probe, pid)
        elif self._task.done():
            self._probed(now)
        elif now > self._began_at + self.part.ready_wait_s:
            self._gave_up(now)

    def _probed(self, now: float) -> None:
        task, self._task = self._task, None
        try:
            if task.result():
                self.phase, self.error = "ready", None
                self._ready_at, self._was_ready = now, True
                self._ready_ms = round((now - self._began_at) * 1000)
                return
        except (FlinkmsError, OSError) as error:
            self._kill()
            self._failed_to_start(now, _as_flinkms(self.part.name, error))
            return
        self._not_before = now + PROBE_PAUSE_S
        if now > self._began_at + self.part.ready_wait_s:
            self._gave_up(now)

    def _gave_up(self, now: float) -> None:
        self._kill()
        self._failed_to_start(now, FlinkmsError(
            errors.CANNOT_CONNECT_NOW, f"{self.part.name} was not ready after {self.part.ready_wait_s:.0f} s",
            detail=self._log_tail(), hint=f"Its log is {self._log}."))

    def _ended(self, now: float) -> None:
        code = self._process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        processes.kill_group(self._process.pid)
        self._process = self._identity = None
        full = "No space left on device" in (tail := self._log_tail() or "")
        self._failed_to_start(now, FlinkmsError(
            errors.DISK_FULL if full else errors.CANNOT_CONNECT_NOW,
            f"{self.part.name} {how}{': the disk is full' if full else ''}", detail=tail or None,
            hint=f"Its log is {self._log}."))

    def _failed_to_start(self, now: float, error: FlinkmsError) -> None:
        """Restart after a pause; give up only while the part has never been ready."""
        steady = self._ready_at is not None and now - self._ready_at >= STEADY_S
        self._failures = 1 if steady else self._failures + 1
        self._ready_at, self._task, self.error = None, None, error
        if not self._was_ready and self._failures >= FIRST_STARTS_MAX:
            self.phase = "failed"
            return
        self.phase = "restarting"
        self._restarts += 1
        self._not_before = now + min(BACKOFF_S * 2 ** (self._failures - 1), BACKOFF_S_MAX)

    def _watch_stop(self, now: float) -> None:
        # A prepare that still runs may yet hold files; nothing may be stopped under it.
        if self._task is not None and not self._task.done():
            return
        if self._process is not None and self._exit_code() is None:
            if now <= self._stop_at:
                return
            self._kill()
        if self._process is not None:
            processes.kill_group(self._process.pid)
        self._process = self._identity = None
        self.phase = "stopped"

    def _kill(self) -> None:
        if self._process is not None:
            processes.kill_group(self._process.pid)
            self._process.wait(processes.KILL_WAIT_S_MAX)
        self._process = self._identity = None

    def _log_tail(self) -> str | None:
        return " / ".join(processes.last_lines(self._log, LOG_LINES)) or None


def _as_flinkms(name: str, error: FlinkmsError | OSError) -> FlinkmsError:
    if isinstance(error, FlinkmsError):
        return error
    full = error.errno == errno.ENOSPC
    return FlinkmsError(errors.DISK_FULL if full else errors.IO_ERROR,
                        f"{name} cannot be started: {'the disk is full' if full else error}")
