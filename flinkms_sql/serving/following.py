"""A frontend in step with the registry: the newest snapshot, what is loaded of it, and what cannot be.

Must not know sessions or sockets. One place decides which of two snapshots is the newer one, and holds them apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from flinkms_sql import errors
from flinkms_sql.catalog.asynchronous import SnapshotReader
from flinkms_sql.catalog.records import LIVE, LoadFailure, Snapshot
from flinkms_sql.catalog.store import Store
from flinkms_sql.engine.registry import Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.stream import StreamWriter
from flinkms_sql.places import Places
from flinkms_sql.query.signatures import Catalog, catalog_of
from flinkms_sql.serving.streams import OpenWriter, Streams
from flinkms_sql.serving.versions import Report, Versions
from flinkms_sql.serving.views import Key

logger = logging.getLogger(__name__)

REGISTRY_RETRY_S = 0.2
"""Seconds before asking for the catalog again after the control database was lost; meanwhile the last one serves."""


class Following:
    """The newest snapshot, and everything that has to be in step with it."""

    def __init__(self, reader: SnapshotReader, places: Places, report: Report | None = None,
                 open_writer: OpenWriter = StreamWriter) -> None:
        self._reader = reader
        self._catalog = Catalog()
        self._snapshot: Snapshot | None = None
        self._taking = asyncio.Lock()
        self.registry = Registry()
        self.versions = Versions(self.registry, places, report)
        self.streams = Streams(places, self.versions.expect_updates, open_writer)

    def current(self) -> Catalog:
        """The catalog that statements are planned with."""
        return self._catalog

    async def take(self, snapshot: Snapshot) -> None:
        """Serve what a snapshot says. One after another, and none that is older than what is served: whichever order
        they come in, the newest one stands."""
        async with self._taking:
            if self._snapshot is not None and snapshot.generation <= self._snapshot.generation:
                return
            await self.versions.follow(snapshot)
            self.streams.follow(snapshot)
            self._catalog = catalog_of(snapshot)
            self._snapshot = snapshot

    async def catch_up(self) -> None:
        """Serve what the registry says now; goes on to its end even when whoever waits for it is cancelled."""
        snapshot = await self._reader.snapshot()
        await asyncio.shield(asyncio.ensure_future(self.take(snapshot)))

    async def failure(self, model: str, number: int | None = None) -> FlinkmsError | None:
        """55000 when a version cannot be loaded here: that of the number, or that which the registry says is live."""
        if self._snapshot is None:
            return None
        if number is None:
            number = self._snapshot.aliases.get((model, LIVE))
        reason = None if number is None else await self.versions.failure(model, number)
        if reason is None:
            return None
        return FlinkmsError(
            errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'version {number} of model "{model}" cannot be loaded',
            detail=f"{reason.message} ({reason.sqlstate})",
            hint="What was served before is served on, and loading is tried again until it works.",
        )  # fmt: skip

    async def watch(self) -> None:
        """Follow the registry, for ever."""
        while True:
            try:
                async for snapshot in self._reader.snapshots():
                    await self.take(snapshot)
            except FlinkmsError as error:
                logger.warning("registry: %s", error)
                await asyncio.sleep(REGISTRY_RETRY_S)


def reporter(store: Store, frontend: str) -> Report:
    """Tells the registry what this frontend cannot load."""

    async def report(failures: Mapping[Key, FlinkmsError]) -> None:
        said = [LoadFailure(frontend=frontend, model=model, version=version, error=error.message)
                for (model, version), error in failures.items()]
        await asyncio.to_thread(store.replace_load_failures, frontend, said)

    return report
