"""Getting into the control database: the client's side of authentication and start.

Must not know about sockets: it takes the server's messages and gives what to answer.
"""

from __future__ import annotations

import secrets

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports, scram
from flinkms_sql.pgwire.wire import ProtocolError
from flinkms_sql.server.address import BackendAddress


class Login:
    """Takes messages until the server is ready; then ``done``. Keeps what the server told about itself."""

    def __init__(self, address: BackendAddress) -> None:
        self._address = address
        self._exchange: scram.ClientExchange | None = None
        self.parameters: dict[str, str] = {}
        self.key: m.BackendKeyData | None = None
        self.done = False

    def receive(self, message: m.ServerMessage) -> m.Password | None:
        """What to answer, if anything. Raises FlinkmsError when the server does not let us in."""
        match message:
            case m.AuthenticationCleartextPassword():
                return m.Password(data=self._cleartext())
            case m.AuthenticationSASL():
                if scram.MECHANISM not in message.mechanisms:
                    raise _unsupported(", ".join(message.mechanisms))
                self._exchange = scram.ClientExchange(self._password(), secrets.token_bytes(scram.NONCE_BYTES))
                return m.Password(data=self._exchange.start())
            case m.AuthenticationSASLContinue() if self._exchange is not None:
                return m.Password(data=self._exchange.respond(message.data))
            case m.AuthenticationSASLFinal() if self._exchange is not None:
                self._exchange.verify(message.data)
            case m.AuthenticationOther():
                raise _unsupported(f"method {message.code}")
            case m.ErrorResponse():
                raise reports.reported_error(message.fields)
            case m.ParameterStatus():
                self.parameters[message.name] = message.value
            case m.BackendKeyData():
                self.key = message
            case m.ReadyForQuery():
                self.done = True
            case m.AuthenticationOk() | m.NoticeResponse() | m.NegotiateProtocolVersion():
                pass
            case _:
                raise ProtocolError(f"unexpected {type(message).__name__} while connecting to the control database")
        return None

    def _cleartext(self) -> bytes:
        if not self._address.is_local and self._address.tls is None:
            raise FlinkmsError(
                errors.INVALID_AUTHORIZATION,
                "the control database asks for a password in the clear over an unencrypted connection",
                hint="Use scram-sha-256 in its pg_hba.conf, TLS, or a unix socket.",
            )
        return self._password().encode() + b"\0"

    def _password(self) -> str:
        if self._address.password is None:
            raise self._no_password()
        return self._address.password

    def _no_password(self) -> FlinkmsError:
        text = f'the control database asks for the password of role "{self._address.user}" and none is set'
        if not self._address.clients_own:
            return FlinkmsError(errors.INVALID_PASSWORD, text, hint="Write it into the connection string.")
        return FlinkmsError(
            errors.INVALID_PASSWORD, text,
            detail="Clients' statements reach it as the client's own role, whose password the frontend does not have.",
            hint="Let the frontend's host in for this role in pg_hba.conf (trust, peer or cert), or name a role for all "
                 "clients with --client-dsn.",
        )


def _unsupported(what: str) -> FlinkmsError:
    return FlinkmsError(
        errors.INVALID_AUTHORIZATION,
        f"the control database asks for an authentication method that is not supported: {what}",
        hint="Use trust, scram-sha-256 or peer in its pg_hba.conf.",
    )
