"""Which versions of a model are kept: a pure rule over the registry's snapshot.

Must not retire anything. Kept are the newest ready ones, as many as the model's option says, and beside them whatever an
alias names or would name after a rollback, and whatever a job that has not ended works with.
"""

from __future__ import annotations

from collections.abc import Iterable

from flinkms_sql.catalog.records import ENDED, JobRecord, Snapshot, VersionRecord, rollback_target

KEEP_OPTION = "versions.keep"
KEEP_DEFAULT = 3
"""Ready versions kept beside those in use: each is loaded and followed by every frontend."""


def superfluous_versions(snapshot: Snapshot, jobs: Iterable[JobRecord]) -> list[VersionRecord]:
    """The ready versions that nothing needs any more, oldest first."""
    needed = {(model, number) for (model, _), number in snapshot.aliases.items()}
    for (model, _), history in snapshot.history.items():
        if (target := rollback_target(history)) is not None:
            needed.add((model, target))
    needed |= {(job.model, job.version) for job in jobs if job.state not in ENDED and job.model and job.version}
    gone: list[VersionRecord] = []
    for model, record in sorted(snapshot.models.items()):
        numbers = sorted((number for name, number in snapshot.versions if name == model), reverse=True)
        keep = int(record.options.get(KEEP_OPTION, KEEP_DEFAULT))
        gone += [snapshot.versions[model, number] for number in reversed(numbers[keep:]) if (model, number) not in needed]
    return gone
