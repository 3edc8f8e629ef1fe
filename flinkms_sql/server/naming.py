"""What names without a schema mean in one session: PostgreSQL says so, and the frontend's catalog is seen accordingly.

Must not know statements. A table that comes earlier in search_path than the shadow of a stream, as a temporary one does,
takes the stream's name; a function of somebody's own may take that of one of ours. With a link PostgreSQL is asked, when
anything that may have changed it was relayed since; without one there are no temporary tables, and the others are known
as well as rights are: as of a second ago.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from flinkms_sql import sqlfiles
from flinkms_sql.catalog.roles import RoleRights
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.rows import decode_rows
from flinkms_sql.query.scopes import MODEL_FUNCTIONS
from flinkms_sql.query.signatures import PUBLIC, CatalogView
from flinkms_sql.server.rights import Access
from flinkms_sql.server.services import Catalogs
from flinkms_sql.server.transaction import Transaction
from flinkms_sql.types import SqlType

_HIDDEN = sqlfiles.queries("session/queries")["hidden"]
_SCHEMA = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)')
_FUNCTION = re.compile("|".join(MODEL_FUNCTIONS), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hidden:
    """Names of ours that, without a schema, mean other tables, or may mean other functions."""

    tables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()


NOTHING = Hidden()


class Naming:
    """One session's."""

    __slots__ = ("_access", "_asked", "_asked_of", "_catalogs", "_mention", "_mention_of", "_transaction", "_view", "_view_of")

    def __init__(self, catalogs: Catalogs, access: Access | None, transaction: Transaction) -> None:
        self._catalogs, self._access, self._transaction = catalogs, access, transaction
        self._asked, self._asked_of = NOTHING, (-1, None)
        """What PostgreSQL has said, and the snapshot and rights it was asked about."""
        self._view_of: tuple[object, ...] = ()
        self._view = catalogs.current()
        self._mention_of = -1
        self._mention: re.Pattern[str] | None = None

    def catalog(self) -> CatalogView:
        """The newest snapshot, as this session's names have it."""
        current, transaction = self._catalogs.current(), self._transaction
        if transaction.link is not None:
            known: tuple[object, ...] = (current, self._asked)
        else:
            known = (current, self._rights(), transaction.role, transaction.local.shown("search_path"))
        if len(known) != len(self._view_of) or any(one is not other for one, other in zip(known, self._view_of)):
            hidden = self._asked if transaction.link is not None else self._known_here(current)
            self._view_of = known
            self._view = current if hidden == NOTHING else current.seen(hidden.tables, hidden.functions)
            transaction.plain = not hidden.functions
        return self._view

    def _rights(self) -> RoleRights | None:
        return None if self._access is None else self._access.known.get(self._transaction.role)

    def _known_here(self, current: CatalogView) -> Hidden:
        rights, tables = self._rights(), [table.name for table in current.tables()]
        path = schemas(self._transaction.local.shown("search_path") or PUBLIC, self._transaction.role)
        if rights is None:
            return Hidden(frozenset(() if PUBLIC in path else tables))
        return Hidden(
            frozenset(name for name in tables if _first(path, name, rights.relations) != PUBLIC),
            frozenset(name for schema, name in rights.functions if schema in path),
        )

    # ---- with a link ----

    def unsure(self, text: str) -> bool:
        """Whether PostgreSQL has to be asked before this text is planned."""
        transaction = self._transaction
        if transaction.link is None or transaction.status == "failed":
            return False
        current = self._catalogs.current()
        changed = self._asked_of != (current.generation, self._elsewhere())
        if transaction.stale and _FUNCTION.search(text):
            return True
        return (changed or transaction.names_stale) and self._mentions(text, current)

    def _elsewhere(self) -> object:
        rights = self._rights()
        return None if rights is None else (rights.relations, rights.functions)

    def _mentions(self, text: str, current: CatalogView) -> bool:
        """Whether a text may name a Flink table, or may call one of our functions."""
        if self._mention_of != current.generation:
            names = {table.name for table in current.tables()}
            names |= {name.replace(quote, quote * 2) for name in names for quote in '"`'}
            self._mention = re.compile("|".join(map(re.escape, sorted(names))), re.IGNORECASE) if names else None
            self._mention_of = current.generation
        return bool(_FUNCTION.search(text) or (self._mention is not None and self._mention.search(text)))

    async def refresh(self) -> None:
        """Ask PostgreSQL. Raises FlinkmsError."""
        link, current = self._transaction.link, self._catalogs.current()
        if link is None:
            return
        about = current.generation, self._elsewhere()
        name, names = link.new_name(), [table.name for table in current.tables()]
        frames = await link.call(
            [m.Parse(statement=name, text=_HIDDEN, oids=(1009, 1009)),
             m.Bind(portal=name, statement=name, formats=(0,), values=(_array(names), _array(MODEL_FUNCTIONS)), result_formats=(0,)),
             m.Execute(portal=name), m.Close(target="statement", name=name)],
            sync=not link.series_open,
        )  # fmt: skip
        kinds, found = decode_rows([frame.raw for frame in frames if frame.kind == b"D"], [SqlType.STRING] * 2)
        pairs = list(zip(kinds.values, found.values, strict=True))
        self._asked = Hidden(frozenset(name for kind, name in pairs if kind == "table"),
                             frozenset(name for kind, name in pairs if kind == "function"))  # fmt: skip
        self._asked_of, self._transaction.names_stale = about, False


def _array(names: Collection[str]) -> bytes:
    """Text of an array of texts."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return ("{" + ",".join(f'"{name}"' for name in quoted) + "}").encode()


def schemas(path: str, role: str) -> list[str]:
    """The schemas of a search_path, for this role."""
    found = [(quoted or "").replace('""', '"') or bare.lower() for quoted, bare in _SCHEMA.findall(path)]
    return [role if name == "$user" else name for name in found]


def _first(path: list[str], name: str, relations: frozenset[tuple[str, str]]) -> str | None:
    """The first schema of the path that has a table of this name; every Flink table is in public."""
    return next((schema for schema in path if schema == PUBLIC or (schema, name) in relations), None)
