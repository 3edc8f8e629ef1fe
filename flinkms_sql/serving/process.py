"""The frontend's process: catalog, versions, streams and deployer around a server, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from contextlib import closing

from flinkms_sql.catalog.asynchronous import RightsReader, SnapshotReader
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.users import Users
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Places
from flinkms_sql.server.address import client_address
from flinkms_sql.server.authentication import read_password_file
from flinkms_sql.server.exposure import tls_context
from flinkms_sql.server.listener import serve
from flinkms_sql.server.services import Services
from flinkms_sql.server.settings import FrontendSettings
from flinkms_sql.serving.access import Access
from flinkms_sql.serving.deploying import SessionDeployer
from flinkms_sql.serving.following import Following, reporter
from flinkms_sql.settings import DATABASE, Settings

logger = logging.getLogger(__name__)

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests leave no cycles behind: a collection is rare, and what was loaded before serving began is left out of it."""

SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep a thread waiting that commits INSERTs: Python's 5 ms is several fsyncs."""


def run_frontend(settings: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(_main(settings, dsn))


async def _main(settings: Settings, dsn: str) -> None:
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(closing(PostgresStore(dsn)))
        places = Places(warehouse=settings.warehouse, roots=settings.roots, closed=settings.closed)
        following = Following(SnapshotReader(dsn), places, reporter(store, f"{settings.host}:{settings.port}"))
        stack.enter_context(closing(following.streams))
        await following.catch_up()
        access = await _access(settings, dsn)
        gc.collect()
        gc.freeze()
        services = Services(
            catalogs=following, registry=following.registry, streams=following.streams,
            backend=client_address(dsn, settings.client_dsn), access=access,
            deployer=SessionDeployer(Deployer(store=store, places=places), following),
        )
        server = await serve(services, FrontendSettings(
            hosts=(settings.host,), port=settings.port, database=DATABASE, password_file=settings.password_file,
            tls=tls_context(settings.tls_cert, settings.tls_key), allow_plaintext=settings.allow_plaintext,
        ))
        background = [asyncio.create_task(work) for work in (
            following.watch(), following.versions.poll(), following.versions.retry(), access.watch())]
        await _stopped(background)
        await server.close()
        await access.close()
        for task in background:
            task.cancel()


async def _access(settings: Settings, dsn: str) -> Access:
    """Who may do what; every user of the password file has its role in the control database first."""
    if settings.password_file is not None:
        with closing(Users(dsn)) as users:
            changed = users.ensure({name: entry.role for name, entry in read_password_file(settings.password_file).items()})
        for name, found in changed.items():
            if isinstance(found, FlinkmsError):
                logger.warning('user "%s" of the password file is left as it is: %s', name, found.message)
            else:
                logger.info('user "%s" of the password file is a %s now', name, found)
    access = Access(RightsReader(dsn))
    await access.refresh()
    return access


async def _stopped(background: list[asyncio.Task[None]]) -> None:
    """Returns at SIGTERM or SIGINT. A background task never ends by itself: if one does, that is a bug to die of."""
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stop.done() or stop.set_result(None))
    done, _ = await asyncio.wait([stop, *background], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
