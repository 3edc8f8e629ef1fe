"""The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.

Must not know how a plan is run. Each request goes to one of two places: PostgreSQL, as the bytes it came in, without
waiting; or here, when everything before it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.wire import ProtocolError
from flinkms_sql.query.plan import JoinPlan, Plan, RelayPlan
from flinkms_sql.server import execution, joins, relay
from flinkms_sql.server.joins import Described
from flinkms_sql.server.statements import (
    Portal,
    Prepared,
    bound_values,
    deallocated_name,
    parameter_oids,
    result_formats,
    undefined_portal,
    undefined_statement,
)

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session


def handle(session: Session, message: m.FrontendMessage, frame: Frame) -> Awaitable[None] | None:
    """One request of the extended protocol; see ``Session._handle``."""
    match message:
        case m.Parse():
            return _parse(session, message, frame)
        case m.Bind():
            if message.statement in session.statements:
                return session.in_order(lambda: _bind(session, message))
            return _relay(session, frame, undefined_statement(message.statement), forgets_portal=message.portal)
        case m.Describe(target="statement"):
            if message.name in session.statements:
                return session.in_order(lambda: _describe_statement(session, message.name))
            return _relay(session, frame, undefined_statement(message.name))
        case m.Describe():
            if message.name in session.portals:
                return session.in_order(lambda: _describe_portal(session, message.name))
            return _relay(session, frame, undefined_portal(message.name))
        case m.Execute():
            if message.portal in session.portals:
                return session.in_order(lambda: _execute(session, message))
            return _relay(session, frame, undefined_portal(message.portal))
        case m.Close():
            return _close(session, message, frame)
        case m.Flush():
            if session.link is not None and session.link.series_open:
                session.link.flush()
            session.flush()
            return None
        case m.Sync():
            return _sync(session, frame)
    raise ProtocolError(f"unexpected {type(message).__name__} message")


def _relay(
    session: Session, frame: Frame, otherwise: FlinkmsError, *, forgets_portal: str | None = None
) -> Awaitable[None] | None:
    """To PostgreSQL; without a link, nothing that is not known here exists."""
    if session.link is None:
        raise otherwise
    if forgets_portal is not None:
        session.portals.pop(forgets_portal, None)
    return relay.forward(session, frame)


def _parse(session: Session, message: m.Parse, frame: Frame) -> Awaitable[None] | None:
    try:
        plan = session.plan(message.text, message.oids)
    except FlinkmsError as error:
        raised = error
        return session.in_order(lambda: _raise(session, raised))
    if isinstance(plan, RelayPlan) and not _is_local_deallocate(session, message.text):
        if message.statement == "":
            session.statements.pop("", None)
        elif message.statement in session.statements:
            return session.in_order(lambda: _raise(session, _duplicate(message.statement)))
        return relay.forward(session, frame)
    return session.in_order(lambda: _parse_here(session, message, plan))


def _raise(session: Session, error: FlinkmsError) -> None:
    if session.status == "failed":
        raise relay.aborted()
    raise error


def _is_local_deallocate(session: Session, text: str) -> bool:
    return deallocated_name(text) in session.statements


def _parse_here(session: Session, message: m.Parse, plan: Plan) -> Awaitable[None] | None:
    execution.allowed(session, plan)
    if message.statement and message.statement in session.statements:
        raise _duplicate(message.statement)
    if isinstance(plan, JoinPlan):
        return _parse_join(session, message, plan)
    _keep(session, message, plan, parameter_oids(plan, message.oids), None)
    return None


async def _parse_join(session: Session, message: m.Parse, plan: JoinPlan) -> None:
    described = await joins.describe_join(session, plan, message.oids)
    _keep(session, message, plan, described.oids[: len(plan.parameter_types)], described)


def _keep(session: Session, message: m.Parse, plan: Plan, oids: tuple[int, ...], described: Described | None) -> None:
    session.statements[message.statement] = Prepared(
        name=message.statement,
        text=message.text,
        plan=plan,
        declared=message.oids,
        oids=oids,
        generation=session.generation,
        described=described,
    )
    session.send(m.ParseComplete())


def _duplicate(name: str) -> FlinkmsError:
    return FlinkmsError(errors.DUPLICATE_PREPARED_STATEMENT, f'prepared statement "{name}" already exists')


def _statement(session: Session, name: str) -> Prepared:
    """A statement as of the current catalog: it is planned anew when the catalog has changed."""
    prepared = session.statements.get(name)
    if prepared is None:  # deallocated by what was before it in the pipeline
        raise undefined_statement(name)
    if prepared.generation != session.generation:
        replan(session, prepared)
    return prepared


def replan(session: Session, prepared: Prepared) -> None:
    """Plan a statement anew. Raises FlinkmsError 0A000 when what the client was told of it no longer holds."""
    plan = session.plan(prepared.text, prepared.declared)
    if type(plan) is not type(prepared.plan) or (
        not isinstance(plan, JoinPlan)
        and (plan.columns != prepared.plan.columns or parameter_oids(plan, prepared.declared) != prepared.oids)
    ):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
    prepared.plan, prepared.generation = plan, session.generation


def _bind(session: Session, message: m.Bind) -> None:
    prepared = _statement(session, message.statement)
    execution.allowed(session, prepared.plan)
    if message.portal and message.portal in session.portals:
        raise FlinkmsError("42P03", f'portal "{message.portal}" already exists')
    # A join's values stay as they came: PostgreSQL takes them.
    values = bound_values(prepared, message, session.zone)
    session.portals[message.portal] = Portal(
        name=message.portal,
        prepared=prepared,
        values=values,
        raw=message,
        result_formats=result_formats(message, prepared.column_count),
    )
    session.send(m.BindComplete())


def _describe_statement(session: Session, name: str) -> None:
    prepared = _statement(session, name)
    session.send(m.ParameterDescription(oids=prepared.oids))
    codes = (0,) * prepared.column_count
    portal = Portal(name="", prepared=prepared, values=(), raw=m.Bind(), result_formats=codes)
    _send_description(session, portal)


def _describe_portal(session: Session, name: str) -> None:
    portal = session.portals.get(name)
    if portal is None:
        raise undefined_portal(name)
    _send_description(session, portal)


def _send_description(session: Session, portal: Portal) -> None:
    fields = execution.fields(session, portal)
    session.send(m.RowDescription(fields=fields) if fields else m.NoData())


def _execute(session: Session, message: m.Execute) -> Awaitable[None] | None:
    portal = session.portals.get(message.portal)
    if portal is None:
        raise undefined_portal(message.portal)
    name = deallocated_name(portal.prepared.text) if isinstance(portal.prepared.plan, RelayPlan) else None
    if name is not None:
        session.statements.pop(name, None)
        session.send(m.CommandComplete(tag="DEALLOCATE"))
        return None
    return execution.execute(session, portal, message.row_limit)


def _close(session: Session, message: m.Close, frame: Frame) -> Awaitable[None] | None:
    kept: dict[str, Prepared] | dict[str, Portal]
    kept = session.statements if message.target == "statement" else session.portals
    if message.name in kept or session.link is None:
        return session.in_order(lambda: _close_here(session, message))
    return relay.forward(session, frame)


def _close_here(session: Session, message: m.Close) -> None:
    # Closing what does not exist is no error (54.2.3).
    if message.target == "statement":
        session.statements.pop(message.name, None)
    else:
        session.portals.pop(message.name, None)
    session.send(m.CloseComplete())


def _sync(session: Session, frame: Frame) -> Awaitable[None] | None:
    link = session.link
    if session.inserts.waiting:
        return session.in_order(lambda: _sync_inserts(session, frame))
    if link is not None and link.series_open:
        return relay.forward(session, frame)
    return session.in_order(session.ready)


def _sync_inserts(session: Session, frame: Frame) -> Awaitable[None] | None:
    """End of a series with rows to append: now, when no block is open."""
    link = session.link
    if session.in_block:
        if link is not None and link.series_open:
            return relay.forward(session, frame)
        session.ready()
        return None
    return _append(session)


async def _append(session: Session) -> None:
    link = session.link
    if link is not None and link.series_open:
        await link.call([], sync=True)  # PostgreSQL first, for it is the one that may refuse
    await execution.commit_inserts(session)
    session.ready()
