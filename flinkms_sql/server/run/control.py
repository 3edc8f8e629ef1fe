"""Transaction control, settings and resets that are not simply relayed.

Must not know how the transaction keeps its state: it says what has happened (``Transaction.note``). A COMMIT of rows
for streams is answered when they are durable, after PostgreSQL, which is the one that may refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.query.plan import LocalPlan
from flinkms_sql.query.statements.statement import (
    Begin,
    CleanUp,
    Commit,
    Empty,
    Rollback,
    SessionStatement,
    SetParameter,
    ShowParameter,
)
from flinkms_sql.server import relay
from flinkms_sql.server.context import Context
from flinkms_sql.server.link import Link
from flinkms_sql.server.names import Portal
from flinkms_sql.server.route import Route, is_ours, route
from flinkms_sql.server.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a statement of the session's is answered with.

    tag:      of CommandComplete; "" for an empty statement.
    value:    the one text value of SHOW, or None.
    reported: settings to report, by ParameterStatus name.
    warning:  SQLSTATE and text of a notice, or None.
    """

    tag: str
    value: str | None = None
    reported: Mapping[str, str] = field(default_factory=dict)
    warning: tuple[str, str] | None = None


_ALREADY = (errors.ACTIVE_TRANSACTION, "there is already a transaction in progress")
_NONE = (errors.NO_ACTIVE_TRANSACTION, "there is no transaction in progress")
_NOT_LOCAL = (errors.NO_ACTIVE_TRANSACTION, "SET LOCAL can only be used in transaction blocks")


def run(context: Context, plan: LocalPlan, portal: Portal) -> Awaitable[None] | None:
    """Carry the statement out and answer it: everything but RowDescription. Raises FlinkmsError."""
    statement, text, link = plan.statement, portal.prepared.text, context.transaction.link
    if route(plan, text, context.view(several=context.transaction.implicit)) is not Route.HERE:
        return _relay(context, statement, portal)
    if link is None or is_ours(statement) or isinstance(statement, Empty):
        return _finish(context, _answer(context.transaction, statement, text))
    return _end_on_link(context, link, statement, text)


async def _relay(context: Context, statement: SessionStatement, portal: Portal) -> None:
    transaction, text = context.transaction, portal.prepared.text
    link = await transaction.connect()
    transaction.ran()
    await relay.run_statement(
        link, text=text, oids=(), bind=m.Bind(result_formats=portal.result_formats), row_limit=0,
        completed=lambda tag: transaction.note(statement, tag),
    )  # fmt: skip


def _finish(context: Context, answer: _Answer) -> Awaitable[None] | None:
    if context.transaction.pending.due:
        return _append(context, answer)
    _send(context, answer)
    return None


async def _append(context: Context, answer: _Answer) -> None:
    await context.transaction.append(context.services.streams)
    _send(context, answer)


def _send(context: Context, answer: _Answer) -> None:
    outbox = context.outbox
    if answer.warning is not None:
        sqlstate, message = answer.warning
        outbox.send(reports.notice(message, severity="WARNING", sqlstate=sqlstate))
    for name, value in answer.reported.items():
        outbox.send(m.ParameterStatus(name=name, value=value))
    if answer.value is not None:
        outbox.send(m.DataRow(values=(answer.value.encode(),)))
    outbox.send(m.CommandComplete(tag=answer.tag) if answer.tag else m.EmptyQueryResponse())


# ---- on the link, where the frontend has a part in it ----


async def _end_on_link(context: Context, link: Link, statement: SessionStatement, text: str) -> None:
    """COMMIT with rows that wait; BEGIN, COMMIT and ROLLBACK inside of a hidden block."""
    transaction, warning = context.transaction, None
    tags: list[str] = []
    if isinstance(statement, Begin):
        await transaction.adopt(link, statement)
        tags.append(statement.tag)
        transaction.note(statement, statement.tag)
    else:
        warning = _NONE if transaction.hidden else None
        # Noted before PostgreSQL says that it is ready: from then on nothing waits for a transaction any more.
        await relay.run_quietly(link, text, lambda tag: (tags.append(tag), transaction.note(statement, tag))[0])
    await transaction.append(context.services.streams)
    _send(context, _Answer(tag=tags[0], warning=warning))


# ---- without a link ----


def _answer(transaction: Transaction, statement: SessionStatement, text: str) -> _Answer:
    match statement:
        case Empty():
            return _Answer(tag="")
        case Begin():
            return _begin(transaction, statement, text)
        case Commit() | Rollback():
            return _end(transaction, statement)
        case SetParameter():
            return _set(transaction, statement)
        case ShowParameter():
            return _Answer(tag="SHOW", value=transaction.local.shown(statement.name) or "")
        case CleanUp():
            return _clean_up(transaction, statement)
    raise AssertionError(f"{statement} is PostgreSQL's")


def _begin(transaction: Transaction, statement: Begin, text: str) -> _Answer:
    if transaction.in_block:
        return _Answer(tag=statement.tag, warning=_ALREADY)
    transaction.local.begin(text, statement.modes)
    transaction.note(statement, statement.tag)
    return _Answer(tag=statement.tag)


def _end(transaction: Transaction, statement: Commit | Rollback) -> _Answer:
    committed = isinstance(statement, Commit) and transaction.status != "failed"
    tag = "COMMIT" if committed else "ROLLBACK"
    warning = None if transaction.in_block else _NONE
    reported = transaction.local.end(committed=committed, chain=statement.chain)
    transaction.note(statement, tag)
    transaction.set_here()
    return _Answer(tag=tag, reported=reported, warning=warning)


def _set(transaction: Transaction, statement: SetParameter) -> _Answer:
    if is_ours(statement):
        transaction.local.set_ours(statement)
        return _Answer(tag=statement.tag)
    if statement.local and not transaction.in_block:
        return _Answer(tag=statement.tag, warning=_NOT_LOCAL)
    transaction.local.begin_implicit()
    reported = transaction.local.set(statement)
    transaction.set_here()
    return _Answer(tag=statement.tag, reported=reported)


def _clean_up(transaction: Transaction, statement: CleanUp) -> _Answer:
    if statement.tag == "DISCARD ALL" and (transaction.in_block or transaction.implicit):
        raise FlinkmsError(errors.ACTIVE_TRANSACTION, "DISCARD ALL cannot run inside a transaction block")
    reported: Mapping[str, str] = {}
    if statement.tag in ("RESET", "DISCARD ALL"):
        transaction.local.begin_implicit()
        reported = transaction.local.reset()
    transaction.note(statement, statement.tag)
    transaction.set_here()
    return _Answer(tag=statement.tag, reported=reported)
