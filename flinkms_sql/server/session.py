"""One client's connection: takes its requests one by one, and sends the answers in their order.

Must not know how a statement is carried out: that is for ``startup``, ``simple`` and ``extended``. What it keeps is
what makes them one session: the protocol's state, the link, settings, statements, portals, and who waits for whom.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import timezone, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.connection import Request, ServerConnection
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.wire import LocalProtocolError
from flinkms_sql.query.cache import Planned
from flinkms_sql.query.plan import Plan
from flinkms_sql.server import extended, failures, relay, simple
from flinkms_sql.server.control import Control, zone_of
from flinkms_sql.server.dialing import send_cancel
from flinkms_sql.server.hotpath import HotPath
from flinkms_sql.server.inserts import Inserts
from flinkms_sql.server.link import Link
from flinkms_sql.server.settings import AUTHENTICATION_SECONDS_MAX, INPUT_BYTES_MAX, OUTPUT_BYTES_MAX
from flinkms_sql.server.startup import Startup
from flinkms_sql.server.statements import Portal, Prepared, planned

if TYPE_CHECKING:
    from flinkms_sql.server.frontend import Frontend

logger = logging.getLogger(__name__)


class Session(asyncio.Protocol):
    """See the module. A request is handled at once where that needs no wait; else a task does it, and the next waits."""

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self.process_id, self.secret_key = frontend.new_key()
        self.connection = ServerConnection(message_bytes_max=frontend.settings.message_bytes_max)
        self.transport: asyncio.Transport | None = None
        self.user = self.database = ""
        self.control = Control({}, {})
        self.link: Link | None = None
        self.statements: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}
        self.inserts = Inserts()
        self.hot = HotPath(self)
        self.cancellable = False
        """The task at work may be ended by a CancelRequest."""
        self.startup: Startup | None = Startup(self)
        """Takes the requests until the client is in."""
        self._timer = asyncio.get_running_loop().call_later(AUTHENTICATION_SECONDS_MAX, self._late)
        self._task: asyncio.Task[None] | None = None
        self._canceled = False
        self._resting = False
        self._reading = True
        self._more = False
        """Bytes came while the hot path had a request."""
        self._out: list[bytes] = []
        self._writable: asyncio.Event | None = None
        self.ended = False

    # ---- bytes in ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=OUTPUT_BYTES_MAX)
        # A client that vanished without a word must not keep its backend for ever.
        wire = transport.get_extra_info("socket")
        if wire is not None and wire.family != socket.AF_UNIX:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        if self._resting and self.hot.take(data):
            self._resting = False
            return
        self.connection.receive(data)
        if self.hot.waiting:
            self._more = True
        elif self._task is None:
            self._pump()
        elif self.connection.copying_in:
            self._pump_copy()
        elif self.connection.buffered > INPUT_BYTES_MAX:
            self._read(False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._timer.cancel()
        self.frontend.forget(self)
        if self.link is not None:
            if self.link.waiting and self.link.key is not None:
                self.frontend.spawn(send_cancel(self.frontend.backend_address(), self.link.key))
            self.link.close()
        if self._writable is not None:
            self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def _read(self, wanted: bool) -> None:
        if self.transport is None or self.transport.is_closing() or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    # ---- requests ----

    def write_hot(self, data: bytes) -> None:
        """Send the whole answer to a request of the hot path, and go on."""
        if self.ended or self.transport is None:
            return
        self.transport.write(data)
        if self._more:
            self._more = False
            self._pump()
        else:
            self._resting = True

    def resume_with(self, data: bytes) -> None:
        """Handle a request the hot path had taken, before anything that came after it."""
        if not self.ended:
            self._more = False
            self.connection.receive_first(data)
            self._pump()

    def _pump(self) -> None:
        """Handle requests until there are none, or one has to wait."""
        self._resting = False
        while self._task is None and not self.ended:
            try:
                request = self.connection.next_request()
                work = None if request is None else self._handle(request)
                if request is None:
                    break
            except Exception as error:  # noqa: BLE001 - whatever it is, the session must stay in a defined state
                if failures.ends_connection(error):
                    self.die(error)
                    break
                work = self.in_order(partial(failures.report, self, error))
            if work is not None:
                self._task = asyncio.get_running_loop().create_task(self._work(work))
        self._settle()

    def _pump_copy(self) -> None:
        """Pass COPY data on while a task waits for the COPY to end."""
        while self.link is not None and self.connection.copying_in:
            request = self.connection.next_request()
            if request is None:
                break
            relay.forward_copy(self.link, request.frame)

    def _settle(self) -> None:
        # CommandComplete of an INSERT waits for the Sync, which waits until the rows are durable.
        if not self.inserts.waiting or self.in_block:
            self.flush()
        if self.link is not None:
            self.link.push()
        if self._task is None and not self.ended:
            self._read(True)
            open_series = self.link is not None and self.link.series_open
            self._resting = self.connection.at_rest and not open_series and self.startup is None

    def _handle(self, request: Request) -> Awaitable[None] | None:
        message = request.message
        if self.startup is not None:
            return self.startup.handle(message)
        match message:
            case m.Query():
                return simple.query(self, message, request.frame)
            case m.Terminate():
                self.end()
                return None
            case m.CopyData() | m.CopyDone() | m.CopyFail():
                # Outside of a COPY these are what is left of one that failed: they are ignored (54.2.6).
                if self.link is not None and self.link.waiting:
                    relay.forward_copy(self.link, request.frame)
                return None
            case m.FunctionCall():
                return relay.forward(self, request.frame)
        return extended.handle(self, message, request.frame)

    async def _work(self, work: Awaitable[None]) -> None:
        """Carry out a request that has to wait, then go on with the next ones."""
        more: Awaitable[None] | None = work
        while more is not None:
            try:
                await more
                more = None
            except asyncio.CancelledError:
                if not self._canceled or self.ended:
                    raise
                self._canceled = False
                more = failures.report(
                    self, FlinkmsError(errors.QUERY_CANCELED, "canceling statement due to user request")
                )
            except Exception as error:  # noqa: BLE001 - see _pump
                more = failures.report(self, error)
        self._task = None
        self.cancellable = False
        if not self.ended:
            self._pump()

    def in_order(self, act: Callable[[], Awaitable[None] | None]) -> Awaitable[None] | None:
        """Act when everything that was relayed before is answered, unless an error among it has cancelled this."""
        if self.link is None or not self.link.waiting:
            return act()
        return self._after_link(self.link, act)

    async def _after_link(self, link: Link, act: Callable[[], Awaitable[None] | None]) -> None:
        await link.drained()
        if self.connection.awaiting is None or self.connection.skipping:
            return
        work = act()
        if work is not None:
            await work

    # ---- errors ----

    def die(self, error: FlinkmsError) -> None:
        """Report an error that ends the connection."""
        if self.ended or self.transport is None:
            return
        self.flush()
        self.transport.write(self.connection.fatal(reports.error_response(error, "FATAL")))
        self.end()

    def _late(self) -> None:
        self.die(FlinkmsError(errors.INVALID_AUTHORIZATION, "canceling authentication due to timeout"))

    def end(self) -> None:
        """Close when everything is sent."""
        self.flush()
        self.ended = True
        if self.transport is not None:
            self.transport.close()

    # ---- bytes out ----

    def send(self, message: m.BackendMessage) -> None:
        """Queue an answer."""
        self._out.append(self.connection.send(message))

    def send_rows(self, data: bytes) -> None:
        """Queue DataRow messages that were built in bulk."""
        self.connection.sent_raw(b"D")
        self._out.append(data)

    def flush(self) -> None:
        """Hand queued answers to the transport, in one write."""
        if self._out and self.transport is not None:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out = []
            self.transport.write(data)

    def write_now(self, data: bytes) -> None:
        """Send bytes that are no message."""
        assert self.transport is not None
        self.transport.write(data)

    @staticmethod
    async def yield_turn() -> None:
        """Let other sessions go on."""
        await asyncio.sleep(0)

    async def drained(self) -> None:
        """Flush, and wait while the client reads slowly."""
        self.flush()
        if self._writable is not None:
            await self._writable.wait()

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()
        if self.link is not None:
            self.link.pause_reading()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self.link is not None:
            self.link.resume_reading()

    # ---- plans and status ----

    @property
    def generation(self) -> int:
        """Of the catalog plans are made for now."""
        return self.frontend.services.catalogs.current().generation

    def plan(self, text: str, declared: tuple[int, ...] = ()) -> Plan:
        """The plan of one statement. Raises FlinkmsError."""
        catalog = self.frontend.services.catalogs.current()
        return planned(lambda oids: self.frontend.plans.plan(text, catalog, oids), declared)

    def plan_simple(self, text: str) -> Planned:
        """The plan of one statement of the simple protocol, and the constants taken out of it. Raises FlinkmsError."""
        return self.frontend.plans.plan_simple_query(text, self.frontend.services.catalogs.current())

    @property
    def status(self) -> m.TransactionStatus:
        """Of the transaction: PostgreSQL's once there is a link."""
        return self.control.status if self.link is None else self.link.status

    @property
    def busy(self) -> bool:
        """Whether a request is being carried out that the next one has to wait for."""
        return self._task is not None or self.hot.waiting

    @property
    def in_block(self) -> bool:
        """Whether a transaction block is open, so that nothing is final before its end."""
        return self.status != "idle"

    @property
    def zone(self) -> tzinfo:
        """The session's time zone."""
        name = (self.control.shown("timezone") if self.link is None else self.link.parameters.get("TimeZone")) or "UTC"
        return zone_of(name) or timezone.utc

    def ready(self) -> None:
        """End of a series: say so, and forget the portals that end with it."""
        status = self.status
        if status == "idle":
            self.portals.clear()
        self.send(m.ReadyForQuery(status=status))

    def started(self) -> None:
        """The client is in."""
        self.startup = None
        self._timer.cancel()

    # ---- the link ----

    def deliver(self, frame: Frame) -> None:
        """An answer of the control database goes to the client as it is."""
        if self.ended:
            return
        try:
            self.connection.sent_raw(frame.kind)
        except LocalProtocolError as error:
            logger.error("session %d: %s", self.process_id, error, exc_info=error)
            self.die(FlinkmsError(errors.INTERNAL_ERROR, "internal error: answers out of order"))
            return
        if frame.kind == b"E":
            self.inserts.failed(self.in_block)
        elif frame.kind == b"Z" and self.status == "idle":
            self.portals.clear()
            self.inserts.forget()
        self._out.append(frame.raw)
        if frame.kind == b"G" and self._task is not None:
            self._pump_copy()

    def link_turned(self) -> None:
        """Relayed answers that arrived together leave together."""
        if self._task is None:
            self._settle()
        else:
            self.flush()

    def link_lost(self, error: FlinkmsError) -> None:
        """What lived in the backend is gone: settings, tables, statements. So the session ends."""
        self.die(error)

    def link_congested(self, congested: bool) -> None:
        """The control database reads slowly: so do we."""
        self._read(not congested)

    # ---- cancel ----

    def cancel(self) -> None:
        """End what is at work: at the control database, or here where that can be stopped."""
        if self.link is not None and self.link.waiting and self.link.key is not None:
            self.frontend.spawn(send_cancel(self.frontend.backend_address(), self.link.key))
        elif self._task is not None and self.cancellable:
            self._canceled = True
            self._task.cancel()
