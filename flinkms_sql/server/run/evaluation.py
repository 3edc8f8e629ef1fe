"""Asking the engine on behalf of a session: with its clock, its zone and its ``flinkms.as_of``, and no longer than it may.

Must not know protocols or plans; this is the one place of the server that reads the time for a statement. What takes
many steps gives every other session its turn between two of them, and that is where it is ended: by CancelRequest, by
statement_timeout, or because the client has gone. What was computed has an effect only when it was done in time.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from flinkms_sql.engine import execute as engine
from flinkms_sql.engine.execute import Apart, Steps
from flinkms_sql.query.nodes import Node
from flinkms_sql.server.context import Context
from udfs.block import Column

T = TypeVar("T")

TIMEOUT_S_MIN = 1e-3
"""Seconds below which no statement_timeout can be: what takes less is not asked about."""


def columns_of(context: Context, node: Node, values: Sequence[object]) -> Steps[Sequence[Column]]:
    """The columns of a tree, as of the session's moment. Raises FlinkmsError."""
    result = yield from engine.run_node(
        node, values, context.services.registry, now=time.time_ns() // 1000, zone=context.transaction.zone,
        as_of=context.transaction.as_of,
    )  # fmt: skip
    return result.columns


def then(context: Context, steps: Steps[T], act: Callable[[T], Awaitable[None] | None]) -> Awaitable[None] | None:
    """Act on what the steps give: at once when they are one. Raises FlinkmsError, 57014 when they have taken too long."""
    try:
        apart = next(steps)
    except StopIteration as end:
        _check_time(context)
        return act(end.value)
    return _then(context, steps, apart, act)


async def _then(
    context: Context, steps: Steps[T], apart: Apart | None, act: Callable[[T], Awaitable[None] | None]
) -> None:
    work = act(await _finished(context, steps, apart))
    if work is not None:
        await work


async def finished(context: Context, steps: Steps[T]) -> T:
    """What the steps give. Raises FlinkmsError as ``then`` does."""
    try:
        apart = next(steps)
    except StopIteration as end:
        _check_time(context)
        return end.value  # type: ignore[no-any-return]  # of the generator's own type
    return await _finished(context, steps, apart)


async def _finished(context: Context, steps: Steps[T], apart: Apart | None) -> T:
    timeout_s = context.transaction.known.timeout_s
    try:
        while True:
            if apart is not None:
                apart = steps.send(await context.make_apart(apart))
                continue
            context.interrupts.allow(timeout_s)
            await context.outbox.yield_turn()
            apart = next(steps)
    except StopIteration as end:
        context.interrupts.forbid(timeout_s)
        return end.value  # type: ignore[no-any-return]


def _check_time(context: Context) -> None:
    if context.interrupts.spent_s > TIMEOUT_S_MIN:
        context.interrupts.forbid(context.transaction.known.timeout_s)
