"""The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.

Must not know how a plan is run. Each request goes to one of two places: PostgreSQL, as the bytes it came in, without
waiting; or here, when everything before it is answered (``in_order``, which the session does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.wire import ProtocolError
from flinkms_sql.query.classify import is_load
from flinkms_sql.query.plan import Plan, RelayPlan, RewrittenPlan
from flinkms_sql.server import relay
from flinkms_sql.server.ahead import LONG_CHARACTERS
from flinkms_sql.server.binding import bound_values, parameter_oids, result_formats
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import (
    Described,
    Portal,
    Prepared,
    deallocated_name,
    duplicate_statement,
    may_end_transaction,
    undefined_portal,
    undefined_statement,
)
from flinkms_sql.server.route import Route, View, ended_out_of_sight, route
from flinkms_sql.server.run import rewritten
from flinkms_sql.server.run.execute import execute, fields
from flinkms_sql.server.simple import ready
from flinkms_sql.server.transaction import aborted

Work = Awaitable[None] | None
InOrder = Callable[[Callable[[], Work]], Work]
"""Acts when everything that was relayed before is answered."""


def handle(context: Context, message: m.ClientMessage, frame: Frame, in_order: InOrder) -> Work:
    """One request of the extended protocol. Raises FlinkmsError, and ProtocolError for a message that is none."""
    names = context.names
    match message:
        case m.Parse():
            if _takes_asking(context, message.text):
                return in_order(lambda: _parse_later(context, message, frame))
            return _parse(context, message, frame, in_order)
        case m.Bind():
            if message.statement in names.statements:
                return in_order(lambda: _replanned(context, message.statement, lambda: _bind(context, message)))
            return _relay_bind(context, message, frame)
        case m.Describe(target="statement"):
            if message.name in names.statements:
                return in_order(lambda: _replanned(context, message.name, lambda: _describe_statement(context, message.name)))
            return _relay(context, frame, undefined_statement(message.name))
        case m.Describe():
            if message.name in names.portals:
                return in_order(lambda: _describe_portal(context, message.name))
            return _relay(context, frame, undefined_portal(message.name))
        case m.Execute():
            if message.portal in names.portals:
                return in_order(lambda: _execute(context, message))
            return _relay(context, frame, undefined_portal(message.portal))
        case m.Close():
            return _close(context, message, frame, in_order)
        case m.Flush():
            link = context.transaction.link
            if link is not None and link.series_open:
                link.flush()
            context.outbox.flush()
            return None
        case m.Sync():
            return _sync(context, frame, in_order)
    raise ProtocolError(f"unexpected {type(message).__name__} message")


def _relay(context: Context, frame: Frame, otherwise: FlinkmsError) -> Work:
    """To PostgreSQL; without a link, nothing that is not known here exists."""
    if context.transaction.link is None:
        raise otherwise
    return relay.forward(context.transaction, frame)


def _relay_bind(context: Context, message: m.Bind, frame: Frame) -> Work:
    transaction = context.transaction
    if message.statement in context.names.calls and transaction.pending.waiting and not transaction.in_block:
        raise ended_out_of_sight()
    if transaction.link is not None:
        context.names.portals.pop(message.portal, None)
    return _relay(context, frame, undefined_statement(message.statement))


# ---- Parse ----


def _at_once(act: Callable[[], Work]) -> Work:
    """Everything before is answered."""
    return act()


def _takes_asking(context: Context, text: str) -> bool:
    """Whether a statement takes long to plan, or depends on what PostgreSQL says when all before is done."""
    if len(text) > LONG_CHARACTERS:
        return not is_load(text, context.naming.catalog()) or context.naming.unsure(text)
    return context.naming.unsure(text)


def _parse_later(context: Context, message: m.Parse, frame: Frame) -> Work:
    return _with_plan(context, message.text, message.oids, lambda: _parse(context, message, frame, _at_once))


async def _with_plan(context: Context, text: str, declared: tuple[int, ...], act: Callable[[], Work]) -> None:
    """Act on a statement that takes long to plan, while others go on, or about which PostgreSQL is asked first."""
    context.interrupts.begin()
    try:
        if len(text) > LONG_CHARACTERS:
            await context.plan_ahead(text, declared)
        else:
            await context.refresh(text)
        work = act()
        if work is not None:
            await work
    finally:
        context.ahead.clear()


def _replanned(context: Context, name: str, act: Callable[[], Work]) -> Work:
    """Act on a statement that is kept here, and that may have to be planned anew."""
    prepared = context.names.statements.get(name)
    if prepared is None or not (context.naming.unsure(prepared.text) or (
            prepared.key != context.key and len(prepared.text) > LONG_CHARACTERS)):  # fmt: skip
        return act()
    return _with_plan(context, prepared.text, prepared.declared, act)


def _parse(context: Context, message: m.Parse, frame: Frame, in_order: InOrder) -> Work:
    try:
        plan = context.plan(message.text, message.oids)
    except FlinkmsError as error:
        raised = error
        return in_order(lambda: _raise(context, raised))
    if isinstance(plan, RelayPlan) and not _is_about_names_here(context, message.text):
        return _relay_parse(context, message, frame)
    return in_order(lambda: _parse_here(context, message, plan))


def _is_about_names_here(context: Context, text: str) -> bool:
    """DEALLOCATE of a statement that is kept here; EXECUTE of one is refused there."""
    names = context.names.statements
    if not names:
        return False
    try:
        return route(RelayPlan(), text, context.view()) is Route.HERE and deallocated_name(text) in names
    except FlinkmsError:
        return True


def _relay_parse(context: Context, message: m.Parse, frame: Frame) -> Work:
    names = context.names
    if message.statement == "":
        names.statements.pop("", None)
    elif context.transaction.link is None and message.statement in names.statements:
        raise duplicate_statement(message.statement)  # with a link it is PostgreSQL that says so
    if may_end_transaction(message.text):
        names.calls.add(message.statement)
    else:
        names.calls.discard(message.statement)
    return relay.forward(context.transaction, frame)


def _raise(context: Context, error: FlinkmsError) -> None:
    if context.transaction.status == "failed":
        raise aborted()
    raise error


def _parse_here(context: Context, message: m.Parse, plan: Plan) -> Work:
    route(plan, message.text, _parsing(context))
    if message.statement and message.statement in context.names.statements:
        raise duplicate_statement(message.statement)
    if isinstance(plan, RewrittenPlan) or (message.statement and context.transaction.link is not None):
        return _parse_asking(context, message, plan)
    _keep(context, message, plan, parameter_oids(plan, message.oids), None)
    return None


def _parsing(context: Context) -> View:
    """To parse is not to execute: what the block's state forbids is said then, but in a failed one nothing is parsed."""
    return replace(context.view(), executes=False)


async def _parse_asking(context: Context, message: m.Parse, plan: Plan) -> None:
    """Keep a statement that PostgreSQL has to describe, or whose name it has to agree to."""
    described = await rewritten.describe(context, plan, message.oids) if isinstance(plan, RewrittenPlan) else None
    types = parameter_oids(plan, message.oids) if described is None else described.oids[: len(plan.parameter_types)]
    await context.transaction.reserve(message.statement)
    _keep(context, message, plan, types, described)


def _keep(context: Context, message: m.Parse, plan: Plan, oids: tuple[int, ...], described: Described | None) -> None:
    context.names.statements[message.statement] = Prepared(
        name=message.statement,
        text=message.text,
        plan=plan,
        declared=message.oids,
        oids=oids,
        key=context.key,
        described=described,
    )
    context.outbox.send(m.ParseComplete())


def _statement(context: Context, name: str) -> Prepared:
    """A statement as of the current catalog: it is planned anew when the catalog has changed."""
    prepared = context.names.statement(name)  # it may be gone by what was before in the pipeline
    if prepared.key != context.key:
        replan(context, prepared)
    return prepared


def replan(context: Context, prepared: Prepared) -> None:
    """Plan a statement anew. Raises FlinkmsError 0A000 when what the client was told of it no longer holds."""
    plan = context.plan(prepared.text, prepared.declared)
    if type(plan) is not type(prepared.plan) or (
        not isinstance(plan, RewrittenPlan)
        and (plan.columns != prepared.plan.columns or parameter_oids(plan, prepared.declared) != prepared.oids)
    ):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
    prepared.plan, prepared.key = plan, context.key


# ---- Bind, Describe, Execute, Close ----


def _bind(context: Context, message: m.Bind) -> None:
    prepared = _statement(context, message.statement)
    route(prepared.plan, prepared.text, _parsing(context))
    portals = context.names.portals
    if message.portal and message.portal in portals:
        raise FlinkmsError(errors.DUPLICATE_CURSOR, f'portal "{message.portal}" already exists')
    # Values of a rewritten statement stay as they came: PostgreSQL takes them.
    values = bound_values(prepared, message, context.transaction.zone)
    portals[message.portal] = Portal(
        name=message.portal,
        prepared=prepared,
        values=values,
        raw=message,
        result_formats=result_formats(message, prepared.column_count),
    )
    context.outbox.send(m.BindComplete())


def _describe_statement(context: Context, name: str) -> None:
    prepared = _statement(context, name)
    context.outbox.send(m.ParameterDescription(oids=prepared.oids))
    codes = (0,) * prepared.column_count
    _send_description(context, Portal(name="", prepared=prepared, values=(), raw=m.Bind(), result_formats=codes))


def _describe_portal(context: Context, name: str) -> None:
    _send_description(context, context.names.portal(name))


def _send_description(context: Context, portal: Portal) -> None:
    described = fields(portal)
    context.outbox.send(m.RowDescription(fields=described) if described else m.NoData())


def _execute(context: Context, message: m.Execute) -> Work:
    portal = context.names.portal(message.portal)
    prepared = portal.prepared
    context.interrupts.begin()
    route(prepared.plan, prepared.text, context.view())
    if isinstance(prepared.plan, RelayPlan):
        name = deallocated_name(prepared.text)
        if name is not None and context.names.statements.pop(name, None) is not None:
            context.transaction.unreserve(name)
        context.outbox.send(m.CommandComplete(tag="DEALLOCATE"))
        return None
    return execute(context, portal, message.row_limit)


def _close(context: Context, message: m.Close, frame: Frame, in_order: InOrder) -> Work:
    names = context.names
    kept = names.statements if message.target == "statement" else names.portals
    if message.name in kept or context.transaction.link is None:
        return in_order(lambda: _close_here(context, message))
    return relay.forward(context.transaction, frame)


def _close_here(context: Context, message: m.Close) -> None:
    # Closing what does not exist is no error (54.2.3).
    if message.target != "statement":
        context.names.portals.pop(message.name, None)
    elif context.names.statements.pop(message.name, None) is not None:
        context.transaction.unreserve(message.name)
    context.outbox.send(m.CloseComplete())


# ---- Sync ----


def _sync(context: Context, frame: Frame, in_order: InOrder) -> Work:
    transaction = context.transaction
    if transaction.pending.waiting or transaction.hidden:
        return in_order(lambda: _sync_waiting(context, frame))
    if transaction.link is not None and transaction.link.series_open:
        return relay.forward(transaction, frame)
    return in_order(lambda: ready(context))


def _sync_waiting(context: Context, frame: Frame) -> Work:
    """End of a series with rows to append: now, when no block is open."""
    transaction = context.transaction
    if not transaction.in_block or transaction.hidden:
        return _append(context)
    if transaction.link is not None and transaction.link.series_open:
        return relay.forward(transaction, frame)
    ready(context)
    return None


async def _append(context: Context) -> None:
    transaction = context.transaction
    await relay.end_series(transaction.link)  # PostgreSQL first, for it is the one that may refuse
    await relay.end_hidden(transaction, commits=True)
    transaction.commit_implicit()
    await transaction.append(context.services.streams)
    ready(context)
