"""The transaction of a session, its settings, and its link to PostgreSQL or none: the one place that knows their state.

Must not know messages of the client, nor how a statement is run. Whoever has answered a statement of transaction
control, ``note`` is told of it with its command tag; whoever has failed, ``failed``; and what PostgreSQL says at the
end of each series (``ready``) overrules both. Rows of streams wait here for the end of their transaction.

While there is no link, settings and block are kept in ``local``; a link takes them over when it is opened, and from
then on PostgreSQL is asked for what it does not report (``refresh``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import tzinfo

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.address import parse_moment
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.rows import decode_rows
from flinkms_sql.query.statements.statement import (
    Begin,
    CleanUp,
    Commit,
    PrepareTransaction,
    Rollback,
    Savepoint,
    SessionStatement,
)
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.budget import Share
from flinkms_sql.server.dialing import open_link
from flinkms_sql.server.link import Client, Link, Ticket
from flinkms_sql.server.links import Links
from flinkms_sql.server.local import Local, transaction_settings
from flinkms_sql.server.names import Names
from flinkms_sql.server.parameters import (
    AS_OF,
    FORCED,
    Known,
    UnknownZone,
    is_on,
    refusal,
    seconds_of,
    unrenderable,
    zone_of,
)
from flinkms_sql.server.pending import PendingRows
from flinkms_sql.server.services import Streams
from flinkms_sql.types import SqlType

_QUERIES = sqlfiles.queries("session/queries")
_RUNS = (b"Q", b"B", b"E", b"F")
"""Requests that run something at PostgreSQL: planning, at Bind, may call functions too."""


class Transaction:
    """One session's. ``status`` is that of the block as the client sees it, also in the middle of a series.

    ``implicit``: a text of several statements is being run, which is one transaction where it does not say otherwise.
    ``hidden``: that one is open as a block on the link, of which the client knows nothing.
    ``stale``: PostgreSQL has run something since it was asked for what it does not report: any statement may call a function
    that sets, so none is taken for harmless by its text. ``names_stale``: the same of what names mean there.
    ``plain``: nobody else has functions of the names of ours.
    ``role``: who statements run as.
    ``unrenderable``: types whose text the session wants other than we write it, and the settings that say so.
    """

    __slots__ = ("_address", "_client", "_known", "_links", "_names", "_user", "hidden", "implicit", "link", "local",
                 "names_stale", "pending", "plain", "role", "stale", "status", "unrenderable")  # fmt: skip

    def __init__(self, client: Client, names: Names, address: BackendAddress | None, links: Links, share: Share) -> None:
        self._client, self._names, self._address, self._links = client, names, address, links
        self._user = ""
        self.local = Local({}, {})
        self.link: Link | None = None
        self.pending = PendingRows(share)
        self.status: m.TransactionStatus = "idle"
        self.hidden = self.implicit = False
        self.stale = self.names_stale = False
        self.plain = True
        self._known = Known(formats={})
        self.role = ""
        self.unrenderable: Mapping[SqlType, str] = {}

    def start(self, user: str, server: Mapping[str, str], startup: Mapping[str, str]) -> None:
        """The client is known. Raises FlinkmsError 0A000 for a setting that is refused."""
        for name, value in startup.items():
            error = refusal(name, value)
            if error is not None:
                raise error
        if self._address is not None:
            self._address = self._address.for_client(user)
        self._user = self.role = user if self._address is None else self._address.user
        self.local = Local(server, startup)
        self.unrenderable = unrenderable(self._formats())

    async def start_with(self, kept: Mapping[str, str]) -> None:
        """What is kept for its role and database holds from the first statement. Raises FlinkmsError."""
        understood = self.local.start_with(kept)
        self.unrenderable = unrenderable(self._formats())
        if not understood or self.local.shown("role") is not None:
            await self.connect()
            await self.refresh()

    # ---- what it is ----

    @property
    def in_block(self) -> bool:
        """Whether the client has a transaction block open, so that nothing is final before its end."""
        return self.status != "idle"

    @property
    def zone(self) -> tzinfo:
        """The session's time zone; one we do not know is refused by what it is asked."""
        name = self.reported("timezone") or "UTC"
        return zone_of(name) or UnknownZone(name)

    @property
    def as_of(self) -> int | None:
        """The moment as of which aliases are resolved (microseconds since 1970-01-01 UTC), or None for now."""
        text = self.local.ours.get(AS_OF)
        return parse_moment(text) if text else None

    @property
    def known(self) -> Known:
        """What our own statements go by; with a link as of the last ``refresh``."""
        if self.link is not None:
            return self._known if self.runs_there else replace(self._known, read_only=self._default_read_only())
        read_only = self.local.read_only if self.in_block else self._default_read_only()
        timeout_s = seconds_of(self.local.shown("statement_timeout") or "0") or 0.0
        return Known(read_only=read_only, timeout_s=timeout_s, formats={})

    @property
    def runs_there(self) -> bool:
        """Whether a transaction is open on the link, of which only PostgreSQL knows what it may."""
        return self.link is not None and (self.in_block or self.hidden or self.link.series_open)

    def _default_read_only(self) -> bool:
        return self.local.default_read_only() if self.link is None else is_on(self.reported("default_transaction_read_only"))

    def reported(self, name: str) -> str | None:
        """A setting that PostgreSQL reports whenever it changes, by lower-case name."""
        if self.link is None:
            return self.local.shown(name)
        return next((value for told, value in self.link.parameters.items() if told.lower() == name), None)

    def told(self) -> Mapping[str, str]:
        """All settings a client is told of when it starts."""
        told = self.local.reported()
        return told if self.link is None else {name: self.link.parameters.get(name, value) for name, value in told.items()}

    def _formats(self) -> dict[str, str]:
        names = ("extra_float_digits", "bytea_output", "datestyle", "timezone")
        return {name: value for name in names if (value := self.reported(name)) is not None}

    # ---- what has happened ----

    def note(self, statement: SessionStatement | None, tag: str) -> None:
        """A statement has succeeded with this command tag, whoever has answered it; None: one of no interest."""
        match statement:
            case Begin():
                if self.status == "idle":
                    self.status = "transaction"
            case Commit(chain=chain) | Rollback(chain=chain):
                self._ended(committed=tag == "COMMIT", chain=chain and self.in_block)
            case PrepareTransaction():
                self._ended(committed=False, chain=False)
            case Savepoint(action="savepoint", name=name):
                self.pending.savepoint(name)
            case Savepoint(action="release", name=name):
                self.pending.release(name)
            case Savepoint(action="rollback to", name=name):
                self.pending.rollback_to(name)
                self.status = "transaction"
                self.ran()
            case CleanUp(tag="DISCARD ALL" | "DEALLOCATE ALL" as found):
                self._names.forget_statements()
                if found == "DISCARD ALL":
                    self.local.ours.clear()
            case CleanUp(tag="RESET"):
                self.local.ours.clear()

    def _ended(self, *, committed: bool, chain: bool) -> None:
        if committed:
            self.pending.commit()
        else:
            self.pending.forget()
        self.status = "transaction" if chain else "idle"
        self._names.portals.clear()
        self.ran()

    def set_here(self) -> None:
        """A setting that is kept here has changed."""
        if self.link is None:
            self.unrenderable = unrenderable(self._formats())

    def failed(self) -> Mapping[str, str]:
        """A statement has failed: an implicit transaction is over; in a block a savepoint may still save its rows.

        The settings to report that are no longer what they were.
        """
        self.ran()
        if self.status == "transaction":
            self.status = "failed"
        elif self.status == "idle":
            self.pending.forget()
            if self.link is None:
                return self.local.end(committed=False, chain=False)
        return {}

    def relayed(self, frame: Frame) -> None:
        """A request goes to PostgreSQL."""
        if frame.kind in _RUNS:
            self.ran()

    def ran(self) -> None:
        """PostgreSQL runs, or takes back, what may have changed what it does not report."""
        self.stale = self.names_stale = self.link is not None

    # ---- what the link tells ----

    def ready(self, status: m.TransactionStatus) -> None:
        """PostgreSQL is done with a series or a text. What it says of the block is so."""
        if self.hidden:
            self.hidden = status != "idle"
            return
        if status == "idle" and self.in_block:  # it has ended the block by an error, such as one at COMMIT
            self._ended(committed=False, chain=False)
        self.status = status

    def parameter(self, name: str, value: str) -> None:
        """PostgreSQL reports a setting, however it was changed. One we cannot live with ends the session."""
        error = refusal(name.lower(), value)
        if error is not None:
            self._client.link_lost(error)
        elif name in ("DateStyle", "TimeZone"):
            self.unrenderable = unrenderable({**self._known.formats, **self._formats()})

    # ---- the link ----

    async def connect(self) -> Link:
        """The session's link, opened now if it has none. Raises FlinkmsError when it cannot be."""
        if self.link is not None:
            return self.link
        if self._address is None:
            raise FlinkmsError(errors.CONNECTION_FAILURE, "there is no control database to run this statement")
        if self.status == "failed":
            raise aborted()
        ended = self._links.take(self._user)
        link = await open_link(self._address, {**self.local.settings_before(), **FORCED}, self._client, ended)
        try:
            await self._hand_over(link)
        except BaseException:
            self.hidden = False
            link.close()
            raise
        link.watcher = self
        self.link, self.stale, self.names_stale = link, True, True
        return link

    async def _hand_over(self, link: Link) -> None:
        """Bring a link to where the session is: its block, what was set in it, the names that are taken."""
        local = self.local
        begin = local.begin_text if self.status == "transaction" else "BEGIN" if self.implicit else None
        if begin is not None:
            self.hidden = self.status == "idle"
            await link.call([m.Query(text=begin)], sync=False)
        await self._tell_of_rows(link, sync=begin is not None)
        for name in self._names.reserved():
            await link.call([m.Parse(statement=name, text=_QUERIES["placeholder"])], sync=True)
        for change in local.changes:
            value = change.value if change.value is not None else local.shown(change.name)
            if value is not None:  # else it is back to a default that the backend has anyway
                # What was set in the series that is open is part of its transaction.
                await _set_config(link, change.name, value, change.local, sync=begin is not None)
        local.handed_over()

    async def _tell_of_rows(self, link: Link, *, sync: bool) -> None:
        """Rows that wait are a query of their transaction, by which PostgreSQL knows for which modes it is too late."""
        if self.pending.waiting:
            query = [m.Parse(statement="", text=_QUERIES["snapshot"]), m.Bind(), m.Execute()]
            await link.call(query, sync=sync)

    async def adopt(self, link: Link, begin: Begin) -> None:
        """The client's BEGIN makes the hidden block its own. Raises FlinkmsError for modes that come too late."""
        await self._tell_of_rows(link, sync=True)
        for name, value in transaction_settings(begin.modes).items():
            await _set_config(link, name, value, True, sync=True)
        self.hidden = False

    async def reserve(self, name: str) -> None:
        """Take a name of a prepared statement at PostgreSQL too. Raises FlinkmsError 42P05 when it is taken there."""
        link = self.link
        if link is not None and name:
            parse = m.Parse(statement=name, text=_QUERIES["placeholder"])
            await link.call([parse], sync=not link.series_open)

    def unreserve(self, name: str) -> None:
        """Give a name back; the client's Sync, or the end of its text, ends the series this is part of."""
        if self.link is not None and name:
            self.link.send(m.Close(target="statement", name=name), Ticket(delivers=False))

    async def refresh(self) -> None:
        """Ask PostgreSQL what it does not report. Raises FlinkmsError."""
        link = self.link
        if link is None:
            return
        name = link.new_name()
        frames = await link.call(
            [m.Parse(statement=name, text=_QUERIES["known"]), m.Bind(portal=name, statement=name, result_formats=(0,)),
             m.Execute(portal=name), m.Close(target="statement", name=name)],
            sync=not link.series_open,
        )  # fmt: skip
        columns = decode_rows([frame.raw for frame in frames if frame.kind == b"D"], [SqlType.STRING] * 6)
        role, read_only, timeout_s, digits, bytea, idle = (str(column.values[0]) for column in columns)
        formats = {"extra_float_digits": digits, "bytea_output": bytea}
        self._known = Known(read_only=is_on(read_only), timeout_s=float(timeout_s), formats=formats)
        self.role = role or self._user
        self.unrenderable = unrenderable({**self._formats(), **formats})
        self.stale = False
        self.parameter("idle_session_timeout", idle)

    # ---- rows of streams ----

    def commit_implicit(self) -> None:
        """The series or the text has ended well: what belongs to no block is committed, and its rows are due."""
        if not self.in_block:
            self.pending.commit()
            self.end_implicit()

    def end_implicit(self) -> None:
        """What was set outside of a block is so for good."""
        if self.link is None and not self.in_block:
            self.local.end(committed=True, chain=False)

    async def append(self, streams: Streams | None) -> None:
        """Append the rows of committed transactions; returns when they are durable. Raises FlinkmsError."""
        if self.pending.due:
            assert streams is not None
            await self.pending.append(streams)


async def _set_config(link: Link, name: str, value: str, local: bool, *, sync: bool) -> None:
    values = (name.encode(), value.encode(), b"t" if local else b"f")
    parse = m.Parse(statement="", text=_QUERIES["set_config"], oids=(25, 25, 16))
    await link.call([parse, m.Bind(values=values), m.Execute()], sync=sync)


def aborted() -> FlinkmsError:
    """The error for every statement but the end of an aborted transaction."""
    return FlinkmsError(
        errors.IN_FAILED_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
