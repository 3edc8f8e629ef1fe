"""What a supervisor leaves on disk: a lock that dies with it, its settings, and the processes it started, as of its last change.

The lock says whether a supervisor runs; the file says what to end when one was killed. Must not start or end anything.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime.processes import Identity

LOCK_ATTEMPTS = 5
LOCK_PAUSE_S = 0.02

Phase = Literal["waiting", "preparing", "starting", "ready", "restarting", "failed", "stopping", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """One part as of now. ``ready_ms`` is how long its last start took; ``process`` None: no process of ours."""

    name: str
    phase: Phase
    address: str
    process: Identity | None
    restarts: int
    ready_ms: int | None
    reason: str | None
    stop_signal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All parts of one data directory, and the supervisor that wrote this."""

    supervisor: Identity
    parts: tuple[PartState, ...]


def write(run: Path, state: State) -> None:
    """Replace the state file."""
    fresh = run / "state.json.new"
    fresh.write_text(json.dumps(asdict(state), indent=1))
    fresh.replace(run / "state.json")


def read(run: Path) -> State | None:
    """The last written state; None when there is none or it is of another version."""
    try:
        stored = json.loads((run / "state.json").read_text())
        parts = tuple(PartState(**{**part, "process": _identity(part["process"])}) for part in stored["parts"])
        return State(supervisor=Identity(**stored["supervisor"]), parts=parts)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear(run: Path) -> None:
    """Forget the state: nothing runs any more."""
    (run / "state.json").unlink(missing_ok=True)


def remember(run: Path, settings: Mapping[str, str]) -> None:
    """Keep the settings that a deployment runs with, as variables; the caller holds the lock."""
    fresh = run / "settings.json.new"
    fresh.unlink(missing_ok=True)
    # A connection string may hold a password.
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(settings), file, indent=1)
    fresh.replace(run / "settings.json")


def remembered(run: Path) -> dict[str, str]:
    """The settings of the deployment that runs, as variables; none when nothing runs, or it is of another version."""
    if not is_held(run):
        return {}
    try:
        return {str(name): str(text) for name, text in json.loads((run / "settings.json").read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the data directory's lock. Raises 55000 when another supervisor holds it."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / "lock").open("a") as file:
        if not _take(file.fileno()):
            other = read(run)
            who = f" by process {other.supervisor.pid}" if other else ""
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                               f"data directory {run.parent} is already in use{who}",
                               hint="Run flinkms status, or flinkms down, or choose another with --data-dir.")
        yield


def is_held(run: Path) -> bool:
    """Whether a supervisor runs."""
    try:
        descriptor = os.open(run / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    # ``is_held`` holds the lock for a moment to find out: a second look tells it from a supervisor.
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
    return False


def _identity(stored: dict[str, float] | None) -> Identity | None:
    return None if stored is None else Identity(pid=int(stored["pid"]), started_at=stored["started_at"])
