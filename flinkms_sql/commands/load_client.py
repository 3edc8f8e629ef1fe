"""An open-loop load client: statements sent at times that were chosen before the run, whatever the server does.

A closed-loop client waits for an answer before it asks again, so that a server that stalls for a second is asked less in
that second, and the stall hardly shows. Here the latency of a request counts from the moment it was meant to be sent.
Must not print anything or know what a statement means: it speaks the protocol (pgwire, the client's role) and counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.connection import Answer, ClientConnection
from flinkms_sql.pgwire.messages import (
    AuthenticationCleartextPassword,
    AuthenticationOther,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    Bind,
    ClientMessage,
    Execute,
    Parse,
    Password,
    Startup,
    Sync,
    Terminate,
)
from flinkms_sql.pgwire.reports import reported_error
from flinkms_sql.pgwire.scram import NONCE_BYTES, ClientExchange
from flinkms_sql.pgwire.state import Phase
from flinkms_sql.pgwire.wire import ProtocolError, cstring

STATEMENT = "load"
"""Name of the prepared statement on each connection."""

CONNECT_S_MAX = 10.0
CLOSE_S_MAX = 1.0
DRAIN_S_MAX = 10.0
"""Seconds to wait for answers after the last request was due; what is open then counts as unanswered."""

UNANSWERED = "unanswered"
"""Stands for the SQLSTATE of a request that got no answer."""

REQUESTS_MAX = 50_000_000
"""Requests of one run: their times and parameters are drawn before it starts, 8 bytes each."""

Arrivals = Literal["poisson", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Values of one parameter: uniform from low to high, both included; whole numbers when both ends are."""

    low: int | float
    high: int | float

    def draw(self, random: np.random.Generator, count: int) -> list[bytes]:
        """Texts of ``count`` values."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            values = random.integers(self.low, self.high, count, endpoint=True)
        else:
            values = random.uniform(self.low, self.high, count)
        return [repr(value).encode() for value in values.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send, and when: ``rate`` requests a second for ``seconds`` over ``connections`` connections."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = None
    statement: str
    parameters: tuple[Range, ...] = ()
    rate: float
    seconds: float
    connections: int = 8
    arrivals: Arrivals = "poisson"
    seed: int = 0

    def due_s(self) -> np.ndarray:
        """float64: seconds after the start at which requests are due. Raises FlinkmsError 53400 when too many."""
        expected = self.rate * self.seconds
        if expected > REQUESTS_MAX:
            raise FlinkmsError(errors.CONFIGURATION_LIMIT_EXCEEDED, f"{expected:,.0f} requests in one run are too many",
                               detail=f"The limit is {REQUESTS_MAX:,}.")
        if self.arrivals == "fixed":
            return np.arange(max(round(expected), 1)) / self.rate
        random = np.random.default_rng((self.seed, 0))
        times = np.cumsum(random.exponential(1 / self.rate, int(expected + 6 * expected**0.5 + 10)))
        return times[times < self.seconds]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What has happened so far; ``latencies_us`` from when a request was due, ``service_us`` from when it was sent."""

    requests: int = 0
    sent: int = 0
    latencies_us: list[float] = field(default_factory=list)
    service_us: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    """Requests that failed, by SQLSTATE; none of them has a latency."""
    lag_us: list[float] = field(default_factory=list)
    """How much later than due this client noticed that a request was due: its own part in the latencies."""
    elapsed_s: float = 0.0

    @property
    def answered(self) -> int:
        """Requests that ended, well or not."""
        return len(self.latencies_us) + self.failed.total()


def run_load(load: Load, on_second: Callable[[Outcome], None] = lambda outcome: None) -> Outcome:
    """Run to the end; ``on_second`` is called about once a second. Raises FlinkmsError when it cannot connect."""
    # Timers of epoll have a millisecond's grain, those of select a microsecond's.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        return loop.run_until_complete(_run(load, on_second))
    finally:
        loop.close()


async def _run(load: Load, on_second: Callable[[Outcome], None]) -> Outcome:
    loop, due = asyncio.get_running_loop(), load.due_s()
    random = np.random.default_rng((load.seed, 1))
    values = list(zip(*(entry.draw(random, len(due)) for entry in load.parameters), strict=True)) or [()] * len(due)
    sender = _Sender(loop, due.tolist(), values, Outcome(requests=len(due)))
    try:
        for _ in range(load.connections):
            await _connect(load, sender)
        began = loop.time()
        sender.start(began)
        while not sender.finished.is_set() and loop.time() < began + load.seconds + DRAIN_S_MAX:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(sender.finished.wait(), 1.0)
            on_second(sender.outcome)
        sender.outcome.elapsed_s = loop.time() - began
    finally:
        await sender.close()
    return sender.outcome


async def _connect(load: Load, sender: _Sender) -> None:
    loop = asyncio.get_running_loop()
    try:
        _, session = await loop.create_connection(lambda: _Session(load, sender), load.host, load.port)
        await asyncio.wait_for(session.ready, CONNECT_S_MAX)
    except (OSError, asyncio.TimeoutError) as error:
        raise FlinkmsError(errors.CONNECTION_FAILURE, f"could not connect to {load.host}:{load.port}",
                           detail=str(error) or None, hint="flinkms up starts a deployment.") from error


class _Sender:
    """Requests that are due go to the first connection that is free, oldest first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Sequence[float], values: Sequence[tuple[bytes, ...]],
                 outcome: Outcome) -> None:
        self.outcome = outcome
        self.finished = asyncio.Event()
        self._loop, self._due, self._values = loop, due, values
        self._began = 0.0
        self._next = 0
        self._waiting: deque[int] = deque()
        self._free: deque[_Session] = deque()
        self.sessions: list[_Session] = []

    def start(self, began: float) -> None:
        self._began = began
        self._tick()

    async def close(self) -> None:
        """End all connections; what is open or was never sent counts as unanswered."""
        for session in self.sessions:
            session.end()
        if self.sessions:
            await asyncio.wait([session.closed for session in self.sessions], timeout=CLOSE_S_MAX)
        if (missing := self.outcome.requests - self.outcome.answered) > 0:
            self.outcome.failed[UNANSWERED] += missing

    def free(self, session: _Session) -> None:
        """A connection can take a request."""
        if self._waiting:
            self._send(session, self._waiting.popleft())
        else:
            self._free.append(session)

    def answered(self, number: int, sent_at: float, sqlstate: str | None) -> None:
        """A request ended."""
        if sqlstate is None:
            now = self._loop.time()
            self.outcome.latencies_us.append((now - self._began - self._due[number]) * 1e6)
            self.outcome.service_us.append((now - sent_at) * 1e6)
        else:
            self.outcome.failed[sqlstate] += 1
        if self.outcome.answered == self.outcome.requests:
            self.finished.set()

    def lost(self, session: _Session) -> None:
        """A connection ended by itself; with the last one, nothing can be sent any more."""
        with contextlib.suppress(ValueError):
            self._free.remove(session)
        self.sessions.remove(session)
        if not self.sessions:
            self.finished.set()

    def _tick(self) -> None:
        now = self._loop.time() - self._began
        while self._next < len(self._due) and self._due[self._next] <= now:
            number, self._next = self._next, self._next + 1
            self.outcome.lag_us.append((now - self._due[number]) * 1e6)
            if self._free:
                self._send(self._free.popleft(), number)
            else:
                self._waiting.append(number)
        if self._next < len(self._due):
            self._loop.call_at(self._began + self._due[self._next], self._tick)

    def _send(self, session: _Session, number: int) -> None:
        self.outcome.sent += 1
        session.ask(number, self._values[number], self._loop.time())


class _Session(asyncio.Protocol):
    """One connection: startup, authentication, one prepared statement, then one request at a time."""

    def __init__(self, load: Load, sender: _Sender) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load, self._sender = load, sender
        self._wire = ClientConnection()
        self._exchange: ClientExchange | None = None
        self._asked: tuple[int, float] | None = None
        self._error: FlinkmsError | None = None
        self._prepared = self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._sender.sessions.append(self)
        self._write(Startup(minor=0, parameters={"user": self._load.user, "database": self._load.database,
                                                 "application_name": "flinkms load"}))

    def ask(self, number: int, values: tuple[bytes, ...], now: float) -> None:
        """Send one request."""
        self._asked, self._error = (number, now), None
        self._write(Bind(statement=STATEMENT, values=values), Execute(), Sync())

    def end(self) -> None:
        """Say goodbye."""
        self._ending = True
        if self._wire.phase is Phase.READY:
            self._write(Terminate())
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._wire.receive(data)
            while (answer := self._wire.next_answer()) is not None:
                self._take(answer)
        except FlinkmsError as error:
            self._error = error
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)
        if self._ending:
            return
        error = self._error or FlinkmsError(errors.CONNECTION_FAILURE, "the server closed the connection")
        if not self.ready.done():
            self.ready.set_exception(error)
        if self._asked is not None:
            (number, sent_at), self._asked = self._asked, None
            self._sender.answered(number, sent_at, error.sqlstate)
        self._sender.lost(self)

    def _take(self, answer: Answer) -> None:
        match answer.frame.kind:
            case b"E":
                self._error = reported_error(answer.message().fields)
            case b"R":
                self._authenticate(answer)
            case b"Z" if not self._prepared:
                self._prepare()
            case b"Z" if not self.ready.done():
                self._settle()
            case b"Z" if self._asked is not None:
                (number, sent_at), self._asked = self._asked, None
                self._sender.answered(number, sent_at, self._error.sqlstate if self._error else None)
                self._sender.free(self)

    def _prepare(self) -> None:
        self._prepared = True
        self._write(Parse(statement=STATEMENT, text=self._load.statement), Sync())

    def _settle(self) -> None:
        if self._error is not None:
            self.ready.set_exception(self._error)
            return
        self.ready.set_result(None)
        self._sender.free(self)

    def _authenticate(self, answer: Answer) -> None:
        match answer.message():
            case AuthenticationCleartextPassword():
                self._write(Password(data=cstring(self._secret())))
            case AuthenticationSASL():
                self._exchange = ClientExchange(self._secret(), os.urandom(NONCE_BYTES))
                self._write(Password(data=self._exchange.start()))
            case AuthenticationSASLContinue(data=challenge) if self._exchange is not None:
                self._write(Password(data=self._exchange.respond(challenge)))
            case AuthenticationSASLFinal(data=final) if self._exchange is not None:
                self._exchange.verify(final)
            case AuthenticationOther(code=code):
                raise ProtocolError(f"the server asks for authentication method {code}, which is not spoken here")

    def _secret(self) -> str:
        if self._load.password is None:
            raise FlinkmsError(errors.INVALID_PASSWORD, f'the server asks for a password of role "{self._load.user}"',
                               hint="Set PGPASSWORD.")
        return self._load.password

    def _write(self, *messages: ClientMessage) -> None:
        self._transport.write(b"".join([self._wire.send(message) for message in messages]))
