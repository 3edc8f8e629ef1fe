"""Loaded versions: every ready version of the registry is loaded and warm before an address can mean it, then followed.

Must not know SQL. Loading runs in a thread; from then on a replica belongs to the event loop, whose turns it is updated
between, so that a prediction sees whole frames and takes no lock.

A version is who it is by its number, its directory and when it was begun: a model that was dropped and created again has
the same numbers, and nothing of the former one answers for it. What cannot be loaded is left out, said, and tried again;
an alias that names it keeps meaning the former version here (``views.pointers_of``).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from flinkms_sql.catalog.records import Snapshot, VersionRecord
from flinkms_sql.engine.registry import LoadedVersion, Registry
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import reason_of
from flinkms_sql.modellog.frame import Position
from flinkms_sql.modellog.loading import Opened, open_version
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.places import Places
from flinkms_sql.serving.views import Key, pointers_of

logger = logging.getLogger(__name__)

POLL_S = 0.002
"""Seconds between looks at the logs of versions an alias names: a part of a delta's way of some 15 ms."""

POLL_QUIET_S = 0.02
"""Seconds between the looks when nothing has happened for ``LIVELY_S``: looking costs a processor 7 % of its time."""

LIVELY_S = 5.0
"""Seconds after an INSERT here, or an update in a log, for which more are expected."""

POLL_OTHERS_S = 0.2
"""Seconds between looks at versions no alias names: nobody learns on them, but somebody may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between looks at the logs of versions an alias names, when something is expected and when not, and of others."""

    lively_s: float = POLL_S
    quiet_s: float = POLL_QUIET_S
    others_s: float = POLL_OTHERS_S


PACE = Pace()

PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 60.0
"""Seconds before what could not be loaded, or whose log could not be read, is tried again: doubled at each failure. The
registry's rows of load failures count as old after five of the longest."""

Identity = tuple[str, int, str, float]
"""Model, number, directory, and when it was begun (seconds since 1970-01-01 UTC)."""

Report = Callable[[Mapping[Key, FlinkmsError]], Awaitable[None]]
"""Told of all that cannot be loaded, after every attempt; may raise FlinkmsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A version that is loaded."""

    loaded: LoadedVersion
    replica: VersionReplica


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something failed last, for how long it is left alone then, and until when by the event loop's clock."""

    error: FlinkmsError
    pause_s: float
    until: float


class Versions:
    """Keeps the engine's registry in step with the catalog's snapshots and the logs."""

    def __init__(self, registry: Registry, places: Places, report: Report | None = None) -> None:
        self._registry = registry
        self._places = places
        self._report = report
        self._snapshot: Snapshot | None = None
        self._held: dict[Identity, Held] = {}
        self._failed: dict[Identity, Failure] = {}
        self._unread: dict[Identity, Failure] = {}
        self._named: frozenset[Identity] = frozenset()
        self._asked: frozenset[Identity] = frozenset()
        self._changing = asyncio.Lock()
        self._lively_until = 0.0

    async def follow(self, snapshot: Snapshot) -> None:
        """Load what is new, then let addresses mean what the snapshot says as far as it is loaded, then forget the rest.

        What has failed before is tried at once when an alias has come to name it, else when its pause is over.
        """
        async with self._changing:
            named = frozenset(
                identity_of(snapshot.versions[model, number])
                for (model, _), number in snapshot.aliases.items() if (model, number) in snapshot.versions
            )
            await self._load_all(snapshot, [identity for identity in self._failed if identity in named - self._named])
            first = self._snapshot is None
            self._snapshot, self._named = snapshot, named
            wanted = {identity_of(record) for record in snapshot.versions.values()}
            gone = [self._held.pop(identity).replica for identity in list(self._held) if identity not in wanted]
            self._unread = {identity: failed for identity, failed in self._unread.items() if identity in wanted}
            dropped = [self._failed.pop(identity) for identity in list(self._failed) if identity not in wanted]
            self._point()
            for replica in gone:
                replica.close()
            if dropped or first:  # what a frontend of this address said before it was started again is not so any more
                await self._tell()

    async def retry(self) -> None:
        """Try again what could not be loaded, for ever."""
        while True:
            await asyncio.sleep(PAUSE_S_MIN)
            if any(failure.until <= self._now() for failure in self._failed.values()):
                async with self._changing:
                    await self._load_all(self._snapshot, [])
                    self._point()

    async def failure(self, model: str, number: int) -> FlinkmsError | None:
        """Why a version cannot be loaded here, tried once more if it could not be before."""
        async with self._changing:
            record = self._snapshot.versions.get((model, number)) if self._snapshot is not None else None
            if record is None or identity_of(record) not in self._failed:
                return None
            await self._load_all(self._snapshot, [identity_of(record)])
            self._point()
            failed = self._failed.get(identity_of(record))
            return failed.error if failed is not None else None

    async def _load_all(self, snapshot: Snapshot | None, at_once: list[Identity]) -> None:
        """Load what the snapshot has and is not loaded; what failed before only if it is ``at_once`` or due."""
        tried = False
        for record in snapshot.versions.values() if snapshot is not None else ():
            identity = identity_of(record)
            failed = self._failed.get(identity)
            if identity in self._held or (failed is not None and failed.until > self._now() and identity not in at_once):
                continue
            before = len(self._failed)
            await self._load(identity, record)
            tried = tried or failed is not None or len(self._failed) != before
        if tried:
            await self._tell()

    async def _load(self, identity: Identity, record: VersionRecord) -> None:
        try:
            opened = await asyncio.to_thread(open_version, self._places.version(record.path), _positions(record))
        except FlinkmsError as error:
            self._failed[identity] = self._failure(error, self._failed.get(identity))
            logger.error("version %s@%d cannot be loaded: %s", record.model, record.version, error)
            return
        self._failed.pop(identity, None)
        self._held[identity] = Held(loaded=loaded_version(record, opened), replica=opened.replica)
        logger.info("version %s@%d loaded", record.model, record.version)

    def _point(self) -> None:
        """Let addresses mean the snapshot, in one step: what is loaded of it answers."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        wanted = {identity_of(record) for record in snapshot.versions.values()}
        serving = {identity[:2]: held.loaded for identity, held in self._held.items() if identity in wanted}
        failures = {identity[:2]: failed.error for identity, failed in self._failed.items() if identity in wanted}
        pointers = pointers_of(snapshot, serving.keys(), failures)
        self._registry.become(loaded=serving.values(), pointers=pointers)
        asked = {(model, number) for model, meant in pointers.items() for number in meant.aliases.values()}
        self._asked = frozenset(identity for identity in self._held if identity in wanted and identity[:2] in asked)

    async def _tell(self) -> None:
        if self._report is None:
            return
        try:
            await self._report({identity[:2]: failed.error for identity, failed in self._failed.items()})
        except FlinkmsError as error:
            logger.warning("registry: %s", error)

    def expect_updates(self) -> None:
        """Look often for a while: something was inserted that a model may learn from."""
        self._lively_until = self._now() + LIVELY_S

    async def poll(self, pace: Pace = PACE) -> None:
        """Apply what is new in the logs, for ever."""
        others_at = 0.0
        while True:
            now = self._now()
            all_of_them = now >= others_at
            if all_of_them:
                others_at = now + pace.others_s
            for identity in list(self._held):
                if (all_of_them or identity in self._asked) and self._poll_one(identity, now):
                    self._lively_until = now + LIVELY_S
            await asyncio.sleep(pace.lively_s if now < self._lively_until else pace.quiet_s)

    def _poll_one(self, identity: Identity, now: float) -> int:
        """The number of records applied."""
        failed = self._unread.get(identity)
        if failed is not None and failed.until > now:
            return 0
        try:
            applied = self._held[identity].replica.poll()
        except Exception as error:  # noqa: BLE001 - the others go on, and so does this one once it can
            reason = reason_of(error, self._held[identity].replica.path)
            logger.error("log of version %s@%d: %s", *identity[:2], reason)
            self._unread[identity] = self._failure(reason, failed)
            return 0
        if failed is not None:
            del self._unread[identity]
        return applied

    def _failure(self, error: FlinkmsError, before: Failure | None) -> Failure:
        pause_s = PAUSE_S_MIN if before is None else min(before.pause_s * 2, PAUSE_S_MAX)
        return Failure(error=error, pause_s=pause_s, until=self._now() + pause_s)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def identity_of(record: VersionRecord) -> Identity:
    """Who a version is, whatever else has had its name and number."""
    return record.model, record.version, record.path.text, record.created_at.timestamp()


def loaded_version(record: VersionRecord, opened: Opened) -> LoadedVersion:
    """A version as the engine asks it."""
    model, replica = opened.model, opened.replica
    return LoadedVersion(
        name=record.model, version=record.version, model=model, view=replica, inputs=opened.inputs,
        recommender=model if hasattr(type(model), "recommend") else None,
        pointwise=model if hasattr(type(model), "predict_one") else None,
        position=lambda: json.dumps(replica.positions),
    )


def _positions(record: VersionRecord) -> Mapping[str, Mapping[str, Position]]:
    positions = record.outcome.positions if record.outcome else {}
    return {table: {name: Position(*position) for name, position in partitions.items()}
            for table, partitions in positions.items()}
