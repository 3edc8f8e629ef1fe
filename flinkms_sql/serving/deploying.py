"""Deploying from a session: the deployer's generator, stepped in a thread, as the asynchronous steps a server wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from flinkms_sql.deploy.events import Done, Event
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import DeployPlan

DEPLOYING_AT_ONCE_MAX = 64
"""Deploying statements of all sessions that are stepped at once, a thread each while it waits for its job; further ones
wait for their next step. Threads of their own: an INSERT must not wait for a training."""


class SessionDeployer:
    """``caught_up`` returns when this frontend serves what the registry says now: before that nothing is Done."""

    def __init__(self, deployer: Deployer, caught_up: Callable[[], Awaitable[None]]) -> None:
        self._deployer = deployer
        self._caught_up = caught_up
        self._threads = ThreadPoolExecutor(DEPLOYING_AT_ONCE_MAX, thread_name_prefix="deploying")

    async def execute(self, plan: DeployPlan) -> AsyncIterator[Event]:
        """See server.services.Deployer."""
        running = self._deployer.execute(plan.statement, plan.text)
        try:
            while (event := await self._next(running)) is not None:
                if isinstance(event, Done):
                    await self._caught_up()
                yield event
        except FlinkmsError:
            # What was declared on the way and is gone again is not to be seen by the next statement.
            with contextlib.suppress(FlinkmsError):
                await self._caught_up()
            raise
        finally:
            await asyncio.get_running_loop().run_in_executor(self._threads, running.close)

    async def _next(self, running: Iterator[Event]) -> Event | None:
        """The next event; a step that was begun is waited for even when the session is cancelled meanwhile."""
        step = asyncio.get_running_loop().run_in_executor(self._threads, next, running, None)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])
            raise
