"""Who may come in: trust on loopback, SCRAM-SHA-256 where a password file is named.

Must not know about sockets: a dialogue takes what the client sent and says what to answer. A password file has lines
``user:verifier``, the verifier as PostgreSQL keeps it in pg_authid; ``#`` begins a comment.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import scram
from flinkms_sql.pgwire.messages import (
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendMessage,
)


def read_password_file(path: Path) -> dict[str, scram.Verifier]:
    """Verifiers by user. Raises FlinkmsError 58030 when it cannot be read, 22023 for a malformed line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FlinkmsError(errors.IO_ERROR, f'cannot read the password file "{path}"', detail=f"{error}.") from error
    verifiers: dict[str, scram.Verifier] = {}
    for number, line in enumerate(lines, 1):
        user, colon, verifier = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            verifiers[user] = scram.parse_verifier(verifier.strip() if colon else "")
        except FlinkmsError as error:
            raise FlinkmsError(
                error.sqlstate, f'{error.message} in line {number} of "{path}"', hint=error.hint
            ) from None
    return verifiers


class Authentication:
    """How clients are let in: by ``verifiers``, or without a question when there are none."""

    def __init__(self, verifiers: Mapping[str, scram.Verifier] | None) -> None:
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

    def start(self) -> list[BackendMessage]:
        """What to say first."""
        if self._exchange is None:
            self.done = True
            return [AuthenticationOk()]
        return [AuthenticationSASL(mechanisms=(scram.MECHANISM,))]

    def receive(self, data: bytes) -> list[BackendMessage]:
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
