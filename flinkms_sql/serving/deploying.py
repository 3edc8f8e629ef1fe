"""Deploying from a session: the deployer's generator, stepped in a thread, as the asynchronous steps a server wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from flinkms_sql.deploy.events import Done, Event
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.statements.statement import CreateModel, PromoteVersion, RefreshModel, RollbackModel, SetAlias


class Followed(Protocol):
    """This frontend, as far as a statement that deploys has to know it."""

    async def catch_up(self) -> None:
        """Returns when this frontend serves what the registry says now."""

    async def failure(self, model: str, number: int | None = None) -> FlinkmsError | None:
        """Why a version, None: the live one, cannot be loaded here."""

DEPLOYING_AT_ONCE_MAX = 64
"""Deploying statements of all sessions that are stepped at once, a thread each while it waits for its job; further ones
wait for their next step. Threads of their own: an INSERT must not wait for a training."""


class SessionDeployer:
    """Nothing is Done before ``frontend`` serves what the registry says; when it cannot, that is the statement's error."""

    def __init__(self, deployer: Deployer, frontend: Followed) -> None:
        self._deployer = deployer
        self._frontend = frontend
        self._threads = ThreadPoolExecutor(DEPLOYING_AT_ONCE_MAX, thread_name_prefix="deploying")

    async def execute(self, plan: DeployPlan) -> AsyncIterator[Event]:
        """See server.services.Deployer. Raises 55000 when the version that the statement made live cannot be loaded
        here; a promotion of one is refused before anything is changed."""
        match plan.statement:
            case PromoteVersion(name=name, version=number) | SetAlias(name=name, version=number):
                await self._check(name, number)
        running = self._deployer.execute(plan.statement, plan.text)
        try:
            while (event := await self._next(running)) is not None:
                if isinstance(event, Done):
                    await self._frontend.catch_up()
                    match plan.statement:
                        case (CreateModel(name=name) | RefreshModel(name=name) | RollbackModel(name=name)
                              | PromoteVersion(name=name)):
                            await self._check(name)
                yield event
        except FlinkmsError:
            # What was declared on the way and is gone again is not to be seen by the next statement.
            with contextlib.suppress(FlinkmsError):
                await self._frontend.catch_up()
            raise
        finally:
            await asyncio.get_running_loop().run_in_executor(self._threads, running.close)

    async def _check(self, model: str, number: int | None = None) -> None:
        failure = await self._frontend.failure(model, number)
        if failure is not None:
            raise failure

    async def _next(self, running: Iterator[Event]) -> Event | None:
        """The next event; a step that was begun is waited for even when the session is cancelled meanwhile."""
        step = asyncio.get_running_loop().run_in_executor(self._threads, next, running, None)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])
            raise
