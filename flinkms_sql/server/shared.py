"""What all sessions of one process share: settings, the plan cache, the batcher, and who is there to be cancelled.

Must not know the protocol. One event loop, one thread.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from flinkms_sql import errors
from flinkms_sql.engine.batcher import Batcher
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.messages import CancelRequest
from flinkms_sql.query.cache import PlanCache
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.apart import Apart
from flinkms_sql.server.authentication import Authentication
from flinkms_sql.server.budget import Budget
from flinkms_sql.server.busypoll import BusyPoll
from flinkms_sql.server.hotpath import TextShapes
from flinkms_sql.server.links import Links
from flinkms_sql.server.services import Services
from flinkms_sql.server.settings import FrontendSettings

SECRET_KEY_BYTES = 32
"""A secret key, in bytes; clients of protocol 3.0 are told four of them."""


class Member(Protocol):
    """What is known of a session here."""

    process_id: int
    secret_key: bytes

    def cancel(self) -> None:
        """End what is at work."""

    def die(self, error: FlinkmsError) -> None:
        """Report an error that ends the connection."""


class Shared:
    """See the module. ``server_parameters`` are what clients are told of the server's settings."""

    def __init__(
        self,
        services: Services,
        settings: FrontendSettings,
        authentication: Authentication,
        server_parameters: Mapping[str, str],
    ) -> None:
        self.services = services
        self.settings = settings
        self.authentication = authentication
        self.server_parameters = server_parameters
        self.budget = Budget()
        self.links = Links(settings.links_max, settings.links_of_user_max)
        self.plans = PlanCache()
        self.apart = Apart()
        self.text_shapes = TextShapes()
        self.batcher = Batcher(services.registry, BusyPoll(asyncio.get_running_loop().call_soon).call_soon)
        self.sessions: dict[int, Member] = {}
        """Sessions that are let in or on their way, by process id."""
        self._numbers = itertools.count(secrets.randbelow(1 << 20) + 1)
        self._tasks: set[asyncio.Task[None]] = set()

    def new_key(self) -> tuple[int, bytes]:
        """A process id and a secret key for a new session."""
        while (number := next(self._numbers) & 0x7FFFFFFF) in self.sessions:
            pass
        return number, secrets.token_bytes(SECRET_KEY_BYTES)

    def admit(self, session: Member) -> None:
        """Count a session. Raises FlinkmsError 53300 when there are too many."""
        if len(self.sessions) >= self.settings.connections_max:
            raise FlinkmsError(errors.TOO_MANY_CONNECTIONS, "sorry, too many clients already")
        self.sessions[session.process_id] = session

    def forget(self, session: Member) -> None:
        """A session has ended."""
        if self.sessions.get(session.process_id) is session:
            del self.sessions[session.process_id]

    def cancel(self, request: CancelRequest) -> None:
        """Cancel what a session does; a wrong key is ignored, as PostgreSQL does."""
        session = self.sessions.get(request.process_id)
        if session is not None and hmac.compare_digest(session.secret_key, request.secret_key):
            session.cancel()

    def backend_address(self) -> BackendAddress:
        """Where the control database is; only asked for when a session has a link to it."""
        assert self.services.backend is not None
        return self.services.backend

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every session with 57P01."""
        error = FlinkmsError(errors.ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        for session in list(self.sessions.values()):
            session.die(error)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
