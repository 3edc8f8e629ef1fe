"""SHOW MODELS and its like: queries of ours on the control database.

Must not know what they ask.
"""

from __future__ import annotations

from flinkms_sql import sqlfiles
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import oids
from flinkms_sql.query.plan import ShowPlan
from flinkms_sql.server import relay
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Portal


async def run(context: Context, plan: ShowPlan, portal: Portal, row_limit: int) -> None:
    """Run a query of ours on the control database; its rows go to the client. Raises FlinkmsError."""
    link = await context.transaction.connect()
    if portal.suspended is not None:
        await relay.go_on(link, portal.suspended, row_limit)
        return
    owns = link.status == "idle" and not link.series_open
    values = tuple(argument.encode() for argument in plan.arguments)
    portal.suspended = await relay.run_statement(
        link,
        text=sqlfiles.load(plan.query),
        oids=(oids.TEXT,) * len(values),
        bind=m.Bind(values=values, result_formats=portal.result_formats),
        row_limit=row_limit,
    )
    if owns and portal.suspended is None:
        await relay.end_series(link)
