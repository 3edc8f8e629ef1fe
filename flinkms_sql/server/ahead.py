"""Plans that take long to make, made apart before the request that needs them is handled: nobody else waits for them.

Must not know what a plan is for. Texts are split and plans are made as they are where there is little to do; here only
where and when is decided. What fails to be planned fails again, and says why, when its turn has come: from here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import StatementText, split
from flinkms_sql.query.plan import Plan
from flinkms_sql.query.signatures import CatalogView

LONG_CHARACTERS = 2048
"""Characters of a text from which on it is worth a thread: even deeply nested, a shorter one is planned within a second."""

Wanted = tuple[str, tuple[int, ...]]
"""The text of a statement and the types of parameters it is planned with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What was planned for one request, with the catalog of this key."""

    key: Hashable
    plans: dict[Wanted, Plan | FlinkmsError]


def plan_all(wanted: Sequence[Wanted], catalog: CatalogView) -> Ahead:
    """All the plans of a request, and the errors of those that have none."""
    return Ahead(key=catalog.key, plans={one: _plan(one, catalog) for one in wanted})


def split_and_plan(text: str, catalog: CatalogView) -> tuple[list[StatementText], Ahead]:
    """The statements of a text, and their plans. Raises FlinkmsError for a text that does not end."""
    statements = split(text)
    return statements, plan_all([(statement.text, ()) for statement in statements], catalog)


def _plan(wanted: Wanted, catalog: CatalogView) -> Plan | FlinkmsError:
    text, oids = wanted
    try:
        return analyze(text, catalog, oids)
    except FlinkmsError as error:
        return error


def moved(error: FlinkmsError, offset: int) -> FlinkmsError:
    """The error of a statement that starts at this offset of the text the client wrote."""
    if error.position is None or error.query is not None or not offset:
        return error
    return FlinkmsError(error.sqlstate, error.message, detail=error.detail, hint=error.hint, position=error.position + offset)
