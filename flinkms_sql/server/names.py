"""What a session has given names to: prepared statements and portals, and the answers they are in the middle of.

Must not know how any of it is made or run. What PostgreSQL keeps is not noted here: a name that is not known here is
its. But the two share one space of names, as one server's would: while there is a link, PostgreSQL holds a placeholder
for each statement that is kept here (``reserved``), and so it is PostgreSQL that says 42P05.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.messages import Bind, Field
from flinkms_sql.pgwire.parameters import Value
from flinkms_sql.query.lexer import cut_name, fold_name
from flinkms_sql.query.plan import Plan
from flinkms_sql.server.budget import Kept, Share
from flinkms_sql.types import SqlType
from udfs.block import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What PostgreSQL says of a rewritten statement: all its parameter types, and its columns."""

    oids: tuple[int, ...]
    fields: tuple[Field, ...]


@dataclass(slots=True)
class Answer:
    """Rows that are computed, and how many of them were sent."""

    columns: Sequence[Column]
    types: Sequence[SqlType]
    sent: int = 0

    @property
    def rows(self) -> int:
        return len(self.columns[0])


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A prepared statement that is not PostgreSQL's. ``oids`` are its parameter types.

    ``key`` is that of the view of the catalog the plan was made for; ``described`` is what PostgreSQL said of one that is
    rewritten for it.
    """

    name: str
    text: str
    plan: Plan
    declared: tuple[int, ...]
    oids: tuple[int, ...]
    key: Hashable
    described: Described | None = None

    @property
    def column_count(self) -> int:
        """Columns of its rows."""
        return len(self.plan.columns if self.described is None else self.described.fields)


@dataclass(slots=True, kw_only=True)
class Portal:
    """A statement with its values, and from where the next Execute goes on.

    ``answer`` is what was computed here; ``suspended`` names the portal of PostgreSQL's that has more rows.
    """

    name: str
    prepared: Prepared
    values: tuple[Value, ...]
    raw: Bind
    result_formats: tuple[int, ...]
    answer: Answer | None = None
    suspended: str | None = None


STATEMENT_BYTES = 2048
"""A prepared statement beside its text, in bytes: its plan has a node for each dozen characters."""

PLAN_BYTES_A_CHARACTER = 16
"""Bytes of text and plan for each character of a statement."""

PORTAL_BYTES = 512
"""A portal beside its values, in bytes."""


def _statement_bytes(prepared: Prepared) -> int:
    return STATEMENT_BYTES + PLAN_BYTES_A_CHARACTER * len(prepared.text)


def _portal_bytes(portal: Portal) -> int:
    """Values are there twice: as they came, and decoded."""
    return PORTAL_BYTES + 2 * sum(len(value) for value in portal.raw.values if value is not None)


class Names:
    """One session's. Portals end with their transaction; statements last until they are closed.

    What is kept takes its bytes from the session's ``share``: a name that is given raises FlinkmsError 53400 or 53200
    when there are too many.
    """

    __slots__ = ("calls", "portals", "statements")

    def __init__(self, share: Share) -> None:
        self.statements: Kept[Prepared] = Kept(share, _statement_bytes)
        self.portals: Kept[Portal] = Kept(share, _portal_bytes)
        self.calls: set[str] = set()
        """Statements of PostgreSQL's that may end transactions from within: CALL and DO."""

    def reserved(self) -> list[str]:
        """Names of statements that PostgreSQL must not give away; the unnamed one is anybody's."""
        return [name for name in self.statements if name]

    def statement(self, name: str) -> Prepared:
        """Raises FlinkmsError 26000 when there is none."""
        prepared = self.statements.get(name)
        if prepared is None:
            raise undefined_statement(name)
        return prepared

    def portal(self, name: str) -> Portal:
        """Raises FlinkmsError 34000 when there is none."""
        portal = self.portals.get(name)
        if portal is None:
            raise undefined_portal(name)
        return portal

    def begin_query(self) -> None:
        """A simple query takes the unnamed statement and portal with it (54.2.2)."""
        self.portals.pop("", None)
        self.statements.pop("", None)

    def forget_statements(self) -> None:
        """DEALLOCATE ALL."""
        self.statements.clear()
        self.calls.clear()


def undefined_statement(name: str) -> FlinkmsError:
    """The error for a name no statement has."""
    text = f'prepared statement "{name}" does not exist' if name else "unnamed prepared statement does not exist"
    return FlinkmsError(errors.INVALID_STATEMENT_NAME, text)


def undefined_portal(name: str) -> FlinkmsError:
    """The error for a name no portal has."""
    return FlinkmsError(errors.INVALID_CURSOR_NAME, f'portal "{name}" does not exist')


def duplicate_statement(name: str) -> FlinkmsError:
    """The error for a name that a statement already has."""
    return FlinkmsError(errors.DUPLICATE_PREPARED_STATEMENT, f'prepared statement "{name}" already exists')


_NAME = r'(?:"([^"]*(?:""[^"]*)*)"|([a-z_]\w*))'
_DEALLOCATE = re.compile(rf"\s*deallocate\s+(?:prepare\s+)?{_NAME}\s*;?\s*", re.IGNORECASE)
_EXECUTE = re.compile(rf"\s*execute\s+{_NAME}\s*(?:\(.*\))?\s*;?\s*", re.IGNORECASE | re.DOTALL)
_CALL = re.compile(r"\s*(?:call|do)\b", re.IGNORECASE)


def deallocated_name(text: str) -> str | None:
    """The statement that a DEALLOCATE names, or None when the text is none: clients send it for protocol statements."""
    return _named(_DEALLOCATE.fullmatch(text))


def executed_name(text: str) -> str | None:
    """The statement that an EXECUTE names, or None when the text is none."""
    return _named(_EXECUTE.fullmatch(text)) if len(text) < 4096 else None


def _named(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    return cut_name(match[1].replace('""', '"') if match[1] else fold_name(match[2]))


def may_end_transaction(text: str) -> bool:
    """Whether a statement of PostgreSQL's can hold COMMIT or ROLLBACK out of sight: CALL, DO."""
    return _CALL.match(text) is not None
