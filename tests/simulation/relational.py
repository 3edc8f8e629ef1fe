"""A control database that speaks the protocol and keeps rows by the ledger's rules; it can be killed.

Must not know the frontend. It understands the ledger's statements; whatever else it is asked it answers with one row.
"""

from __future__ import annotations

import asyncio

from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import ServerConnection
from tests.simulation.ledger import Ledger, Refused, Row
from tests.simulation.loop import SimLoop

SETTINGS = {
    "server_version": "18.4", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC",
    "standard_conforming_strings": "on", "default_transaction_read_only": "off", "IntervalStyle": "postgres",
}
COLUMN = m.Field(name="value", oid=25, size=-1)
KNOWN = "current_setting('transaction_read_only')"
"""In the question of what PostgreSQL does not report by itself: role, access mode, timeout in seconds, two formats, timeout of idle
sessions."""
HIDDEN = "to_regclass"
"""In the question of which names mean others than the frontend's: none do here."""

PATH = "/simulated/.s.PGSQL.5432"


class ControlDatabase:
    """All of it; ``rows`` are what is committed. Listens at ``PATH`` of a loop."""

    def __init__(self, loop: SimLoop) -> None:
        self.rows: list[Row] = []
        self._backends: set[Backend] = set()
        loop.listeners[PATH] = self._accept

    def _accept(self) -> Backend:
        backend = Backend(self)
        self._backends.add(backend)
        return backend

    def forget(self, backend: Backend) -> None:
        """A backend has ended."""
        self._backends.discard(backend)

    def kill(self) -> None:
        """kill -9: every connection is cut, what was not committed is gone; it is back at once."""
        for backend in sorted(self._backends, key=lambda one: one.number):
            backend.cut()


class Backend(asyncio.Protocol):
    """One session of the control database."""

    numbers = 0

    def __init__(self, database: ControlDatabase) -> None:
        Backend.numbers += 1
        self.number = Backend.numbers
        self._database = database
        self._connection = ServerConnection()
        self._ledger = Ledger()
        self._statements: dict[str, str] = {}
        self._portals: dict[str, str] = {}
        self._values: dict[str, tuple[bytes | None, ...]] = {}
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._ledger.lose()
        self._database.forget(self)

    def cut(self) -> None:
        """The process is gone."""
        self._ledger.lose()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._connection.receive(data)
        while (request := self._connection.next_request()) is not None:
            self._answer(request.message)

    def _say(self, *messages: m.ServerMessage) -> None:
        for message in messages:
            self._transport.write(self._connection.send(message))

    def _answer(self, message: m.ClientMessage) -> None:
        match message:
            case m.Startup():
                self._say(m.AuthenticationOk(), *(m.ParameterStatus(name=k, value=v) for k, v in SETTINGS.items()),
                          m.BackendKeyData(process_id=self.number, secret_key=b"key!"), m.ReadyForQuery(status="idle"))
            case m.CancelRequest() | m.Terminate():
                self._transport.close()
            case m.Query():
                self._query(message.text)
            case m.Sync():
                self._end_series()
            case m.Flush():
                pass
            case _:
                try:
                    self._extended(message)
                except Refused as refused:
                    self._say(_error(refused))

    def _query(self, text: str) -> None:
        try:
            for statement in filter(None, (part.strip() for part in text.split(";"))):
                self._run(statement, describes=True)
        except Refused as refused:
            self._say(_error(refused))
        self._end_series()

    def _end_series(self) -> None:
        self._ledger.end_of_series()
        self._keep()
        self._say(m.ReadyForQuery(status=self._ledger.status))

    def _keep(self) -> None:
        self._database.rows += self._ledger.committed
        self._ledger.committed.clear()

    def _extended(self, message: m.ClientMessage) -> None:
        match message:
            case m.Parse():
                self._statements[message.statement] = message.text
                self._say(m.ParseComplete())
            case m.Bind():
                self._portals[message.portal] = self._known(self._statements, message.statement, "26000")
                self._values[message.portal] = tuple(message.values)
                self._say(m.BindComplete())
            case m.Describe(target="statement"):
                text = self._known(self._statements, message.name, "26000")
                self._say(m.ParameterDescription(oids=(25,) * text.count("$")), *_description(text))
            case m.Describe():
                self._say(*_description(self._known(self._portals, message.name, "34000")))
            case m.Execute():
                text = self._known(self._portals, message.portal, "34000")
                self._set(text, self._values[message.portal])
                self._run(text, describes=False)
            case m.Close():
                self._say(m.CloseComplete())

    def _known(self, kept: dict[str, str], name: str, sqlstate: str) -> str:
        if name not in kept:
            self._ledger.fail()
            raise Refused(sqlstate)
        return kept[name]

    def _set(self, text: str, values: tuple[bytes | None, ...]) -> None:
        """What the frontend sets by a function."""
        if "set_config" in text and values[0] == b"transaction_read_only" and values[1] == b"on":
            self._ledger.run("SET TRANSACTION READ ONLY")

    def _run(self, text: str, *, describes: bool) -> None:
        tag = self._ledger.run(text)
        self._keep()
        if tag.startswith("SELECT"):
            if describes:
                self._say(m.RowDescription(fields=(COLUMN,)))
            read_only = b"on" if self._ledger.read_only else b"off"
            if HIDDEN not in text:
                self._say(m.DataRow(values=(b"", read_only, b"0", b"1", b"hex", b"0") if KNOWN in text else (b"1",)))
        self._say(m.CommandComplete(tag=tag))


def _description(text: str) -> tuple[m.ServerMessage, ...]:
    return (m.RowDescription(fields=(COLUMN,)),) if text.upper().startswith("SELECT") else (m.NoData(),)


def _error(refused: Refused) -> m.ErrorResponse:
    return m.ErrorResponse(fields={"S": "ERROR", "V": "ERROR", "C": str(refused), "M": "refused"})
