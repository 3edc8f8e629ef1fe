"""Learning from a stream: a standing job that pulls rows, computes deltas and pushes them (sql/jobs/learn.sql).

Exactly once: a Flink checkpoint holds the stream's positions and the shards' log positions together, and belongs to the
version that learned (learner.py). The standing job follows the live version: when another one is promoted, the Flink
job of the former stops at a savepoint, and that of the other is taken up where its own learning stands.
"""

from __future__ import annotations

import logging

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobRecord, VersionRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import was_stopped
from flinkms_sql.jobs.context import POLL_S, JobCanceled, JobContext, JobFailed, JobLost, RunnerStopping
from flinkms_sql.jobs.learner import halt, halt_all, halt_others, take_up_live
from flinkms_sql.jobs.leftout import LEFT_OUT, counted
from flinkms_sql.jobs.standing import Standing

logger = logging.getLogger(__name__)

LIVE_INTERVAL_S = 0.5
"""Seconds between looks at which version is live: how long learning may go on with one that was just replaced."""

REFUSED_WAIT_S = 5.0
"""Seconds before a learner that Flink did not take is offered again, to the version that is live by then."""


class _VersionMoved(Exception):
    """Another version is live: learn on that one from here."""


def learn(job: JobRecord, context: JobContext) -> dict | None:
    """Keep the live version learning until the job is canceled; returns only when its query is bounded and read.

    When it ends, nothing learns on its behalf any more, whoever started that.
    """
    try:
        return _learn(job, context)
    except JobCanceled:
        halt_all(job, context)
        raise
    except FlinkmsError as error:
        if error.sqlstate == errors.CONNECTION_FAILURE:
            raise
        halt_all(job, context)
        raise


def _learn(job: JobRecord, context: JobContext) -> dict | None:
    _wait_for_former(job, context)
    standing = Standing(job, context)
    while True:
        job = context.store.job(job.id)
        if job.desired == "canceled":
            raise JobCanceled
        try:
            live, flink_job_id = take_up_live(job, context)
        except FlinkmsError as error:
            # One that never ran has an error in its query; this one ran before, perhaps on another version.
            if job.flink_job_id is None or error.sqlstate in (errors.CONNECTION_FAILURE, errors.UNDEFINED_OBJECT):
                raise
            standing.refused(error)
            if context.clock.wait(REFUSED_WAIT_S):
                raise RunnerStopping from error
            continue
        if (job.flink_job_id, job.version) != (flink_job_id, live.version):
            standing.started(flink_job_id, live.version)
        try:
            context.follow(job, flink_job_id, _Watch(standing, job, live, flink_job_id, context),
                           lambda flink_job_id: halt(flink_job_id, context))
            if not was_stopped(context.checkpoints, flink_job_id):
                return {"version": live.version}
        except (_VersionMoved, JobCanceled):
            # Canceled by somebody else than its row says: a standing job is started again whenever it is not there.
            pass
        except JobFailed as failure:
            standing.given_up(flink_job_id, failure)
            context.wait_for_cluster()
        except JobLost:
            standing.lost()
            context.wait_for_cluster()


def _wait_for_former(job: JobRecord, context: JobContext) -> None:
    """Until the jobs that learned before have ended: what they leave is where this one starts."""
    while any(other.kind == "learn" and other.id < job.id and other.state not in ENDED
              for other in context.store.jobs(model=job.model)):
        if context.store.job(job.id).desired == "canceled":
            raise JobCanceled
        if context.clock.wait(POLL_S):
            raise RunnerStopping


class _Watch:
    """What a look at the running job does: its row shows the state, and a promotion elsewhere moves the learning."""

    def __init__(self, standing: Standing, job: JobRecord, live: VersionRecord, flink_job_id: str, context: JobContext) -> None:
        self._standing, self._job, self._version, self._flink_job_id = standing, job, live.version, flink_job_id
        self._context = context
        self._directory = context.places.version(live.path)
        self._left_out = (job.progress or {}).get(LEFT_OUT, {})
        self._look_at = 0.0
        self._alone_at: int | None = None
        """Generation of the registry as of which nothing else learns on behalf of the job."""

    def __call__(self, state: str) -> None:
        self._standing.look(self._flink_job_id, state)
        now = self._context.clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LIVE_INTERVAL_S
        if (left_out := counted(self._directory, self._job.id)) != self._left_out:
            self._left_out = left_out
            self._context.store.update_job(self._job.id, progress={"phase": "learning", LEFT_OUT: left_out})
        snapshot = self._context.store.snapshot()
        if snapshot.by_alias(self._job.model or "").version != self._version:
            raise _VersionMoved
        if snapshot.generation != self._alone_at and halt_others(self._job, self._version, self._context):
            self._alone_at = snapshot.generation
