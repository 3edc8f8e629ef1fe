"""Plans by statement text: a statement is planned once for each text, parameter types and view of the catalog.

Must not know sessions: one cache serves all of a frontend's, on one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.lexer import normalize
from flinkms_sql.query.plan import Plan, PointPlan
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.query.values import from_text
from flinkms_sql.types import SqlType

ENTRIES_MAX = 2048
"""Plans that are kept: what some hundred clients prepare, at a few KiB each."""

TEXT_MAX = 16_384
"""Characters of a text that is kept; longer ones are loads of data, which do not come again."""

_SAFE_DIGITS = 18
"""Every integer of so many characters is a BIGINT."""


class Planned(NamedTuple):
    """A plan, and the values of its parameters where they stood in the text as constants."""

    plan: Plan
    values: tuple[object, ...]


class PlanCache:
    """The plans used last. Errors are not kept."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._plans: OrderedDict[tuple[str, tuple[int, ...], Hashable], Plan] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def plan(self, text: str, catalog: CatalogView, parameter_oids: Sequence[int] = ()) -> Plan:
        """The plan of a statement, as ``analyze`` makes it."""
        key = (text, tuple(parameter_oids), catalog.key)
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        plan = analyze(text, catalog, parameter_oids)
        self.keep(text, parameter_oids, catalog.key, plan)
        return plan

    def knows(self, text: str, parameter_oids: Sequence[int], catalog: Hashable) -> bool:
        """Whether ``plan`` only has to look."""
        return (text, tuple(parameter_oids), catalog) in self._plans

    def keep(self, text: str, parameter_oids: Sequence[int], catalog: Hashable, plan: Plan) -> None:
        """Keep a plan that ``analyze`` made for the catalog of this key, unless its text is too long."""
        if len(text) <= TEXT_MAX:
            self._plans[text, tuple(parameter_oids), catalog] = plan
            if len(self._plans) > self._entries_max:
                self._plans.popitem(last=False)

    def plan_simple_query(self, text: str, catalog: CatalogView) -> Planned:
        """The plan of a statement without parameters; texts that differ in constants only share the plan of a point.

        Raises FlinkmsError with a position in ``text``.
        """
        pattern, constants = normalize(text)
        if not constants:
            return Planned(self.plan(text, catalog), ())
        try:
            plan = self.plan(pattern, catalog)
            if isinstance(plan, PointPlan):
                pairs = zip(constants, plan.parameter_types, strict=True)
                return Planned(plan, tuple(_value(constant, kind) for constant, kind in pairs))
        except FlinkmsError:
            pass  # the error has to show the text as it was written
        return Planned(self.plan(text, catalog), ())


def _value(constant: str, kind: SqlType | None) -> object:
    if kind is SqlType.BIGINT and len(constant) <= _SAFE_DIGITS and "." not in constant:
        return int(constant)
    return float(constant) if kind is SqlType.DOUBLE else from_text(constant, kind or SqlType.STRING)
