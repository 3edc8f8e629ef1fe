"""Transaction control, settings and resets: what a session answers before it has a backend.

Must not know the session's state. ``parse_session`` gives None for forms that only PostgreSQL should read.
"""

from __future__ import annotations

import re

from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.lexer import Kind, quote_name
from flinkms_sql.query.statements.statement import (
    Begin,
    CleanUp,
    Commit,
    PrepareTransaction,
    Rollback,
    Savepoint,
    SessionStatement,
    SetParameter,
    ShowParameter,
)

_QUOTED_LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
"""Settings that are lists of names: PostgreSQL keeps them quoted (GUC_LIST_QUOTE)."""

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_SPECIAL_NAMES = {"time zone": "timezone", "names": "client_encoding", "schema": "search_path"}


def parse_session(cursor: Cursor) -> SessionStatement | None:
    """The session statement in the cursor's range. Raises FlinkmsError 42601."""
    word = cursor.peek()
    cursor.at += 1
    match word:
        case "BEGIN":
            _skip_work(cursor)
            return Begin(tag="BEGIN", modes=_rest(cursor))
        case "START":
            cursor.take("TRANSACTION")
            return Begin(tag="START TRANSACTION", modes=_rest(cursor))
        case "COMMIT" | "END":
            _skip_work(cursor)
            return Commit(chain=_chain(cursor))
        case "ABORT":
            _skip_work(cursor)
            return Rollback(chain=_chain(cursor))
        case "ROLLBACK":
            _skip_work(cursor)
            if cursor.accept("TO"):
                cursor.accept("SAVEPOINT")
                return _savepoint(cursor, "rollback to")
            return Rollback(chain=_chain(cursor))
        case "SAVEPOINT":
            return _savepoint(cursor, "savepoint")
        case "RELEASE":
            cursor.accept("SAVEPOINT")
            return _savepoint(cursor, "release")
        case "PREPARE":
            cursor.take("TRANSACTION")
            name = cursor.take_string()
            cursor.take_end()
            return PrepareTransaction(name=name)
        case "SET":
            return _set(cursor)
        case "RESET":
            name = _setting_name(cursor)
            cursor.take_end()
            return CleanUp(tag="RESET") if name == "all" else SetParameter(name=name, value=None, local=False, tag="RESET")
        case "SHOW":
            return _show(cursor)
        case "DISCARD":
            return CleanUp(tag="DISCARD ALL")
        case "CLOSE":
            return CleanUp(tag="CLOSE CURSOR ALL")
        case "DEALLOCATE":
            return CleanUp(tag="DEALLOCATE ALL")
        case "UNLISTEN":
            return CleanUp(tag="UNLISTEN")
    return None


def _skip_work(cursor: Cursor) -> None:
    _ = cursor.accept("WORK") or cursor.accept("TRANSACTION")


def _rest(cursor: Cursor) -> str:
    return cursor.source(cursor.at, cursor.end)


def _chain(cursor: Cursor) -> bool:
    chain = cursor.accept("AND", "CHAIN")
    if not chain and cursor.peek():
        cursor.take("AND", "NO", "CHAIN")
    cursor.take_end()
    return chain


def _savepoint(cursor: Cursor, action: str) -> Savepoint:
    name = cursor.take_name()
    cursor.take_end()
    return Savepoint(action=action, name=name)  # type: ignore[arg-type]  # the callers pass the three words


def _setting_name(cursor: Cursor) -> str:
    """Name of a setting: words joined by dots, or one of SQL's names made of words."""
    if cursor.accept("TIME", "ZONE"):
        return "timezone"
    if cursor.accept("TRANSACTION", "ISOLATION", "LEVEL"):
        return "transaction_isolation"
    name = cursor.take_name().lower()
    while cursor.accept("."):
        name += "." + cursor.take_name().lower()
    return name


def _set(cursor: Cursor) -> SessionStatement | None:
    local = cursor.accept("LOCAL")
    if not local:
        cursor.accept("SESSION")
    name = _setting_name(cursor)
    if name in ("names", "schema"):
        name = _SPECIAL_NAMES[name]
    elif (name != "timezone" or cursor.peek() in ("TO", "=")) and not cursor.accept("TO"):
        cursor.take("=")
    if cursor.peek() == "INTERVAL" or (cursor.peek() == "LOCAL" and name == "timezone"):
        return None
    values = [_value(cursor)]
    while cursor.accept(","):
        values.append(_value(cursor))
    cursor.take_end()
    if values == [None]:
        return SetParameter(name=name, value=None, local=local, tag="SET")
    texts = [value or "" for value in values]
    if name in _QUOTED_LISTS:
        texts = [text if _PLAIN_NAME.fullmatch(text) else quote_name(text) for text in texts]
    return SetParameter(name=name, value=", ".join(texts), local=local, tag="SET")


def _value(cursor: Cursor) -> str | None:
    """One value of a setting; None for DEFAULT."""
    token = cursor.token
    if token is None:
        raise cursor.syntax_error()
    if cursor.accept("DEFAULT"):
        return None
    if token.kind is Kind.STRING:
        return cursor.take_string()
    sign = token.text if token.word in ("+", "-") else ""
    cursor.at += bool(sign)
    token = cursor.token
    if token is not None and token.kind is Kind.NUMBER:
        cursor.at += 1
        return sign + token.text
    return cursor.take_name("a value")


def _show(cursor: Cursor) -> ShowParameter:
    name = _setting_name(cursor)
    cursor.take_end()
    return ShowParameter(name=name)
