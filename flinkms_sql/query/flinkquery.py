"""What there is to know about a SELECT that Flink will run: the tables it names and the model calls in it.

Must not know how a job is compiled. The text is handed on as written.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql.catalog.address import ModelAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReference:
    """A table named in FROM or JOIN: ``position`` is the 1-based character in the query's text."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkCall:
    """predict('address', arguments…) in a query for Flink: text[start:end] is the call, 0-based."""

    address: ModelAddress
    arguments: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkQuery:
    """A query's text; ``position`` is the 1-based character at which it starts in its statement."""

    text: str
    position: int
    tables: tuple[TableReference, ...]
    calls: tuple[FlinkCall, ...]
