"""Deploying from a session: the deployer's generator, stepped in a thread, as the asynchronous steps a server wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import numpy as np

from flinkms_sql.deploy import events
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.server import services
from flinkms_sql.types import SqlType
from udfs.block import Column

Step = services.Progress | services.Rows | services.Done


class SessionDeployer:
    """``caught_up`` returns when this frontend serves what the registry says now: before that nothing is Done."""

    def __init__(self, deployer: Deployer, caught_up: Callable[[], Awaitable[None]]) -> None:
        self._deployer = deployer
        self._caught_up = caught_up

    async def execute(self, plan: DeployPlan) -> AsyncIterator[Step]:
        """See server.services.Deployer."""
        running = self._deployer.execute(plan.statement, plan.text)
        try:
            while (event := await _next(running)) is not None:
                match event:
                    case events.Progress():
                        yield services.Progress(message=str(event))
                    case events.Rows():
                        yield _rows(event)
                    case events.Done():
                        await self._caught_up()
                        yield services.Done(tag=event.tag)
        except FlinkmsError:
            # What was declared on the way and is gone again is not to be seen by the next statement.
            with contextlib.suppress(FlinkmsError):
                await self._caught_up()
            raise
        finally:
            await asyncio.to_thread(running.close)


async def _next(running: Iterator[events.Event]) -> events.Event | None:
    """The next event; a step that was begun is waited for even when the session is cancelled meanwhile."""
    step = asyncio.ensure_future(asyncio.to_thread(next, running, None))
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        raise


def _rows(event: events.Rows) -> services.Rows:
    names = tuple(OutputColumn(name=name, type=kind) for name, kind in event.columns)
    values = list(zip(*event.rows, strict=True)) if event.rows else [() for _ in names]
    return services.Rows(names=names, columns=tuple(
        _column(column.type, given) for column, given in zip(names, values, strict=True)
    ))


def _column(kind: SqlType, values: Sequence[object]) -> Column:
    valid = np.array([value is not None for value in values], dtype=bool)
    fill = "" if kind is SqlType.STRING else 0
    array = np.array([fill if value is None else value for value in values], dtype=np.dtype(kind.value.dtype))
    return Column(array, None if valid.all() else valid)
