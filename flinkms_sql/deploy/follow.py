"""Following a job by its row: progress as it is recorded, then its end as a value or an error."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Literal

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobRecord
from flinkms_sql.catalog.store import Store
from flinkms_sql.deploy.events import Notice, Progress
from flinkms_sql.errors import FlinkmsError

LOOK_S_MAX = 0.5
"""Seconds between two looks at a job's row when nobody tells of a change: a notification can be lost with its connection.
Whoever no longer wants the job is heard this often too."""

AWAY_S_MAX = 30.0
"""Seconds the registry may be away before whoever follows a job hears of it; the job goes on either way. PostgreSQL is
back two seconds after kill -9."""


def follow_job(
    store: Store, job_id: int, *, until: Literal["finished", "running", "canceled"] = "finished", cancel: bool = True
) -> Generator[Progress | Notice, None, JobRecord]:
    """Yield progress at every change of the job until it has reached ``until`` (or ended), and at least every LOOK_S_MAX.

    Returns its record. Raises the job's own error. A job that is started anew says why, once for each attempt. When the
    generator is closed while the job is on its way, the job is asked to cancel, unless ``cancel`` is False.
    """
    watch = store.watch(("jobs",))
    job, told = store.job(job_id), None
    seen_at = time.monotonic()
    try:
        while not (job.state in ENDED or (until == "running" and job.state == "running")):
            if job.error is not None and told != (told := (job.attempts, job.error)):
                yield Notice(message=f"job {job.id} is started anew: {job.error}")
            yield _progress(job)
            watch.wait(LOOK_S_MAX)
            try:
                job, seen_at = store.job(job_id), time.monotonic()
            except FlinkmsError as error:
                if error.sqlstate != errors.CONNECTION_FAILURE or time.monotonic() - seen_at > AWAY_S_MAX:
                    raise
        ended = _ended(job, until)
        yield from (Notice(message=text) for text in _told_at_end(ended))
        return ended
    except GeneratorExit:
        if cancel and until != "canceled":
            store.set_desired(job_id, "canceled")
        raise


def _progress(job: JobRecord) -> Progress:
    recorded = job.progress or {}
    return Progress(job=job.id, phase=recorded.get("phase", job.state), done=int(recorded.get("done", 0)),
                    total=int(recorded.get("total", 0)), metrics=recorded.get("metrics"))


def _told_at_end(job: JobRecord) -> list[str]:
    """What whoever waited for a job is told beside its result: rows that a training has left out, and what explains them."""
    result = job.result or {}
    failed, rows = int(result.get("failed_rows", 0)), int(result.get("rows", 0))
    told = list(result.get("notices", ()))
    if job.kind == "train" and failed:
        reasons = "; ".join(f"{reason} in {count}" for reason, count in sorted(result.get("failures", {}).items()))
        told.append(f"{failed} of {rows} rows could not be trained on: {reasons}")
    return told


def _ended(job: JobRecord, until: str) -> JobRecord:
    if until == "canceled":
        return job
    if job.state == "failed":
        where = job.result or {}
        raise FlinkmsError(job.sqlstate or errors.INTERNAL_ERROR, job.error or f"job {job.id} failed",
                           position=where.get("position"), query=where.get("query"))
    if job.state == "canceled":
        raise FlinkmsError(errors.QUERY_CANCELED, f"job {job.id} was canceled")
    return job
