"""Statements the engine answers by itself: their rows, in portions where they are many.

Must not know protocols: Execute's row limit is all it sees of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, Sequence

import numpy as np

from flinkms_sql import errors
from flinkms_sql.engine.execute import Steps
from flinkms_sql.engine.explain import explain
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.columns import data_rows
from flinkms_sql.query.nodes import Predict, Single
from flinkms_sql.query.plan import ExplainPlan, ModelPlan, PointPlan
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Answer, Portal
from flinkms_sql.server.run.evaluation import columns_of, then
from flinkms_sql.server.settings import ROWS_PER_WRITE
from flinkms_sql.types import SqlType
from udfs.block import Column


def run(context: Context, plan: PointPlan | ModelPlan | ExplainPlan, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    """Compute the rows unless that is done, and send up to ``row_limit`` of them (0: all). Raises FlinkmsError."""
    if context.transaction.unrenderable:
        _check_formats(context.transaction.unrenderable, plan, portal)
    if portal.answer is not None:
        return send_answer(context, portal, row_limit)

    def send(answer: Answer) -> Awaitable[None] | None:
        portal.answer = answer
        return send_answer(context, portal, row_limit)

    return then(context, compute(context, plan, portal.values), send)


def _check_formats(unrenderable: Mapping[SqlType, str], plan: PointPlan | ModelPlan | ExplainPlan, portal: Portal) -> None:
    """Raise 0A000 where a column's text would have to follow a setting that only PostgreSQL follows."""
    for column, code in zip(plan.columns, portal.result_formats, strict=True):
        if code == 0 and column.type in unrenderable:
            setting = unrenderable[column.type]
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                f"the value of {setting} is not supported for results of models of type {column.type.value.postgres}",
                hint=f"RESET {setting}, or ask for binary results.",
            )


def compute(context: Context, plan: PointPlan | ModelPlan | ExplainPlan, values: Sequence[object]) -> Steps[Answer]:
    """The rows of a statement the engine answers."""
    match plan:
        case PointPlan():
            columns = yield from columns_of(context, point_tree(plan), values)
        case ModelPlan():
            columns = yield from columns_of(context, plan.root, values)
        case ExplainPlan():
            columns = [(yield from _explained(context, plan, values))]
    return Answer(columns, [column.type for column in plan.columns])


def point_tree(plan: PointPlan) -> Predict:
    """A point prediction as a tree of one row."""
    return Predict(input=Single(), model=plan.model, arguments=plan.arguments, column=plan.column)


def _explained(context: Context, plan: ExplainPlan, values: Sequence[object]) -> Steps[Column]:
    lines = explain(plan, context.services.registry, as_of=context.transaction.as_of)
    if plan.analyze:
        if not isinstance(plan.inner, PointPlan | ModelPlan):
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, "EXPLAIN ANALYZE is for statements of the model route only"
            )
        started = time.perf_counter()
        answer = yield from compute(context, plan.inner, values)
        spent_ms = (time.perf_counter() - started) * 1e3
        lines = [*lines, f"  rows: {answer.rows}", f"  execution time: {spent_ms:.3f} ms"]
    texts = np.empty(len(lines), dtype=object)
    texts[:] = lines
    return Column(texts)


def send_answer(context: Context, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    """Send up to ``row_limit`` rows (0: all); at once when they are few."""
    answer = portal.answer
    assert answer is not None
    left = answer.rows - answer.sent
    count = min(left, row_limit) if row_limit else left
    if count > ROWS_PER_WRITE:
        return _send_many(context, portal, answer, count, suspends=bool(row_limit) and count == row_limit)
    _send_part(context, portal, answer, count)
    # PostgreSQL suspends whenever the limit is reached, even when nothing is left.
    _send_end(context, count, suspends=bool(row_limit) and count == row_limit)
    return None


async def _send_many(context: Context, portal: Portal, answer: Answer, count: int, *, suspends: bool) -> None:
    context.interrupts.allow(context.transaction.known.timeout_s)
    sent = 0
    while sent < count:
        part = min(ROWS_PER_WRITE, count - sent)
        _send_part(context, portal, answer, part)
        sent += part
        await context.outbox.drained()
        await context.outbox.yield_turn()
    _send_end(context, count, suspends=suspends)


def _send_part(context: Context, portal: Portal, answer: Answer, count: int) -> None:
    if count == 0:
        return
    columns = [
        (column.part(answer.sent, answer.sent + count), sql_type, code)
        for column, sql_type, code in zip(answer.columns, answer.types, portal.result_formats, strict=True)
    ]
    context.outbox.send_rows(data_rows(columns, context.transaction.zone))
    answer.sent += count


def _send_end(context: Context, count: int, *, suspends: bool) -> None:
    if suspends:
        context.outbox.send(m.PortalSuspended())
    else:
        context.outbox.send(m.CommandComplete(tag=f"SELECT {count}"))
