"""What goes out to the client: answers in order, in few writes, no faster than the client reads.

Must not know what is answered, nor to whom else the session talks. It owns the connection's protocol state, for every
answer has to fit the oldest request, and the transport.
"""

from __future__ import annotations

import asyncio

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.connection import ServerConnection
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.server.settings import OUTPUT_BYTES_MAX


class Outbox:
    """See the module. ``connection`` is also where requests are read from; ``closed`` once nothing is sent any more."""

    __slots__ = ("_held", "_holding", "_out", "_writable", "closed", "connection", "transport")

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._out: list[bytes] = []
        self._writable: asyncio.Event | None = None
        self._holding = False
        self._held: bytes | None = None

    def connected(self, transport: asyncio.Transport) -> None:
        """There is a transport, or another one, since TLS began."""
        self.transport = transport
        transport.set_write_buffer_limits(high=OUTPUT_BYTES_MAX)

    # ---- answers ----

    def send(self, message: m.ServerMessage) -> None:
        """Queue an answer. Raises LocalProtocolError when it does not fit the oldest request."""
        self._queue(self.connection.send(message))

    def send_rows(self, data: bytes) -> None:
        """Queue DataRow messages that were built in bulk."""
        self.connection.sent_raw(b"D")
        self._out.append(data)

    def pass_on(self, frame: Frame) -> None:
        """Queue an answer of PostgreSQL's as it came. Raises LocalProtocolError as ``send`` does."""
        self.connection.sent_raw(frame.kind)
        self._queue(frame.raw)

    def _queue(self, data: bytes) -> None:
        if self._holding and data[:1] == b"C":
            self._held = data
        else:
            self._out.append(data)

    @property
    def is_full(self) -> bool:
        """Whether more is queued than a slow client may make us keep: what waits for a commit goes out before it then, as
        PostgreSQL's own answers do (54.2.4: only ReadyForQuery says that a series has committed)."""
        return sum(map(len, self._out)) > OUTPUT_BYTES_MAX

    # ---- a CommandComplete that would say too much too early ----

    def hold(self) -> None:
        """Keep back the next CommandComplete: what it says is only so when the transaction has committed."""
        self._holding = True

    def release(self) -> None:
        """It has."""
        if self._held is not None:
            self._out.append(self._held)
        self.drop_held()

    def drop_held(self) -> None:
        """It has not."""
        self._holding, self._held = False, None

    def write_now(self, data: bytes) -> None:
        """Send bytes that are no message, or a whole answer the protocol's state need not follow."""
        assert self.transport is not None
        self.transport.write(data)

    def flush(self) -> None:
        """Hand queued answers to the transport, in one write."""
        if self._out and self.transport is not None:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out = []
            self.transport.write(data)

    # ---- a client that reads slowly ----

    async def drained(self) -> None:
        """Flush, and wait while the client reads slowly."""
        self.flush()
        if self._writable is not None:
            await self._writable.wait()

    @staticmethod
    async def yield_turn() -> None:
        """Let other sessions go on."""
        await asyncio.sleep(0)

    def pause(self) -> None:
        """The transport's buffer is full."""
        self._writable = asyncio.Event()

    def resume(self) -> None:
        """The transport's buffer has room again."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # ---- the end ----

    def die(self, error: FlinkmsError) -> None:
        """Report an error that ends the connection, and close it."""
        if self.closed or self.transport is None:
            return
        self.flush()
        self.transport.write(self.connection.fatal(reports.error_response(error, "FATAL")))
        self.close()

    def close(self) -> None:
        """Close when everything is sent."""
        self.flush()
        self.closed = True
        if self.transport is not None:
            self.transport.close()

    def lost(self) -> None:
        """The client has gone: whoever waits for it goes on."""
        self.closed = True
        self.resume()
