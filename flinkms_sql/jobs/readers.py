"""Under which names those who still have to read a stream commit how far they are. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from flinkms_sql.catalog.records import ENDED, JobRecord, Snapshot
from flinkms_sql.places import Claim


def learning_group(version: Claim) -> str:
    """The name under which the learners of a version commit how far they are in a stream."""
    return f"version-{hashlib.sha256(version.text.encode()).hexdigest()[:24]}"


def job_group(job: int) -> str:
    """The name under which a standing job does."""
    return f"job-{job}"


def reading_groups(snapshot: Snapshot, jobs: Iterable[JobRecord]) -> frozenset[str]:
    """Groups of the jobs that have not ended, and of the learners of ready versions."""
    return frozenset({job_group(job.id) for job in jobs if job.state not in ENDED}
                     | {learning_group(version.path) for version in snapshot.versions.values()})
