"""What makes requests one session, in one hand: given to whatever answers a request, which needs nothing else.

Must not know how a request is answered. Each part is owned by its module; this one only holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from flinkms_sql.query.cache import PlanCache, Planned
from flinkms_sql.query.plan import Plan
from flinkms_sql.server.binding import planned
from flinkms_sql.server.interrupts import Interrupts
from flinkms_sql.server.names import Names
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.route import View
from flinkms_sql.server.services import Services
from flinkms_sql.server.transaction import Transaction


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
        return planned(lambda oids: self.plans.plan(text, catalog, oids), declared)

    def plan_simple(self, text: str) -> Planned:
        """The plan of one statement of the simple protocol, and the constants taken out of it. Raises FlinkmsError."""
        return self.plans.plan_simple_query(text, self.services.catalogs.current())

    def view(self, *, several: bool = False) -> View:
        """What decides where a statement goes."""
        transaction = self.transaction
        return View(
            status=transaction.status, linked=transaction.link is not None, hidden=transaction.hidden, several=several,
            pending=transaction.pending.waiting, shown=transaction.local.shown_names(),
            prepared=self.names.statements.keys(),
        )  # fmt: skip
