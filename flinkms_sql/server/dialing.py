"""Connecting to the control database: unix socket, TCP or TLS; and asking it to cancel.

Must not know what a link is used for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.link import Client, Link

CONNECT_SECONDS_MAX = 10.0
"""Time to reach the control database, and again to be let in, in seconds: it is near; longer means that it is down."""

logger = logging.getLogger(__name__)


async def open_link(address: BackendAddress, parameters: Mapping[str, str], client: Client | None,
                    ended: Callable[[], None] | None = None) -> Link:  # fmt: skip
    """A link that is ready; ``parameters`` are settings of the session. Raises FlinkmsError.

    ``ended`` is called once when the link has ended, also when it never was ready.
    """
    loop = asyncio.get_running_loop()
    link = Link(address, client, ended)
    try:
        await asyncio.wait_for(_connect(loop, address, lambda: link), CONNECT_SECONDS_MAX)
        # Ours last: a setting that is called like a field of the packet must not choose who we are.
        names = {"user": address.user, "database": address.database}
        await asyncio.wait_for(link.start({**parameters, **names}), CONNECT_SECONDS_MAX)
    except (OSError, asyncio.TimeoutError) as error:
        link.close()
        reason = str(error) or "it does not answer"
        raise FlinkmsError(
            errors.CONNECTION_FAILURE, "the control database cannot be reached", detail=f"{reason}."
        ) from error
    except BaseException:
        link.close()
        raise
    return link


async def _connect(
    loop: asyncio.AbstractEventLoop, address: BackendAddress, factory: Callable[[], asyncio.Protocol]
) -> None:
    if address.is_local:
        await loop.create_unix_connection(factory, f"{address.host}/.s.PGSQL.{address.port}")
    elif address.tls is None:
        await loop.create_connection(factory, address.host, address.port)
    else:
        await _connect_tls(loop, address, factory())


async def _connect_tls(loop: asyncio.AbstractEventLoop, address: BackendAddress, link: asyncio.Protocol) -> None:
    reply: asyncio.Future[bytes] = loop.create_future()
    transport, asking = await loop.create_connection(lambda: _Asking(reply), address.host, address.port)
    transport.write(client_messages.encode(m.SSLRequest()))
    if await reply != b"S":
        transport.close()
        raise FlinkmsError(errors.CONNECTION_FAILURE, "the control database does not offer TLS")
    assert address.tls is not None
    encrypted = await loop.start_tls(transport, asking, address.tls, server_hostname=address.host)
    assert encrypted is not None
    encrypted.set_protocol(link)
    link.connection_made(encrypted)


class _Asking(asyncio.Protocol):
    """Waits for the one byte that answers SSLRequest."""

    def __init__(self, reply: asyncio.Future[bytes]) -> None:
        self._reply = reply

    def data_received(self, data: bytes) -> None:
        if not self._reply.done():
            self._reply.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._reply.done():
            self._reply.set_exception(OSError("the connection was closed"))


async def send_cancel(address: BackendAddress, key: m.BackendKeyData) -> None:
    """Ask the control database to cancel what the session with this key is doing. Errors are logged only."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    try:
        if address.is_local:
            transport, _ = await loop.create_unix_connection(
                lambda: _Asking(done), f"{address.host}/.s.PGSQL.{address.port}"
            )
        else:
            transport, _ = await loop.create_connection(lambda: _Asking(done), address.host, address.port)
        transport.write(client_messages.encode(m.CancelRequest(process_id=key.process_id, secret_key=key.secret_key)))
        await asyncio.wait([done], timeout=CONNECT_SECONDS_MAX)
        done.cancelled() or done.exception()
        transport.close()
    except OSError as error:
        logger.warning("cannot cancel at the control database: %s", error)
