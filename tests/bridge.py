"""A TCP port in front of a unix socket, byte for byte: for clients that know no unix sockets, as pgjdbc."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

CHUNK_BYTES = 65536


@contextmanager
def bridge(path: Path) -> Iterator[int]:
    """Listen on a free port of 127.0.0.1 and pass each connection on to the socket at ``path``; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, path), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, path: Path) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(path))
        for one, other in ((client, there), (there, client)):
            threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    # The end of one direction ends that direction alone; each socket is closed by the thread that reads it.
    with closing(one), suppress(OSError):
        while data := one.recv(CHUNK_BYTES):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
