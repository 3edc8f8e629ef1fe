"""One connection, either end: bytes in, events out; messages in, bytes out; every step checked by the state table.

Must not know about sockets or sessions. Events are pulled, so that a session that is busy takes no further request:
what it has not asked for stays in the buffer, and ``buffered`` tells when to stop reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql.pgwire import client_messages, server_messages
from flinkms_sql.pgwire.frames import MESSAGE_BYTES_MAX, RELAYED_BYTES_MAX, Frame, Splitter
from flinkms_sql.pgwire.messages import (
    AuthenticationOk,
    CancelRequest,
    ClientMessage,
    ErrorResponse,
    GSSENCRequest,
    ServerMessage,
    SSLRequest,
    Startup,
)
from flinkms_sql.pgwire.state import CANCEL, ENCRYPTION, STARTUP, Conversation, Phase
from flinkms_sql.pgwire.wire import LocalProtocolError, ProtocolError

MINOR_NEWEST = 2
"""Newest minor version of protocol 3 that is spoken: 3.2 (PostgreSQL 18), which brought long secret keys."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's message and the bytes it came as, which a relay can pass on."""

    message: ClientMessage
    frame: Frame


class ServerConnection:
    """The server's end: feeds on a client's bytes and gives its requests."""

    __slots__ = ("_conversation", "_splitter")

    def __init__(self, *, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._splitter = Splitter(startup=True, limit=message_bytes_max)
        self._conversation = Conversation()

    @property
    def phase(self) -> Phase:
        """Where the connection is."""
        return self._conversation.phase

    @property
    def buffered(self) -> int:
        """Bytes received and not asked for yet."""
        return self._splitter.buffered

    @property
    def at_rest(self) -> bool:
        """Whether every request is answered and nothing is buffered: the next byte starts a new series."""
        talk = self._conversation
        return not (talk.pending or talk.skipping or self._splitter.buffered) and talk.phase is Phase.READY

    @property
    def awaiting(self) -> bytes | None:
        """The kind of the oldest request that is not answered, or None."""
        return self._conversation.pending[0][0] if self._conversation.pending else None

    @property
    def copying_in(self) -> bool:
        """Whether the client was asked for COPY data."""
        return self._conversation.copying_in

    @property
    def skipping(self) -> bool:
        """Whether an error was answered and everything up to the next Sync is dropped."""
        return self._conversation.skipping

    def receive(self, data: bytes) -> None:
        """Add bytes the client sent."""
        self._splitter.feed(data)

    def receive_first(self, data: bytes) -> None:
        """Put bytes back that were received before those that are buffered."""
        rest = self._splitter.take_rest()
        self._splitter.feed(data + rest)

    def next_request(self) -> Request | None:
        """The next request, or None when more bytes are needed. What an error has cancelled is passed over.

        Raises ProtocolError: the connection cannot go on. Raises MalformedMessage, or FlinkmsError for text that is
        not UTF-8: the request counts as received, and is to be answered by an error.
        """
        while (frame := self._splitter.next_frame()) is not None:
            if not frame.kind:
                return Request(self._startup(frame), frame)
            if self._conversation.client_sent(frame.kind):
                return Request(client_messages.decode(frame), frame)
        return None

    def _startup(self, frame: Frame) -> ClientMessage:
        message = client_messages.decode(frame)
        match message:
            case SSLRequest() | GSSENCRequest():
                kind = ENCRYPTION
            case CancelRequest():
                kind = CANCEL
            case _:
                kind = STARTUP
                self._splitter.startup = False
        self._conversation.client_sent(kind)
        return message

    def rest_is_encrypted(self) -> None:
        """The next bytes are TLS. Raises ProtocolError when plain bytes came after the request (CVE-2021-23214)."""
        if self._splitter.take_rest():
            raise ProtocolError(
                "received unencrypted data after SSL request",
                detail="This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
            )

    def send(self, message: ServerMessage) -> bytes:
        """The bytes of an answer. Raises LocalProtocolError when it does not fit the oldest open request."""
        data = server_messages.encode(message)
        self._conversation.server_sent(data[:1], authenticated=isinstance(message, AuthenticationOk))
        return data

    def sent_raw(self, kind: bytes) -> None:
        """Note an answer whose bytes were not made here: relayed, or built in bulk."""
        self._conversation.server_sent(kind)

    def fatal(self, report: ErrorResponse) -> bytes:
        """The bytes of a last message, allowed at any moment."""
        self._conversation.phase = Phase.CLOSED
        return server_messages.encode(report)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's message as bytes, and what it means for the requests.

    tag:      that of the request it belongs to (None when there is no request, or no tag).
    finished: that request is answered.
    dropped:  tags of requests that will get no answer because of this one.

    The message itself is decoded on demand: most of them are only passed on.
    """

    frame: Frame
    tag: object
    finished: bool
    dropped: tuple[object, ...]

    def message(self) -> ServerMessage:
        """The decoded message. Not for runs of rows."""
        return server_messages.decode(self.frame)


class ClientConnection:
    """The client's end, towards the control database. Runs of DataRow and CopyData come as one Answer."""

    __slots__ = ("_conversation", "_splitter")

    def __init__(self) -> None:
        self._splitter = Splitter(startup=False, limit=RELAYED_BYTES_MAX, merged=b"Dd")
        self._conversation = Conversation()

    @property
    def phase(self) -> Phase:
        """Where the connection is."""
        return self._conversation.phase

    @property
    def waiting(self) -> bool:
        """Whether a request is not answered yet."""
        return bool(self._conversation.pending)

    def tags(self) -> list[object]:
        """Tags of the requests that are not answered yet."""
        return [tag for _, tag in self._conversation.pending]

    @property
    def skipping(self) -> bool:
        """Whether the server drops extended requests until the next Sync."""
        return self._conversation.skipping

    def receive(self, data: bytes) -> None:
        """Add bytes the server sent."""
        self._splitter.feed(data)

    def send(self, message: ClientMessage, tag: object = None) -> bytes:
        """The bytes of a request. Raises LocalProtocolError when it is not allowed now."""
        data = client_messages.encode(message)
        match message:
            case SSLRequest() | GSSENCRequest():
                kind = ENCRYPTION
            case CancelRequest():
                kind = CANCEL
            case Startup():
                kind = STARTUP
            case _:
                kind = data[:1]
        self.sent_raw(kind, tag)
        return data

    def sent_raw(self, kind: bytes, tag: object = None) -> bool:
        """Note a request whose bytes are passed on as they came; False when the server will not answer it."""
        try:
            return self._conversation.client_sent(kind, tag)
        except ProtocolError as error:
            raise LocalProtocolError(error.message) from error

    def next_answer(self) -> Answer | None:
        """The next message or run of rows, or None when more bytes are needed. Raises ProtocolError."""
        frame = self._splitter.next_frame()
        if frame is None:
            return None
        talk = self._conversation
        tag = talk.pending[0][1] if talk.pending else None
        authenticated = frame.kind == b"R" and frame.body == b"\0\0\0\0"
        talk.dropped = []
        try:
            finished = talk.server_sent(frame.kind, authenticated=authenticated)
        except LocalProtocolError as error:
            raise ProtocolError(str(error)) from error
        return Answer(frame, tag, finished, tuple(tag for _, tag in talk.dropped))
