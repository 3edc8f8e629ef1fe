"""From ready to live: a version that was trained learns what its model's standing job has to teach, then it is promoted.

The former version goes on learning and serving meanwhile, so that nothing is missing at the moment of promotion: the new
one has learned all that came before, during and after its training, up to what arrived in the last seconds. The standing
job then goes on with the Flink job that taught it. Must not know how a version is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, VersionRecord, goes_live
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import was_stopped
from flinkms_sql.jobs.context import JobCanceled, JobContext, JobFailed, JobLost
from flinkms_sql.jobs.learner import halt, scan_group, streams, take_up
from flinkms_sql.modellog.distance import bytes_between
from flinkms_sql.modellog.files import read_json
from flinkms_sql.modellog.stream import stream_ends

LOOK_S = 0.5
"""Seconds between looks at how far a learner is: a quarter of a checkpoint interval."""

LAG_S_MAX = 5.0
"""A version has caught up when it has learned all that was there so many seconds ago, two checkpoints."""

ROUNDS_MAX = 5
"""Times that the ends of the streams are looked at anew: more arrives than is learned, and the former version is no
less behind."""

IDLE_S_MAX = 300.0
"""Seconds without a step forward after which catching up has failed: a learner that restarts takes some ten."""


class _CaughtUp(Exception):
    """The version has learned all that there was."""


class _Moved(Exception):
    """Another standing job is to teach, or none."""


def go_live(job: JobRecord, version: VersionRecord, context: JobContext) -> None:
    """Promote a ready version once it has caught up with the streams that its model learns from.

    Called again, it goes on. Raises 55000 when the version cannot catch up: it stays ready, and what is live stays live.
    """
    snapshot = context.store.snapshot()
    live = snapshot.aliases.get((version.model, LIVE))
    if not goes_live(version.model, version.version, live, snapshot.history.get((version.model, LIVE), ())):
        _settle(version, context)
        return
    while (standing := _standing(version.model, context)) is not None:
        try:
            _catch_up(job, standing, version, context)
            break
        except _Moved:
            continue
        except JobLost:
            context.wait_for_cluster()
        except JobFailed as failure:
            raise _left_behind(version, failure.message) from failure
    context.store.go_live(version)
    _settle(version, context)


def _standing(model: str, context: JobContext) -> JobRecord | None:
    """The standing job that teaches a model. One that nobody has taken up can end without anybody ending its learners."""
    return next((job for job in context.store.jobs(model=model)
                 if job.kind == "learn" and job.desired == "running" and job.state not in ("queued", *ENDED)), None)


def _settle(version: VersionRecord, context: JobContext) -> None:
    """Halt a learner that nobody goes on with: its standing job was stopped in the last moment, or another version is live."""
    learner = context.store.learning(version).learner
    if learner is None:
        return
    standing = _standing(version.model, context)
    live = context.store.snapshot().by_alias(version.model).version
    if standing is None or standing.id != learner.job or live != version.version:
        halt(learner.flink_job_id, context)


def _catch_up(job: JobRecord, standing: JobRecord, version: VersionRecord, context: JobContext) -> None:
    flink_job_id = take_up(standing, version, context)
    # By its own row, whoever takes this job up or cancels it finds the learner.
    context.store.update_job(job.id, state="running", flink_job_id=flink_job_id, progress={"phase": "catching up"})
    watch = _Watch(job, standing, version, context)
    try:
        context.follow(job, flink_job_id, watch, lambda _: halt(flink_job_id, context))
        if was_stopped(context.checkpoints, flink_job_id):
            raise _Moved
    except _CaughtUp:
        pass
    except JobCanceled:
        if context.store.job(job.id).desired == "canceled":
            raise
        raise _Moved from None
    except (_Moved, FlinkmsError) as error:
        # When only the registry or the cluster is out of sight, the learner goes on, and is taken up again.
        if isinstance(error, _Moved) or error.sqlstate != errors.CONNECTION_FAILURE:
            halt(flink_job_id, context)
        raise


class _Watch:
    """What a look at the learner does: how far it is, and whether it is still wanted."""

    def __init__(self, job: JobRecord, standing: JobRecord, version: VersionRecord, context: JobContext) -> None:
        self._job, self._standing, self._version, self._context = job, standing, version, context
        self._streams = streams(standing, context)
        self._group = scan_group(version)
        self._goal: Mapping[Path, Mapping[str, tuple[int, ...]]] | None = None
        self._goal_at = self._look_at = 0.0
        self._total = self._left = 0
        self._rounds = 0
        self._moved_at = context.clock.monotonic()

    def __call__(self, state: str) -> None:
        now = self._context.clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        wanted = _standing(self._version.model, self._context)
        if wanted is None or wanted.id != self._standing.id:
            raise _Moved
        if now - self._moved_at > IDLE_S_MAX:
            raise _left_behind(self._version, f"nothing was learned for {IDLE_S_MAX:.0f} s")
        if state == "RUNNING":
            self._measure(now)

    def _measure(self, now: float) -> None:
        if self._goal is None:
            self._goal, self._goal_at = {stream: stream_ends(stream) for stream in self._streams}, now
            self._rounds += 1
        left = sum(_bytes_left(stream, ends, self._group) for stream, ends in self._goal.items())
        if left != self._left:
            self._moved_at = now
        self._left, self._total = left, max(self._total, left)
        if left == 0:
            if now - self._goal_at <= LAG_S_MAX or self._rounds >= ROUNDS_MAX:
                raise _CaughtUp
            self._goal = None
            return
        self._context.store.update_job(self._job.id, progress={
            "phase": "catching up, KiB", "done": (self._total - left) >> 10, "total": self._total >> 10})


def _bytes_left(stream: Path, ends: Mapping[str, tuple[int, ...]], group: str) -> int:
    """Bytes of a stream before these ends that the group has not committed."""
    file = stream / "groups" / f"{group}.json"
    done = read_json(file)["positions"] if file.exists() else {}
    return sum(bytes_between(stream / "log" / partition, done.get(partition), end) for partition, end in ends.items())


def _left_behind(version: VersionRecord, reason: str) -> FlinkmsError:
    return FlinkmsError(
        errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
        f'version {version.version} of model "{version.model}" is trained, but could not catch up: {reason}',
        hint=f"The former one is still live. ALTER MODEL {version.model} PROMOTE VERSION {version.version} makes this one "
             "live as it is.",
    )
