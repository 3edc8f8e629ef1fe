"""The adapter to py4j, over which PyFlink talks to its client JVM: one Java thread for each thread of ours.

py4j keeps its connections in one pool, and the JVM serves each connection by a thread of its own. So the calls of one
plan could be made by several Java threads, whenever another thread took the connection that lay on top between two of
them: one that follows another job, or Python's collector, which tells the JVM of every object it frees. Calcite keeps
what it asks about a plan's nodes in a thread-local (``RelMetadataQueryBase.THREAD_PROVIDERS``), and fails in a thread
that has not set it: "metadataHandlerProvider". Here each thread has a pool of its own.

Must not know what is planned.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from py4j.java_gateway import GatewayConnection
from py4j.protocol import Py4JNetworkError
from pyflink.java_gateway import get_gateway

_pinning = threading.Lock()


class _Connections(list[GatewayConnection]):
    """The idle connections of one thread, closed with it; the one that its calls use lies on top whenever it is idle."""

    def __del__(self) -> None:
        for connection in self:
            with suppress(OSError, Py4JNetworkError):
                connection.close(False)


class ThreadConnections:
    """What py4j's client needs of its pool (``GatewayClient.deque``): a stack, here one for each thread.

    A thread that frees a Java object in the middle of a call opens a second connection and puts it back before the
    first, which is on top again.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def pop(self) -> GatewayConnection:
        """A connection of the calling thread. Raises IndexError when it has none: py4j opens one."""
        return self._stack().pop()

    def append(self, connection: GatewayConnection) -> None:
        """Put a connection back."""
        self._stack().append(connection)

    def __len__(self) -> int:
        return len(self._stack())

    def _stack(self) -> _Connections:
        if not hasattr(self._local, "stack"):
            self._local.stack = _Connections()
        return self._local.stack


def pin_threads() -> None:
    """From now on, all calls of a thread are made by one thread of the JVM, which is started if there is none yet."""
    with _pinning:
        client = get_gateway()._gateway_client
        if not isinstance(client.deque, ThreadConnections):
            client.close()
            client.deque = ThreadConnections()
