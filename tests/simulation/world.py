"""The simulated world: clients, a frontend that may be killed, a control database and a stream, and the laws they keep."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field

from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.authentication import Authentication
from flinkms_sql.server.services import Services
from flinkms_sql.server.session import Session
from flinkms_sql.server.settings import DEFAULT_PARAMETERS, FrontendSettings
from flinkms_sql.server.shared import Shared
from tests.server_client import REGISTRY
from tests.serving import Catalogs, Deployer
from tests.simulation.client import Exchange, Lost, SimClient
from tests.simulation.ledger import Ledger, Row
from tests.simulation.loop import SimLoop, connect
from tests.simulation.relational import PATH, ControlDatabase
from tests.simulation.scripts import exchanges, expected
from tests.simulation.stream import SimStreams

STREAM, TABLE = "rating_events", "notes"
QUIET_S = 5.0
"""Simulated seconds after which everything that was begun has ended."""


@dataclass
class Known:
    """What clients know of their rows: surely there, surely not there; all others may be either."""

    kept: set[Row] = field(default_factory=set)
    gone: set[Row] = field(default_factory=set)
    log: list[str] = field(default_factory=list)


class World:
    """One run, from a seed; ``faults``: processes are killed, connections cut, disks full."""

    def __init__(self, seed: int, *, faults: bool) -> None:
        self.loop = SimLoop(seed)
        self.seed = seed
        self.faults = faults
        self.known = Known()
        self._numbers = itertools.count(1)

    def run(self, *, clients: int = 3, count: int = 25) -> None:
        """Run to the end and check the laws. Raises AssertionError naming the seed."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._run(clients, count))
        finally:
            self.loop.run_until_complete(self._end())
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _end(self) -> None:
        """Nothing may go on once the loop is closed."""
        self._cut_all()
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, clients: int, count: int) -> None:
        self.database = ControlDatabase(self.loop)
        self.streams = SimStreams(self.loop)
        self.streams.events.fails = self.faults
        self._start_frontend()
        works = [asyncio.ensure_future(self._client(name, count)) for name in range(clients)]
        enemy = asyncio.ensure_future(self._enemy()) if self.faults else None
        await asyncio.gather(*works)
        if enemy is not None:
            enemy.cancel()
        await asyncio.sleep(QUIET_S)
        self._cut_all()
        await asyncio.sleep(QUIET_S)
        self._check()

    def _start_frontend(self) -> None:
        services = Services(catalogs=Catalogs(), registry=REGISTRY, streams=self.streams, deployer=Deployer(),
                            backend=BackendAddress(host=PATH.rpartition("/")[0]))
        self.frontend = Shared(services, FrontendSettings(), Authentication(None), DEFAULT_PARAMETERS)

    def _kill_frontend(self) -> None:
        """kill -9: every connection of its is cut, appends in flight may or may not be on the disk."""
        self.streams.events.kill()
        self._cut_all()
        self._start_frontend()

    def _cut_all(self) -> None:
        for wire in self.loop.wires:
            wire.cut()

    async def _enemy(self) -> None:
        while True:
            await asyncio.sleep(self.loop.chance.random() * 2.0)
            kind = self.loop.chance.choice(("frontend", "database", "wire"))
            self.known.log.append(f"{self.loop.now:.3f} kill {kind}")
            if kind == "frontend":
                self._kill_frontend()
            elif kind == "database":
                self.database.kill()
            elif self.loop.wires:
                self.loop.chance.choice(self.loop.wires).cut()

    async def _client(self, name: int, count: int) -> None:
        ledger, held = Ledger(), None
        for exchange in exchanges(self.loop.chance, self._numbers, count):
            while held is None:
                held = await self._enter()
            self.known.log.append(f"{self.loop.now:.3f} client {name}: {exchange}")
            if not await self._exchange(held, ledger, exchange):
                held, ledger = None, Ledger()
            await asyncio.sleep(self.loop.chance.random() * 0.05)
        if held is not None:
            held.wire.close()

    async def _enter(self) -> SimClient | None:
        client = SimClient(self.loop)
        connect(self.loop, client, Session(self.frontend))
        try:
            await client.start()
        except Lost:
            return None
        return client

    async def _exchange(self, client: SimClient, ledger: Ledger, exchange: Exchange) -> bool:
        """Whether the connection lives on; what is known of rows is noted."""
        before = _open_rows(ledger)
        wanted = expected(ledger, exchange)
        kept, ledger.committed = set(ledger.committed), []
        still_open = _open_rows(ledger)
        said = before | {row for text in exchange.statements for row in _rows_of(text)}
        try:
            answer = await client.exchange(exchange)
        except Lost:
            return False
        self.known.log.append(f"{self.loop.now:.3f}   -> {answer}")
        if self.faults and answer != wanted and answer.error in ("53100", "08006", "57P01"):
            client.wire.close()
            return False
        assert answer == wanted, self._story(f"wanted {wanted}")
        self.known.kept |= kept
        self.known.gone |= said - kept - still_open
        return True

    def _check(self) -> None:
        found = Counter(Row(STREAM, number) for number in self.streams.events.durable) + Counter(self.database.rows)
        assert not [row for row, times in found.items() if times > 1], self._story("a row is there twice")
        assert self.known.kept <= found.keys(), self._story(f"lost: {self.known.kept - found.keys()}")
        assert not self.known.gone & found.keys(), self._story(f"rolled back but there: {self.known.gone & found.keys()}")

    def _story(self, what: str) -> str:
        return "\n".join([f"seed {self.seed}: {what}", *self.known.log])


def _open_rows(ledger: Ledger) -> set[Row]:
    return {entry for entry in ledger._entries if isinstance(entry, Row)}


def _rows_of(text: str) -> set[Row]:
    ledger = Ledger()
    ledger.run("BEGIN")
    if text.startswith("INSERT"):
        ledger.run(text)
    return _open_rows(ledger)
