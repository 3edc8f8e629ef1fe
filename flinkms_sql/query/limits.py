"""How large a statement may be that is planned here.

Planning takes time and memory that others are waiting for, and follows the nesting of a statement on the interpreter's
stack: both end at named limits, with PostgreSQL's 54000 and 54001 and the place that is too much. What is
PostgreSQL's alone is relayed whatever its size. Must not know what a statement means.
"""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Token

DEPTH_MAX = 100
"""Parentheses and brackets within one another. Each takes up to four of the interpreter's thousand frames."""

CALLS_MAX = 100
"""Model calls over rows of PostgreSQL's in one statement: each is a join, and they are placed in 50 ms."""

CONSTANTS_MAX = 100_000
"""Values of one VALUES list: read in some seconds of a thread, at half a KiB of memory each. Arrays by unnest($1, …) take a
hundredth of both."""

_OPENS, _CLOSES = ("(", "["), (")", "]")


def refuse_deep(tokens: Sequence[Token]) -> None:
    """Raise FlinkmsError 54001 where a statement is nested deeper than DEPTH_MAX."""
    depth = 0
    for token in tokens:
        depth += (token.word in _OPENS) - (token.word in _CLOSES)
        if depth > DEPTH_MAX:
            raise too_deep(token)


def too_deep(token: Token) -> FlinkmsError:
    """The error for a statement that is nested too deeply from this token on."""
    return FlinkmsError(
        errors.STATEMENT_TOO_COMPLEX, "the statement is nested too deeply",
        detail=f"A statement that is planned here has up to {DEPTH_MAX} parentheses within one another.",
        position=token.position,
    )


def refuse_calls(starts: Sequence[Token]) -> None:
    """Raise FlinkmsError 54000 at the first call too many; ``starts``: the first token of each."""
    if len(starts) > CALLS_MAX:
        raise FlinkmsError(
            errors.PROGRAM_LIMIT_EXCEEDED, f"more than {CALLS_MAX} model calls over rows in one statement",
            hint="Call the model once over a table of all its arguments, and join that.", position=starts[CALLS_MAX].position,
        )


def refuse_constants(count: int, position: int) -> None:
    """Raise FlinkmsError 54000 when so many values, the last at this place, are too many of a list."""
    if count > CONSTANTS_MAX:
        raise FlinkmsError(
            errors.PROGRAM_LIMIT_EXCEEDED, f"more than {CONSTANTS_MAX} values in one VALUES list",
            hint="Send fewer rows in a statement, or arrays: SELECT * FROM unnest($1, $2).", position=position,
        )
