"""Every message of the protocol as a value: first what a client says, then what a server says.

Must not know how they look on the wire (``client_messages``, ``server_messages``) nor when they may be sent
(``state``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Target = Literal["statement", "portal"]
TransactionStatus = Literal["idle", "transaction", "failed"]


# ---- a client's messages ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SSLRequest:
    """May this connection switch to TLS?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GSSENCRequest:
    """May this connection switch to GSSAPI encryption?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Cancel what the session with this process id and secret key (4 to 256 bytes) is doing."""

    process_id: int
    secret_key: bytes


PACKET_FIELDS = ("user", "database", "options", "replication")
"""What a startup packet says that is no setting of the session (54.7)."""

PROTOCOL_OPTION = "_pq_."
"""How the names of protocol options begin in a startup packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """Start a session: protocol version and parameters (user, database, settings, ``_pq_.`` options)."""

    minor: int
    parameters: Mapping[str, str]
    major: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A password, or SASL data: which of them depends on what the server asked for."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Run a text of statements (simple protocol)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """Make a prepared statement; ``oids`` are the declared parameter types, 0 is "infer"; "" is the unnamed one."""

    statement: str
    text: str
    oids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Make a portal of a statement and parameter values; formats are 0 text, 1 binary; none or one stands for all."""

    portal: str = ""
    statement: str = ""
    formats: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()
    result_formats: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Which parameters and columns does this statement or portal have?"""

    target: Target
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Run a portal; ``row_limit`` 0 is no limit."""

    portal: str = ""
    row_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Forget a statement or a portal."""

    target: Target
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """Send what is waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """End of an extended-protocol series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """The old fast path: a function by oid. The body is kept as it came."""

    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyData:
    """Data of a COPY, in either direction."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDone:
    """A COPY is complete, in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFail:
    """The client gives up a COPY."""

    message: str


StartupPacket = SSLRequest | GSSENCRequest | CancelRequest | Startup
ClientMessage = (
    StartupPacket
    | Password
    | Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Flush
    | Sync
    | Terminate
    | FunctionCall
    | CopyData
    | CopyDone
    | CopyFail
)


# ---- a server's messages ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationOk:
    """The client is who it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationCleartextPassword:
    """Send the password as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationSASL:
    """Authenticate by one of these mechanisms."""

    mechanisms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationSASLContinue:
    """A server's challenge."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationSASLFinal:
    """A server's proof."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationOther:
    """A method that is not spoken here (MD5, GSS, SSPI …), by its code."""

    code: int
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiateProtocolVersion:
    """The newest minor version the server speaks and the ``_pq_.`` options it does not know."""

    minor: int
    unknown_options: tuple[str, ...] = ()
    major: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendKeyData:
    """What a CancelRequest for this session must carry."""

    process_id: int
    secret_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterStatus:
    """A setting the client should know has this value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyForQuery:
    """The session waits for the next request; ``status`` is that of its transaction."""

    status: TransactionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of a result; ``size`` is the width of the type in bytes, -1 for a variable one; ``format`` 0 or 1."""

    name: str
    oid: int
    size: int
    format: int = 0
    table_oid: int = 0
    attribute: int = 0
    modifier: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDescription:
    """The columns of the rows that follow."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDescription:
    """The parameter types of a statement."""

    oids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRow:
    """One row; None is NULL."""

    values: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandComplete:
    """A statement has run; ``tag`` is e.g. ``SELECT 3``."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyQueryResponse:
    """There was no statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseComplete:
    """The statement is prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindComplete:
    """The portal is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseComplete:
    """The statement or portal is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """The statement returns no rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSuspended:
    """The row limit was reached; the portal has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """A request failed; fields by their one-letter code (PostgreSQL documentation, 54.8)."""

    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeResponse:
    """Something to know; fields as in ErrorResponse."""

    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationResponse:
    """A NOTIFY of another session."""

    process_id: int
    channel: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResponse:
    """A COPY begins; ``direction`` is the server's view; ``format`` 0 text, 1 binary, and that of each column."""

    direction: Literal["in", "out", "both"]
    format: int = 0
    column_formats: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallResponse:
    """The result of a FunctionCall."""

    value: bytes | None


ServerMessage = (
    AuthenticationOk
    | AuthenticationCleartextPassword
    | AuthenticationSASL
    | AuthenticationSASLContinue
    | AuthenticationSASLFinal
    | AuthenticationOther
    | NegotiateProtocolVersion
    | BackendKeyData
    | ParameterStatus
    | ReadyForQuery
    | RowDescription
    | ParameterDescription
    | DataRow
    | CommandComplete
    | EmptyQueryResponse
    | ParseComplete
    | BindComplete
    | CloseComplete
    | NoData
    | PortalSuspended
    | ErrorResponse
    | NoticeResponse
    | NotificationResponse
    | CopyResponse
    | FunctionCallResponse
    | CopyData
    | CopyDone
)
