"""What makes requests one session, in one hand: given to whatever answers a request, which needs nothing else.

Must not know how a request is answered. Each part is owned by its module; this one only holds them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flinkms_sql.query.cache import PlanCache, Planned
from flinkms_sql.query.plan import DeployPlan, Plan, RelayPlan, StreamInsertPlan
from flinkms_sql.query.statements.statement import Score
from flinkms_sql.server.binding import planned
from flinkms_sql.server.interrupts import Interrupts
from flinkms_sql.server.names import Names
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.route import View
from flinkms_sql.server.services import Services
from flinkms_sql.server.transaction import Transaction

_IN_PUBLIC = re.compile(r'\s*insert\s+into\s+"?public"?\s*\.', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """See the module. ``services`` and ``plans`` are shared by all sessions."""

    outbox: Outbox
    names: Names
    transaction: Transaction
    interrupts: Interrupts
    services: Services
    plans: PlanCache

    @property
    def generation(self) -> int:
        """Of the catalog plans are made for now."""
        return self.services.catalogs.current().generation

    def plan(self, text: str, declared: tuple[int, ...] = ()) -> Plan:
        """The plan of one statement. Raises FlinkmsError."""
        catalog = self.services.catalogs.current()
        return self._as_named(planned(lambda oids: self.plans.plan(text, catalog, oids), declared), text)

    def plan_simple(self, text: str) -> Planned:
        """The plan of one statement of the simple protocol, and the constants taken out of it. Raises FlinkmsError."""
        found = self.plans.plan_simple_query(text, self.services.catalogs.current())
        return Planned(self._as_named(found.plan, text), found.values)

    def _as_named(self, plan: Plan, text: str) -> Plan:
        """An INSERT without a schema is PostgreSQL's while search_path does not lead to where streams are."""
        inserts = isinstance(plan, StreamInsertPlan) or (
            isinstance(plan, DeployPlan) and isinstance(plan.statement, Score)
        )
        if inserts and self.transaction.hides_public and not _IN_PUBLIC.match(text):
            return RelayPlan()
        return plan

    def view(self, *, several: bool = False) -> View:
        """What decides where a statement goes."""
        transaction = self.transaction
        return View(
            status=transaction.status, linked=transaction.link is not None, hidden=transaction.hidden, several=several,
            pending=transaction.pending.waiting, shown=transaction.local.shown_names(),
            prepared=self.names.statements.keys(),
        )  # fmt: skip
