"""One statement that is not PostgreSQL's: the way for its kind of plan, and what is checked before any of them.

Must not know the protocol, nor how a plan is run.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from typing_extensions import assert_never

from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.columns import describe
from flinkms_sql.query.plan import (
    DeployPlan,
    ExplainPlan,
    LocalPlan,
    ModelPlan,
    PointPlan,
    RelayPlan,
    RewrittenPlan,
    ShowPlan,
    StreamInsertPlan,
)
from flinkms_sql.server import rights
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Portal
from flinkms_sql.server.route import refuse_writing
from flinkms_sql.server.run import control, deploy, insert, rewritten, rows, show


def fields(portal: Portal) -> tuple[m.Field, ...]:
    """The columns of a portal's rows, in the formats asked for."""
    described = portal.prepared.described
    if described is not None:
        return tuple(
            replace(field, format=code) for field, code in zip(described.fields, portal.result_formats, strict=True)
        )
    return tuple(
        describe(column.name, column.type, code)
        for column, code in zip(portal.prepared.plan.columns, portal.result_formats, strict=True)
    )


def execute(context: Context, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    """Run a portal, or go on with it, and send rows and CommandComplete. Raises FlinkmsError."""
    plan, transaction = portal.prepared.plan, context.transaction
    if isinstance(plan, LocalPlan):
        return control.run(context, plan, portal)
    # Whether a transaction of its own is read-only, PostgreSQL is asked each time.
    asks = isinstance(plan, StreamInsertPlan | DeployPlan) and transaction.runs_there
    if transaction.link is not None and (transaction.stale or asks):
        return _after_refresh(context, portal, row_limit)
    return _execute(context, portal, row_limit)


async def _after_refresh(context: Context, portal: Portal, row_limit: int) -> None:
    await context.transaction.refresh()
    work = _execute(context, portal, row_limit)
    if work is not None:
        await work


def _execute(context: Context, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    plan, access = portal.prepared.plan, context.services.access
    if access is not None and rights.refusal(access.known.get(context.transaction.role), plan) is not None:
        return _run_if_permitted(context, portal, row_limit)
    return _run(context, portal, row_limit)


async def _run_if_permitted(context: Context, portal: Portal, row_limit: int) -> None:
    await rights.ensure(context.services.access, context.transaction.role, portal.prepared.plan)
    work = _run(context, portal, row_limit)
    if work is not None:
        await work


def _run(context: Context, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    plan = portal.prepared.plan
    refuse_writing(plan, read_only=context.transaction.known.read_only)
    match plan:
        case PointPlan() | ModelPlan() | ExplainPlan():
            return rows.run(context, plan, portal, row_limit)
        case StreamInsertPlan():
            return insert.run(context, plan, portal)
        case DeployPlan():
            return deploy.run(context, plan, portal)
        case RewrittenPlan():
            return rewritten.run(context, plan, portal, row_limit)
        case ShowPlan():
            return show.run(context, plan, portal, row_limit)
        case LocalPlan() | RelayPlan():
            raise AssertionError("it is answered elsewhere")
        case _:
            assert_never(plan)
