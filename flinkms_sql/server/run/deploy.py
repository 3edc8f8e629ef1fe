"""Statements that change what is deployed: run by the deployer, told to the client as they go.

Must not know how a deployment works. Progress becomes notices, one for each change, at most one a second; a CancelRequest or
statement_timeout ends the statement at its next step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from typing_extensions import assert_never

from flinkms_sql import errors
from flinkms_sql.deploy.events import Done, Notice, Progress, Rows, Telling
from flinkms_sql.engine.columns import column_of
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.columns import data_rows
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Portal

NOTICE_SECONDS_MIN = 1.0
"""Seconds between two notices of one statement: enough to see that it lives, few enough to read."""


async def run(context: Context, plan: DeployPlan, portal: Portal) -> None:
    """Carry the statement out and answer it. Raises FlinkmsError."""
    deployer = context.services.deployer
    if deployer is None:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "nothing can be deployed here",
                           hint="This frontend only serves models.")  # fmt: skip
    outbox = context.outbox
    context.interrupts.allow(context.transaction.known.timeout_s)
    now, telling = asyncio.get_running_loop().time, Telling(NOTICE_SECONDS_MIN)
    async with aclosing(deployer.execute(plan)) as steps:
        async for step in steps:
            match step:
                case Progress():
                    if telling.is_due(step, now()):
                        outbox.send(reports.notice(str(step)))
                case Notice():
                    outbox.send(reports.notice(step.message))
                case Rows():
                    _send_rows(context, step, portal.result_formats)
                case Done():
                    outbox.send(m.CommandComplete(tag=step.tag))
                    return
                case _:
                    assert_never(step)
            await outbox.drained()


def _send_rows(context: Context, rows: Rows, result_formats: Sequence[int]) -> None:
    if not rows.rows:
        return
    columns = [
        (column_of(values, column.type), column.type, code)
        for values, column, code in zip(zip(*rows.rows, strict=True), rows.columns, result_formats, strict=True)
    ]
    context.outbox.send_rows(data_rows(columns, context.transaction.zone))
