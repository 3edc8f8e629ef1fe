"""Processes as the supervisor sees them: started on a leash, recognised by pid and start time, ended with their group.

Must never signal a process that it cannot show to be ours: a pid alone proves nothing, since pids are reused.
The one file that uses psutil.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from flinkms_sql.runtime import leash
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.private import PRIVATE_UMASK
from flinkms_sql.settings import own_environment

TOKEN = "FLINKMS_SUPERVISED"
"""Environment variable of every part, inherited by what it starts: the data directory it belongs to."""

START_TIME_TOLERANCE_S = 0.02
"""Start times come from a clock of 10 ms ticks."""

KILL_WAIT_S_MAX = 5.0
"""Seconds for a process to vanish after SIGKILL."""

POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A process for good: pids are reused, a pid with its start time (seconds since 1970) is not."""

    pid: int
    started_at: float

    @property
    def alive(self) -> bool:
        """Whether this very process runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            return (abs(process.create_time() - self.started_at) <= START_TIME_TOLERANCE_S
                    and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


def identify(pid: int) -> Identity:
    """The identity of a process that runs."""
    return Identity(pid=pid, started_at=psutil.Process(pid).create_time())


def runs_with(pid: int, argument: str) -> bool:
    """Whether a process runs (a zombie does not) and has this argument."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and argument in process.cmdline()
    except psutil.Error:
        return False


def start(part: Part, *, data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a part in a session of its own, its output appended to its log."""
    tied = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(int(part.stop_signal)),
            str(part.account.uid), str(part.account.gid), *part.command]
    environment = {**own_environment(os.environ), **part.environment, TOKEN: str(data_dir)}
    with log.open("ab") as output:
        return subprocess.Popen(tied, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment,
                                cwd=data_dir if part.account.uid < 0 else "/", start_new_session=True, umask=PRIVATE_UMASK)


def kill_group(leader: int) -> None:
    """SIGKILL what is left of the group of a process that we started in a session of its own."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def end(identity: Identity, first: signal.Signals, wait_s: float) -> None:
    """End a process that is not our child: the signal, then SIGKILL after the wait."""
    for number, patience_s in ((first, wait_s), (signal.SIGKILL, KILL_WAIT_S_MAX)):
        if not identity.alive:
            return
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + patience_s
        while identity.alive and time.monotonic() < until:
            time.sleep(POLL_S)


def descendants(data_dir: Path) -> list[Identity]:
    """Processes, other than this one, whose environment says that they belong to this data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN) == str(data_dir) and process.pid != os.getpid():
                found.append(Identity(pid=process.pid, started_at=process.create_time()))
        except (psutil.Error, OSError):
            continue
    return [identity for identity in found if identity.alive]


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it, MiB; shared pages count once per process."""
    try:
        process = psutil.Process(pid)
        family: Iterable[psutil.Process] = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total / 2**20


def last_lines(log: Path, count: int) -> list[str]:
    """The last non-empty lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]
