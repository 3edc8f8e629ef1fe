"""The relational route: requests to PostgreSQL as they came or made here, and their answers back.

Must not know plans, nor the client. What changes the transaction is noted there, whichever way it went.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import server_messages
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.query.statements.statement import SessionStatement
from flinkms_sql.server.link import Link, Ticket
from flinkms_sql.server.transaction import Transaction

_ABORT_PORTAL = "a statement of this transaction failed in the frontend"
"""Executing a portal that does not exist is an error, and an error is how a transaction is aborted."""


def forward(transaction: Transaction, frame: Frame) -> Awaitable[None] | None:
    """Pass a request on as it came; the session goes on to the next one without waiting for the answer."""
    transaction.relayed(frame)
    return _forward(transaction, frame, Ticket(delivers=True))


def forward_text(
    transaction: Transaction, frame: Frame, statements: Iterable[SessionStatement | None]
) -> Awaitable[None] | None:
    """Pass a Query on as it came: each of its statements is noted as PostgreSQL completes it."""
    transaction.relayed(frame)
    return _forward(transaction, frame, Ticket(delivers=True, completed=_noting(transaction, statements)))


def _noting(transaction: Transaction, statements: Iterable[SessionStatement | None]) -> Callable[[str], None]:
    left = iter(statements)
    return lambda tag: transaction.note(next(left, None), tag)


def _forward(transaction: Transaction, frame: Frame, ticket: Ticket) -> Awaitable[None] | None:
    if transaction.link is None:
        return _forward_later(transaction, frame, ticket)
    transaction.link.forward(frame, ticket)
    return None


async def _forward_later(transaction: Transaction, frame: Frame, ticket: Ticket) -> None:
    (await transaction.connect()).forward(frame, ticket)


async def run_text(transaction: Transaction, text: str, statement: SessionStatement | None) -> None:
    """Run one statement as a Query of its own; all answers but its end go to the client. Raises FlinkmsError."""
    link = await transaction.connect()
    transaction.ran()
    ticket = Ticket(delivers=True, hides=b"ZE", awaited=True, completed=_noting(transaction, (statement,)))
    link.send(m.Query(text=text), ticket)
    await link.finished([ticket])


async def run_statement(
    link: Link,
    *,
    text: str,
    oids: tuple[int, ...],
    bind: m.Bind,
    row_limit: int,
    fields: tuple[m.Field, ...] | None = None,
    completed: Callable[[str], None] | None = None,
) -> str | None:
    """Run one statement of the extended protocol within the open series; its rows and end go to the client.

    ``bind`` gives values and formats; names are ours; ``fields`` are what the client was told of the columns. The name
    of its portal when the row limit was reached, to ``go_on`` with. Raises FlinkmsError when PostgreSQL refuses it,
    0A000 when it gives other columns by now.
    """
    name = link.new_name()
    parse = m.Parse(statement=name, text=text, oids=oids)
    quiet = [Ticket(delivers=False, awaited=True) for _ in range(3)]
    if fields is None:
        link.send(parse, quiet[0])
    else:
        _check_columns(await link.call([parse, m.Describe(target="statement", name=name)], sync=False), fields)
        quiet[0].finish()
    link.send(replace(bind, portal=name, statement=name), quiet[1])
    loud = _send_execute(link, name, row_limit, completed)
    link.send(m.Close(target="statement", name=name), quiet[2])
    link.flush()
    await link.finished([*quiet, loud])
    return name if loud.last == b"s" else None


def _check_columns(frames: list[Frame], told: tuple[m.Field, ...]) -> None:
    now: tuple[m.Field, ...] = ()
    for frame in frames:
        if frame.kind == b"T":
            described = server_messages.decode(frame)
            assert isinstance(described, m.RowDescription)
            now = described.fields
    if [(field.name, field.oid) for field in now] != [(field.name, field.oid) for field in told]:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "cached plan must not change result type")


async def go_on(link: Link, portal: str, row_limit: int) -> None:
    """Send the client further rows of a portal. Raises FlinkmsError."""
    loud = _send_execute(link, portal, row_limit, None)
    link.flush()
    await link.finished([loud])


def _send_execute(link: Link, portal: str, row_limit: int, completed: Callable[[str], None] | None) -> Ticket:
    ticket = Ticket(delivers=True, hides=b"E", awaited=True, completed=completed)
    link.send(m.Execute(portal=portal, row_limit=row_limit), ticket)
    return ticket


async def run_quietly(link: Link, text: str, completed: Callable[[str], None] | None = None) -> None:
    """Run a statement without rows; nobody but ``completed`` is told its command tag. Raises FlinkmsError."""
    ticket = Ticket(delivers=False, awaited=True, completed=completed)
    link.send(m.Query(text=text), ticket)
    await link.finished([ticket])


async def end_series(link: Link | None) -> None:
    """Have PostgreSQL end what we have opened there, or the client before. Raises FlinkmsError when it cannot commit."""
    if link is not None and link.series_open:
        await link.call([], sync=True)


# ---- aborting ----


def to_abort(transaction: Transaction) -> Link | None:
    """The link, when something on it would be committed though a statement of the frontend's has failed."""
    link = transaction.link
    if link is None or transaction.status == "failed":
        return None
    return link if link.series_open or link.status == "transaction" else None


def abort_series(link: Link) -> None:
    """Abort what is open on the link; the client's Sync will show it."""
    link.send(m.Execute(portal=_ABORT_PORTAL), Ticket(delivers=False))


async def abort_block(link: Link) -> None:
    """Abort the transaction block on the link, and wait until it is."""
    ticket = Ticket(delivers=False, awaited=True)
    link.send(m.Execute(portal=_ABORT_PORTAL), Ticket(delivers=False))
    link.send(m.Sync(), ticket)
    assert ticket.finished is not None
    await ticket.finished


# ---- a block the client does not see: of a text of several statements, of a statement in several steps ----


async def begin_hidden(transaction: Transaction, text: str = "BEGIN") -> None:
    """Open a block that the client does not see, on the link that is opened now if there is none."""
    link = await transaction.connect()
    if not transaction.hidden:
        transaction.hidden = True
        await run_quietly(link, text)


async def end_hidden(transaction: Transaction, *, commits: bool) -> None:
    """End the hidden block, if there is one. Raises FlinkmsError when it cannot commit."""
    if transaction.hidden and transaction.link is not None:
        await run_quietly(transaction.link, "COMMIT" if commits else "ROLLBACK")
        transaction.hidden = False
