"""The simple protocol: a text of statements, run one after the other until one fails.

Must not know how a plan is run. A text that is PostgreSQL's as a whole goes there as it came; one that is mixed is run
statement by statement, and is one transaction as far as it does not say otherwise, as it would have been there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.columns import describe
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.query.cache import TEXT_MAX
from flinkms_sql.query.lexer import StatementText, split
from flinkms_sql.query.plan import DeployPlan, LocalPlan, Plan, RelayPlan, RewrittenPlan, ShowPlan, StreamInsertPlan
from flinkms_sql.query.statements.statement import Begin, Commit, Rollback, SessionStatement, TransactionControl
from flinkms_sql.server import relay, replies
from flinkms_sql.server.ahead import LONG_CHARACTERS, moved, split_and_plan
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Described, Portal, Prepared, deallocated_name
from flinkms_sql.server.route import Route, View, is_ours, route
from flinkms_sql.server.run import rewritten
from flinkms_sql.server.run.execute import execute
from flinkms_sql.server.transaction import aborted


def query(context: Context, text: str, frame: Frame) -> Awaitable[None] | None:
    """Answer a Query, ReadyForQuery included, once all before it is answered. Raises FlinkmsError."""
    context.names.begin_query()
    context.interrupts.begin()
    if len(text) > LONG_CHARACTERS or context.naming.unsure(text):
        return _long(context, text, frame)
    return _query(context, split(text), frame)


async def _long(context: Context, text: str, frame: Frame) -> None:
    """A text that takes long to read, while others go on, or about which PostgreSQL is asked first."""
    try:
        await context.refresh(text)
        statements = await _planned_ahead(context, text)
        work = _query(context, statements, frame)
        if work is not None:
            await work
    finally:
        context.ahead.clear()


async def _planned_ahead(context: Context, text: str) -> list[StatementText]:
    if len(text) <= TEXT_MAX:  # its plans may be kept
        statements = split(text)
        if len(text) > LONG_CHARACTERS:
            await context.plan_all_ahead([(statement.text, ()) for statement in statements])
        return statements
    statements, ahead = await context.make_apart(partial(split_and_plan, text, context.naming.catalog()))
    context.have_ahead(ahead)
    return statements


def _query(context: Context, statements: list[StatementText], frame: Frame) -> Awaitable[None] | None:
    if len(statements) == 1:
        return _single(context, statements[0], frame)
    if not statements:
        context.outbox.send(m.EmptyQueryResponse())
        ready(context)
        return None
    plans = [_plan_if_possible(context, statement) for statement in statements]
    if _goes_whole(context, statements, plans):
        return relay.forward_text(context.transaction, frame, [session_statement(plan) for plan in plans])
    return _several(context, statements, implicit=not any(isinstance(plan, DeployPlan) for plan in plans))


def ready(context: Context) -> None:
    """End of a text or a series: say so, and forget the portals that end with it."""
    status = context.transaction.status
    context.transaction.end_implicit()
    if status == "idle":
        context.names.portals.clear()
    context.outbox.send(m.ReadyForQuery(status=status))


def session_statement(plan: Plan | None) -> SessionStatement | None:
    """What ``Transaction.note`` wants to know of a plan."""
    return plan.statement if isinstance(plan, LocalPlan) else None


def _plan(context: Context, statement: StatementText) -> tuple[Plan, tuple[object, ...]]:
    """The plan of a statement; errors point into the whole text."""
    try:
        planned = context.plan_simple(statement.text)
    except FlinkmsError as error:
        if context.transaction.status == "failed":
            raise aborted() from None
        raise moved(error, statement.offset) from None
    return planned.plan, planned.values


def _plan_if_possible(context: Context, statement: StatementText) -> Plan | None:
    """The plan of a statement, or None where it may only be right once those before it have run."""
    try:
        return _plan(context, statement)[0]
    except FlinkmsError:
        return None


# ---- one statement ----


def _single(context: Context, statement: StatementText, frame: Frame) -> Awaitable[None] | None:
    plan, values = _plan(context, statement)
    way = route(plan, statement.text, context.view())
    if way is Route.RAW:
        return relay.forward_text(context.transaction, frame, [session_statement(plan)])
    if isinstance(plan, StreamInsertPlan):
        context.outbox.hold()
    work = _run(context, statement.text, plan, values, way)
    transaction = context.transaction
    if work is None and not transaction.pending.waiting and not _series_open(context):
        ready(context)
        return None
    return _finish(context, work)


def _series_open(context: Context) -> bool:
    return context.transaction.link is not None and context.transaction.link.series_open


async def _finish(context: Context, work: Awaitable[None] | None) -> None:
    if work is not None:
        await work
    await _end(context)


async def _end(context: Context) -> None:
    """End of the text: what PostgreSQL has not been told to finish, and what is to be appended."""
    transaction = context.transaction
    await relay.end_series(transaction.link)
    transaction.commit_implicit()
    await transaction.append(context.services.streams)
    context.outbox.release()
    ready(context)


def _run(
    context: Context, text: str, plan: Plan, values: tuple[object, ...], way: Route
) -> Awaitable[None] | None:
    """One statement that is not relayed as it came: rows and their description, CommandComplete, nothing behind it."""
    if way is Route.TEXT:
        return relay.run_text(context.transaction, text, session_statement(plan))
    match plan:
        case RelayPlan():
            return _answer_relay(context, text)
        case RewrittenPlan():
            return _rewritten(context, text, plan)
    if plan.columns:
        fields = tuple(describe(column.name, column.type) for column in plan.columns)
        context.outbox.send(m.RowDescription(fields=fields))
    return execute(context, _portal(context, text, plan, values, None), 0)


def _answer_relay(context: Context, text: str) -> None:
    """A statement of PostgreSQL's that is about what is kept here, or that it need not be asked."""
    name = deallocated_name(text)
    if name in context.names.statements:
        del context.names.statements[name]
        context.transaction.unreserve(name)
        context.outbox.send(m.CommandComplete(tag="DEALLOCATE"))
        return
    reply = replies.without_backend(text)
    assert reply is not None
    context.outbox.send(m.RowDescription(fields=(reply.field,)))
    context.outbox.send(m.DataRow(values=(reply.value,)))
    context.outbox.send(m.CommandComplete(tag="SELECT 1"))


def _portal(
    context: Context, text: str, plan: Plan, values: tuple[object, ...], described: Described | None
) -> Portal:
    prepared = Prepared(
        name="", text=text, plan=plan, declared=(), oids=(), key=context.key, described=described
    )
    codes = (0,) * prepared.column_count
    return Portal(name="", prepared=prepared, values=values, raw=m.Bind(), result_formats=codes)


async def _rewritten(context: Context, text: str, plan: RewrittenPlan) -> None:
    described = await rewritten.describe(context, plan, ())
    if described.fields:
        context.outbox.send(m.RowDescription(fields=described.fields))
    work = execute(context, _portal(context, text, plan, (), described), 0)
    if work is not None:
        await work


# ---- several statements ----


def _goes_whole(context: Context, statements: list[StatementText], plans: list[Plan | None]) -> bool:
    """Whether PostgreSQL can run the whole text. Without a link it does only if it is needed."""
    view, needed = context.view(several=True), context.transaction.link is not None
    if view.pending or (view.status == "failed" and not view.linked):  # a failed block is not handed over: it ends here
        return False
    for statement, plan in zip(statements, plans, strict=True):
        if not isinstance(plan, RelayPlan | LocalPlan) or is_ours_to_run(plan, statement.text, context):
            return False
        try:
            needed = route(plan, statement.text, view) is Route.TEXT or needed
        except FlinkmsError:
            return False
        view = _after(view, session_statement(plan))
    return needed


def _after(view: View, statement: SessionStatement | None) -> View:
    """What a session is in when a statement has been run."""
    match statement:
        case Begin() | Commit(chain=True) | Rollback(chain=True):
            return replace(view, status="transaction")
        case Commit() | Rollback():
            return replace(view, status="idle")
    return view


def is_ours_to_run(plan: RelayPlan | LocalPlan, text: str, context: Context) -> bool:
    """Whether a statement that PostgreSQL would take is about what only the frontend knows."""
    if isinstance(plan, LocalPlan):
        return is_ours(plan.statement)
    return deallocated_name(text) in context.names.statements


async def _several(context: Context, statements: list[StatementText], *, implicit: bool) -> None:
    """Run a mixed text. ``implicit``: outside of a block it is one transaction; else each statement is one."""
    transaction, done = context.transaction, False
    transaction.implicit = implicit
    try:
        for statement in statements:
            if implicit and transaction.link is None:
                transaction.local.begin_implicit()
            if implicit and statement is statements[-1]:
                context.outbox.hold()
            await _one_of_several(context, statement)
            context.interrupts.statement_done()
            if not implicit:
                await relay.end_series(transaction.link)
                transaction.commit_implicit()
                await transaction.append(context.services.streams)
            await context.outbox.drained()
            await _turn(context)
        done = True
    finally:
        await _end_implicit(context, commits=done)
    await _end(context)


async def _turn(context: Context) -> None:
    """Between two statements others have their turn, and the client may end the text."""
    context.interrupts.allow(0.0)
    await context.outbox.yield_turn()
    context.interrupts.statement_done()


async def _one_of_several(context: Context, statement: StatementText) -> None:
    transaction = context.transaction
    context.interrupts.begin()
    if context.naming.unsure(statement.text):
        await context.refresh(statement.text)
    if context.ahead and context.ahead[0].key != context.key and len(statement.text) > LONG_CHARACTERS:
        await context.plan_ahead(statement.text, ())
    plan, values = _plan(context, statement)
    way = route(plan, statement.text, context.view(several=transaction.implicit))
    asks = way is not Route.HERE or isinstance(plan, RewrittenPlan | ShowPlan)
    if asks and transaction.implicit and not transaction.in_block and not _controls(plan, pending=transaction.pending.waiting):
        await relay.begin_hidden(transaction)
        way = route(plan, statement.text, context.view(several=True))
    work = _run(context, statement.text, plan, values, Route.TEXT if way is Route.RAW else way)
    if work is not None:
        await work


def _controls(plan: Plan, *, pending: bool) -> bool:
    """Whether a statement is about the block itself, and no BEGIN of one that rows are already in."""
    if not isinstance(plan, LocalPlan) or not isinstance(plan.statement, TransactionControl):
        return False
    return not (pending and isinstance(plan.statement, Begin))


async def _end_implicit(context: Context, *, commits: bool) -> None:
    """What belongs to no block of the client's is committed, or is gone."""
    transaction = context.transaction
    transaction.implicit = False
    if transaction.hidden:
        await relay.end_series(transaction.link)
        await relay.end_hidden(transaction, commits=commits)
    if transaction.link is None and not transaction.in_block:
        for name, value in transaction.local.end(committed=commits, chain=False).items():
            context.outbox.send(m.ParameterStatus(name=name, value=value))
        transaction.set_here()
