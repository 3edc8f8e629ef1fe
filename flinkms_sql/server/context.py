"""What makes requests one session, in one hand: given to whatever answers a request, which needs nothing else.

Must not know how a request is answered. Each part is owned by its module; this one only holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cache import PlanCache, Planned
from flinkms_sql.query.plan import Plan
from flinkms_sql.server.ahead import Ahead, Wanted, plan_all
from flinkms_sql.server.apart import Apart
from flinkms_sql.server.binding import planned, planned_oids
from flinkms_sql.server.interrupts import Interrupts
from flinkms_sql.server.names import Names
from flinkms_sql.server.naming import Naming
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.server.route import View
from flinkms_sql.server.services import Services
from flinkms_sql.server.transaction import Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """See the module. ``services``, ``plans`` and ``apart`` are shared by all sessions."""

    outbox: Outbox
    names: Names
    transaction: Transaction
    interrupts: Interrupts
    naming: Naming
    services: Services
    plans: PlanCache
    apart: Apart
    ahead: list[Ahead] = field(default_factory=list)
    """Plans that were made before their request is handled, which ends with it; at most one of them."""

    @property
    def key(self) -> Hashable:
        """Of the catalog, as this session sees it, plans are made for now."""
        return self.naming.catalog().key

    def plan(self, text: str, declared: tuple[int, ...] = ()) -> Plan:
        """The plan of one statement. Raises FlinkmsError."""
        return planned(lambda oids: self._plan(text, oids), declared)

    def _plan(self, text: str, oids: tuple[int, ...]) -> Plan:
        ahead = self._made_ahead(text, oids)
        return self.plans.plan(text, self.naming.catalog(), oids) if ahead is None else ahead

    def plan_simple(self, text: str) -> Planned:
        """The plan of one statement of the simple protocol, and the constants taken out of it. Raises FlinkmsError."""
        ahead = self._made_ahead(text, ())
        if ahead is not None:
            return Planned(ahead, ())
        return self.plans.plan_simple_query(text, self.naming.catalog())

    def _made_ahead(self, text: str, oids: tuple[int, ...]) -> Plan | None:
        if not self.ahead or self.ahead[0].key != self.key:
            return None
        found = self.ahead[0].plans.get((text, oids))
        if isinstance(found, FlinkmsError):
            raise found
        return found

    async def refresh(self, text: str) -> None:
        """Ask PostgreSQL what matters to a statement that is about to be planned, if it may have changed. Raises
        FlinkmsError."""
        if self.naming.unsure(text):
            await self.naming.refresh()
        if self.transaction.stale and self.transaction.status != "failed":
            await self.transaction.refresh()

    async def plan_ahead(self, text: str, declared: tuple[int, ...]) -> None:
        """Plan a long statement that is about to be asked for. Raises FlinkmsError 57014; others when it is asked for."""
        await self.refresh(text)
        await self.plan_all_ahead([(text, planned_oids(declared))])

    async def plan_all_ahead(self, wanted: list[Wanted]) -> None:
        """The same for several; what is planned already is not planned again."""
        catalog = self.naming.catalog()
        left = [one for one in wanted if not self.plans.knows(*one, catalog.key)]
        if left:
            self.have_ahead(await self.make_apart(lambda: plan_all(left, catalog)))

    def have_ahead(self, ahead: Ahead) -> None:
        """These were planned; they last for the request at hand, and as long as the cache keeps them."""
        self.ahead[:] = [ahead]
        for (text, oids), plan in ahead.plans.items():
            if not isinstance(plan, FlinkmsError):
                self.plans.keep(text, oids, ahead.key, plan)

    async def make_apart(self, work: Callable[[], T]) -> T:
        """What takes long and touches nothing, while others go on. Raises FlinkmsError, 57014 when it takes too long."""
        timeout_s = self.transaction.known.timeout_s
        self.interrupts.allow(timeout_s)
        made = await self.apart.run(work)
        self.interrupts.forbid(timeout_s)
        return made

    def view(self, *, several: bool = False) -> View:
        """What decides where a statement goes."""
        transaction = self.transaction
        return View(
            status=transaction.status, linked=transaction.link is not None, hidden=transaction.hidden, several=several,
            pending=transaction.pending.waiting, shown=transaction.local.shown_names(),
            prepared=self.names.statements.keys(),
        )  # fmt: skip
