"""Add, list or remove the users that clients connect as, and say what each may do."""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import sys
from contextlib import closing
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.app import running_dsn
from flinkms_sql.catalog.roles import ROLES
from flinkms_sql.catalog.users import Users
from flinkms_sql.commands.options import settings_options
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import scram
from flinkms_sql.settings import DATABASE, Settings

SALT_BYTES = 16
"""As PostgreSQL's own verifiers have (SCRAM_DEFAULT_SALT_LEN)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``user``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    common = [settings_options()]
    add = actions.add_parser("add", help="make a user, or change its role or password", parents=common)
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, required=True,
                     help="reader: asks models and reads; writer: and inserts into streams; deployer: and deploys")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    actions.add_parser("list", help="print every user and its role", parents=common)
    remove = actions.add_parser("remove", help="remove a user that owns no tables", parents=common)
    remove.add_argument("name")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Change the control database of a deployment that runs, and the password file if there is one."""
    dsn = running_dsn(settings)
    if arguments.action == "add" and arguments.password_stdin and settings.password_file is None:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "there is no password file to write the password to",
                           hint="The deployment lets clients in without passwords: flinkms up --password-file FILE asks for them.")
    if arguments.action == "add" and arguments.name == DATABASE and arguments.role != "deployer":
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'user "{DATABASE}" is there from the start, as a deployer',
                           hint=f"Add another user, or take this one away: flinkms user remove {DATABASE}.")
    with closing(Users(dsn)) as users:
        match arguments.action:
            case "add":
                verifier = None if settings.password_file is None else _ask(arguments.password_stdin)
                users.put(arguments.name, arguments.role)
                if settings.password_file is not None:
                    _write(settings.password_file, arguments.name, f"{arguments.name}:{verifier}:{arguments.role}")
            case "remove":
                users.remove(arguments.name)
                if settings.password_file is not None:
                    _write(settings.password_file, arguments.name, None)
            case _:
                for name, role in users.all().items():
                    print(f"{role:10}{name}")
    return 0


def _ask(from_stdin: bool) -> str:
    """The verifier of a password."""
    password = sys.stdin.readline().rstrip("\n") if from_stdin else getpass.getpass()
    if not password:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "the password is empty")
    if not from_stdin and getpass.getpass("Again: ") != password:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "the passwords differ")
    return scram.make_verifier(password, secrets.token_bytes(SALT_BYTES)).text()


def _write(path: Path, user: str, line: str | None) -> None:
    """Replace a user's line of the password file; everything else in it stays. Nobody else may read it."""
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [one for one in kept if one.startswith("#") or one.partition(":")[0] != user]
    lines += [] if line is None else [line]
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("".join(f"{one}\n" for one in lines))
    fresh.replace(path)
