"""The first part of a session: encryption, version, authentication, settings.

Must not know about statements. A packet that asks for a cancel ends here too.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import MINOR_NEWEST
from flinkms_sql.server.authentication import Dialogue
from flinkms_sql.server.control import Control
from flinkms_sql.server.exposure import is_loopback

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session

_SETTING = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|\S)*)")
_NOT_SETTINGS = ("user", "database", "options", "replication")


class Startup:
    """Takes a session's requests until it is ready for queries."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dialogue: Dialogue | None = None
        self._minor = 0

    def handle(self, message: m.FrontendMessage) -> Awaitable[None] | None:
        """One request. Raises FlinkmsError, which ends the connection."""
        session = self._session
        match message:
            case m.SSLRequest():
                return self._encrypt()
            case m.GSSENCRequest():
                session.write_now(b"N")
            case m.CancelRequest():
                session.frontend.cancel(message)
                session.end()
            case m.Startup():
                self._start(message)
            case m.Password():
                assert self._dialogue is not None
                self._say(self._dialogue.receive(message.data))
            case m.Terminate():
                session.end()
        return None

    def _encrypt(self) -> Awaitable[None] | None:
        """Answer an SSLRequest: TLS when there is a certificate."""
        context = self._session.frontend.settings.tls
        if context is None:
            self._session.write_now(b"N")
            return None
        self._session.connection.rest_is_encrypted()
        return self._switch(context)

    async def _switch(self, context: ssl.SSLContext) -> None:
        session = self._session
        session.write_now(b"S")
        assert session.transport is not None
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                session.transport, session, context, server_side=True
            )
        except OSError:  # the client has gone, or speaks no TLS we do
            session.end()
            return
        assert encrypted is not None
        session.connection_made(encrypted)

    def _start(self, message: m.Startup) -> None:
        session, parameters = self._session, dict(message.parameters)
        if message.major != 3:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                f"unsupported frontend protocol {message.major}.{message.minor}: server supports 3.0 to 3.{MINOR_NEWEST}",
            )
        unknown = tuple(name for name in parameters if name.startswith("_pq_."))
        self._minor = min(message.minor, MINOR_NEWEST)
        if unknown or message.minor > MINOR_NEWEST:
            session.send(m.NegotiateProtocolVersion(minor=self._minor, unknown_options=unknown))
        self._check_encryption()
        if not parameters.get("user"):
            raise FlinkmsError(errors.INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet")
        if parameters.get("replication", "false").lower() not in ("false", "off", "no", "0"):
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "replication connections are not supported")
        session.user = parameters["user"]
        session.database = parameters.get("database") or session.user
        session.frontend.admit(session)
        session.control = Control(session.frontend.server_parameters, _settings(parameters))
        self._dialogue = session.frontend.authentication.dialogue(session.user)
        self._say(self._dialogue.start())

    def _check_encryption(self) -> None:
        """Raise 28000 when a client of another machine comes in plain text and may not."""
        settings, transport = self._session.frontend.settings, self._session.transport
        assert transport is not None
        peer = transport.get_extra_info("peername")
        remote = isinstance(peer, tuple) and not is_loopback(peer[0])
        if remote and not settings.allow_plaintext and transport.get_extra_info("ssl_object") is None:
            raise FlinkmsError(errors.INVALID_AUTHORIZATION, f'connections from "{peer[0]}" need TLS',
                               hint="Connect with sslmode=require.")

    def _say(self, answers: list[m.BackendMessage]) -> None:
        assert self._dialogue is not None
        for answer in answers:
            self._session.send(answer)
        if self._dialogue.done:
            self._welcome()

    def _welcome(self) -> None:
        session = self._session
        database = session.frontend.settings.database
        if session.database != database:
            raise FlinkmsError("3D000", f'database "{session.database}" does not exist',
                               hint=f'The database is "{database}".')  # fmt: skip
        reported = session.control.reported() | {"session_authorization": session.user}
        for name, value in reported.items():
            session.send(m.ParameterStatus(name=name, value=value))
        # Protocol 3.0 and 3.1 know keys of four bytes only.
        key = session.secret_key if self._minor >= 2 else session.secret_key[:4]
        session.secret_key = key
        session.send(m.BackendKeyData(process_id=session.process_id, secret_key=key))
        session.started()
        session.send(m.ReadyForQuery(status="idle"))


def _settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """Settings of a startup packet, by lower-case name. Raises FlinkmsError for an encoding that is not UTF-8."""
    settings = {match[1].lower().replace("-", "_"): re.sub(r"\\(.)", r"\1", match[2])
                for match in _SETTING.finditer(parameters.get("options", ""))}  # fmt: skip
    for name, value in parameters.items():
        if name not in _NOT_SETTINGS and not name.startswith("_pq_."):
            settings[name.lower()] = value
    encoding = settings.pop("client_encoding", "UTF8")
    if re.sub(r"[^a-z0-9]", "", encoding.lower()) not in ("utf8", "unicode", "auto"):
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED, f'client encoding "{encoding}" is not supported', hint="Use UTF8."
        )
    return settings
