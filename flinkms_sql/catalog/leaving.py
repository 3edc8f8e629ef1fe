"""What versions have learned, and what is left behind, in memory: parts of MemoryStore. Must not grow behaviour of its own: the contract suite runs over both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from flinkms_sql.catalog import records
from flinkms_sql.catalog.lifetimes import LEARNERS, Leftover
from flinkms_sql.places import Claim


class MemoryLifetimes:
    """The part of MemoryStore about learning and lifetimes."""

    _now: Callable[[], datetime]
    _changed: AbstractContextManager
    _tables: dict[str, records.TableRecord]
    _models: dict[str, records.ModelRecord]
    _versions: dict[tuple[str, int], records.VersionRecord]
    _learning: dict[tuple[str, int], records.Learning]
    _jobs: dict[int, records.JobRecord]
    _left: dict[Claim, Leftover]
    _this: Callable[[records.VersionRecord], records.VersionRecord]

    def learning(self, version: records.VersionRecord) -> records.Learning:
        """See Store."""
        with self._changed:
            self._this(version)
            return self._learning.get((version.model, version.version), records.Learning())

    def record_training(self, version: records.VersionRecord, trained_to: records.Positions) -> None:
        """See Store."""
        with self._changed:
            self._learning[version.model, version.version] = replace(self.learning(version), trained_to=trained_to)

    def record_learner(self, version: records.VersionRecord, learner: records.Learner) -> None:
        """See Store."""
        with self._changed:
            self._learning[version.model, version.version] = replace(self.learning(version), learner=learner)

    def _hand_over_learners(self, model: str) -> None:
        for job in [job for job in self._jobs.values() if job.kind == "learn" and job.state not in records.ENDED]:
            held = [learning.learner.flink_job_id for (name, _), learning in sorted(self._learning.items())
                    if name == model and learning.learner is not None and learning.learner.job == job.id]
            if held:
                self._jobs[job.id] = replace(job, options={**job.options, LEARNERS: held})

    def leftovers(self) -> list[Leftover]:
        """See Lifetimes."""
        with self._changed:
            kept = {table.path for table in self._tables.values()} | {version.path for version in self._in_use()}
            return sorted((left for left in self._left.values() if left.path not in kept),
                          key=lambda left: (left.since, left.path))

    def forget_leftover(self, path: Claim) -> None:
        """See Lifetimes."""
        with self._changed:
            self._left.pop(path, None)

    def checkpoints_in_use(self) -> frozenset[str]:
        """See Lifetimes."""
        with self._changed:
            learners = [learning.learner for version in self._in_use()
                        if (learning := self._learning.get((version.model, version.version))) and learning.learner]
            going = [job for job in self._jobs.values() if job.state not in records.ENDED]
            named = [*(name for learner in learners for name in (learner.flink_job_id, learner.start.restore)),
                     *(name for job in going for name in (job.flink_job_id, job.options.get("restore")))]
            return frozenset(name for name in named if name is not None)

    def trim_jobs(self, keep: int) -> int:
        """See Lifetimes."""
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in records.ENDED]
            newest = {job.model: job.id for job in self._jobs.values() if job.kind == "train" and job.model in self._models}
            needed = {*newest.values(), *(learning.learner.job for learning in self._learning.values() if learning.learner)}
            gone = [job.id for job in ended[: max(len(ended) - keep, 0)] if job.id not in needed]
            for job in gone:
                del self._jobs[job]
            return len(gone)

    def _leave_stream(self, table: records.TableRecord) -> None:
        if table.kind == "stream" and table.path is not None and "path" not in table.options:
            self._left.setdefault(table.path, Leftover(path=table.path, kind="stream", since=self._now()))

    def _leave_versions(self, versions: Iterable[records.VersionRecord]) -> None:
        for version in versions:
            self._left.setdefault(version.path, Leftover(path=version.path, kind="version", since=self._now()))

    def _in_use(self) -> list[records.VersionRecord]:
        return [version for version in self._versions.values() if version.state in ("training", "ready")]
