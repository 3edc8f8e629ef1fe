"""What a Flink job leaves behind in the directory of checkpoints. Must not know what is in a checkpoint, nor load one."""

from __future__ import annotations

from pathlib import Path

from flinkms_sql.places import job_checkpoints

SAVEPOINT = "savepoint-"
"""How Flink begins the name of a savepoint's directory; a checkpoint's is ``chk-`` and its number."""


def newest_checkpoint(checkpoints: Path, flink_job_id: str | None) -> Path | None:
    """Directory of the newest complete checkpoint or savepoint that a job left behind, or None.

    Raises FlinkmsError 42501 for what is no id of a Flink job.
    """
    if flink_job_id is None:
        return None
    left = job_checkpoints(checkpoints, flink_job_id)
    # One that is not complete has no metadata. A savepoint has no number: by age, it is in its place.
    complete = left.glob("*/_metadata")
    newest = max(complete, key=lambda path: path.stat().st_mtime_ns, default=None)
    return None if newest is None else newest.parent


def was_stopped(checkpoints: Path, flink_job_id: str) -> bool:
    """Whether a job that finished did so at a savepoint, and not because it had read all there is."""
    newest = newest_checkpoint(checkpoints, flink_job_id)
    return newest is not None and newest.name.startswith(SAVEPOINT)
