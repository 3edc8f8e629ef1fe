"""A standing job's row while Flink runs it: whether it runs or is started anew, why, and how often without progress.

Must not know what the job computes. A failure shows until a checkpoint is complete that is newer: a job that crashes
again and again runs for a moment in between, and is in trouble all the same.
"""

from __future__ import annotations

import logging

from flinkms_sql import errors
from flinkms_sql.catalog.records import JobRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import newest_checkpoint
from flinkms_sql.jobs.cluster import Failure
from flinkms_sql.jobs.context import JobContext, JobFailed
from flinkms_sql.jobs.failures import root_cause

logger = logging.getLogger(__name__)

FAILURES_INTERVAL_S = 1.0
"""Seconds between looks at what has failed: a restart takes longer, and each look is a request to the job manager."""

GIVEN_UP_MAX = 3
"""Flink jobs in a row that Flink gave up (each after eight attempts in a minute) before the standing job fails: what
fails so often with the same rows and the same query does not get better."""

STABLE_S = 600.0
"""Seconds a Flink job has to have run for its failure to count as the first one again."""

REFUSED_S_MAX = 120.0
"""Seconds for which a job that has run before is offered to Flink again when it is refused: a cluster that is restarted is
back in ten, and who promoted a version that cannot be taught has rolled back."""

NO_RESOURCE = "NoResourceAvailableException"
"""In the failure of a job that waited for a task manager or a slot: that can get better however often it happens."""


class Standing:
    """The row of a standing job, kept as Flink's job behind it is. One for the job's whole life in a runner."""

    def __init__(self, job: JobRecord, context: JobContext) -> None:
        self._id, self._context = job.id, context
        self._shown: str | None = job.state
        self._attempts = job.attempts
        self._failed_at_ms = 0 if job.error is None else self._now_ms()
        self._seen_ms = self._now_ms()
        self._look_at = 0.0
        self._given_up = 0
        self._refused_at: float | None = None
        self._began_at = self._context.clock.monotonic()

    def started(self, flink_job_id: str, version: int | None = None) -> None:
        """Another Flink job is behind it from now on; an error it is in trouble for goes on to show."""
        state = "restarting" if self._attempts else "starting"
        self._context.store.update_job(self._id, state=state, flink_job_id=flink_job_id, version=version)
        self._shown, self._began_at = state, self._context.clock.monotonic()

    def look(self, flink_job_id: str, state: str) -> None:
        """Write down what a look at the Flink job shows."""
        now = self._context.clock.monotonic()
        if now >= self._look_at or (state != "RUNNING" and self._shown == "running"):
            self._look_at = now + FAILURES_INTERVAL_S
            if failures := self._context.cluster.failures(flink_job_id, self._seen_ms):
                self._failed(failures)
        if state == "RUNNING" and self._shown != "running" and self._is_over(flink_job_id):
            self._context.store.update_job(self._id, state="running")
            self._shown = "running"
            self._attempts = self._failed_at_ms = 0
            self._refused_at = None

    def given_up(self, flink_job_id: str, failure: JobFailed) -> None:
        """Flink gave the job up. Returns when another one may be started in its place, else raises the failure."""
        logger.warning("job %d: %s", self._id, failure)
        waited = NO_RESOURCE in (failure.detail or "")
        if not waited and newest_checkpoint(self._context.checkpoints, flink_job_id) is None:
            raise failure
        self._given_up = 1 if self._context.clock.monotonic() - self._began_at > STABLE_S else self._given_up + 1
        if self._given_up >= GIVEN_UP_MAX and not waited:
            raise failure
        self._trouble(failure.message, failure.sqlstate, 1)

    def refused(self, error: FlinkmsError) -> None:
        """Flink did not take the next job. Returns when it may be offered again, else raises the error."""
        now = self._context.clock.monotonic()
        self._refused_at = now if self._refused_at is None else self._refused_at
        if now - self._refused_at > REFUSED_S_MAX:
            raise error
        self._trouble(error.message, error.sqlstate, 1)

    def lost(self) -> None:
        """The cluster lost the job."""
        self._trouble("the Flink cluster was restarted", errors.CONNECTION_FAILURE, 1)

    def _failed(self, failures: list[Failure]) -> None:
        self._seen_ms = failures[0].at_ms
        cause = root_cause(failures[0].stacktrace)
        logger.warning("job %d: %s", self._id, cause)
        self._trouble(f"Flink job failed: {cause}", errors.DATA_EXCEPTION, len(failures))

    def _trouble(self, error: str, sqlstate: str, attempts: int) -> None:
        self._failed_at_ms = self._now_ms()
        self._attempts += attempts
        self._shown = "restarting"
        self._context.store.update_job(self._id, state="restarting", error=error, sqlstate=sqlstate,
                                       attempts=self._attempts)

    def _is_over(self, flink_job_id: str) -> bool:
        """Whether there is no trouble, or a checkpoint since."""
        if not self._failed_at_ms:
            return True
        newest = newest_checkpoint(self._context.checkpoints, flink_job_id)
        return newest is not None and (newest / "_metadata").stat().st_mtime_ns // 1_000_000 > self._failed_at_ms

    def _now_ms(self) -> int:
        return int(self._context.clock.time() * 1000)
