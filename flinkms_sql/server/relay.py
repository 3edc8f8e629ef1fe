"""The relational route: a session's statements to a PostgreSQL backend of its own, and their answers back.

Must not know plans. A link is opened when it is first needed, with the settings and the transaction block the session
has by then; from that moment on PostgreSQL is the one that knows about transactions.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import backend
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.server.dialing import open_link
from flinkms_sql.server.link import Link, Ticket

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session

SET_CONFIG = "SELECT pg_catalog.set_config($1, $2, $3)"
_ABORT_PORTAL = "a statement of this transaction failed in the frontend"
"""Executing a portal that does not exist is an error, and an error is how a transaction is aborted."""


async def ensure_link(session: Session) -> Link:
    """The session's link, opened now if it has none. Raises FlinkmsError when it cannot be."""
    if session.link is not None:
        return session.link
    address = session.frontend.services.backend
    if address is None:
        raise FlinkmsError(errors.CONNECTION_FAILURE, "there is no control database to run this statement")
    control = session.control
    if control.status == "failed":
        raise aborted()
    link = await open_link(address, control.settings_before(), session)
    if control.begin_text is not None and control.status == "transaction":
        await link.call([m.Query(text=control.begin_text)], sync=False)
        for change in control.changes:
            value = change.value if change.value is not None else control.shown(change.name)
            if value is not None:  # else it is back to a default that the backend has anyway
                await set_config(link, change.name, value, change.local)
    control.handed_over()
    session.link = link
    return link


async def set_config(link: Link, name: str, value: str, local: bool) -> None:
    """SET by function, so that no text is made of values."""
    values = (name.encode(), value.encode(), b"t" if local else b"f")
    await link.call(
        [m.Parse(statement="", text=SET_CONFIG, oids=(25, 25, 16)), m.Bind(values=values), m.Execute()], sync=True
    )


def aborted() -> FlinkmsError:
    """The error for every statement but the end of an aborted transaction."""
    return FlinkmsError(
        errors.IN_FAILED_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )


def forward(session: Session, frame: Frame) -> Awaitable[None] | None:
    """Pass a request on as it came; the session goes on to the next one without waiting for the answer."""
    if session.link is None:
        return _forward_later(session, frame)
    session.link.forward(frame, Ticket(delivers=True))
    return None


async def _forward_later(session: Session, frame: Frame) -> None:
    link = await ensure_link(session)
    link.forward(frame, Ticket(delivers=True))


def forward_copy(link: Link, frame: Frame) -> None:
    """Pass on a piece of COPY data, its end or its failure."""
    link.forward(frame, Ticket(delivers=True))


async def run_text(session: Session, text: str) -> None:
    """Run one statement of a text of several as a Query of its own; answers go to the client. Raises FlinkmsError."""
    link = await ensure_link(session)
    ticket = Ticket(delivers=True, hides=b"ZE", awaited=True)
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
    loud = _send_execute(link, name, row_limit)
    link.send(m.Close(target="statement", name=name), quiet[2])
    link.flush()
    await link.finished([*quiet, loud])
    return name if loud.last == b"s" else None


def _check_columns(frames: list[Frame], told: tuple[m.Field, ...]) -> None:
    now: tuple[m.Field, ...] = ()
    for frame in frames:
        if frame.kind == b"T":
            described = backend.decode(frame)
            assert isinstance(described, m.RowDescription)
            now = described.fields
    if [(field.name, field.oid) for field in now] != [(field.name, field.oid) for field in told]:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "cached plan must not change result type")


async def go_on(link: Link, portal: str, row_limit: int) -> None:
    """Send the client further rows of a portal. Raises FlinkmsError."""
    loud = _send_execute(link, portal, row_limit)
    link.flush()
    await link.finished([loud])


def _send_execute(link: Link, portal: str, row_limit: int) -> Ticket:
    ticket = Ticket(delivers=True, hides=b"E", awaited=True)
    link.send(m.Execute(portal=portal, row_limit=row_limit), ticket)
    return ticket


async def run_quietly(link: Link, text: str) -> str:
    """Run a statement without rows and tell nobody but the caller; its command tag. Raises FlinkmsError."""
    answers = await link.call([m.Query(text=text)], sync=False)
    return _tag(answers)


def _tag(answers: list[Frame]) -> str:
    for frame in answers:
        if frame.kind == b"C":
            complete = backend.decode(frame)
            assert isinstance(complete, m.CommandComplete)
            return complete.tag
    return ""


def needs_abort(link: Link) -> bool:
    """Whether something on the link would be committed though a statement of the frontend's failed."""
    return link.status == "transaction" or (link.series_open and link.status == "idle")


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
