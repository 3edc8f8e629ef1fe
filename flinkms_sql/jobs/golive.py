"""From ready to live: a version that was trained learns what its model's standing job has to teach, then it is promoted.

A version that goes live holds at least what the former one held at that moment, by the positions of both in the streams.
The former one goes on learning and serving until the new one has caught up, but for the last seconds: then its learner
stands still while the new one reaches it. Whether a standing job is there decides nothing but who teaches: without one,
what is missing stays missing, and the former version live. Must not know how a version is trained.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, Positions, VersionRecord, goes_live
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import was_stopped
from flinkms_sql.jobs.context import JobCanceled, JobContext, JobFailed, JobLost, RunnerStopping
from flinkms_sql.jobs.learner import halt, reached, scan_group, streams, take_up
from flinkms_sql.modellog.distance import bytes_between, is_before
from flinkms_sql.modellog.files import read_json
from flinkms_sql.modellog.stream import stream_ends

LOOK_S = 0.5
"""Seconds between looks at how far a learner is: a quarter of a checkpoint interval."""

LAG_S_MAX = 5.0
"""A version has caught up when it has learned all that was there so many seconds ago, two checkpoints."""

ROUNDS_MAX = 5
"""Times that the ends of the streams are looked at anew: when more arrives than is learned, the former version falls
behind too, and is reached when it stands still."""

IDLE_S_MAX = 300.0
"""Seconds without a step forward after which catching up has failed: a learner that restarts takes some ten."""

ALONE_S_MAX = 10.0
"""Seconds to wait for a learner when no job is there that could start one: who replaces one stops it, and starts the next
one within a second."""

LAST_ROWS_S_MAX = 60.0
"""Seconds that the former version's learner may stand still for the new one to reach it: two checkpoints, or a restart."""

MOVES_MAX = 3
"""Times that the former version's learner is made to stand still."""


class _Enough(Exception):
    """The version has learned all that there was, or is no longer to go live."""


class _Moved(Exception):
    """Another standing job is to teach, or none."""


class _Behind(Exception):
    """The live version holds more of this stream."""

    def __init__(self, live: int, stream: Path, name: str) -> None:
        super().__init__(f'the live version, {live}, has learned more of stream "{name}"')
        self.stream = stream


def go_live(job: JobRecord, version: VersionRecord, context: JobContext) -> None:
    """Promote a ready version once it holds what the live one has learned and it has caught up with the model's streams.

    Called again, it goes on. Raises 55000 when the version cannot catch up: it stays ready, and what is live stays live.
    """
    moves, alone_since = 0, None
    while _is_wanted(version, context):
        standing = _standing(version.model, context)
        try:
            if standing is not None:
                _catch_up(job, standing, version, context)
            _move(job, version, context, LAST_ROWS_S_MAX if standing is not None else 0.0)
        except _Moved:
            pass
        except JobLost:
            context.wait_for_cluster()
        except JobFailed as failure:
            raise _left_behind(version, failure.message) from failure
        except _Behind as behind:
            if standing is None:
                alone_since = _since(alone_since, version, context)
                if context.clock.monotonic() - alone_since > ALONE_S_MAX:
                    raise _left_behind(version, f"nothing learns for the model, and {behind}") from behind
                _pause(job, context)
                continue
            moves += 1
            if moves >= MOVES_MAX or behind.stream not in streams(standing, context):
                raise _left_behind(version, str(behind)) from behind
        alone_since = None
    _settle(version, context)


def _is_wanted(version: VersionRecord, context: JobContext) -> bool:
    """Whether the version is still to go live: a newer one may be, or somebody has promoted it."""
    snapshot = context.store.snapshot()
    live = snapshot.aliases.get((version.model, LIVE))
    return goes_live(version.model, version.version, live, snapshot.history.get((version.model, LIVE), ()))


def _standing(model: str, context: JobContext) -> JobRecord | None:
    """The standing job that teaches a model. One that nobody has taken up can end without anybody ending its learners."""
    return next((job for job in context.store.jobs(model=model)
                 if job.kind == "learn" and job.desired == "running" and job.state not in ("queued", *ENDED)), None)


def _since(alone_since: float | None, version: VersionRecord, context: JobContext) -> float:
    """When the model was left alone: not while a job that learned has not ended, or one that will has not begun."""
    if alone_since is not None and all(job.kind != "learn" or job.state in ENDED
                                       for job in context.store.jobs(model=version.model)):
        return alone_since
    return context.clock.monotonic()


def _pause(job: JobRecord, context: JobContext) -> None:
    """Wait for a moment. Raises JobCanceled when nobody wants the job any more, and RunnerStopping."""
    if context.store.job(job.id).desired == "canceled":
        raise JobCanceled
    if context.clock.wait(LOOK_S):
        raise RunnerStopping


def _move(job: JobRecord, version: VersionRecord, context: JobContext, wait_s: float) -> None:
    """Let the alias name the version when it holds what the live one does, which learns nothing more meanwhile.

    Nothing moves when another version became live in that moment. Raises _Behind after ``wait_s`` seconds.
    """
    with context.teaching.of(version.model):
        if not _is_wanted(version, context):
            return
        live = context.store.snapshot().aliases.get((version.model, LIVE))
        goal = {} if live is None else _learned_by(context.store.version(version.model, live), context)
        until = context.clock.monotonic() + wait_s
        while (stream := _first_behind(goal, version, context)) is not None:
            if context.clock.monotonic() >= until:
                raise _Behind(live or 0, *stream)
            _pause(job, context)
        context.store.go_live(version, former=live)


def _learned_by(former: VersionRecord, context: JobContext) -> Positions:
    """Up to where a version holds streams when its learner is halted; nothing when it never had one."""
    learner = context.store.learning(former).learner
    if learner is None:
        return {}
    halt(learner.flink_job_id, context)
    return reached(former, context)


def _first_behind(goal: Positions, version: VersionRecord, context: JobContext) -> tuple[Path, str] | None:
    """Directory and name of a stream of which a version holds less than ``goal``. A dropped stream teaches nobody any more."""
    if not goal:
        return None
    done = reached(version, context)
    for record in context.store.snapshot().tables.values():
        if record.kind != "stream" or (name := os.path.realpath(str(record.path))) not in goal:
            continue
        path = context.places.stream(record.path)
        if any(is_before(path / "log" / partition, done.get(name, {}).get(partition), end)
               for partition, end in goal[name].items()):
            return path, record.name
    return None


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
    try:
        flink_job_id = take_up(standing, version, context)
    except FlinkmsError as error:
        if error.sqlstate in (errors.CONNECTION_FAILURE, errors.UNDEFINED_OBJECT):
            raise
        if not context.cluster.is_ready():
            raise JobLost from error
        raise _left_behind(version, error.message) from error
    # By its own row, whoever takes this job up or cancels it finds the learner.
    context.store.update_job(job.id, state="running", flink_job_id=flink_job_id, progress={"phase": "catching up"})
    watch = _Watch(job, standing, version, context)
    try:
        context.follow(job, flink_job_id, watch, lambda _: halt(flink_job_id, context))
        if was_stopped(context.checkpoints, flink_job_id):
            raise _Moved
    except _Enough:
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
        if not _is_wanted(self._version, self._context):
            raise _Enough
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
                raise _Enough
            self._goal = None
            return
        self._context.store.update_job(self._job.id, progress={
            "phase": "catching up, MiB", "done": (self._total - left) >> 20, "total": -(-self._total >> 20)})


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
