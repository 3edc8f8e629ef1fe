"""One client's connection: takes its requests one by one, and has them answered in their order.

Must not know how a statement is carried out: that is for ``startup``, ``simple``, ``extended`` and ``hotpath``, which
know nothing of it. It is the pump: bytes in, one request at a time, a task for one that has to wait, and who is told
when the client, PostgreSQL or the work ends. Its states and what may follow them are in ``states``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import Request, ServerConnection
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.wire import LocalProtocolError
from flinkms_sql.server import extended, failures, relay, simple
from flinkms_sql.server.budget import Share
from flinkms_sql.server.context import Context
from flinkms_sql.server.dialing import send_cancel
from flinkms_sql.server.hotpath import HotPath
from flinkms_sql.server.interrupts import Interrupts
from flinkms_sql.server.link import Link
from flinkms_sql.server.names import Names
from flinkms_sql.server.naming import Naming
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.run import copy
from flinkms_sql.server.settings import AUTHENTICATION_SECONDS_MAX, INPUT_BYTES_MAX
from flinkms_sql.server.shared import Shared
from flinkms_sql.server.startup import Startup
from flinkms_sql.server.states import NEXT, State
from flinkms_sql.server.transaction import Transaction

logger = logging.getLogger(__name__)

Work = Awaitable[None] | None

# Of the hot path: to look a member up in its enumeration takes as long as ten attributes.
_RESTING, _HOT, _ENDED = State.RESTING, State.HOT, State.ENDED


class Session(asyncio.Protocol):
    """See the module. A request is handled at once where that needs no wait; else a task does it, and the next waits."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.process_id, self.secret_key = shared.new_key()
        self.connection = ServerConnection(message_bytes_max=shared.settings.message_bytes_max)
        self.outbox = Outbox(self.connection)
        self._share = Share(shared.budget)
        names = Names(self._share)
        self.transaction = Transaction(self, names, shared.services.backend, shared.links, self._share)
        naming = Naming(shared.services.catalogs, shared.services.access, self.transaction)
        self.context = Context(outbox=self.outbox, names=names, transaction=self.transaction, interrupts=Interrupts(), naming=naming,
                               services=shared.services, plans=shared.plans, apart=shared.apart)  # fmt: skip
        self.hot = HotPath(self.context, shared.batcher, shared.text_shapes, self._hot_done)
        self.state = State.STARTING
        self._startup: Startup | None = Startup(self, shared)
        """Takes the requests until the client is in."""
        self._timer = asyncio.get_running_loop().call_later(AUTHENTICATION_SECONDS_MAX, self._late)
        self._task: asyncio.Task[None] | None = None
        self._reading = True
        self._congested = False
        """The control database reads slowly: so do we."""
        self._more = False
        """Bytes came while the hot path had a request."""

    def _enter(self, state: State) -> None:
        assert state is self.state or state in NEXT[self.state], f"{self.state} -> {state}"
        self.state = state

    # ---- bytes in ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.outbox.connected(transport)  # type: ignore[arg-type]
        # A client that vanished without a word must not keep its backend for ever.
        wire = transport.get_extra_info("socket")
        if wire is not None and wire.family != socket.AF_UNIX:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state is _RESTING and self.hot.take(data):
            self.state = _HOT
            return
        self.connection.receive(data)
        if state is _HOT:
            self._more = True
        elif state is State.COPYING:
            self._pump_copy()
            self._read()
        elif state is State.WORKING:
            self._read()
        elif state is not State.ENDED:
            self._pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(State.ENDED)
        self._timer.cancel()
        self._shared.forget(self)
        link = self.transaction.link
        if link is not None:
            if link.waiting and link.key is not None:
                self._shared.spawn(send_cancel(self._shared.backend_address(), link.key))
            link.close()
        self.outbox.lost()
        self._share.end()
        if self._task is not None:
            self._task.cancel()

    def _read(self) -> None:
        """Read from the client when nothing speaks against it: what it sends has somewhere to go, or is waited for."""
        full = self._task is not None and self.connection.buffered > INPUT_BYTES_MAX
        wanted = not (full or self._congested)
        transport = self.outbox.transport
        if transport is None or transport.is_closing() or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # ---- requests ----

    def _hot_done(self, answer: bytes | None, request: bytes) -> None:
        """The hot path is done: with the whole answer, or with a request to be handled the usual way after all."""
        if self.state is _ENDED:
            return
        if answer is None:
            self._more = False
            self.connection.receive_first(request)
            self._pump()
            return
        transport = self.outbox.transport
        assert transport is not None
        transport.write(answer)
        if self._more:
            self._more = False
            self._pump()
        else:
            self.state = _RESTING

    def _pump(self) -> None:
        """Handle requests until there are none, or one has to wait."""
        while self._task is None and not self.outbox.closed:
            try:
                request = self.connection.next_request()
                work = None if request is None else self._handle(request)
                if request is None:
                    break
            except Exception as error:  # noqa: BLE001 - whatever it is, the session must stay in a defined state
                if failures.ends_connection(error):
                    self.die(error)
                    break
                work = self._in_order(partial(self._report, error))
            if work is not None:
                self._begin(work)
        self._settle()

    def _begin(self, work: Awaitable[None]) -> None:
        self._enter(State.WORKING)
        self._task = self.context.interrupts.task = asyncio.get_running_loop().create_task(self._work(work))

    def _pump_copy(self) -> None:
        """Pass COPY data on while a task waits for the COPY to end."""
        while self.connection.copying_in:
            request = self.connection.next_request()
            if request is None:
                return
            copy.forward(self.transaction.link, request.frame)
        if self.state is State.COPYING:
            self._enter(State.WORKING)

    def _settle(self) -> None:
        """Send what may be sent, and go where the session is now."""
        link = self.transaction.link
        # CommandComplete of an INSERT waits for the Sync, which waits until the rows are durable.
        if not self.transaction.pending.waiting or self.transaction.in_block or self.outbox.is_full:
            self.outbox.flush()
        if link is not None:
            link.push()
        if self.outbox.closed:
            self._enter(State.ENDED)
        elif self._task is None:
            self._read()
            series_open = link is not None and link.series_open
            if self._startup is not None:
                self._enter(State.STARTING)
            else:
                self._enter(State.RESTING if self.connection.at_rest and not series_open else State.BETWEEN)

    def _handle(self, request: Request) -> Work:
        message = request.message
        if self._startup is not None:
            return self._startup.handle(message)
        match message:
            case m.Query():
                return self._in_order(lambda: simple.query(self.context, message.text, request.frame))
            case m.Terminate():
                self.outbox.close()
                return None
            case m.CopyData() | m.CopyDone() | m.CopyFail():
                copy.forward(self.transaction.link, request.frame)
                return None
            case m.FunctionCall():
                return relay.forward(self.transaction, request.frame)
        return extended.handle(self.context, message, request.frame, self._in_order)

    async def _work(self, work: Awaitable[None]) -> None:
        """Carry out a request that has to wait, then go on with the next ones."""
        interrupts = self.context.interrupts
        more: Work = work
        while more is not None:
            try:
                await more
                more = None
            except asyncio.CancelledError:
                error = interrupts.caught()
                if error is None or self.outbox.closed:
                    raise
                more = self._report(error)
            except Exception as error:  # noqa: BLE001 - see _pump
                more = self._report(error)
        self._task = None
        interrupts.end()
        if not self.outbox.closed:
            self._pump()
        else:
            self._enter(State.ENDED)

    def _report(self, error: BaseException) -> Work:
        return failures.report(self.context, error, starting=self._startup is not None)

    def _in_order(self, act: Callable[[], Work]) -> Work:
        """Act when everything that was relayed before is answered, unless an error among it has cancelled this."""
        link = self.transaction.link
        if link is None or not link.waiting:
            return act()
        return self._after_link(link, act)

    async def _after_link(self, link: Link, act: Callable[[], Work]) -> None:
        await link.drained()
        if self.outbox.closed or self.connection.awaiting is None or self.connection.skipping:
            return
        work = act()
        if work is not None:
            await work

    # ---- beginning and end ----

    def started(self) -> None:
        """The client is in."""
        self._startup = None
        self._timer.cancel()

    def _late(self) -> None:
        self.die(FlinkmsError(errors.INVALID_AUTHORIZATION, "canceling authentication due to timeout"))

    def die(self, error: FlinkmsError) -> None:
        """Report an error that ends the connection."""
        self.outbox.die(error)
        if self.outbox.closed:
            self._enter(State.ENDED)
            if self.transaction.link is not None:
                self.transaction.link.close()

    def cancel(self) -> None:
        """End what is at work: at the control database, or here where that can be stopped."""
        link = self.transaction.link
        if link is not None and link.waiting and link.key is not None:
            self._shared.spawn(send_cancel(self._shared.backend_address(), link.key))
        else:
            self.context.interrupts.cancel()

    @property
    def busy(self) -> bool:
        """Whether a request is being carried out that the next one has to wait for."""
        return self.state in (State.HOT, State.WORKING, State.COPYING)

    # ---- a client that reads slowly ----

    def pause_writing(self) -> None:
        self.outbox.pause()
        if self.transaction.link is not None:
            self.transaction.link.pause_reading()

    def resume_writing(self) -> None:
        self.outbox.resume()
        if self.transaction.link is not None:
            self.transaction.link.resume_reading()

    # ---- the link ----

    def deliver(self, frame: Frame) -> None:
        """An answer of the control database goes to the client as it is."""
        if self.outbox.closed:
            return
        try:
            self.outbox.pass_on(frame)
        except LocalProtocolError as error:
            logger.error("answers out of order: %s", error, exc_info=error)
            self.die(FlinkmsError(errors.INTERNAL_ERROR, "internal error: answers out of order"))
            return
        if frame.kind == b"E":
            self.transaction.failed()
        elif frame.kind == b"Z" and not self.transaction.in_block:
            self.context.names.portals.clear()
        elif frame.kind == b"G" and self._task is not None:
            self._enter(State.COPYING)
            self._pump_copy()

    def link_turned(self) -> None:
        """Relayed answers that arrived together leave together."""
        if self._task is None:
            self._settle()
        else:
            self.outbox.flush()

    def link_lost(self, error: FlinkmsError) -> None:
        """What lived in the backend is gone: settings, tables, statements. So the session ends."""
        self.die(error)

    def link_congested(self, congested: bool) -> None:
        """The control database reads slowly, or does again."""
        self._congested = congested
        self._read()
