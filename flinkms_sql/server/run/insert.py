"""INSERT INTO a stream: its rows are computed now, and wait for the end of the transaction.

Must not know when that is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.query.plan import StreamInsertPlan
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Portal
from flinkms_sql.server.run.evaluation import columns_of, then
from udfs.block import Column


def run(context: Context, plan: StreamInsertPlan, portal: Portal) -> Awaitable[None] | None:
    """Compute the rows of an INSERT and keep them until the transaction commits. Raises FlinkmsError."""
    if context.services.streams is None:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "there is no warehouse to insert into")

    def keep(columns: Sequence[Column]) -> None:
        count = context.transaction.pending.add(plan.table, columns)
        context.outbox.send(m.CommandComplete(tag=f"INSERT 0 {count}"))

    return then(context, columns_of(context, plan.source, portal.values), keep)
