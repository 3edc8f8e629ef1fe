"""Who may come in: trust on loopback, SCRAM-SHA-256 where a password file is named.

Must not know about sockets: a dialogue takes what the client sent and says what to answer. A password file has lines
``user:verifier`` or ``user:verifier:role``, the verifier as PostgreSQL keeps it in pg_authid; ``#`` begins a comment.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flinkms_sql import errors
from flinkms_sql.catalog.roles import ROLES, UserRole
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import scram
from flinkms_sql.pgwire.messages import (
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    ServerMessage,
)

logger = logging.getLogger(__name__)

VERIFIER_PARTS = 3
"""Parts of a verifier that colons divide: iterations, salt and StoredKey, ServerKey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordEntry:
    """A line of a password file; ``role`` None: nothing is said of what the user may do."""

    verifier: scram.Verifier
    role: UserRole | None = None


def read_password_file(path: Path) -> dict[str, PasswordEntry]:
    """Entries by user. Raises FlinkmsError 58030 when it cannot be read, 22023 for a malformed line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FlinkmsError(errors.IO_ERROR, f'cannot read the password file "{path}"', detail=f"{error}.",
                           hint="Begin with an empty file: flinkms user add writes users into it."
                           if isinstance(error, FileNotFoundError) else None) from error
    entries: dict[str, PasswordEntry] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            user, entry = parse_password_line(line)
        except FlinkmsError as error:
            raise FlinkmsError(
                error.sqlstate, f'{error.message} in line {number} of "{path}"', hint=error.hint
            ) from None
        entries[user] = entry
    return entries


def parse_password_line(line: str) -> tuple[str, PasswordEntry]:
    """``user:verifier`` or ``user:verifier:role``. Raises FlinkmsError 22023."""
    user, _, rest = line.partition(":")
    parts = rest.split(":", VERIFIER_PARTS)
    verifier = scram.parse_verifier(":".join(parts[:VERIFIER_PARTS]).strip())
    said = parts[VERIFIER_PARTS].strip() if len(parts) > VERIFIER_PARTS else None
    role = next((role for role in ROLES if role == said), None)
    if said is not None and role is None:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'"{said}" is no role of a user',
                           hint=f"Write :{', :'.join(ROLES[:-1])} or :{ROLES[-1]} after the verifier, or nothing.")
    return user, PasswordEntry(verifier=verifier, role=role)


class PasswordFile:
    """The verifiers of a password file, read again when it has changed: a user that was added can come in at once."""

    def __init__(self, path: Path) -> None:
        """Raises FlinkmsError as ``read_password_file`` does."""
        self._path = path
        self._stamp = self._look()
        self._entries = read_password_file(path)

    def get(self, user: str) -> scram.Verifier | None:
        """A user's verifier. What can no longer be read is logged, and lets in who it let in before."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._entries = read_password_file(self._path)
            except FlinkmsError as error:
                logger.warning("password file: %s", error)
        entry = self._entries.get(user)
        return None if entry is None else entry.verifier

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


class Verifiers(Protocol):
    """Where verifiers are looked up."""

    def get(self, user: str) -> scram.Verifier | None:
        """A user's verifier, or None."""


class Authentication:
    """How clients are let in: by ``verifiers``, or without a question when there are none."""

    def __init__(self, verifiers: Verifiers | None) -> None:
        self._verifiers = verifiers
        self._secret = secrets.token_bytes(32)

    @property
    def asks(self) -> bool:
        """Whether a client must prove who it is."""
        return self._verifiers is not None

    def dialogue(self, user: str) -> Dialogue:
        """A new dialogue with a client that says it is ``user``."""
        if self._verifiers is None:
            return Dialogue(user, None)
        # An unknown user is asked like a known one, and fails at the same point.
        verifier = self._verifiers.get(user) or scram.decoy_verifier(user, self._secret)
        return Dialogue(user, scram.ServerExchange(verifier, secrets.token_bytes(scram.NONCE_BYTES)))


class Dialogue:
    """One client's way in: send what ``start`` says, then what ``receive`` says, until ``done``."""

    def __init__(self, user: str, exchange: scram.ServerExchange | None) -> None:
        self._user = user
        self._exchange = exchange
        self._challenged = False
        self.done = False

    def start(self) -> list[ServerMessage]:
        """What to say first."""
        if self._exchange is None:
            self.done = True
            return [AuthenticationOk()]
        return [AuthenticationSASL(mechanisms=(scram.MECHANISM,))]

    def receive(self, data: bytes) -> list[ServerMessage]:
        """What to say to the client's SASL data. Raises FlinkmsError 28P01 when its proof is wrong."""
        assert self._exchange is not None
        if not self._challenged:
            self._challenged = True
            return [AuthenticationSASLContinue(data=self._exchange.start(data))]
        final = self._exchange.finish(data)
        if final is None:
            raise FlinkmsError(errors.INVALID_PASSWORD, f'password authentication failed for user "{self._user}"')
        self.done = True
        return [AuthenticationSASLFinal(data=final), AuthenticationOk()]
