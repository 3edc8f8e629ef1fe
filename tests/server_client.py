"""A client of one session in memory: bytes in, messages out, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from flinkms_sql.pgwire import client_messages, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Splitter
from flinkms_sql.pgwire.messages import ClientMessage, ServerMessage
from flinkms_sql.server.authentication import Authentication
from flinkms_sql.server.services import Services
from flinkms_sql.server.session import Session
from flinkms_sql.server.settings import DEFAULT_PARAMETERS, FrontendSettings
from flinkms_sql.server.shared import Shared
from tests.serving import Catalogs, Deployer, Streams, registry

POINT = "SELECT predict('rec', $1, $2)"
REGISTRY = registry(users=50, items=50, factors=4)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def make_frontend(
    authentication: Authentication | None = None, services: Services | None = None, **settings: Any
) -> Shared:
    """A frontend without sockets or control database. Needs a running event loop."""
    services = services or Services(catalogs=Catalogs(), registry=REGISTRY, streams=Streams(), deployer=Deployer())
    return Shared(services, FrontendSettings(**settings), authentication or Authentication(None), DEFAULT_PARAMETERS)


class Client:
    """One client; ``say`` gives the messages the session answers with in this and the next turns of the loop."""

    def __init__(self, served: Shared) -> None:
        self.frontend = served
        self.session = Session(served)
        self.transport = Transport()
        self._splitter = Splitter(startup=False)
        self.session.connection_made(self.transport)

    def feed(self, data: bytes) -> None:
        """Bytes arrive."""
        self.session.data_received(data)

    async def bytes_of(self, *messages: ClientMessage) -> bytes:
        """The answer as bytes."""
        self.feed(b"".join(map(client_messages.encode, messages)))
        return await self.taken()

    async def say(self, *messages: ClientMessage) -> list[ServerMessage]:
        """The answer as messages."""
        return self.decoded(await self.bytes_of(*messages))

    async def taken(self) -> bytes:
        """What was written, once nothing more is written; it is forgotten then."""
        for _ in range(20):
            await asyncio.sleep(0)
        while self.session.busy:
            await asyncio.sleep(0.001)
        data = bytes(self.transport.written)
        self.transport.written.clear()
        return data

    def decoded(self, data: bytes) -> list[ServerMessage]:
        """Bytes as messages."""
        self._splitter.feed(data)
        found = []
        while (frame := self._splitter.next_frame()) is not None:
            found.append(server_messages.decode(frame))
        assert self._splitter.buffered == 0
        return found

    async def start(self) -> list[ServerMessage]:
        """Come in."""
        return await self.say(m.Startup(minor=0, parameters={"user": "flinkms"}))

    async def ask(self, text: str) -> list[ServerMessage]:
        """A simple query."""
        return await self.say(m.Query(text=text))


def kinds(messages: Sequence[ServerMessage]) -> list[str]:
    """The types of messages, for short assertions."""
    return [type(message).__name__ for message in messages]


def error(messages: Sequence[ServerMessage]) -> tuple[str, str]:
    """SQLSTATE and text of the one error among messages."""
    found = [message for message in messages if isinstance(message, m.ErrorResponse)]
    assert len(found) == 1, messages
    return found[0].fields["C"], found[0].fields["M"]


def tags(messages: Sequence[ServerMessage]) -> list[str]:
    """The command tags among messages."""
    return [message.tag for message in messages if isinstance(message, m.CommandComplete)]


def status(messages: Sequence[ServerMessage]) -> str:
    """The status of the transaction at the end."""
    assert isinstance(messages[-1], m.ReadyForQuery), messages
    return messages[-1].status


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine on an event loop of its own."""
    asyncio.run(work)


def conversation(test: Callable[[Client], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test with a client that is in."""

    def wrapped() -> None:
        async def go() -> None:
            client = Client(make_frontend())
            await client.start()
            await test(client)

        run(go())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


async def begin_statement(client: Client, text: str, name: str = "", oids: tuple[int, ...] = ()) -> None:
    """Prepare a statement, which must succeed."""
    assert kinds(await client.say(m.Parse(statement=name, text=text, oids=oids), m.Sync())) == [
        "ParseComplete", "ReadyForQuery",
    ]  # fmt: skip
