"""The simulated world: clients, frontends that are killed, a control database, a registry and streams, and their laws.

What a model learns from the streams is in ``learning``; here is who writes them, and what writers are told.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.modellog.stream import stream_ends
from flinkms_sql.places import Places
from tests.simulation.baton import EPOCH_S, Baton, Locks
from tests.simulation.client import Answer, Exchange, Lost, SimClient
from tests.simulation.frontend import Around, Frontend
from tests.simulation.ledger import Ledger, Row
from tests.simulation.loop import Process, SimLoop
from tests.simulation.registry import SimReader, SimStore
from tests.simulation.relational import ControlDatabase
from tests.simulation.scripts import exchanges, expected
from tests.simulation.stream import Disk
from tests.simulation.training import numbers_of

STREAM, TABLE = "events", "notes"
EVENTS = f"CREATE TABLE {STREAM} (n BIGINT, u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')"
QUIET_S = 5.0
"""Simulated seconds after which everything that was begun has ended."""

WORLD = "world"
"""The thread of all that is not a process: clients, network, control database."""

HANGS_UP_SHARE, HANGS_UP_S_MAX = 0.05, 0.1
"""Share of the requests whose client does not wait for the whole answer, and how long it waits."""

TOLERATED = ("53100", "08006", "57P01", "57P03", "58030")
"""What a statement may be answered with while things fail."""


@dataclass
class Known:
    """What clients know of their rows: surely there, surely not there; all others may be either.

    A row of a stream is kept in one incarnation of it, by its directory.
    """

    kept: dict[Row, str] = field(default_factory=dict)
    gone: set[Row] = field(default_factory=set)


class World:
    """One run, from a seed, in a directory of its own. ``faults``: processes are killed, connections cut, disks full."""

    frontends_count = 1

    def __init__(self, seed: int, folder: Path, *, faults: bool) -> None:
        self.seed = seed
        self.faults = faults
        self.folder = folder
        self.baton = Baton(seed)
        self.chance = self.baton.chance
        self.loop = SimLoop(self.baton)
        self.known = Known()
        self.log: list[str] = []
        self.store = MemoryStore(now=self._now)
        self.seen: dict[int, Snapshot] = {}
        """What frontends have read of the registry, by generation."""
        self.moving = False
        """A stream is being dropped and created: which incarnation a row goes to is not known."""
        self.registry_away = False
        (folder / "disk").mkdir()
        (folder / "warehouse").symlink_to("disk")  # people move their data to another disk
        self.places = Places(warehouse=folder / "warehouse")
        self.disk = Disk(self.loop)
        self.disk.fails = faults
        self._locks = Locks(self.baton)
        self._numbers = itertools.count(1)
        self._starts = itertools.count(1)

    def run(self) -> None:
        """Run to the end and check the laws. Raises AssertionError, which names the seed and tells the story."""
        done: list[None] = []
        self.baton.start(WORLD, lambda: (self.loop.run(self._run()), done.append(None)))
        try:
            self.baton.run(lambda: bool(done))
        except BaseException as error:
            raise AssertionError(self.story(repr(error))) from error
        finally:
            self.baton.close()

    def story(self, what: str) -> str:
        """What happened, for whoever has to find out why."""
        return "\n".join([f"seed {self.seed}: {what}", *self.log])

    def say(self, what: str) -> None:
        """Add to the story."""
        self.log.append(f"{self.baton.now:9.3f} {what}")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.baton.now, timezone.utc)

    async def _run(self) -> None:
        try:
            self.database = ControlDatabase(self.loop)
            self.frontends = [self._frontend() for _ in range(self.frontends_count)]
            await self.play()
            assert not self.loop.failures, self.loop.failures
        finally:
            for frontend in self.frontends:
                self.loop.kill(frontend.process)
            tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def play(self, clients: int = 3, count: int = 25) -> None:
        """What happens, and the laws at its end."""
        await self.execute(EVENTS)
        works = [asyncio.ensure_future(self.client(str(name), exchanges(self.chance, self._numbers, count), 0.05))
                 for name in range(clients)]
        enemy = asyncio.ensure_future(self._enemy()) if self.faults else None
        await asyncio.gather(*works)
        if enemy is not None:
            enemy.cancel()
        await asyncio.sleep(QUIET_S)
        self.cut_all()
        await asyncio.sleep(QUIET_S)
        self.check_rows()
        self.check_rest()

    # Processes.

    def lost_share(self) -> float:
        """Share of the registry's calls that do not arrive."""
        return 1.0 if self.registry_away else 0.0

    def registry(self, process: Process | None = None, lost_share: Callable[[], float] | None = None) -> Any:
        """The registry as a process reaches it."""
        return SimStore(self.store, self.baton, self._locks, lost_share or self.lost_share, process)

    def _frontend(self) -> Frontend:
        process = Process(f"frontend {next(self._starts)}")
        reader = SimReader(self.store, self.baton, self.lost_share, self.seen)
        return Frontend(process, Around(loop=self.loop, store=self.registry(process), reader=reader, disk=self.disk,
                                        places=self.places))

    def kill_frontend(self, number: int) -> None:
        """kill -9: every connection of its is cut, appends in flight may be on the disk or not. It starts again at once."""
        self.loop.kill(self.frontends[number].process)
        self.frontends[number] = self._frontend()

    def kill_database(self) -> None:
        """kill -9: every backend is gone, and with them the registry, for a moment."""
        self.database.kill()
        if not self.registry_away:
            self.registry_away = True
            self.loop.call_later(2.0 * self.chance.random(), self._database_back)

    def _database_back(self) -> None:
        self.registry_away = False

    def cut_all(self) -> None:
        """Cut every connection."""
        for wire in self.loop.wires:
            wire.cut()

    async def _enemy(self) -> None:
        while True:
            await asyncio.sleep(self.chance.random() * 2.0)
            kind = self.chance.choice(("frontend", "database", "wire"))
            self.say(f"kill {kind}")
            if kind == "frontend":
                self.kill_frontend(self.chance.randrange(len(self.frontends)))
            elif kind == "database":
                self.kill_database()
            elif self.loop.wires:
                self.chance.choice(self.loop.wires).cut()

    # Clients.

    async def client(self, name: str, wanted: Iterator[Exchange], pause_s: float) -> None:
        """A client that holds every answer against the model; it comes again when it is cut off."""
        ledger, held = Ledger(), None
        for exchange in wanted:
            while held is None:
                held = await self._enter()
            self.say(f"client {name}: {exchange}")
            if not await self._exchange(held, ledger, exchange):
                held, ledger = None, Ledger()
            self.check_served()
            await asyncio.sleep(self.chance.random() * pause_s)
        if held is not None:
            held.wire.close()

    async def execute(self, text: str, patience_s: float = 200.0) -> Answer | None:
        """Run one statement on a connection of its own; None when it was given up or cut off."""
        while (client := await self._enter()) is None:
            pass
        self.say(text)
        try:
            answer = await asyncio.wait_for(client.exchange(Exchange(simple=True, statements=(text,))), patience_s)
        except (Lost, asyncio.TimeoutError) as error:
            client.wire.cut()
            self.say(f"  … {type(error).__name__}")
            return None
        client.wire.close()
        self.say(f"  -> {answer.error} {client.said}" if answer.error else "  -> done")
        self.check_served()
        return answer

    async def _enter(self) -> SimClient | None:
        frontend = self.chance.choice(self.frontends)
        try:
            if frontend.ready:
                client = frontend.connected()
                await client.start()
                return client
        except Lost:
            pass
        await asyncio.sleep(0.1 * self.chance.random())
        return None

    async def _exchange(self, client: SimClient, ledger: Ledger, exchange: Exchange) -> bool:
        """Whether the connection lives on; what is known of rows is noted."""
        before, moved, faults = ledger.open_rows(), self.moving, self.faults
        wanted = expected(ledger, exchange)
        kept, ledger.committed = set(ledger.committed), []
        still_open = ledger.open_rows()
        if self.faults and self.chance.random() < HANGS_UP_SHARE:
            self.loop.call_later(HANGS_UP_S_MAX * self.chance.random(), client.wire.cut)
        said = before | {row for text in exchange.statements for row in Ledger.rows_of(text)}
        try:
            answer = await client.exchange(exchange)
        except Lost:
            assert faults, "a connection ended by itself"
            return False
        self.say(f"  -> {answer}")
        moved = moved or self.moving
        if answer != wanted and ((faults and answer.error in TOLERATED) or (moved and self.may_move(answer))):
            client.wire.close()
            return False
        assert answer == wanted, f"wanted {wanted}: {client.said}"
        if not moved:
            path = self.path_of(STREAM)
            self.known.kept |= dict.fromkeys(kept, path)
        self.known.gone |= said - kept - still_open
        return True

    def may_move(self, answer: Answer) -> bool:
        """Whether an answer is due to what is dropped and created again meanwhile."""
        return answer.error in ("42P01", "42704", "55000", "57P01", "0A000")

    # Laws.

    def path_of(self, stream: str) -> str:
        """Directory of a stream."""
        return str(self.store.snapshot().tables[stream].path)

    def rows_in(self, path: str) -> list[int]:
        """The rows of a stream, of all its partitions, as far as their writers vouch for them."""
        return [number for partition, end in stream_ends(Path(path)).items() if end != (0, 0)
                for number in numbers_of(Path(path) / "log" / partition, end)]

    def check_served(self) -> None:
        """Frontends serve what they have read of."""

    def check_rest(self) -> None:
        """Once every client has gone, nothing is at work for them."""
        for frontend in self.frontends:
            assert not (left := frontend.at_work()), f"{frontend.process.name}: {left}"

    def check_rows(self) -> None:
        """What clients were told is so, in the streams and in the tables."""
        path = self.path_of(STREAM)
        found = Counter(Row(STREAM, number) for number in self.rows_in(path)) + Counter(self.database.rows)
        assert not (twice := [row for row, times in found.items() if times > 1]), f"a row is there twice: {twice}"
        kept = {row for row, where in self.known.kept.items() if row.table == TABLE or where == path}
        assert kept <= found.keys(), f"lost: {kept - found.keys()}"
        assert not self.known.gone & found.keys(), f"rolled back but there: {self.known.gone & found.keys()}"
