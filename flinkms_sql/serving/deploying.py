"""Deploying from a session: the deployer's generator, stepped in a thread, as the asynchronous steps a server wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from flinkms_sql.deploy.events import Done, Event
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import DeployPlan


class SessionDeployer:
    """``caught_up`` returns when this frontend serves what the registry says now: before that nothing is Done."""

    def __init__(self, deployer: Deployer, caught_up: Callable[[], Awaitable[None]]) -> None:
        self._deployer = deployer
        self._caught_up = caught_up

    async def execute(self, plan: DeployPlan) -> AsyncIterator[Event]:
        """See server.services.Deployer."""
        running = self._deployer.execute(plan.statement, plan.text)
        try:
            while (event := await _next(running)) is not None:
                if isinstance(event, Done):
                    await self._caught_up()
                yield event
        except FlinkmsError:
            # What was declared on the way and is gone again is not to be seen by the next statement.
            with contextlib.suppress(FlinkmsError):
                await self._caught_up()
            raise
        finally:
            await asyncio.to_thread(running.close)


async def _next(running: Iterator[Event]) -> Event | None:
    """The next event; a step that was begun is waited for even when the session is cancelled meanwhile."""
    step = asyncio.ensure_future(asyncio.to_thread(next, running, None))
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        raise
