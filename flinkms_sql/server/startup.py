"""The first part of a session: encryption, version, authentication, settings.

Must not know about statements. A packet that asks for a cancel ends here too.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Mapping
from typing import Protocol

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import MINOR_NEWEST
from flinkms_sql.server.authentication import Dialogue
from flinkms_sql.server.context import Context
from flinkms_sql.server.exposure import is_loopback
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.parameters import canonical, is_local
from flinkms_sql.server.rights import Access, login_refusal
from flinkms_sql.server.shared import Member, Shared

_SETTING = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)=([^\s\\]*(?:\\.[^\s\\]*)*)")


class Newcomer(Member, Protocol):
    """The session that starts."""

    context: Context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is another transport: TLS has begun."""

    def started(self) -> None:
        """The client is in."""


class Startup:
    """Takes a session's requests until it is ready for queries."""

    def __init__(self, session: Newcomer, shared: Shared) -> None:
        self._session, self._shared = session, shared
        self._user = self._database = ""
        self._dialogue: Dialogue | None = None
        self._minor = 0

    @property
    def _outbox(self) -> Outbox:
        return self._session.context.outbox

    def handle(self, message: m.ClientMessage) -> Awaitable[None] | None:
        """One request. Raises FlinkmsError, which ends the connection."""
        outbox = self._outbox
        match message:
            case m.SSLRequest():
                return self._encrypt()
            case m.GSSENCRequest():
                outbox.write_now(b"N")
            case m.CancelRequest():
                self._shared.cancel(message)
                outbox.close()
            case m.Startup():
                return self._start(message)
            case m.Password():
                assert self._dialogue is not None
                return self._say(self._dialogue.receive(message.data))
            case m.Terminate():
                outbox.close()
        return None

    def _encrypt(self) -> Awaitable[None] | None:
        """Answer an SSLRequest: TLS when there is a certificate."""
        context = self._shared.settings.tls
        if context is None:
            self._outbox.write_now(b"N")
            return None
        self._outbox.connection.rest_is_encrypted()
        return self._switch(context)

    async def _switch(self, context: ssl.SSLContext) -> None:
        session, outbox = self._session, self._outbox
        outbox.write_now(b"S")
        assert outbox.transport is not None
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                outbox.transport, session, context, server_side=True  # type: ignore[arg-type]  # it is a Protocol
            )
        except OSError:  # the client has gone, or speaks no TLS we do
            outbox.close()
            return
        assert encrypted is not None
        session.connection_made(encrypted)

    def _start(self, message: m.Startup) -> Awaitable[None] | None:
        parameters = dict(message.parameters)
        if message.major != 3:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                f"unsupported frontend protocol {message.major}.{message.minor}: server supports 3.0 to 3.{MINOR_NEWEST}",
            )
        unknown = tuple(name for name in parameters if name.startswith(m.PROTOCOL_OPTION))
        self._minor = min(message.minor, MINOR_NEWEST)
        if unknown or message.minor > MINOR_NEWEST:
            self._outbox.send(m.NegotiateProtocolVersion(minor=self._minor, unknown_options=unknown))
        self._check_encryption()
        if not parameters.get("user"):
            raise FlinkmsError(errors.INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet")
        if parameters.get("replication", "false").lower() not in ("false", "off", "no", "0"):
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "replication connections are not supported")
        self._user = parameters["user"]
        self._database = parameters.get("database") or self._user
        self._shared.admit(self._session)
        self._session.context.transaction.start(self._user, self._shared.server_parameters, _settings(parameters))
        self._dialogue = self._shared.authentication.dialogue(self._user)
        return self._say(self._dialogue.start())

    def _check_encryption(self) -> None:
        """Raise 28000 when a client of another machine comes in plain text and may not."""
        settings, transport = self._shared.settings, self._outbox.transport
        assert transport is not None
        peer = transport.get_extra_info("peername")
        remote = isinstance(peer, tuple) and not is_loopback(peer[0])
        if remote and not settings.allow_plaintext and transport.get_extra_info("ssl_object") is None:
            raise FlinkmsError(errors.INVALID_AUTHORIZATION, f'connections from "{peer[0]}" need TLS',
                               hint="Connect with sslmode=require.")

    def _say(self, answers: list[m.ServerMessage]) -> Awaitable[None] | None:
        assert self._dialogue is not None
        for answer in answers:
            self._outbox.send(answer)
        if not self._dialogue.done:
            return None
        if self._shared.services.access is not None:
            return self._welcome_role(self._shared.services.access)
        self._welcome()
        return None

    async def _welcome_role(self, access: Access) -> None:
        """Welcome a client that may be who it says. Raises FlinkmsError 28000, or PostgreSQL's for a role it may not SET."""
        services, transaction = self._shared.services, self._session.context.transaction
        if services.backend is not None and services.backend.clients_own:
            if login_refusal(self._user, access.known.get(self._user)) is not None:
                await access.refresh()
            error = login_refusal(self._user, access.known.get(self._user))
            if error is not None:
                raise error
        rights = access.known.get(transaction.role)
        await transaction.start_with({} if rights is None else rights.settings)
        self._welcome()

    def _welcome(self) -> None:
        session, outbox = self._session, self._outbox
        database = self._shared.settings.database
        if self._database != database:
            raise FlinkmsError(errors.UNDEFINED_DATABASE, f'database "{self._database}" does not exist',
                               hint=f'The database is "{database}".')  # fmt: skip
        reported = session.context.transaction.told() | {"session_authorization": self._user}
        for name, value in reported.items():
            outbox.send(m.ParameterStatus(name=name, value=value))
        # Protocol 3.0 and 3.1 know keys of four bytes only.
        key = session.secret_key if self._minor >= 2 else session.secret_key[:4]
        session.secret_key = key
        outbox.send(m.BackendKeyData(process_id=session.process_id, secret_key=key))
        session.started()
        outbox.send(m.ReadyForQuery(status="idle"))


def _settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """Settings of a startup packet, by lower-case name, as PostgreSQL shows their values.

    Raises FlinkmsError 42704 for a field of the packet where a setting is named: a link's packet has only ours.
    """
    settings = {match[1].lower().replace("-", "_"): re.sub(r"\\(.)", r"\1", match[2])
                for match in _SETTING.finditer(parameters.get("options", ""))}  # fmt: skip
    for name, value in parameters.items():
        if name not in m.PACKET_FIELDS and not name.startswith(m.PROTOCOL_OPTION):
            settings[name.lower()] = value
    for name in settings:
        if name in m.PACKET_FIELDS or name.startswith(m.PROTOCOL_OPTION):
            raise FlinkmsError(errors.UNDEFINED_OBJECT, f'unrecognized configuration parameter "{name}"')
    if settings.get("client_encoding", "").lower() == "auto":  # the client's own, which is UTF-8 or will be refused
        del settings["client_encoding"]
    return {name: canonical(name, value) or "" if is_local(name, value) else value for name, value in settings.items()}
