"""A frontend over models in memory, for tests: no log, no Flink; the relational route only where a test gives it one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from flinkms_sql.catalog.asynchronous import RightsReader
from flinkms_sql.deploy.events import Done, Event, Progress, Rows, started
from flinkms_sql.engine.registry import LoadedVersion, Pointers, Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.signatures import Catalog, ModelSignature, TableSignature
from flinkms_sql.query.statements.statement import DropModel, EvaluateModel, LearnModel, RefreshModel
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.listener import Server, serve
from flinkms_sql.server.loop import new_event_loop
from flinkms_sql.server.services import Services
from flinkms_sql.server.settings import FrontendSettings
from flinkms_sql.serving.access import Access
from flinkms_sql.types import SqlType
from udfs.als import Als
from udfs.block import Column
from udfs.generate import factor_constants, random_factors
from udfs.model import Fitted
from udfs.views import ArrayView

BIGINT, DOUBLE, STRING = SqlType.BIGINT, SqlType.DOUBLE, SqlType.STRING

REC = ModelSignature(
    name="rec",
    algorithm="als",
    inputs=(("user_id", BIGINT), ("item_id", BIGINT)),
    outputs=(("rating", DOUBLE),),
    recommends=True,
)
EVENTS = TableSignature(
    name="rating_events",
    kind="stream",
    columns=(("user_id", BIGINT), ("item_id", BIGINT), ("rating", DOUBLE), ("note", STRING)),
)
VISITS = TableSignature(
    name="visits", kind="stream",
    columns=(("id", BIGINT), ("at", SqlType.TIMESTAMP_LTZ), ("shown", SqlType.TIMESTAMP), ("day", SqlType.DATE)),
)  # fmt: skip


@dataclass
class Catalogs:
    """The catalog of a test, which may change it."""

    catalog: Catalog = field(
        default_factory=lambda: Catalog(model_signatures=(REC,), table_signatures=(EVENTS, VISITS), generation=1)
    )

    def current(self) -> Catalog:
        return self.catalog

    def change(self, **changes: object) -> None:
        self.catalog = replace(self.catalog, generation=self.catalog.generation + 1, **changes)


@dataclass
class Stream:
    """A stream in memory: ``batches`` are what was appended; ``error`` is what the next append fails with."""

    batches: list[list[list[object]]] = field(default_factory=list)
    error: FlinkmsError | None = None

    async def append(self, columns: Sequence[Column]) -> None:
        await asyncio.sleep(0.001)
        if self.error is not None:
            raise self.error
        self.batches.append([list(row) for row in zip(*map(_python, columns), strict=True)])

    @property
    def rows(self) -> list[list[object]]:
        return [row for batch in self.batches for row in batch]


def _python(column: Column) -> list[object]:
    values = column.values.tolist()
    valid = [True] * len(values) if column.valid is None else column.valid.tolist()
    return [value if present else None for value, present in zip(values, valid, strict=True)]


@dataclass
class Streams:
    """The streams of a test."""

    events: Stream = field(default_factory=Stream)
    visits: Stream = field(default_factory=Stream)

    def writer(self, table: str) -> Stream:
        return {"rating_events": self.events, "visits": self.visits}[table]


@dataclass
class Deployer:
    """Plays deployments: REFRESH takes until it is canceled, EVALUATE has rows, everything else is done at once."""

    closed: list[str] = field(default_factory=list)

    async def execute(self, plan: DeployPlan) -> AsyncIterator[Event]:
        name = type(plan.statement).__name__
        try:
            match plan.statement:
                case RefreshModel():
                    yield Progress(job=1, phase="training", done=1, total=10)
                    await asyncio.sleep(60)
                case EvaluateModel():
                    yield Rows(columns=plan.columns, rows=(("rmse", 0.875, 100, 0, 0), ("mae", 0.67, 100, 0, 0)))
                    yield Done(tag="EVALUATE MODEL")
                case LearnModel():
                    for step in started(17):
                        yield step
                case DropModel(names=("broken",)):
                    raise RuntimeError("a bug")
                case _:
                    yield Progress(job=1, phase="first")
                    yield Progress(job=1, phase="second, too soon to be told")
                    yield Done(tag="CREATE MODEL")
        finally:
            self.closed.append(name)


def registry(users: int = 1000, items: int = 1000, factors: int = 50) -> Registry:
    """A registry with version 1 of ``rec``, of random factors and live, and version 2, whose predictions differ."""
    held, versions = Registry(), []
    for number in (1, 2):
        model = Als.from_options({"factors": str(factors)}, ["BIGINT", "BIGINT"])
        rows: dict[str, list] = {"users": [], "items": []}
        for table, keys, matrix in random_factors(users, items, factors, seed=number):
            rows[table].append((keys, matrix))
        tables = {
            table: (np.concatenate([keys for keys, _ in parts]), np.concatenate([matrix for _, matrix in parts]))
            for table, parts in rows.items()
        }
        fitted = Fitted(rows=tables, constants=factor_constants(factors), metrics={}, rows_read=0, rows_failed=0)
        view = ArrayView(model, fitted)
        versions.append(LoadedVersion(name="rec", version=number, inputs=(SqlType.BIGINT, SqlType.BIGINT), model=model,
                                      view=view, recommender=model))
    held.become(loaded=versions,
                pointers={"rec": Pointers(versions=frozenset((1, 2)), aliases={"live": 1, "canary": 2})})
    return held


@dataclass
class Running:
    """A frontend that runs in a thread of its own."""

    server: Server
    services: Services
    catalogs: Catalogs
    streams: Streams
    deployer: Deployer
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return self.server.port

    def read_rights(self) -> None:
        """Read what roles may do again, as every second does."""
        assert self.services.access is not None
        asyncio.run_coroutine_threadsafe(self.services.access.refresh(), self.loop).result(10)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=flinkms dbname=flinkms"


@contextmanager
def frontend(backend: BackendAddress | None = None, rights: str | None = None, **settings: object) -> Iterator[Running]:
    """A frontend on a free port of 127.0.0.1; ``rights`` is a DSN of where roles are read, without which all may do all."""
    catalogs, streams, deployer = Catalogs(), Streams(), Deployer()
    access = None if rights is None else Access(RightsReader(rights))
    services = Services(catalogs=catalogs, registry=registry(), backend=backend, streams=streams, deployer=deployer, access=access)
    loop = new_event_loop()
    wanted = FrontendSettings(**({"port": 0} | settings))
    try:
        if access is not None:
            loop.run_until_complete(access.refresh())
        server = loop.run_until_complete(serve(services, wanted))
    except BaseException:
        loop.close()
        raise
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Running(server, services, catalogs, streams, deployer, loop)
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        if access is not None:
            asyncio.run_coroutine_threadsafe(access.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
