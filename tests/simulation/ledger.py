"""What transactions leave behind, by PostgreSQL's rules, for a handful of statements: the model that everything is held to.

Must not know protocols. The rules are those of PostgreSQL 18's xact.c: BEGIN inside of an implicit block makes it an
explicit one, savepoints are for explicit blocks only, a failed block takes COMMIT for ROLLBACK. tests/integration holds
the frontend against PostgreSQL itself; this model is for runs in which things fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

State = Literal["idle", "implicit", "block", "failed"]

DIVISION = "SELECT 1/0 FROM pg_class"
"""A statement that fails."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was inserted."""

    table: str
    number: int


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A mark between rows, and whether the transaction could write there: to release it and to go back to it restore that
    (xact.c, ``prevXactReadOnly``)."""

    name: str
    read_only: bool


class Refused(Exception):
    """A statement failed with this SQLSTATE."""


_BEGIN = re.compile(r"BEGIN(?P<modes>.*)|START TRANSACTION(?P<more>.*)", re.IGNORECASE)
_END = re.compile(r"(COMMIT|ROLLBACK)( AND CHAIN)?")
_INSERT = re.compile(r"INSERT INTO (\w+) VALUES \((\d+)\b.*\)", re.IGNORECASE)
_SAVEPOINT = re.compile(r"(SAVEPOINT|RELEASE|ROLLBACK TO) (\w+)", re.IGNORECASE)


class Ledger:
    """One session's transactions; ``committed`` are its rows that stay."""

    def __init__(self) -> None:
        self.committed: list[Row] = []
        self.state: State = "idle"
        self._read_only = False
        self._entries: list[Row | Savepoint] = []

    @property
    def status(self) -> str:
        """As ReadyForQuery tells it."""
        return {"block": "transaction", "failed": "failed"}.get(self.state, "idle")

    @property
    def read_only(self) -> bool:
        """Whether the transaction that is open may not write."""
        return self._read_only

    def open_rows(self) -> set[Row]:
        """The rows of the transaction that is open."""
        return {entry for entry in self._entries if isinstance(entry, Row)}

    @staticmethod
    def rows_of(text: str) -> set[Row]:
        """The rows that a statement inserts."""
        insert = _INSERT.fullmatch(text)
        return {Row(insert[1], int(insert[2]))} if insert else set()

    def run(self, text: str) -> str:
        """Run one statement; its command tag. Raises Refused."""
        try:
            return self._run(text)
        except Refused:
            self.fail()
            raise

    def _run(self, text: str) -> str:
        if end := _END.fullmatch(text):
            return self._close(commits=end[1] == "COMMIT" and self.state != "failed", chains=end[2] is not None)
        mark = _SAVEPOINT.fullmatch(text)
        if self.state == "failed" and not (mark and mark[1].upper() == "ROLLBACK TO"):
            raise Refused("25P02")
        if mark:
            return self._mark(mark[1].upper(), mark[2])
        if begin := _BEGIN.fullmatch(text):
            if self.state != "block":
                self.state = "block"
                # What an implicit block has become it stays, when it is made an explicit one.
                self._read_only = self._read_only or "READ ONLY" in (begin["modes"] or begin["more"] or "").upper()
            return "BEGIN" if text.startswith("BEGIN") else "START TRANSACTION"
        if self.state == "idle":
            self.state = "implicit"
        if text == "SET TRANSACTION READ ONLY":
            self._read_only = True
            return "SET"
        if insert := _INSERT.fullmatch(text):
            if self._read_only:
                raise Refused("25006")
            self._entries.append(Row(insert[1], int(insert[2])))
            return "INSERT 0 1"
        if text == DIVISION:
            raise Refused("22012")
        return "SELECT 1"

    def _mark(self, kind: str, name: str) -> str:
        if self.state not in ("block", "failed"):
            raise Refused("25P01")
        if kind == "SAVEPOINT":
            self._entries.append(Savepoint(name, self._read_only))
            return "SAVEPOINT"
        at = max((n for n, entry in enumerate(self._entries) if isinstance(entry, Savepoint) and entry.name == name),
                 default=None)
        if at is None:
            raise Refused("3B001")
        self._read_only = self._entries[at].read_only  # type: ignore[union-attr]
        if kind == "RELEASE":
            self._entries[at:] = [entry for entry in self._entries[at:] if isinstance(entry, Row)]
            return "RELEASE"
        del self._entries[at + 1 :]
        self.state = "block"
        return "ROLLBACK"

    def _close(self, *, commits: bool, chains: bool) -> str:
        """COMMIT and ROLLBACK; AND CHAIN begins another block alike."""
        if chains and self.state not in ("block", "failed"):
            raise Refused("25P01")
        read_only = self._first_read_only() if chains else False
        tag = self._end(commits=commits)
        if chains:
            self.state, self._read_only = "block", read_only
        return tag

    def _first_read_only(self) -> bool:
        """Whether the block itself, without its open savepoints, may not write."""
        first = next((entry for entry in self._entries if isinstance(entry, Savepoint)), None)
        return self._read_only if first is None else first.read_only

    def _end(self, *, commits: bool) -> str:
        if commits:
            self.committed += [entry for entry in self._entries if isinstance(entry, Row)]
        self._forget()
        return "COMMIT" if commits else "ROLLBACK"

    def fail(self) -> None:
        """Something failed: an explicit block waits for its end, an implicit one is over."""
        if self.state in ("block", "failed"):
            self.state = "failed"
        else:
            self._forget()

    def end_of_series(self) -> None:
        """The end of a Query's text, or a Sync."""
        if self.state == "implicit":
            self._end(commits=True)

    def lose(self) -> None:
        """The session is gone."""
        self._forget()

    def _forget(self) -> None:
        self._entries, self.state, self._read_only = [], "idle", False
