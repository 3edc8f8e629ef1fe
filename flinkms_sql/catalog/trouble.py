"""Which jobs do not get on, and what those leave out that do. Pure: rows of jobs in, those rows and texts out."""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql.catalog.records import ENDED, JobRecord


def troubled(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    """Of all jobs those that are started anew, and standing ones that failed and have no successor."""
    newest = {_purpose(job): job.id for job in jobs}
    return [job for job in jobs if job.state == "restarting" or
            ((job.state, job.desired) == ("failed", "running") and newest[_purpose(job)] == job.id)]


def left_out(job: JobRecord) -> str:
    """What a learning job has left out so far, by reason; empty when nothing."""
    found = (job.progress or {}).get("left_out") or {}
    if not found or job.state in ENDED:
        return ""
    return f"left out {sum(found.values())} observations: " + "; ".join(f"{reason} in {n}" for reason, n in sorted(found.items()))


def _purpose(job: JobRecord) -> tuple[str, str]:
    """What a job is for: to teach its model, or to run its query."""
    return job.kind, job.query if job.model is None else job.model
