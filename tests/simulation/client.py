"""A client of the simulation: sends requests as bytes over a wire, and knows when their answer is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flinkms_sql.pgwire import client_messages, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Splitter
from tests.simulation.loop import SimLoop, Wire

STREAM_INSERT = "INSERT INTO events VALUES ({}, 1, 1.0)"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Statements that are sent together: as one Query's text, or as a series of the extended protocol up to its Sync.

    named: in a series, statements are prepared under a name, their text, and prepared once a connection.
    """

    simple: bool
    statements: tuple[str, ...]
    named: bool = False

    def messages(self, prepared: Collection[str] = ()) -> list[m.ClientMessage]:
        """What to send, when these names are prepared already."""
        if self.simple:
            return [m.Query(text="; ".join(self.statements))]
        series: list[m.ClientMessage] = []
        known = set(prepared)
        for text in self.statements:
            name = text if self.named else ""
            if not name or name not in known:
                series.append(m.Parse(statement=name, text=text))
                known.add(name)
            series += [m.Bind(statement=name), m.Describe(target="portal", name=""), m.Execute()]
        return [*series, m.Sync()]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: command tags, the SQLSTATE of an error, and the status of the transaction."""

    tags: tuple[str, ...]
    error: str | None
    status: str


class Lost(Exception):
    """The connection ended before the answer was whole."""


class SimClient(asyncio.Protocol):
    """One connection to a frontend."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._splitter = Splitter(startup=False)
        self._got: list[m.ServerMessage] = []
        self._whole: asyncio.Future[None] | None = None
        self._ended = False
        self._prepared: set[str] = set()
        self.said = ""
        """The text of the last error."""
        self.wire: Wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.wire = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._splitter.feed(data)
        while (frame := self._splitter.next_frame()) is not None:
            message = server_messages.decode(frame)
            self._got.append(message)
            if isinstance(message, m.ReadyForQuery) and self._whole is not None and not self._whole.done():
                self._whole.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._ended = True
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(Lost())

    async def start(self) -> None:
        """Come in. Raises Lost."""
        await self._say([m.Startup(minor=0, parameters={"user": "flinkms"})])

    async def exchange(self, wanted: Exchange) -> Answer:
        """Send, and wait for the whole answer. Raises Lost."""
        sent = wanted.messages(self._prepared)
        got = await self._say(sent)
        parsed = sum(isinstance(message, m.ParseComplete) for message in got)
        names = [message.statement for message in sent if isinstance(message, m.Parse)]
        self._prepared.update(filter(None, names[:parsed]))
        errors = [message.fields["C"] for message in got if isinstance(message, m.ErrorResponse)]
        assert len(errors) <= 1, got
        self.said = next((message.fields["M"] for message in got if isinstance(message, m.ErrorResponse)), "")
        tags = tuple(message.tag for message in got if isinstance(message, m.CommandComplete))
        ready = got[-1]
        assert isinstance(ready, m.ReadyForQuery)
        return Answer(tags=tags, error=errors[0] if errors else None, status=ready.status)

    async def _say(self, messages: Sequence[m.ClientMessage]) -> list[m.ServerMessage]:
        if self._ended:
            raise Lost
        self._got.clear()
        self._whole = asyncio.get_running_loop().create_future()
        self.wire.write(b"".join(map(client_messages.encode, messages)))
        await self._whole
        return list(self._got)
