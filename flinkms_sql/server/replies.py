"""Statements that say nothing about data, answered without a backend: what connection pools send to see who lives.

Must not know the session's statements. A session that has a link asks PostgreSQL instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import oids


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One row of one column."""

    field: m.Field
    value: bytes


_REPLIES = {
    "select 1": Reply(field=m.Field(name="?column?", oid=oids.INT4, size=4), value=b"1"),
    # A session without a backend holds no lock.
    "select pg_advisory_unlock_all()": Reply(
        field=m.Field(name="pg_advisory_unlock_all", oid=oids.VOID, size=4), value=b""
    ),
}


def without_backend(text: str) -> Reply | None:
    """The reply to a statement that needs no backend, or None."""
    if len(text) > 64:
        return None
    return _REPLIES.get(" ".join(text.split()).rstrip("; ").lower())
