"""The frontend's process: catalog, versions, streams and deployer around a server, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from contextlib import closing

from flinkms_sql.catalog.asynchronous import SnapshotReader
from flinkms_sql.catalog.connection import connection_parameters
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.engine.registry import Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.signatures import Catalog, catalog_of
from flinkms_sql.server.exposure import tls_context
from flinkms_sql.server.link import BackendAddress
from flinkms_sql.server.listener import serve
from flinkms_sql.server.services import Services
from flinkms_sql.server.settings import FrontendSettings
from flinkms_sql.serving.deploying import SessionDeployer
from flinkms_sql.serving.streams import Streams
from flinkms_sql.serving.versions import Versions
from flinkms_sql.settings import DATABASE, Settings

logger = logging.getLogger(__name__)

REGISTRY_RETRY_S = 0.2
"""Seconds before asking for the catalog again after the control database was lost; meanwhile the last one serves."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests leave no cycles behind: a collection is rare, and what was loaded before serving began is left out of it."""

SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep a thread waiting that commits INSERTs: Python's 5 ms is several fsyncs."""


class Following:
    """The newest snapshot, and everything that has to be in step with it."""

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._catalog = Catalog()
        self.registry = Registry()
        self.versions = Versions(self.registry)
        self.streams = Streams(on_insert=self.versions.expect_updates)

    def current(self) -> Catalog:
        """The catalog that statements are planned with."""
        return self._catalog

    async def take(self, snapshot: Snapshot) -> None:
        """Serve what a snapshot says; an older one than the present is passed over."""
        if snapshot.generation < self._catalog.generation:
            return
        await self.versions.follow(snapshot)
        self.streams.follow(snapshot)
        self._catalog = catalog_of(snapshot)

    async def catch_up(self) -> None:
        """Serve what the registry says now."""
        await self.take(await self._reader.snapshot())

    async def watch(self) -> None:
        """Follow the registry, for ever."""
        while True:
            try:
                async for snapshot in self._reader.snapshots():
                    await self.take(snapshot)
            except FlinkmsError as error:
                logger.warning("registry: %s", error)
                await asyncio.sleep(REGISTRY_RETRY_S)


def run_frontend(settings: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(_main(settings, dsn))


async def _main(settings: Settings, dsn: str) -> None:
    following = Following(SnapshotReader(dsn))
    await following.catch_up()
    gc.collect()
    gc.freeze()
    with closing(PostgresStore(dsn)) as store, closing(following.streams):
        services = Services(
            catalogs=following, registry=following.registry, streams=following.streams,
            backend=BackendAddress(**connection_parameters(dsn)),
            deployer=SessionDeployer(Deployer(store=store, warehouse=settings.warehouse), following.catch_up),
        )
        server = await serve(services, FrontendSettings(
            hosts=(settings.host,), port=settings.port, database=DATABASE, password_file=settings.password_file,
            tls=tls_context(settings.tls_cert, settings.tls_key), allow_plaintext=settings.allow_plaintext,
        ))
        background = [asyncio.create_task(work) for work in (following.watch(), following.versions.poll())]
        await _stopped(background)
        await server.close()
        for task in background:
            task.cancel()


async def _stopped(background: list[asyncio.Task[None]]) -> None:
    """Returns at SIGTERM or SIGINT. A background task never ends by itself: if one does, that is a bug to die of."""
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stop.done() or stop.set_result(None))
    done, _ = await asyncio.wait([stop, *background], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
