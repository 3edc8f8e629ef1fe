"""The runner: takes queued jobs from the registry and gives each a thread; ``python -m flinkms_sql.app jobs`` runs it.

Must not know what a kind of job does. All it keeps is in the registry: after kill -9 the next runner takes up the jobs
that were under way where their rows say they are, and so does this one when the registry or the cluster was away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobEnd, JobRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.context import JobCanceled, JobContext, JobLost, RunnerStopping
from flinkms_sql.jobs.evaluate import evaluate
from flinkms_sql.jobs.learn import learn
from flinkms_sql.jobs.score import score
from flinkms_sql.jobs.train import abandon, train
from flinkms_sql.query.rewrite.edits import Edit, written_at

logger = logging.getLogger(__name__)

JOBS_AT_ONCE_MAX = 32
"""Jobs followed at once, one thread each; further ones stay queued. Standing jobs count."""

IDLE_WAIT_S = 1.0
"""Seconds to wait for a notification before looking again: a notification can be lost with its connection."""

RETRY_S = 0.5
"""Seconds before trying the registry or Flink again after it did not answer: it restarts within one or ten."""

UNRECORDED_RETRY_S = 2.0
"""Seconds before an end that could not be recorded is tried again: not so often that it fills the log."""

KINDS: dict[str, Callable[[JobRecord, JobContext], dict | None]] = {
    "train": train, "learn": learn, "evaluate": evaluate, "score": score,
}
"""A kind runs a job to its end and returns its result. It raises what ``_run_once`` handles. It may be called again for
a job that it had under way, with the row as it is then: what it must not do twice is decided by that row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a job ended."""

    state: JobEnd
    result: Mapping[str, Any] | None = None
    error: FlinkmsError | None = None


def run(context: JobContext, pool: Executor) -> None:
    """Take up what was under way, then run what is queued, each by a thread of ``pool``, until the runner is told to stop."""
    pool.submit(context.flink.warm)
    followed: set[int] = set()

    def follow(job: JobRecord) -> None:
        if job.id not in followed:
            followed.add(job.id)
            pool.submit(_follow, job.id, context, followed)

    taken_up, watch = False, context.store.watch(("jobs",))
    while not context.clock.is_stopping():
        try:
            if not taken_up:
                for job in context.store.jobs(states=("starting", "running", "restarting")):
                    follow(job)
                taken_up = True
            while (job := context.store.claim_job()) is not None:
                follow(job)
            watch.wait(IDLE_WAIT_S)
        except FlinkmsError as error:
            logger.warning("registry: %s", error)
            # A job may be claimed, although the answer never came.
            taken_up = False
            context.clock.wait(RETRY_S)


def _follow(job_id: int, context: JobContext, followed: set[int]) -> None:
    try:
        run_job(job_id, context)
    finally:
        followed.discard(job_id)


def run_job(job_id: int, context: JobContext) -> None:
    """Run one job to its end and record how it ended; the registry and the cluster may be away meanwhile.

    An end that cannot be recorded is said, and tried again as a failure: whoever waits for the job waits for its end.
    """
    end: _End | None = None
    while not context.clock.is_stopping():
        try:
            end = end or _retried(job_id, context, lambda: _run_once(context.store.job(job_id), context))
            if end is not None:
                _retried(job_id, context, lambda end=end: _record(context.store.job(job_id), end, context))
            return
        except RunnerStopping:
            return
        except FlinkmsError as error:
            logger.warning("job %d: %s not recorded: %s", job_id, end.state if end else "start", error)
            problem = error
        except Exception as error:
            logger.exception("job %d: %s not recorded", job_id, end.state if end else "start")
            problem = FlinkmsError(errors.INTERNAL_ERROR, type(error).__name__)
        if _is_gone(job_id, context):
            return
        if end is not None:
            end = _End(state="failed", error=FlinkmsError(
                errors.INTERNAL_ERROR, f"job {end.state}, but its end could not be recorded: {problem.message}"))
        context.clock.wait(UNRECORDED_RETRY_S)


def _is_gone(job_id: int, context: JobContext) -> bool:
    """Whether there is no such job any more."""
    try:
        context.store.job(job_id)
    except FlinkmsError as error:
        return error.sqlstate == errors.UNDEFINED_OBJECT
    return False


def _retried(job_id: int, context: JobContext, action: Callable[[], _End | None]) -> _End | None:
    """What the action returns, which is called again while what it needs is away or lost. Raises RunnerStopping."""
    while True:
        try:
            return action()
        except JobLost:
            logger.warning("job %d: lost with the cluster, taken up again", job_id)
        except FlinkmsError as error:
            if error.sqlstate != errors.CONNECTION_FAILURE:
                raise
            logger.warning("job %d: %s; trying again", job_id, error)
        if context.clock.wait(RETRY_S):
            raise RunnerStopping


def _run_once(job: JobRecord, context: JobContext) -> _End | None:
    """Run the job from where its row says it is; None when it has ended already.

    Raises JobLost, RunnerStopping, and 08006 when the registry or the cluster does not answer.
    """
    if job.state in ENDED:
        return None
    logger.info("job %d: %s %s", job.id, job.kind, job.model or "")
    try:
        context.wait_for_cluster()
        return _End(state="finished", result=KINDS[job.kind](job, context))
    except (JobLost, RunnerStopping):
        raise
    except JobCanceled:
        return _End(state="canceled")
    except FlinkmsError as error:
        if error.sqlstate == errors.CONNECTION_FAILURE:
            raise
        if context.store.job(job.id).desired == "canceled":
            # What it failed for, such as that its model is gone, is why it was canceled.
            return _End(state="canceled")
        return _End(state="failed", error=error)
    except Exception as error:
        logger.exception("job %d failed", job.id)
        return _End(state="failed", error=FlinkmsError(errors.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))


def _record(job: JobRecord, end: _End, context: JobContext) -> None:
    """Record the end; once is enough, however often it is tried."""
    if job.state in ENDED:
        return
    if end.state != "finished" and job.flink_job_id is not None:
        # Whatever ended it: nothing may go on running on behalf of a job that has ended.
        context.cluster.cancel(job.flink_job_id)
    if job.kind == "train" and end.state != "finished":
        abandon(job, context, end.error)
    result = end.result
    if end.error is not None and end.error.position is not None:
        result = written_place(job, end.error.position)
    context.store.finish_job(job.id, end.state, result=result, error=end.error and _with_hint(end.error),
                             sqlstate=end.error and end.error.sqlstate)


def written_place(job: JobRecord, position: int) -> Mapping[str, Any]:
    """A place in a job's query as one in the statement that asked for the job, or in the query that it stands for."""
    edits = [Edit(*call["edit"]) for call in job.options.get("calls", ()) if "edit" in call]
    if edits:
        return {"position": written_at(edits, position)}
    start = job.statement.find(job.query)
    return {"position": start + position} if start >= 0 else {"position": position, "query": job.query}


def _with_hint(error: FlinkmsError) -> str:
    return error.message if error.hint is None else f"{error.message} ({error.hint})"
