"""Upkeep: the lifetimes of everything a deployment keeps, enforced by rounds over the registry and the warehouse.

A round retires versions that are not kept, compacts logs that have outgrown their tables, trims streams, and deletes what
has been left behind for long enough. Must not know Flink or what learns. Everybody may go on meanwhile: readers keep what
they opened, and a writer is never restored to before what a base holds (docs/modellog.md, "Lifetimes"). What cannot be
done to one thing is logged and left for the next round; the others are done.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

from flinkms_sql import errors
from flinkms_sql.catalog.lifetimes import Leftover
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.keeping import superfluous_versions
from flinkms_sql.jobs.readers import reading_groups
from flinkms_sql.jobs.removal import remove_directory
from flinkms_sql.jobs.rounds import add_round
from flinkms_sql.modellog.compact import compact, retire, sizes
from flinkms_sql.modellog.files import io_error
from flinkms_sql.modellog.retention import parse_duration, trim
from flinkms_sql.modellog.version import read_version
from flinkms_sql.places import Places

logger = logging.getLogger(__name__)

INTERVAL_S = 30.0
"""Seconds between two rounds: what a look costs is some file statuses a table."""

LOG_BYTES_MIN = 64 << 20
"""A log shorter than this is left alone however small its base is: reading it takes a starting worker half a second."""

DELETIONS_MAX = 200
"""Directories of one kind deleted in a round, so that a round ends: the rest waits for the next one."""

_FLINK_LEAVES = re.compile(r"[0-9a-f]{32}|savepoint-[0-9a-f]+-[0-9a-f]+")
"""How Flink names a job's directory of checkpoints, and that of a savepoint: nothing else there is ours to delete."""


@dataclass(kw_only=True)
class Upkeep:
    """The upkeep of one deployment.

    report: file that says what the last rounds did, for ``flinkms status``.
    keep_s: seconds for which everything stays after it became superfluous. jobs_keep: ended jobs that are remembered.
    clock: seconds since 1970-01-01 UTC.
    """

    store: Store
    places: Places
    checkpoints: Path
    report: Path
    keep_s: float
    jobs_keep: int
    log_bytes_min: int = LOG_BYTES_MIN
    clock: Callable[[], float] = time.time
    _problems: list[str] = field(default_factory=list)

    def run(self, stopping: threading.Event) -> None:
        """A round each ``INTERVAL_S`` until ``stopping`` is set."""
        while not stopping.wait(INTERVAL_S):
            self.round()

    def round(self) -> list[str]:
        """Everything that is due, once; what was done, in words."""
        self._problems = []
        began = self.clock()
        done = [line for duty in (self._retire_versions, self._compact_tables, self._trim_streams, self._delete_leftovers,
                                  self._delete_checkpoints, self._forget_jobs)
                for line in self._attempted(duty)]
        try:
            add_round(self.report, at=began, took_s=self.clock() - began, done=done, problems=self._problems)
        except FlinkmsError as error:
            logger.warning("upkeep: %s", error)
        return done

    def _attempted(self, duty: Callable[[], Iterator[str]]) -> Iterator[str]:
        """What a duty says it did, logged; whatever it raises ends only this duty, and only this round."""
        try:
            for line in duty():
                logger.info("upkeep: %s", line)
                yield line
        except FlinkmsError as error:
            self._problem(error.message)
        except Exception as error:
            logger.exception("upkeep")
            self._problem(f"{type(error).__name__}: {error}")

    def _problem(self, text: str) -> None:
        logger.warning("upkeep: %s", text)
        self._problems.append(text)

    def _retire_versions(self) -> Iterator[str]:
        snapshot = self.store.snapshot()
        for version in superfluous_versions(snapshot, self.store.jobs()):
            try:
                self.store.retire_version(version)
            except FlinkmsError as error:
                if error.sqlstate == errors.CONNECTION_FAILURE:
                    raise
                self._problem(error.message)  # promoted or dropped meanwhile
                continue
            yield f"version {version.version} of model {version.model} retired"

    def _compact_tables(self) -> Iterator[str]:
        for record in self.store.snapshot().versions.values():
            try:
                path = self.places.version(record.path)
            except FlinkmsError as error:
                self._problem(f"version {record.model}@{record.version}: {error.message}")
                continue
            made = keep_up_version(path, keep_s=self.keep_s, log_bytes_min=self.log_bytes_min, clock=self.clock,
                                   problem=self._problem)
            yield from (f"log of {record.model}@{record.version} compacted into {base}" for base in made)

    def _trim_streams(self) -> Iterator[str]:
        jobs = self.store.jobs()
        snapshot = self.store.snapshot()
        for record in snapshot.tables.values():
            if record.kind != "stream":
                continue
            text = record.options.get("retention")
            try:
                gone = trim(self.places.stream(record.path), self.clock(), retention_s=None if text is None else parse_duration(text),
                            groups=reading_groups(snapshot, jobs), jobs=frozenset(
                                job.id for job in jobs if job.state not in ("finished", "failed", "canceled")))
            except (FlinkmsError, ValueError) as error:
                self._problem(f"stream {record.name}: {error}")
                continue
            if gone:
                yield f"stream {record.name} trimmed: {len(gone)} segments or partitions, up to {gone[-1].name}"

    def _delete_leftovers(self) -> Iterator[str]:
        snapshot = self.store.snapshot()
        needed = [Path(claim.text) for claim in (*(version.path for version in snapshot.versions.values()),
                                                 *(table.path for table in snapshot.tables.values() if table.path))]
        for left in [left for left in self.store.leftovers() if self._is_due(left.since.timestamp())][:DELETIONS_MAX]:
            try:
                was_there = self._delete_leftover(left, needed)
            except FlinkmsError as error:
                self._problem(error.message)
                if error.sqlstate != errors.INSUFFICIENT_PRIVILEGE:
                    continue
                was_there = False
            self.store.forget_leftover(left.path)
            if was_there:
                yield f"{left.kind} {left.path} deleted"

    def _delete_leftover(self, left: Leftover, needed: list[Path]) -> bool:
        depth, root = (2, "models") if left.kind == "version" else (1, "streams")
        return remove_directory(Path(left.path.text), self.places.warehouse / root, depth=depth, needed=needed)

    def _delete_checkpoints(self) -> Iterator[str]:
        # Listed before it is asked what is in use: a learner is registered before it makes a directory.
        found = [path for path in self.checkpoints.iterdir() if _FLINK_LEAVES.fullmatch(path.name)] \
            if self.checkpoints.exists() else []
        due = [path for path in found if self._is_due(_changed_at(path))]
        named = self.store.checkpoints_in_use()
        used = {name for name in named if ":" not in name}
        places = [Path(urlparse(name).path) for name in named if ":" in name]
        for path in due[:DELETIONS_MAX]:
            if path.name not in used and not any(path == place or path in place.parents for place in places):
                remove_directory(path, self.checkpoints, depth=1)
                yield f"checkpoints {path.name} deleted"

    def _forget_jobs(self) -> Iterator[str]:
        if count := self.store.trim_jobs(self.jobs_keep):
            yield f"{count} ended jobs forgotten"

    def _is_due(self, since: float) -> bool:
        return self.clock() - since >= self.keep_s


def keep_up_version(
    path: Path, *, keep_s: float, log_bytes_min: int = LOG_BYTES_MIN, clock: Callable[[], float] = time.time,
    problem: Callable[[str], None] = logger.warning,
) -> list[str]:
    """Compact the tables of one version that need it, delete what is older than ``keep_s``; the names of the new bases.

    A table that cannot be looked after, because its disk is full, is told to ``problem`` and left for the next round; so
    is one that somebody else compacts, which is no problem.
    """
    made: list[str] = []
    try:
        tables = read_version(path).tables
    except FlinkmsError as error:
        problem(f"{path}: {error.message}")
        return made
    for table in tables:
        directory = path / table.name
        try:
            base, log = sizes(directory)
            if log >= max(log_bytes_min, base):
                made.append(compact(directory, table))
                logger.info("table %s: %d bytes of log compacted into %s", directory, log, made[-1])
            for gone in retire(directory, clock(), keep_s):
                logger.info("upkeep: %s deleted", gone)
        except FlinkmsError as error:
            if error.sqlstate != errors.OBJECT_NOT_IN_PREREQUISITE_STATE:
                problem(f"{directory}: {error.message}")
    return made


def _changed_at(path: Path) -> float:
    """When something was last made or deleted in a directory."""
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise io_error(error, path, "read") from error
