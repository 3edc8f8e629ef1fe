"""The one Flink job that teaches a version, and where it starts: where the learning of that version stands.

What a version has learned belongs to the version, not to the job that taught it. Its truth is the newest complete
checkpoint or savepoint of its latest learner, which holds the positions of the streams and of the version's logs
together; the registry names that learner (``Store.learning``). So whoever starts the next one, with the same query or
another, goes on exactly there (docs/adr/0030). Must not know why a version is taught, nor wait for what comes of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

from flinkms_sql import errors
from flinkms_sql.catalog.lifetimes import LEARNERS
from flinkms_sql.catalog.records import (
    ENDED,
    JobRecord,
    Learner,
    LearnerStart,
    Learning,
    Positions,
    TableRecord,
    VersionRecord,
)
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import newest_checkpoint, was_stopped
from flinkms_sql.jobs.cluster import ENDED_STATES
from flinkms_sql.jobs.context import JobContext, input_types, new_flink_job_id, output_type, signature
from flinkms_sql.jobs.held import held_in
from flinkms_sql.jobs.labels import served_label
from flinkms_sql.jobs.leftout import gather
from flinkms_sql.jobs.readers import learning_group
from flinkms_sql.jobs.submissions import CheckpointPositions, LearnerSubmission
from flinkms_sql.modellog.segments import read_committed
from flinkms_sql.modellog.version import read_version
from flinkms_sql.places import job_checkpoints, restorable

logger = logging.getLogger(__name__)

BEFORE_PLANS = ""
"""The plan of a learner that was started before plans were recorded."""

NOTHING_YET = (0, 0)
"""The position of a log that nobody has written to."""


def take_up(standing: JobRecord, version: VersionRecord, context: JobContext) -> str:
    """The id of the Flink job that teaches ``version`` as ``standing`` asks: the one that does, else a new one.

    One is started where the version's learning stands; one that teaches it something else is halted first. Raises what
    Flink says of the query, and 08006.
    """
    with context.teaching.of(version.model):
        return _taken_up(standing, version, context)


def take_up_live(standing: JobRecord, context: JobContext) -> tuple[VersionRecord, str]:
    """The live version and the id of the Flink job that teaches it from now on; what taught another one is halted.

    Which one is live is asked while nobody can move it: the former one would be taught anew for a moment.
    """
    with context.teaching.of(standing.model or ""):
        live = context.store.snapshot().by_alias(standing.model or "")
        if standing.flink_job_id is not None and standing.version != live.version:
            halt(standing.flink_job_id, context)
        return live, _taken_up(standing, live, context)


def _taken_up(standing: JobRecord, version: VersionRecord, context: JobContext) -> str:
    learning = context.store.learning(version)
    tables = _tables(standing, context)
    plan = _plan(standing, tables)
    learner = learning.learner
    if learner is not None:
        if (learner.job, learner.plan) == (standing.id, plan) and _teaches(learner.flink_job_id, context):
            return learner.flink_job_id
        halt(learner.flink_job_id, context)
    started = Learner(job=standing.id, flink_job_id=new_flink_job_id(), query=standing.query, plan=plan,
                      start=_start(learning, plan, standing.query, tables, version, context))
    _submit(standing, version, started, tables, context)
    return started.flink_job_id


def halt(flink_job_id: str, context: JobContext) -> None:
    """End a learner so that the next one goes on where it stops: at a savepoint, else at its newest checkpoint."""
    if context.cluster.status(flink_job_id).state in (None, *ENDED_STATES):
        return
    try:
        context.cluster.stop_with_savepoint(flink_job_id, job_checkpoints(context.checkpoints, flink_job_id).as_uri())
    except FlinkmsError as error:
        if error.sqlstate == errors.CONNECTION_FAILURE:
            raise
        logger.warning("Flink job %s: %s; canceled instead", flink_job_id, error)
    context.cluster.cancel_and_wait(flink_job_id)


def halt_all(standing: JobRecord, context: JobContext) -> None:
    """End whatever teaches any version of a model on behalf of a standing job, also when the model was dropped."""
    with context.teaching.of(standing.model or ""):
        held = [learner.flink_job_id for learner in _learners(standing.model or "", context) if learner.job == standing.id]
        for flink_job_id in dict.fromkeys([*held, *context.store.job(standing.id).options.get(LEARNERS, ())]):
            halt(flink_job_id, context)


def halt_others(standing: JobRecord, version: int, context: JobContext) -> bool:
    """End what teaches versions other than this one on behalf of a standing job; False when it is too early to say.

    A version that is being trained may be catching up; once it is ready, it may have been live for a moment.
    """
    model = standing.model or ""
    with context.teaching.of(model):
        if any(job.kind == "train" and job.state not in ENDED for job in context.store.jobs(model=model)):
            return False
        for learner in _learners(model, context, but=version):
            if learner.job == standing.id:
                halt(learner.flink_job_id, context)
        return True


def _learners(model: str, context: JobContext, but: int | None = None) -> list[Learner]:
    """The latest learner of each version but one; none of a model that was dropped."""
    try:
        found = [context.store.learning(version) for version in context.store.versions(model)
                 if version.version != but]
    except FlinkmsError as error:
        if error.sqlstate != errors.UNDEFINED_OBJECT:
            raise
        return []
    return [learning.learner for learning in found if learning.learner is not None]


def scan_group(version: VersionRecord) -> str:
    """The name under which the learners of a version commit how far they are in a stream."""
    return learning_group(version.path)


def streams(standing: JobRecord, context: JobContext) -> list[Path]:
    """Directories of the streams that a standing job's query reads."""
    return [context.places.stream(record.path) for record in _tables(standing, context).values() if record.kind == "stream"]


def _teaches(flink_job_id: str, context: JobContext) -> bool:
    state = context.cluster.status(flink_job_id).state
    if state == "FINISHED":
        return not was_stopped(context.checkpoints, flink_job_id)
    return state is not None and state not in ENDED_STATES


def _tables(standing: JobRecord, context: JobContext) -> dict[str, TableRecord]:
    return {record.name: record for record in context.tables(standing.options["tables"])}


def _plan(standing: JobRecord, tables: Mapping[str, TableRecord]) -> str:
    """What a checkpoint can be restored by: the same query over the same tables, with the same parallelism.

    A table that was dropped and created again is another one: its path is, or its moment.
    """
    parts = [standing.query, str(_parallelism(standing))]
    for name, record in sorted(tables.items()):
        parts += [name, str(record.path or ""), record.definition, record.created_at.isoformat()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _parallelism(standing: JobRecord) -> int:
    return int(standing.options.get("parallelism", 1))


def reached(version: VersionRecord, context: JobContext) -> Positions:
    """Up to where a version holds streams, trained or learned, by directory. Raises what reading a checkpoint does."""
    return _stand(context.store.learning(version), version, context).sources


def _stand(learning: Learning, version: VersionRecord, context: JobContext) -> LearnerStart:
    """Where the learning of a version stands."""
    learner = learning.learner
    if learner is None:
        return LearnerStart(sources=_resolved(learning.trained_to), logs=_committed(context.places.version(version.path)))
    start = learner.start
    newest, found = _newest(learner.flink_job_id, context)
    if newest is None:
        return start
    # What this learner did not read stays as far as an earlier one had read it.
    return LearnerStart(
        restore=newest.as_uri(),
        sources=_merged(*map(_resolved, (learning.trained_to, start.sources, found.sources))),
        logs=_merged(start.logs, {Path(table).name: at for table, at in found.logs.items()}),
        apart=frozenset(map(os.path.realpath, found.apart))
        | start.apart.difference(map(os.path.realpath, found.sources)),
    )


def _newest(flink_job_id: str, context: JobContext) -> tuple[Path | None, CheckpointPositions]:
    """The newest complete checkpoint of a learner, and what it holds. One that runs deletes it when the next is complete."""
    while (newest := newest_checkpoint(context.checkpoints, flink_job_id)) is not None:
        try:
            return newest, context.flink.positions(newest.as_uri())
        except FlinkmsError as error:
            if error.sqlstate != errors.IO_ERROR or newest == newest_checkpoint(context.checkpoints, flink_job_id):
                raise
    return None, CheckpointPositions()


def _start(learning: Learning, plan: str, query: str, tables: Mapping[str, TableRecord], version: VersionRecord,
           context: JobContext) -> LearnerStart:
    """Where the next learner of a version starts. Raises 55000 when only the state of another query could say it."""
    start, learner = _stand(learning, version, context), learning.learner
    if learner is None:
        return start
    # The positions hold whatever the state is good for: another query begins with its own state empty.
    restore = restorable(context.checkpoints, start.restore)
    lost = restore is not None and not Path(urlparse(restore).path).exists()
    same = learner.plan == plan or (learner.plan, learner.query) == (BEFORE_PLANS, query)
    if same and not lost:
        return start
    apart = sorted(name for name, record in tables.items() if os.path.realpath(str(record.path or "")) in start.apart)
    if apart:
        raise _apart(apart[0], learner.query, version, lost=lost)
    return replace(start, restore=None)


def _apart(stream: str, former: str, version: VersionRecord, *, lost: bool) -> FlinkmsError:
    """Two scans of one stream stood at different places: from any of them, rows would be left out or learned twice."""
    hint = (
        f"Its checkpoint is gone, and with it what was learned: REFRESH MODEL {version.model} trains a new version."
        if lost else
        f"Start it again with its former query, and stop it when it has learned all that is in the stream: {former}"
    )
    return FlinkmsError(
        errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
        f'version {version.version} of model "{version.model}" cannot go on learning from stream "{stream}" with another query',
        detail="Its former query read the stream more than once, and had not read it equally far when it stopped.",
        hint=hint,
    )


def _resolved(sources: Positions) -> Positions:
    """By directories as jobs are told them (``Places.stream``): a checkpoint names a stream by where links lead to."""
    return {os.path.realpath(path): partitions for path, partitions in sources.items()}


def _merged(*all_positions: Positions) -> Positions:
    """The last position given for each partition."""
    merged: dict[str, dict[str, tuple[int, ...]]] = {}
    for positions in all_positions:
        for name, partitions in positions.items():
            merged.setdefault(name, {}).update({partition: tuple(at) for partition, at in partitions.items()})
    return merged


def _committed(path: Path) -> Positions:
    """Where the logs of a version that has no learner yet end. Named, so that a learner which is lost before its first
    checkpoint, or with it, leaves nothing behind."""
    version = read_version(path)
    names = [f"p{number}" for number in range(version.partitions)]
    return {table.name: {name: tuple(read_committed(path / table.name / "log" / name) or NOTHING_YET) for name in names}
            for table in version.tables}


def _submit(standing: JobRecord, version: VersionRecord, learner: Learner, tables: Mapping[str, TableRecord],
            context: JobContext) -> None:
    snapshot = context.store.snapshot()
    names, types = signature(snapshot, version.model), input_types(snapshot, version.model)
    taught = context.places.version(version.path)
    label = served_label(read_version(taught), output_type(snapshot, version.model))
    start = learner.start

    def reading(record: TableRecord) -> dict[str, str]:
        directory = str(context.places.stream(record.path))
        at = {partition: list(place) for partition, place in start.sources.get(directory, {}).items()}
        return {"scan.startup.mode": "positions", "scan.startup.positions": json.dumps(at),
                "scan.group": scan_group(version)}

    wanted = LearnerSubmission(
        job=standing.id, name=f"learn {version.model}@{version.version} (job {standing.id})", flink_job_id=learner.flink_job_id,
        tables=context.declared(tables.values(), reading), query=standing.query, parallelism=_parallelism(standing),
        restore=restorable(context.checkpoints, start.restore), columns=list(zip(names, (*types, label), strict=True)),
        version=str(taught), logs=start.logs,
    )
    gather(taught, standing.id)
    # Before the submission: a runner that is killed in between finds it, or that it never came.
    context.flink.submit_learner(wanted, lambda operators: context.store.record_learner(
        version, replace(learner, holds=held_in(operators))))
