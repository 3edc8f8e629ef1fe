"""A client of bytes over a socket, for conversations that no driver would have: whole scripts, pipelined or not."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from flinkms_sql.pgwire import client_messages, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Splitter
from flinkms_sql.pgwire.messages import ClientMessage, ServerMessage

SECONDS_MAX = 30.0
"""Longest wait for an answer, in seconds: longer is a hang."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client acts on in the answer to one series or text: command tags, SQLSTATE or "", status at the end."""

    tags: tuple[str, ...]
    error: str
    status: str


class Wire:
    """One connection: to the frontend, or to PostgreSQL itself."""

    def __init__(self, where: str | tuple[str, int], *, user: str, database: str, **settings: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self._socket.settimeout(SECONDS_MAX)
        self._socket.connect(where)
        self._splitter = Splitter(startup=False)
        startup = m.Startup(minor=0, parameters={"user": user, "database": database, **settings})
        self._socket.sendall(client_messages.encode(startup))
        self.started = self.answer()

    def close(self) -> None:
        """Hang up without a word, as a client that died."""
        self._socket.close()

    def answer(self) -> list[ServerMessage]:
        """The messages up to the next ReadyForQuery, or to the end of the connection."""
        found: list[ServerMessage] = []
        while True:
            while (frame := self._splitter.next_frame()) is not None:
                found.append(server_messages.decode(frame))
                if frame.kind == b"Z":
                    return found
            data = self._socket.recv(1 << 16)
            if not data:
                return found
            self._splitter.feed(data)

    def say(self, *messages: ClientMessage) -> list[ServerMessage]:
        """Send messages of which one makes the server ready; its answer."""
        self._socket.sendall(b"".join(map(client_messages.encode, messages)))
        return self.answer()

    def push(self, data: bytes, seconds: float = SECONDS_MAX) -> bytes:
        """Send as far as the server takes it within this time without a pause; what is left."""
        self._socket.settimeout(seconds)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except TimeoutError:
            pass
        finally:
            self._socket.settimeout(SECONDS_MAX)
        return bytes(rest)

    def pipeline(self, *messages: ClientMessage) -> list[list[ServerMessage]]:
        """Send messages in one go; the answers, one for each that makes the server ready."""
        self._socket.sendall(b"".join(map(client_messages.encode, messages)))
        return [self.answer() for one in messages if isinstance(one, m.Query | m.Sync)]

    def ask(self, text: str) -> list[ServerMessage]:
        """A simple query."""
        return self.say(m.Query(text=text))


def outcome(answer: Sequence[ServerMessage]) -> Outcome:
    """What a client acts on in an answer."""
    errors = [one.fields["C"] for one in answer if isinstance(one, m.ErrorResponse)]
    last = answer[-1] if answer else None
    return Outcome(
        tuple(one.tag for one in answer if isinstance(one, m.CommandComplete)),
        ",".join(errors),
        last.status if isinstance(last, m.ReadyForQuery) else "gone",
    )
