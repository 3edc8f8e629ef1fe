"""What there is to know about a SELECT that Flink will run: the tables it names and the model calls in it.

Must not know how a job is compiled. The text is handed on as written.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.catalog.address import ModelAddress, parse_address
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.flinktext import check_one_reading
from flinkms_sql.query.lexer import string_value, tokenize
from flinkms_sql.query.scopes import read_structure


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


def read_flink_query(text: str, position: int) -> FlinkQuery:
    """The tables and model calls of a query's text, which starts at ``position`` of its statement.

    Raises FlinkmsError: 0A000 for a model that is no text, for recommend and similar, and for what Flink would read
    otherwise; 22023 for a bad address.
    """
    check_one_reading(text, position)
    tokens = tokenize(text)
    structure = read_structure(tokens)
    tables = tuple(
        TableReference(name=table.name, position=tokens[table.token].position) for table in structure.tables
    )
    calls = []
    for call in structure.calls:
        at = position + tokens[call.start].start
        first = tokens[call.arguments[0][0]]
        address = string_value(first) if call.arguments[0][1] - call.arguments[0][0] == 1 else None
        if call.function != "predict" or address is None:
            what = f"{call.function} in a query for Flink" if address else "a model that is no quoted text"
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{what} is not supported", position=at)
        if call.outer is not None:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a model call as argument of another is not supported",
                               hint="Call the inner model in a subquery.", position=at)  # fmt: skip
        arguments = tuple(text[tokens[first].start : tokens[last - 1].end] for first, last in call.arguments[1:])
        calls.append(FlinkCall(address=parse_address(address, position=at), arguments=arguments,
                               start=tokens[call.start].start, end=tokens[call.end - 1].end))  # fmt: skip
    return FlinkQuery(text=text, position=position, tables=tables, calls=tuple(calls))
