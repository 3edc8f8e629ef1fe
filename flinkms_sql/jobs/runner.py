"""The runner: takes queued jobs from the registry and gives each a thread; ``python -m flinkms_sql.app jobs`` runs it.

Must not know what a kind of job does. All it keeps is in the registry: after kill -9 the next runner takes up the jobs
that were under way where their rows say they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flinkms_sql import errors
from flinkms_sql.catalog.records import JobRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.context import JobCanceled, JobContext, JobLost, RunnerStopping
from flinkms_sql.jobs.environment import BULK, Workspace
from flinkms_sql.jobs.evaluate import evaluate
from flinkms_sql.jobs.learn import learn
from flinkms_sql.jobs.score import score
from flinkms_sql.jobs.train import abandon, train

logger = logging.getLogger(__name__)

JOBS_AT_ONCE_MAX = 32
"""Jobs followed at once, one thread each; further ones stay queued. Standing jobs count."""

IDLE_WAIT_S = 1.0
"""Seconds to wait for a notification before looking again: a notification can be lost with its connection."""

REGISTRY_RETRY_S = 0.5
"""Seconds before trying the registry again after it did not answer: it restarts within one or two."""

KINDS: dict[str, Callable[[JobRecord, JobContext], dict | None]] = {
    "train": train, "learn": learn, "evaluate": evaluate, "score": score,
}
"""A kind runs a job to its end and returns its result. It raises what ``run_job`` handles."""


def run(context: JobContext) -> None:
    """Take up what was under way, then run what is queued, until ``context.stopping`` is set."""
    with ThreadPoolExecutor(JOBS_AT_ONCE_MAX, thread_name_prefix="job") as pool:
        pool.submit(_warm, context)
        taken_up = False
        while not context.stopping.is_set():
            try:
                if not taken_up:
                    for job in context.store.jobs(states=("starting", "running", "restarting")):
                        pool.submit(run_job, job, context)
                    taken_up = True
                while (job := context.store.claim_job()) is not None:
                    pool.submit(run_job, job, context)
                context.store.wait_for_change(("jobs",), IDLE_WAIT_S)
            except FlinkmsError as error:
                logger.warning("registry: %s", error)
                context.stopping.wait(REGISTRY_RETRY_S)


def _warm(context: JobContext) -> None:
    """Start the client's JVM before the first job asks for it."""
    with context.submitting:
        Workspace(context.target, BULK, name="warm").warm()


def run_job(job: JobRecord, context: JobContext) -> None:
    """Run one job to its end and record how it ended; the registry may be away meanwhile."""
    logger.info("job %d: %s %s", job.id, job.kind, job.model or "")
    while True:
        try:
            context.wait_for_cluster()
            result = KINDS[job.kind](job, context)
            context.store.finish_job(job.id, "finished", result=result)
        except RunnerStopping:
            return
        except JobLost:
            logger.warning("job %d: lost with the cluster, started again", job.id)
            job = context.store.job(job.id)
            continue
        except JobCanceled:
            _end(context, job, "canceled", None)
        except FlinkmsError as error:
            if error.sqlstate == errors.CONNECTION_FAILURE:
                logger.warning("job %d: %s; trying again", job.id, error)
                if context.stopping.wait(REGISTRY_RETRY_S):
                    return
                continue
            _end(context, job, "failed", error)
        except Exception as error:
            logger.exception("job %d failed", job.id)
            _end(context, job, "failed", FlinkmsError(errors.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))
        return


def _end(context: JobContext, job: JobRecord, state: str, error: FlinkmsError | None) -> None:
    try:
        if job.kind == "train":
            abandon(job, context, error)
        context.store.finish_job(
            job.id, state, error=error and _with_hint(error), sqlstate=error and error.sqlstate,
        )
    except FlinkmsError as failure:
        logger.warning("job %d: end not recorded: %s", job.id, failure)


def _with_hint(error: FlinkmsError) -> str:
    return error.message if error.hint is None else f"{error.message} ({error.hint})"
