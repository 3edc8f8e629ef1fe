"""The peer of predict that does nothing: every request is answered by the same bytes.

What pgbench, the kernel and the event loop cost, and so what no server on this event loop can better. It knows only what
pgbench sends: a startup, then one series or query at a time.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import server_messages
from flinkms_sql.pgwire.columns import describe
from flinkms_sql.server.loop import new_event_loop
from flinkms_sql.types import SqlType

_READY = m.ReadyForQuery(status="idle")
_ROW = (m.RowDescription(fields=(describe("predict", SqlType.DOUBLE),)), m.DataRow(values=(b"3.517298460006714",)),
        m.CommandComplete(tag="SELECT 1"), _READY)


def _bytes(*messages: m.ServerMessage) -> bytes:
    return b"".join(map(server_messages.encode, messages))


LOGGED_IN = _bytes(
    m.AuthenticationOk(),
    *(m.ParameterStatus(name=name, value=value) for name, value in (
        ("server_version", "18.0"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on"))),
    m.BackendKeyData(process_id=1, secret_key=bytes(4)), _READY,
)  # fmt: skip
ANSWERS = {ord("Q"): _bytes(*_ROW), ord("B"): _bytes(m.BindComplete(), *_ROW), ord("P"): _bytes(m.ParseComplete(), _READY)}
"""By the kind of a request's first message."""


class _Constant(asyncio.Protocol):
    """One client. The first byte tells a startup message, whose length begins with 0, from every other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined] - uvloop's transports are no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        answer = ANSWERS.get(data[0])
        if answer is not None:
            self._write(answer)
        elif data[0] == 0:
            self._write(b"N" if len(data) == 8 else LOGGED_IN)  # a request for encryption is 8 bytes


@contextmanager
def wire_floor() -> Iterator[int]:
    """The server in a process of its own; the port it listens on."""
    command = [sys.executable, "-m", "tests.bench.wire_floor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Constant, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    new_event_loop().run_until_complete(_serve())
