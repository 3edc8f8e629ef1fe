"""INSERT INTO a stream: its rows are computed now, and wait for the end of the transaction.

Must not know when that is.
"""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.query.plan import StreamInsertPlan
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Portal
from flinkms_sql.server.run.evaluation import run_node


def run(context: Context, plan: StreamInsertPlan, portal: Portal) -> None:
    """Compute the rows of an INSERT and keep them until the transaction commits. Raises FlinkmsError."""
    if context.services.streams is None:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "there is no warehouse to insert into")
    columns = run_node(context, plan.source, portal.values)
    count = context.transaction.pending.add(plan.table, columns)
    context.outbox.send(m.CommandComplete(tag=f"INSERT 0 {count}"))
