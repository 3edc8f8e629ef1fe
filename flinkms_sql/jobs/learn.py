"""Learning from a stream: a standing job that pulls rows, computes deltas and pushes them (sql/jobs/learn.sql).

Exactly once: the Flink checkpoint holds the stream's positions and the shards' log positions together. The job follows
the live version: when another one is promoted, it is stopped at a savepoint (which commits its stream positions under
the job's group) and started from there against the new version's tables.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import JobRecord, VersionRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.context import (
    JobContext,
    JobFailed,
    JobLost,
    input_types,
    new_flink_job_id,
    output_type,
    signature,
)
from flinkms_sql.jobs.environment import STANDING, Workspace
from flinkms_sql.jobs.labels import served_label
from flinkms_sql.jobs.worker import learn_function
from flinkms_sql.modellog.version import read_version
from flinkms_sql.types import SqlType

logger = logging.getLogger(__name__)

LIVE_INTERVAL_S = 0.5
"""Seconds between looks at which version is live: how long learning may go on with one that was just replaced."""

STARTING_STATES = ("CREATED", "INITIALIZING")
"""A job's first states: its Python workers start and open the model."""

PUSH = {"merge": "add", "sink.flush-interval": "0 ms"}
"""A bundle holds what a whole batch adds to each key: waiting for another one to be written with it only costs time."""


class _VersionMoved(Exception):
    """Another version is live: learn on that one from here."""


def learn(job: JobRecord, context: JobContext) -> dict | None:
    """Keep the learning job running until it is canceled; returns only when its stream is bounded and read."""
    while True:
        live = context.store.snapshot().by_alias(job.model or "")
        known = context.is_known(job.flink_job_id)
        if known and job.version != live.version:
            _stop(job, context)
        if not known or job.version != live.version:
            job = _submit(job, live, context)
        try:
            context.follow(job, job.flink_job_id or "", _Watch(job, live, context))
            return {"version": live.version}
        except _VersionMoved:
            pass
        except JobFailed as failure:
            if latest_checkpoint(context.target.checkpoints, job.flink_job_id) is None:
                raise
            # It had learned until then. What ended all of Flink's attempts, most likely a cluster that was away for
            # long, may be over; if not, the next one fails before its first checkpoint.
            logger.warning("job %d: %s; taken up from its last checkpoint", job.id, failure)
            context.store.update_job(job.id, state="restarting")
        except JobLost:
            context.store.update_job(job.id, state="restarting")
            context.wait_for_cluster()
        job = context.store.job(job.id)


def _stop(job: JobRecord, context: JobContext) -> None:
    """End the Flink job, so that another can go on where it stops: at a savepoint, else at its last checkpoint."""
    flink_job_id = job.flink_job_id or ""
    try:
        context.cluster.stop_with_savepoint(flink_job_id, context.target.checkpoints.as_uri())
    except FlinkmsError as error:
        if error.sqlstate == errors.CONNECTION_FAILURE:
            raise
        logger.warning("job %d: %s; canceled instead", job.id, error)
        context.cluster.cancel_and_wait(flink_job_id)


class _Watch:
    """What a look at the running job does: its row shows the state, and a promotion elsewhere moves the learning."""

    def __init__(self, job: JobRecord, live: VersionRecord, context: JobContext) -> None:
        self._job, self._live, self._context = job, live, context
        self._shown: str | None = job.state
        self._look_at = 0.0

    def __call__(self, state: str) -> None:
        shown = "running" if state == "RUNNING" else "restarting"
        if shown != self._shown and not (self._shown == "starting" and state in STARTING_STATES):
            self._context.store.update_job(self._job.id, state=shown)
            self._shown = shown
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LIVE_INTERVAL_S
            if self._context.store.snapshot().by_alias(self._live.model).version != self._live.version:
                raise _VersionMoved


def _submit(job: JobRecord, live: VersionRecord, context: JobContext) -> JobRecord:
    restore = None
    if job.version == live.version:
        restore = latest_checkpoint(context.target.checkpoints, job.flink_job_id) or job.options.get("restore")
    snapshot = context.store.snapshot()
    names, types = signature(snapshot, live.model), input_types(snapshot, live.model)
    label = served_label(read_version(Path(live.path)), output_type(snapshot, live.model))
    flink_job_id = new_flink_job_id()
    with context.submitting:
        workspace = Workspace(
            context.target, STANDING, name=f"learn {live.model}@{live.version} (job {job.id})",
            parallelism=int(job.options.get("parallelism", 1)), flink_job_id=flink_job_id, restore_from=restore,
        )
        context.declare_tables(workspace, job, job.options["tables"], bounded=False)
        workspace.create_function("learn", learn_function(live.path, label))
        columns = list(zip(names, (*types, label), strict=True))
        observations = workspace.with_wake_row(workspace.typed(workspace.queried(job.query, names), columns))
        workspace.create_view("deltas", workspace.applied("learn", observations, "bundle"))
        workspace.create_table("model_push", [("bundle", SqlType.BYTES)], {"path": live.path, **PUSH})
        context.record_submission(job, flink_job_id, version=live.version, options={**job.options, "restore": restore})
        workspace.submit("learn")
    return context.store.job(job.id)


def latest_checkpoint(checkpoints: Path, flink_job_id: str | None) -> str | None:
    """URI of the newest complete checkpoint that a job left behind, or None."""
    if flink_job_id is None:
        return None
    complete = [path.parent for path in (checkpoints / flink_job_id).glob("chk-*/_metadata")]
    newest = max(complete, key=lambda path: int(path.name.removeprefix("chk-")), default=None)
    return None if newest is None else newest.as_uri()
