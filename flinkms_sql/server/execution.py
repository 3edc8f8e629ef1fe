"""One statement that is not PostgreSQL's: run it and send its answer. One way for each kind of plan.

Must not know the difference between the simple and the extended protocol: it is given a portal and answers it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import assert_never

from flinkms_sql import errors
from flinkms_sql.engine.explain import explain
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.columns import data_rows, describe
from flinkms_sql.query.nodes import Predict, Single
from flinkms_sql.query.plan import (
    DeployPlan,
    ExplainPlan,
    JoinPlan,
    LocalPlan,
    ModelPlan,
    PointPlan,
    RelayPlan,
    ShowPlan,
    StreamInsertPlan,
)
from flinkms_sql.query.statements.statement import CleanUp, Commit, Rollback, Savepoint
from flinkms_sql.server import deploying, joins, relay
from flinkms_sql.server.evaluation import as_of, run_node
from flinkms_sql.server.settings import ROWS_PER_WRITE
from flinkms_sql.types import SqlType
from udfs.block import Column

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session
    from flinkms_sql.server.statements import Portal


@dataclass(slots=True)
class Answer:
    """Rows that are computed, and how many of them were sent."""

    columns: Sequence[Column]
    types: Sequence[SqlType]
    sent: int = 0

    @property
    def rows(self) -> int:
        return len(self.columns[0])


def allowed(session: Session, plan: object) -> None:
    """Raise 25P02 for what an aborted transaction does not run."""
    if session.status == "failed" and not (
        isinstance(plan, LocalPlan) and isinstance(plan.statement, Commit | Rollback | Savepoint)
    ):
        raise relay.aborted()


def fields(session: Session, portal: Portal) -> tuple[m.Field, ...]:
    """The columns of a portal's rows, in the formats asked for."""
    described = portal.prepared.described
    if described is not None:
        return joins.with_formats(described.fields, portal.result_formats)
    return tuple(
        describe(column.name, column.type, code)
        for column, code in zip(portal.prepared.plan.columns, portal.result_formats, strict=True)
    )


def execute(session: Session, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    """Run a portal, or go on with it, and send rows and CommandComplete. Raises FlinkmsError."""
    plan = portal.prepared.plan
    allowed(session, plan)
    match plan:
        case PointPlan() | ModelPlan() | ExplainPlan():
            if portal.answer is None:
                portal.answer = compute(session, plan, portal.values)
            return send_answer(session, portal, row_limit)
        case LocalPlan():
            return _control(session, plan, portal)
        case StreamInsertPlan():
            return insert(session, plan, portal.values)
        case DeployPlan():
            return deploying.run(session, plan, portal.result_formats)
        case JoinPlan():
            return joins.run_join(session, plan, portal, row_limit)
        case ShowPlan():
            return joins.run_show(session, plan, portal, row_limit)
        case RelayPlan():
            raise AssertionError("a relayed statement has no portal here")
        case _:
            assert_never(plan)


def compute(session: Session, plan: PointPlan | ModelPlan | ExplainPlan, values: Sequence[object]) -> Answer:
    """The rows of a statement the engine answers."""
    match plan:
        case PointPlan():
            columns = run_node(session, point_tree(plan), values)
        case ModelPlan():
            columns = run_node(session, plan.root, values)
        case ExplainPlan():
            columns = [_explained(session, plan, values)]
    return Answer(columns, [column.type for column in plan.columns])


def point_tree(plan: PointPlan) -> Predict:
    """A point prediction as a tree of one row."""
    return Predict(input=Single(), model=plan.model, arguments=plan.arguments, column=plan.column)


def _explained(session: Session, plan: ExplainPlan, values: Sequence[object]) -> Column:
    lines = explain(plan, session.frontend.services.registry, as_of=as_of(session))
    if plan.analyze:
        if not isinstance(plan.inner, PointPlan | ModelPlan):
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, "EXPLAIN ANALYZE is for statements of the model route only"
            )
        started = time.perf_counter()
        answer = compute(session, plan.inner, values)
        spent_ms = (time.perf_counter() - started) * 1e3
        lines = [*lines, f"  rows: {answer.rows}", f"  execution time: {spent_ms:.3f} ms"]
    texts = np.empty(len(lines), dtype=object)
    texts[:] = lines
    return Column(texts)


def send_answer(session: Session, portal: Portal, row_limit: int) -> Awaitable[None] | None:
    """Send up to ``row_limit`` rows (0: all); at once when they are few."""
    answer = portal.answer
    assert answer is not None
    left = answer.rows - answer.sent
    count = min(left, row_limit) if row_limit else left
    if count > ROWS_PER_WRITE:
        return _send_many(session, portal, answer, count, suspends=bool(row_limit) and count == row_limit)
    _send_part(session, portal, answer, count)
    # PostgreSQL suspends whenever the limit is reached, even when nothing is left.
    _send_end(session, count, suspends=bool(row_limit) and count == row_limit)
    return None


async def _send_many(session: Session, portal: Portal, answer: Answer, count: int, *, suspends: bool) -> None:
    session.cancellable = True
    sent = 0
    while sent < count:
        part = min(ROWS_PER_WRITE, count - sent)
        _send_part(session, portal, answer, part)
        sent += part
        await session.drained()
        await session.yield_turn()
    _send_end(session, count, suspends=suspends)


def _send_part(session: Session, portal: Portal, answer: Answer, count: int) -> None:
    if count == 0:
        return
    columns = [
        (_slice(column, answer.sent, answer.sent + count), sql_type, code)
        for column, sql_type, code in zip(answer.columns, answer.types, portal.result_formats, strict=True)
    ]
    session.send_rows(data_rows(columns, session.zone))
    answer.sent += count


def _send_end(session: Session, count: int, *, suspends: bool) -> None:
    if suspends:
        session.send(m.PortalSuspended())
    else:
        session.send(m.CommandComplete(tag=f"SELECT {count}"))


def _slice(column: Column, start: int, end: int) -> Column:
    if start == 0 and end == len(column):
        return column
    valid = None if column.valid is None else column.valid[start:end]
    if column.offsets is None:
        return Column(column.values[start:end], valid)
    first, last = column.offsets[start], column.offsets[end]
    return Column(column.values[first:last], valid, column.offsets[start : end + 1] - first)


# ---- INSERT INTO a stream ----


def insert(session: Session, plan: StreamInsertPlan, values: Sequence[object]) -> None:
    """Compute the rows of an INSERT and keep them until the transaction commits."""
    if session.frontend.services.streams is None:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "there is no warehouse to insert into")
    columns = run_node(session, plan.source, values)
    count = session.inserts.add(plan.table, columns)
    session.send(m.CommandComplete(tag=f"INSERT 0 {count}"))


async def commit_inserts(session: Session) -> None:
    """Append what the transaction has inserted; returns when it is durable."""
    streams = session.frontend.services.streams
    assert streams is not None
    await session.inserts.append(streams)


# ---- the session's own statements ----


def _control(session: Session, plan: LocalPlan, portal: Portal) -> Awaitable[None] | None:
    statement, text = plan.statement, portal.prepared.text
    if commits_inserts(session, plan):
        return _commit(session, plan, text)
    if session.control.accepts(statement) and (session.link is None or session.control.is_ours(statement)):
        answer_control(session, plan, text)
        return None
    return _relay_control(session, plan, portal)


async def _relay_control(session: Session, plan: LocalPlan, portal: Portal) -> None:
    link = await relay.ensure_link(session)
    await relay.run_statement(
        link, text=portal.prepared.text, oids=(), bind=m.Bind(result_formats=portal.result_formats), row_limit=0
    )
    control_relayed(session, plan)


async def _commit(session: Session, plan: LocalPlan, text: str) -> None:
    tag = await commit(session, plan, text)
    session.send(m.CommandComplete(tag=tag))


async def commit(session: Session, plan: LocalPlan, text: str) -> str:
    """COMMIT with rows to append: PostgreSQL first, for it is the one that may refuse. The command tag."""
    if session.link is None:
        tag = session.control.answer(plan.statement, text).tag
        await commit_inserts(session)
        return tag
    kept, session.inserts = session.inserts, type(session.inserts)()
    tag = await relay.run_quietly(session.link, text)
    session.inserts = kept
    if tag == "COMMIT":
        await commit_inserts(session)
    else:
        session.inserts.forget()
    return tag


def commits_inserts(session: Session, plan: LocalPlan) -> bool:
    """Whether a COMMIT has rows to append."""
    return isinstance(plan.statement, Commit) and session.inserts.waiting and session.status == "transaction"


def changes_session(plan: LocalPlan) -> bool:
    """Whether a statement changes more here than PostgreSQL would tell us of."""
    return isinstance(plan.statement, CleanUp) and plan.statement.tag in ("DISCARD ALL", "DEALLOCATE ALL", "RESET")


def answer_control(session: Session, plan: LocalPlan, text: str) -> None:
    """Answer a statement of the session's without PostgreSQL: everything but RowDescription."""
    answer = session.control.answer(plan.statement, text)
    control_relayed(session, plan)
    if answer.warning is not None:
        sqlstate, message = answer.warning
        session.send(reports.notice(message, severity="WARNING", sqlstate=sqlstate))
    for name, value in (answer.reported or {}).items():
        session.send(m.ParameterStatus(name=name, value=value))
    if answer.value is not None:
        session.send(m.DataRow(values=(answer.value.encode(),)))
    if answer.tag:
        session.send(m.CommandComplete(tag=answer.tag))
    else:
        session.send(m.EmptyQueryResponse())


def control_relayed(session: Session, plan: LocalPlan) -> None:
    """What a statement of the session's changes here, whoever has answered it."""
    match plan.statement:
        case Rollback():
            session.inserts.forget()
        case Savepoint(action="savepoint", name=name):
            session.inserts.savepoint(name)
        case Savepoint(action="rollback to", name=name):
            session.inserts.rollback_to(name)
        case CleanUp(tag="DISCARD ALL" | "DEALLOCATE ALL" as tag):
            session.statements.clear()
            if tag == "DISCARD ALL":
                session.control.ours.clear()
        case CleanUp(tag="RESET"):
            session.control.ours.clear()
