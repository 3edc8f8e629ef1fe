"""Loaded versions: every ready version of the registry is loaded and warm before an address can mean it, then followed.

Must not know SQL. Loading runs in a thread; from then on a replica belongs to the event loop, whose turns it is updated
between, so that a prediction sees whole frames and takes no lock.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from flinkms_sql.catalog.records import Snapshot, VersionRecord
from flinkms_sql.engine.registry import LoadedVersion, Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.frame import Position
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.serving.views import pointers_of
from flinkms_sql.types import SqlType
from udfs.algorithms import configure

logger = logging.getLogger(__name__)

POLL_S = 0.002
"""Seconds between looks at the logs of versions an alias names: a part of a delta's way of some 15 ms."""

POLL_QUIET_S = 0.02
"""Seconds between the looks when nothing has happened for ``LIVELY_S``: looking costs a processor 7 % of its time."""

LIVELY_S = 5.0
"""Seconds after an INSERT here, or an update in a log, for which more are expected."""

POLL_OTHERS_S = 0.2
"""Seconds between looks at versions no alias names: nobody learns on them, but somebody may have."""

FAILURE_PAUSE_S = 1.0
"""Seconds before a replica whose log could not be read is looked at again."""

Key = tuple[str, int]


class Versions:
    """Keeps the engine's registry in step with the catalog's snapshots and the logs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._replicas: dict[Key, VersionReplica] = {}
        self._named: frozenset[Key] = frozenset()
        self._paused: dict[Key, float] = {}
        self._changing = asyncio.Lock()
        self._lively_until = 0.0

    async def follow(self, snapshot: Snapshot) -> None:
        """Load what is new, then let addresses mean what the snapshot says, then forget what is gone.

        A version that cannot be loaded is reported and left out; what was served before goes on.
        """
        async with self._changing:
            for key, record in snapshot.versions.items():
                if key not in self._replicas:
                    await self._load(key, record)
            self._registry.point(pointers_of(snapshot))
            self._named = frozenset((model, number) for (model, _), number in snapshot.aliases.items())
            for key in [key for key in self._replicas if key not in snapshot.versions]:
                self._registry.unload(*key)
                self._replicas.pop(key).close()

    async def _load(self, key: Key, record: VersionRecord) -> None:
        try:
            loaded, replica = await asyncio.to_thread(load_version, record)
        except (FlinkmsError, ValueError) as error:
            logger.error("version %s@%d cannot be loaded: %s", *key, error)
            return
        self._replicas[key] = replica
        self._registry.load(loaded)
        logger.info("version %s@%d loaded", *key)

    def expect_updates(self) -> None:
        """Look often for a while: something was inserted that a model may learn from."""
        self._lively_until = asyncio.get_running_loop().time() + LIVELY_S

    async def poll(self) -> None:
        """Apply what is new in the logs, for ever."""
        loop = asyncio.get_running_loop()
        others_at = 0.0
        while True:
            now = loop.time()
            all_of_them = now >= others_at
            if all_of_them:
                others_at = now + POLL_OTHERS_S
            for key in list(self._replicas):
                if (all_of_them or key in self._named) and self._poll_one(key, now):
                    self._lively_until = now + LIVELY_S
            await asyncio.sleep(POLL_S if now < self._lively_until else POLL_QUIET_S)

    def _poll_one(self, key: Key, now: float) -> int:
        """The number of records applied."""
        if self._paused.get(key, 0.0) > now:
            return 0
        try:
            return self._replicas[key].poll()
        except FlinkmsError as error:
            logger.error("log of version %s@%d: %s", *key, error)
            self._paused[key] = now + FAILURE_PAUSE_S
            return 0


def load_version(record: VersionRecord) -> tuple[LoadedVersion, VersionReplica]:
    """Open, catch up and warm one version. Raises FlinkmsError when its files cannot be read."""
    replica = VersionReplica(Path(record.path))
    wanted = _positions(record)
    while replica.poll() or not replica.reached(wanted):
        pass
    replica.warm()
    version = replica.version
    model = configure(version.algorithm, version.options, version.input_types)
    return LoadedVersion(
        name=record.model, version=record.version, model=model, view=replica,
        inputs=tuple(SqlType[name] for name in version.input_types),
        recommender=model if hasattr(type(model), "recommend") else None,
        pointwise=model if hasattr(type(model), "predict_one") else None,
        position=lambda: json.dumps(replica.positions),
    ), replica


def _positions(record: VersionRecord) -> Mapping[str, Mapping[str, Position]]:
    positions = record.outcome.positions if record.outcome else {}
    return {table: {name: Position(*position) for name, position in partitions.items()}
            for table, partitions in positions.items()}
