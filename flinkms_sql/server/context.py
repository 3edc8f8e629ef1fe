"""What makes requests one session, in one hand: given to whatever answers a request, which needs nothing else.

Must not know how a request is answered. Each part is owned by its module; this one only holds them together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cache import PlanCache, Planned
from flinkms_sql.query.plan import DeployPlan, Plan, RelayPlan, StreamInsertPlan
from flinkms_sql.query.statements.statement import Score
from flinkms_sql.server.ahead import Ahead, Wanted, plan_all
from flinkms_sql.server.apart import Apart
from flinkms_sql.server.binding import planned, planned_oids
from flinkms_sql.server.interrupts import Interrupts
from flinkms_sql.server.names import Names
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.route import View
from flinkms_sql.server.services import Services
from flinkms_sql.server.transaction import Transaction

_IN_PUBLIC = re.compile(r'\s*insert\s+into\s+"?public"?\s*\.', re.IGNORECASE)


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """See the module. ``services``, ``plans`` and ``apart`` are shared by all sessions."""

    outbox: Outbox
    names: Names
    transaction: Transaction
    interrupts: Interrupts
    services: Services
    plans: PlanCache
    apart: Apart
    ahead: list[Ahead] = field(default_factory=list)
    """Plans that were made before their request is handled, which ends with it; at most one of them."""

    @property
    def generation(self) -> int:
        """Of the catalog plans are made for now."""
        return self.services.catalogs.current().generation

    def plan(self, text: str, declared: tuple[int, ...] = ()) -> Plan:
        """The plan of one statement. Raises FlinkmsError."""
        return self._as_named(planned(lambda oids: self._plan(text, oids), declared), text)

    def _plan(self, text: str, oids: tuple[int, ...]) -> Plan:
        ahead = self._made_ahead(text, oids)
        return self.plans.plan(text, self.services.catalogs.current(), oids) if ahead is None else ahead

    def plan_simple(self, text: str) -> Planned:
        """The plan of one statement of the simple protocol, and the constants taken out of it. Raises FlinkmsError."""
        ahead = self._made_ahead(text, ())
        if ahead is not None:
            return Planned(self._as_named(ahead, text), ())
        found = self.plans.plan_simple_query(text, self.services.catalogs.current())
        return Planned(self._as_named(found.plan, text), found.values)

    def _made_ahead(self, text: str, oids: tuple[int, ...]) -> Plan | None:
        if not self.ahead or self.ahead[0].generation != self.generation:
            return None
        found = self.ahead[0].plans.get((text, oids))
        if isinstance(found, FlinkmsError):
            raise found
        return found

    async def refresh(self) -> None:
        """Ask PostgreSQL what the session's settings are by now, if they may have changed. Raises FlinkmsError."""
        if self.transaction.stale and self.transaction.status != "failed":
            await self.transaction.refresh()

    async def plan_ahead(self, text: str, declared: tuple[int, ...]) -> None:
        """Plan a long statement that is about to be asked for. Raises FlinkmsError 57014; others when it is asked for."""
        await self.plan_all_ahead([(text, planned_oids(declared))])

    async def plan_all_ahead(self, wanted: list[Wanted]) -> None:
        """The same for several; what is planned already is not planned again."""
        catalog = self.services.catalogs.current()
        left = [one for one in wanted if not self.plans.knows(*one, catalog.generation)]
        if left:
            await self.refresh()
            self.have_ahead(await self.make_apart(lambda: plan_all(left, catalog)))

    def have_ahead(self, ahead: Ahead) -> None:
        """These were planned; they last for the request at hand, and as long as the cache keeps them."""
        self.ahead[:] = [ahead]
        for (text, oids), plan in ahead.plans.items():
            if not isinstance(plan, FlinkmsError):
                self.plans.keep(text, oids, ahead.generation, plan)

    async def make_apart(self, work: Callable[[], T]) -> T:
        """What takes long and touches nothing, while others go on. Raises FlinkmsError, 57014 when it takes too long."""
        timeout_s = self.transaction.known.timeout_s
        self.interrupts.allow(timeout_s)
        made = await self.apart.run(work)
        self.interrupts.forbid(timeout_s)
        return made

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
