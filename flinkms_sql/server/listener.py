"""Listening: ``serve`` opens the sockets and makes a session of every connection.

Must not know what a session does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server.authentication import Authentication, PasswordFile
from flinkms_sql.server.dialing import open_link
from flinkms_sql.server.exposure import check_exposure
from flinkms_sql.server.parameters import FORCED
from flinkms_sql.server.services import Services
from flinkms_sql.server.session import Session
from flinkms_sql.server.settings import DEFAULT_PARAMETERS, FrontendSettings
from flinkms_sql.server.shared import Shared

BACKLOG = 512
"""Connections the kernel holds until they are accepted: a pool that starts opens hundreds at once."""

_TOLD = ("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "IntervalStyle",
         "integer_datetimes", "standard_conforming_strings", "is_superuser", "default_transaction_read_only",
         "in_hot_standby", "application_name", "search_path", "scram_iterations")  # fmt: skip


class Server:
    """A frontend that listens. ``sockets`` are the addresses it listens on."""

    def __init__(self, shared: Shared, listening: Sequence[asyncio.Server]) -> None:
        self.shared = shared
        self._listening = listening

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, TCP first."""
        return tuple(one for listening in self._listening for one in listening.sockets)

    @property
    def port(self) -> int:
        """The TCP port of the first of them."""
        return int(self.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every session."""
        for listening in self._listening:
            listening.close()
        await self.shared.close()


async def serve(services: Services, settings: FrontendSettings) -> Server:
    """Start a frontend on the running event loop.

    Raises FlinkmsError: 22023 for settings that would let strangers in, 58030 when an address cannot be listened on,
    08006 when the control database cannot be reached.
    """
    verifiers = None if settings.password_file is None else PasswordFile(settings.password_file)
    check_exposure(settings.hosts, passwords=verifiers is not None, tls=settings.tls is not None,
                   allow_plaintext=settings.allow_plaintext)
    parameters = await _server_parameters(services)
    shared = Shared(services, settings, Authentication(verifiers), parameters)
    listening: list[asyncio.Server] = []
    loop = asyncio.get_running_loop()
    try:
        listening.append(
            await loop.create_server(lambda: Session(shared), list(settings.hosts), settings.port, backlog=BACKLOG)
        )
        if settings.socket_dir is not None:
            path = settings.socket_dir / f".s.PGSQL.{listening[0].sockets[0].getsockname()[1]}"
            listening.append(await loop.create_unix_server(lambda: Session(shared), str(path), backlog=BACKLOG))
    except OSError as error:
        for one in listening:
            one.close()
        where = f"{', '.join(settings.hosts)} port {settings.port}"
        raise FlinkmsError(
            errors.IO_ERROR, f"cannot listen on {where}", detail=f"{error.strerror or error}.",
            hint="Is another frontend running? Choose another port.",
        ) from error  # fmt: skip
    return Server(shared, listening)


async def _server_parameters(services: Services) -> Mapping[str, str]:
    """The settings clients are told of: the control database's, for it is what answers SHOW."""
    if services.backend is None:
        return DEFAULT_PARAMETERS
    link = await open_link(services.backend, FORCED, None)
    link.close()
    return {name: value for name, value in link.parameters.items() if name in _TOLD}
