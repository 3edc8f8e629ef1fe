"""The simple protocol: a text of statements, run one after the other until one fails.

Must not know how a plan is run. A text that is PostgreSQL's as a whole goes there as it came; one that is mixed is run
statement by statement, and then what PostgreSQL runs of it is one transaction, as it would have been.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.columns import describe
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.query.lexer import StatementText, split
from flinkms_sql.query.plan import (
    DeployPlan,
    ExplainPlan,
    JoinPlan,
    LocalPlan,
    ModelPlan,
    Plan,
    PointPlan,
    RelayPlan,
    StreamInsertPlan,
)
from flinkms_sql.query.statements.statement import Begin, Commit, Empty, Rollback, Savepoint
from flinkms_sql.server import execution, joins, relay, replies
from flinkms_sql.server.statements import Portal, Prepared, deallocated_name

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session

_INSTANT = PointPlan | ModelPlan | ExplainPlan | StreamInsertPlan


def query(session: Session, message: m.Query, frame: Frame) -> Awaitable[None] | None:
    """Answer a Query, ReadyForQuery included. Raises FlinkmsError for what ``Session`` is to report."""
    session.portals.pop("", None)
    session.statements.pop("", None)
    return session.in_order(lambda: _query(session, message.text, frame))


def _query(session: Session, text: str, frame: Frame) -> Awaitable[None] | None:
    statements = split(text)
    if len(statements) == 1:
        return _single(session, statements[0], frame)
    if not statements:
        session.send(m.EmptyQueryResponse())
        session.ready()
        return None
    plans = _plans(session, statements)
    if _is_relational(session, statements, plans):
        return relay.forward(session, frame)
    return _several(session, statements, plans)


def _plan(session: Session, statement: StatementText) -> tuple[Plan, tuple[object, ...]]:
    """The plan of a statement; errors point into the whole text."""
    try:
        planned = session.plan_simple(statement.text)
    except FlinkmsError as error:
        if error.position is not None:
            error.position += statement.offset
        if session.status == "failed":
            raise relay.aborted() from None
        raise
    return planned.plan, planned.values


def _single(session: Session, statement: StatementText, frame: Frame) -> Awaitable[None] | None:
    plan, values = _plan(session, statement)
    if _goes_as_it_is(session, plan, statement.text):
        if session.link is None and (reply := replies.without_backend(statement.text)) is not None:
            execution.allowed(session, plan)
            replies.send(session, reply)
            session.ready()
            return None
        return relay.forward(session, frame)
    work = _run(session, statement.text, plan, values)
    if work is None and not session.inserts.waiting:
        session.ready()
        return None
    return _finish(session, work)


async def _finish(session: Session, work: Awaitable[None] | None) -> None:
    if work is not None:
        await work
    await _end(session)


async def _end(session: Session) -> None:
    """End of the text: what PostgreSQL has not been told to finish, and what is to be appended."""
    if session.link is not None and session.link.series_open:
        await session.link.call([], sync=True)
    if session.inserts.waiting and not session.in_block:
        await execution.commit_inserts(session)
    session.ready()


def _goes_as_it_is(session: Session, plan: Plan, text: str) -> bool:
    """Whether the bytes of the Query can be relayed."""
    if isinstance(plan, RelayPlan):
        return deallocated_name(text) not in session.statements
    if not isinstance(plan, LocalPlan) or isinstance(plan.statement, Empty) or session.inserts.waiting:
        return False
    return not _answered_here(session, plan) and not execution.changes_session(plan)


def _answered_here(session: Session, plan: LocalPlan) -> bool:
    control = session.control
    return control.accepts(plan.statement) and (session.link is None or control.is_ours(plan.statement))


def _run(session: Session, text: str, plan: Plan, values: tuple[object, ...]) -> Awaitable[None] | None:
    """One statement that is not relayed as it came: rows and their description, CommandComplete, nothing behind it."""
    execution.allowed(session, plan)
    match plan:
        case RelayPlan():
            name = deallocated_name(text)
            if name in session.statements:
                del session.statements[name]
                session.send(m.CommandComplete(tag="DEALLOCATE"))
                return None
            if session.link is None and (reply := replies.without_backend(text)) is not None:
                replies.send(session, reply)
                return None
            return _relay_text(session, text, plan)
        case LocalPlan() if not _answered_here(session, plan) and not execution.commits_inserts(session, plan):
            return _relay_text(session, text, plan)
        case JoinPlan():
            return _join(session, text, plan)
    if plan.columns:
        session.send(m.RowDescription(fields=tuple(describe(column.name, column.type) for column in plan.columns)))
    return execution.execute(session, _portal(session, text, plan, values, None), 0)


def _portal(
    session: Session, text: str, plan: Plan, values: tuple[object, ...], described: joins.Described | None
) -> Portal:
    prepared = Prepared(
        name="", text=text, plan=plan, declared=(), oids=(), generation=session.generation, described=described
    )
    codes = (0,) * prepared.column_count
    return Portal(name="", prepared=prepared, values=values, raw=m.Bind(), result_formats=codes)


async def _join(session: Session, text: str, plan: JoinPlan) -> None:
    described = await joins.describe_join(session, plan, ())
    if described.fields:
        session.send(m.RowDescription(fields=described.fields))
    await joins.run_join(session, plan, _portal(session, text, plan, (), described), 0)


async def _relay_text(session: Session, text: str, plan: Plan) -> None:
    """Run a statement on PostgreSQL as a Query of its own. Raises FlinkmsError when it fails there."""
    await relay.run_text(session, text)
    if isinstance(plan, LocalPlan):
        execution.control_relayed(session, plan)


def _plans(session: Session, statements: list[StatementText]) -> list[Plan | None]:
    """The plan of each statement, or None where it may only be right once those before it have run."""
    return [_plan_if_possible(session, statement) for statement in statements]


def _plan_if_possible(session: Session, statement: StatementText) -> Plan | None:
    try:
        return _plan(session, statement)[0]
    except FlinkmsError:
        return None


def _is_relational(session: Session, statements: list[StatementText], plans: list[Plan | None]) -> bool:
    """Whether PostgreSQL can run the whole text. Without a link it does only if it is needed."""
    if session.inserts.waiting or any(deallocated_name(one.text) in session.statements for one in statements):
        return False
    for plan in plans:
        if not isinstance(plan, RelayPlan | LocalPlan):
            return False
        if isinstance(plan, LocalPlan) and (session.control.is_ours(plan.statement) or execution.changes_session(plan)):
            return False
    if session.link is not None:
        return True
    return any(_needs_link(session, one.text, plan) for one, plan in zip(statements, plans, strict=True))


async def _several(session: Session, statements: list[StatementText], plans: list[Plan | None]) -> None:
    """Run a mixed text; outside of a transaction block it is one transaction of its own."""
    implicit = not session.in_block and _wants_block(plans)
    done = False
    try:
        for statement in statements:
            plan, values = _plan(session, statement)
            if implicit and session.status == "idle" and _needs_link(session, statement.text, plan):
                await relay.run_quietly(await relay.ensure_link(session), "BEGIN")
            work = _run(session, statement.text, plan, values)
            if work is not None:
                await work
            await session.drained()
        done = True
    finally:
        if implicit and session.in_block and session.link is not None:
            await relay.run_quietly(session.link, "COMMIT" if done else "ROLLBACK")
    await _end(session)


def _wants_block(plans: list[Plan | None]) -> bool:
    """Whether the text leaves transactions to us, and holds no statement that refuses to be in one."""
    return not any(
        isinstance(plan, DeployPlan)
        or (isinstance(plan, LocalPlan) and isinstance(plan.statement, Begin | Commit | Rollback | Savepoint))
        for plan in plans
    )


def _needs_link(session: Session, text: str, plan: Plan | None) -> bool:
    match plan:
        case LocalPlan():
            return not _answered_here(session, plan)
        case RelayPlan():
            return session.link is not None or replies.without_backend(text) is None
    return not isinstance(plan, _INSTANT)
