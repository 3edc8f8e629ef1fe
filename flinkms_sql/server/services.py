"""What the frontend needs of the rest of the system, as it is injected by the composition root.

Must not know who provides it: models may be loaded from a log or held in memory, streams may be files, deployments may
run on Flink. Each protocol says what is promised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from flinkms_sql.deploy.events import Event
from flinkms_sql.engine.registry import Registry
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.rights import Access
from udfs.block import Column


class Catalogs(Protocol):
    """Where the current snapshot of the catalog is."""

    def current(self) -> CatalogView:
        """The newest snapshot. Called for every statement: must not wait."""


class StreamWriter(Protocol):
    """Appends to one stream."""

    async def append(self, columns: Sequence[Column]) -> None:
        """Append rows, columns in declared order, as one unit; returns when they are durable. Raises FlinkmsError."""


class Streams(Protocol):
    """The writers of the streams that can be inserted into."""

    def writer(self, table: str) -> StreamWriter:
        """The writer of a stream. Raises FlinkmsError 42P01 when there is none."""


class Deployer(Protocol):
    """Carries out statements that change what is deployed."""

    def execute(self, plan: DeployPlan) -> AsyncIterator[Event]:
        """Events of the statement, ``Done`` last. Raises FlinkmsError; closing the iterator cancels the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that is injected; ``backend`` None: no statement can be relayed. ``registry`` has the loaded models.

    ``access`` None: everybody may come in and do everything.
    """

    catalogs: Catalogs
    registry: Registry
    backend: BackendAddress | None = None
    streams: Streams | None = None
    deployer: Deployer | None = None
    access: Access | None = None
