"""A frontend of the simulation: real sessions, links, deployer and following, in a process that may be killed.

It is simulated what it reaches: the registry, the control database, the disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from flinkms_sql.catalog.address import parse_address
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.engine.registry import LoadedVersion
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Places
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.authentication import Authentication
from flinkms_sql.server.services import Services
from flinkms_sql.server.session import Session
from flinkms_sql.server.settings import DEFAULT_PARAMETERS, FrontendSettings
from flinkms_sql.server.shared import Shared
from flinkms_sql.serving.deploying import SessionDeployer
from flinkms_sql.serving.following import REGISTRY_RETRY_S, Following, reporter
from flinkms_sql.serving.versions import Pace
from tests.simulation.client import SimClient
from tests.simulation.loop import Process, SimLoop, connect
from tests.simulation.registry import SimReader, SimStore
from tests.simulation.relational import PATH
from tests.simulation.stream import Disk

PACE = Pace(lively_s=0.3, quiet_s=1.0, others_s=2.0)
"""Simulated seconds between looks at logs: not so often that a run is nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What there is around a frontend."""

    loop: SimLoop
    store: SimStore
    reader: SimReader
    disk: Disk
    places: Places


class Frontend:
    """One frontend, from its start; ``ready``: it takes connections."""

    def __init__(self, process: Process, around: Around) -> None:
        self.process = process
        self.ready = False
        self._stood_at = 0
        self._around = around
        process.context.copy().run(self._start)

    def _start(self) -> None:
        around = self._around
        store: Any = around.store
        self.following = Following(around.reader, around.places, reporter(store, self.process.name), around.disk.writer)  # type: ignore[arg-type]
        services = Services(
            catalogs=self.following, registry=self.following.registry, streams=self.following.streams,
            backend=BackendAddress(host=PATH.rpartition("/")[0]),
            deployer=SessionDeployer(Deployer(store=store, places=around.places), self.following),
        )
        self._services = services
        self._background = [self._always(self._serve())]

    def _always(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._around.loop.create_task(work)
        task.add_done_callback(lambda task: None if task.cancelled() or task.exception() is None else self._failed(task))
        return task

    def _failed(self, task: asyncio.Task[None]) -> None:
        if self.process.alive:
            self._around.loop.failures.append(task.exception())

    async def _serve(self) -> None:
        self._shared = Shared(self._services, FrontendSettings(), Authentication(None), DEFAULT_PARAMETERS)
        while not self.ready:
            try:
                await self.following.catch_up()
                self.ready = True
            except FlinkmsError:
                await asyncio.sleep(REGISTRY_RETRY_S)
        following = self.following
        self._background += map(self._always, (following.watch(), following.versions.poll(PACE), following.versions.retry()))

    def deafen(self, seconds: float) -> None:
        """It does not hear of changes for a while."""
        self._around.reader.deaf_until = self._around.loop.now + seconds

    def connected(self) -> SimClient:
        """A client that is connected."""
        client = SimClient(self._around.loop)
        session = self.process.context.copy().run(Session, self._shared)
        connect(self._around.loop, client, session, far_process=self.process)
        return client

    def at_work(self) -> list[object]:
        """What it has not come to an end with, beside what goes on for ever."""
        return [future for future in self.process.open if future not in self._background]

    def served(self, model: str) -> LoadedVersion | None:
        """What answers for a model here, None when nothing does."""
        try:
            return self.following.registry.resolve(parse_address(model))
        except FlinkmsError:
            return None

    def check(self, model: str, seen: dict[int, Snapshot]) -> None:
        """What it serves it has read of: in the snapshot that it stands at, or in one that it is going over to."""
        at = self.following.current().generation
        assert at >= self._stood_at, f"{self.process.name} goes back from snapshot {self._stood_at} to {at}"
        self._stood_at = at
        found = self.served(model) if self.ready and self.process.alive else None
        if found is None:
            return
        paths = {os.path.realpath(record.path.text) for generation, snapshot in seen.items() if generation >= at
                 for record in snapshot.versions.values() if record.model == model}
        assert path_of(found) in paths, f"{self.process.name} serves {path_of(found)}, which is no more"


def path_of(version: LoadedVersion) -> str:
    """The directory of a version that is loaded."""
    return os.path.realpath(version.view.path)  # type: ignore[attr-defined]
