"""A connection of a session's own to the control database, as asyncio protocol.

Must not know what the session wants: it sends requests, each with a ticket, and gives each answer to its ticket. A
ticket passes answers on to the client as they are, or collects them for us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, reports
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import Answer, ClientConnection
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.state import EXTENDED, Phase
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.login import Login

SEND_BUFFER_BYTES_MAX = 1 << 20
"""Bytes waiting to be sent to the control database before the client is not read from any more."""


class Client(Protocol):
    """What a link tells the session it belongs to."""

    def deliver(self, frame: Frame) -> None:
        """Pass an answer on to the client."""

    def link_turned(self) -> None:
        """All answers that arrived together were given out."""

    def link_lost(self, error: FlinkmsError) -> None:
        """The connection ended without being asked to."""

    def link_congested(self, congested: bool) -> None:
        """The control database reads slowly (or again)."""


class Watcher(Protocol):
    """What a link tells the one who keeps the state of its transaction, before anybody else hears of it."""

    def ready(self, status: m.TransactionStatus) -> None:
        """A series or a text is done."""

    def parameter(self, name: str, value: str) -> None:
        """A setting has changed."""


class Ticket:
    """Waits for the answer to one request: passes it on to the client (but for the kinds it ``hides``), or collects it.

    ``finished`` resolves when the request is answered, or dropped because of an error before it. ``completed`` is told
    the command tag of each statement of the request when it has succeeded, before the client is.
    """

    __slots__ = ("answers", "completed", "delivers", "error", "finished", "hides", "last")

    def __init__(
        self,
        *,
        delivers: bool,
        hides: bytes = b"",
        awaited: bool = False,
        completed: Callable[[str], None] | None = None,
    ) -> None:
        self.delivers = delivers
        self.hides = hides
        self.completed = completed
        self.answers: list[Frame] = []
        self.last = b""
        """Kind of the newest answer."""
        self.error: FlinkmsError | None = None
        self.finished: asyncio.Future[None] | None = asyncio.get_running_loop().create_future() if awaited else None

    def lose(self, error: FlinkmsError) -> None:
        """There is nothing more to come, because the connection has ended."""
        self.error = error
        self.finish()

    def finish(self) -> None:
        """There is nothing more to come."""
        if self.finished is not None and not self.finished.done():
            self.finished.set_result(None)


class Link(asyncio.Protocol):
    """See the module. ``status`` is that of the transaction, as the server told last; ``ended`` is called once, at the end."""

    def __init__(self, address: BackendAddress, client: Client | None, ended: Callable[[], None] | None = None) -> None:
        self._login = Login(address)
        self._client = client
        self._ended = ended
        self.watcher: Watcher | None = None
        self._connection = ClientConnection()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._out: list[bytes] = []
        self._closing = False
        self.status: m.TransactionStatus = "idle"
        self.series_open = False
        """Extended requests were sent since the last Sync."""
        self._drained: asyncio.Future[None] | None = None
        self._names = 0

    # ---- asyncio ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)
        try:
            while (answer := self._connection.next_answer()) is not None:
                if self._ready.done():
                    self._take(answer)
                else:
                    self._opening(answer.message())
        except FlinkmsError as error:
            self._lose(error)
            return
        if self._drained is not None and not self._connection.waiting and not self._drained.done():
            self._drained.set_result(None)
        if self._client is not None:
            self._client.link_turned()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(_lost())

    def pause_writing(self) -> None:
        if self._client is not None:
            self._client.link_congested(True)

    def resume_writing(self) -> None:
        if self._client is not None:
            self._client.link_congested(False)

    # ---- opening ----

    async def start(self, parameters: Mapping[str, str]) -> None:
        """Say who we are and wait until the server is ready. Raises FlinkmsError."""
        self._write(self._connection.send(m.Startup(minor=2, parameters=parameters)))
        await self._ready

    def _opening(self, message: m.ServerMessage) -> None:
        answer = self._login.receive(message)
        if answer is not None:
            self._write(self._connection.send(answer))
        if self._login.done:
            self._ready.set_result(None)

    @property
    def parameters(self) -> dict[str, str]:
        """What the server said last of its settings."""
        return self._login.parameters

    @property
    def key(self) -> m.BackendKeyData | None:
        """What a CancelRequest for this connection must carry."""
        return self._login.key

    # ---- requests ----

    @property
    def waiting(self) -> bool:
        """Whether a request is not answered yet."""
        return self._connection.waiting

    def forward(self, frame: Frame, ticket: Ticket) -> None:
        """Send a client's message as it came."""
        if self._closing:
            ticket.lose(_lost())
            return
        self._note(frame.kind)
        self._connection.sent_raw(frame.kind, ticket)
        self._write(frame.raw)

    def send(self, message: m.ClientMessage, ticket: Ticket) -> None:
        """Send a message of ours."""
        if self._closing:
            ticket.lose(_lost())
            return
        data = self._connection.send(message, ticket)
        self._note(data[:1])
        self._write(data)

    def _note(self, kind: bytes) -> None:
        if kind in EXTENDED:
            self.series_open = True
        elif kind != b"H":
            self.series_open = False

    def flush(self) -> None:
        """Have the server send what it has answered so far."""
        self._write(client_messages.encode(m.Flush()))

    def new_name(self) -> str:
        """A name for a statement or portal of ours, that no client uses."""
        self._names += 1
        return f"flinkms {self._names}"

    async def call(self, messages: Sequence[m.ClientMessage], *, sync: bool) -> list[Frame]:
        """Send messages and collect all their answers; ``sync``: end the series behind them, else only flush.

        Raises the FlinkmsError the server reports; without ``sync`` it then skips to the next Sync.
        """
        tickets = [Ticket(delivers=False, awaited=True) for _ in messages]
        for message, ticket in zip(messages, tickets, strict=True):
            self.send(message, ticket)
        if sync:
            tickets.append(Ticket(delivers=False, awaited=True))
            self.send(m.Sync(), tickets[-1])
        else:
            self.flush()
        await self.finished(tickets)
        return [frame for ticket in tickets for frame in ticket.answers]

    async def finished(self, tickets: Sequence[Ticket]) -> None:
        """Wait until all of these are answered or dropped. Raises the first error among them."""
        await asyncio.wait([ticket.finished for ticket in tickets if ticket.finished is not None])
        for ticket in tickets:
            if ticket.error is not None:
                raise ticket.error

    async def drained(self) -> None:
        """Wait until every request is answered."""
        if not self._connection.waiting or self._closing:
            return
        if self.series_open:
            self.flush()
        self._drained = self._loop.create_future()
        await self._drained
        self._drained = None

    def _take(self, answer: Answer) -> None:
        frame = answer.frame
        kind = frame.kind
        if kind == b"Z":
            self._note_ready(answer)
        elif kind == b"S":
            self._note_parameter(answer)
        ticket = answer.tag
        if isinstance(ticket, Ticket) and kind not in (b"S", b"A", b"N"):
            ticket.last = kind
            if kind == b"C" and ticket.completed is not None:
                message = answer.message()
                assert isinstance(message, m.CommandComplete)
                ticket.completed(message.tag)
            if kind == b"E" and ticket.error is None:
                message = answer.message()
                assert isinstance(message, m.ErrorResponse)
                ticket.error = reports.reported_error(message.fields)
            if ticket.delivers and kind not in ticket.hides:
                self._deliver(frame)
            elif not ticket.delivers:
                ticket.answers.append(frame)
            if answer.finished:
                ticket.finish()
        elif kind == b"E":
            raise _unasked(answer)
        else:
            self._deliver(frame)
        for dropped in answer.dropped:
            if isinstance(dropped, Ticket):
                dropped.finish()

    def _note_ready(self, answer: Answer) -> None:
        message = answer.message()
        assert isinstance(message, m.ReadyForQuery)
        self.status = message.status
        if self.watcher is not None:
            self.watcher.ready(message.status)

    def _note_parameter(self, answer: Answer) -> None:
        message = answer.message()
        assert isinstance(message, m.ParameterStatus)
        self.parameters[message.name] = message.value
        if self.watcher is not None:
            self.watcher.parameter(message.name, message.value)

    def _deliver(self, frame: Frame) -> None:
        if self._client is not None:
            self._client.deliver(frame)

    # ---- flow and end ----

    def pause_reading(self) -> None:
        """Stop taking answers: the client reads slowly."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take answers again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Say goodbye; the client is not told, but whoever still waits for an answer is."""
        if not self._end():
            return
        self._abandon(_lost())
        if self._transport is not None and not self._transport.is_closing():
            if self._connection.phase is Phase.READY:
                self._write(self._connection.send(m.Terminate()))
            self.push()
            self._transport.close()

    def _end(self) -> bool:
        """Whether it ends now, and has not before."""
        if self._closing:
            return False
        self._closing = True
        if self._ended is not None:
            self._ended()
        return True

    def _abandon(self, error: FlinkmsError) -> None:
        """Nothing is answered any more: nobody may wait for it."""
        for ticket in self._connection.tags():
            if isinstance(ticket, Ticket):
                ticket.lose(error)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self.push)
        self._out.append(data)

    def push(self) -> None:
        """Hand queued requests to the transport, in one write; done by itself at the end of the event loop's turn."""
        if self._out and self._transport is not None:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out = []
            self._transport.write(data)

    def _lose(self, error: FlinkmsError) -> None:
        if not self._end():
            return
        if self._transport is not None:
            self._transport.abort()
        self._abandon(error)
        if not self._ready.done():
            self._ready.set_exception(error)
        elif self._client is not None:
            self._client.link_lost(error)


def _lost() -> FlinkmsError:
    return FlinkmsError(errors.CONNECTION_FAILURE, "the connection to the control database was lost")


def _unasked(answer: Answer) -> FlinkmsError:
    """The error for a report that answers no request: the server ends the connection."""
    message = answer.message()
    assert isinstance(message, m.ErrorResponse)
    return reports.reported_error(message.fields)
