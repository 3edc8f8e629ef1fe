"""Training: a version's base from the user's SELECT (sql/jobs/train.sql); then it is ready, and goes live (golive.py).

What is published is complete before it is visible: the sink renames the base into place, ``version.json`` is written by
rename, it was loaded once as a frontend will load it, and only then one transaction of the registry makes the version
ready. A training that is killed at any point leaves the live version as it was; run again, it starts over in
the same directory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flinkms_sql import errors
from flinkms_sql.catalog.lifetimes import VERSION_PATH
from flinkms_sql.catalog.records import JobRecord, Positions, Snapshot, TableRecord, TrainingOutcome, VersionRecord
from flinkms_sql.catalog.retirement import dropped
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.context import (
    JobCanceled,
    JobContext,
    declared_model,
    input_types,
    new_flink_job_id,
    output_type,
    signature,
)
from flinkms_sql.jobs.golive import go_live
from flinkms_sql.jobs.submissions import TrainingSubmission
from flinkms_sql.modellog.loading import verify_loads
from flinkms_sql.modellog.stream import stream_ends
from flinkms_sql.modellog.version import Table, Version, classes_of, write_version
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.model import Model

LOG_PARTITIONS = 4
"""Key partitions of a version's log: the most sink subtasks that can share learning; one file each."""


PROGRESS = "progress.jsonl"
"""File in the version's directory to which the fit appends how far it is."""


FIT = "fit.json"
"""File in the version's directory that the sink makes visible last: the base is all there."""


def train(job: JobRecord, context: JobContext) -> dict | None:
    """Train the version the job names and publish it; returns what was recorded."""
    if job.desired == "canceled":
        raise JobCanceled
    snapshot = context.store.snapshot()
    record = declared_model(snapshot, job.model or "")
    version = trained_version(job, context.store)
    if version.state == "ready":
        go_live(job, version, context)
    if version.state != "training":
        return _recorded(version)
    types = input_types(snapshot, record.name)
    options = {name: value for name, value in version.options.items() if "." not in name and name != "algorithm"}
    model = configure(record.algorithm, options, [kind.name for kind in types])
    directory = context.places.version(version.path)
    # Once the job has an id, the directory is its own: what is in it was not left by somebody else.
    if job.flink_job_id is None or not (directory / FIT).exists():
        if not context.is_known(job.flink_job_id):
            job = _submit(job, version, model, options, directory, snapshot, context)
        _follow(job, directory, context)
    return _publish(job, version, model, options, directory, types, context)


def trained_version(job: JobRecord, store: Store) -> VersionRecord:
    """The version a training is for. Raises 42704 when it was dropped, whatever has its name and number since."""
    version = store.version(job.model or "", job.version or 0)
    if job.options.get(VERSION_PATH, version.path.text) != version.path.text:
        raise dropped(version.model, version.version)
    return version


def _recorded(version: VersionRecord) -> dict | None:
    """The result of a training whose end came to the registry, but not the end of its job."""
    if version.state == "failed":
        raise FlinkmsError(errors.DATA_EXCEPTION, version.error or "training failed")
    return _result(version.version, version.outcome) if version.outcome else None


def _follow(job: JobRecord, directory: Path, context: JobContext) -> None:
    """Wait for the base. Raises what the fit said, as soon as it says it, or Flink's own reason."""
    progress = _ProgressFile(directory / PROGRESS)

    def report(state: str) -> None:
        for line in progress.new_lines():
            if "error" in line:
                # The same rows would end the same way: Flink's further attempts are spared.
                context.cluster.cancel(job.flink_job_id or "")
                raise FlinkmsError(errors.DATA_EXCEPTION, line["error"]["message"])
            context.store.update_job(job.id, state="running", progress=line)

    try:
        context.follow(job, job.flink_job_id or "", report)
        report("FINISHED")
    except FlinkmsError as error:
        if error.sqlstate == errors.CONNECTION_FAILURE:
            raise
        # A task manager that is lost after the commit makes Flink run the job again, which the sink refuses.
        if not (directory / FIT).exists():
            raise progress.error() or error from error


def _submit(job: JobRecord, version: VersionRecord, model: Model, options: dict[str, str], directory: Path,
            snapshot: Snapshot, context: JobContext) -> JobRecord:
    context.check_files(job.options["tables"], filled=True)
    # What an aborted attempt, or a dropped model of the same name, has left here is nobody's.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    name = job.model or ""
    names, types, output = signature(snapshot, name), input_types(snapshot, name), output_type(snapshot, name)
    tables = context.tables(job.options["tables"])
    ends = _ends(version, tables, context)
    flink_job_id = new_flink_job_id()
    wanted = TrainingSubmission(
        name=f"train {job.model}@{job.version} (job {job.id})", flink_job_id=flink_job_id, query=job.query, model=model,
        options=options, names=names, types=types, output=output, directory=directory, progress=directory / PROGRESS,
        tables=context.declared(tables, lambda table: {
            "scan.bounded": "true",
            "scan.bounded.positions": json.dumps({name: list(at) for name, at in ends[str(table.path or "")].items()}),
        }),
    )
    context.flink.submit_training(wanted, lambda: context.record_submission(job, flink_job_id, progress={"phase": "reading"}))
    context.store.update_job(job.id, state="running")
    return context.store.job(job.id)


def _ends(version: VersionRecord, tables: Sequence[TableRecord], context: JobContext) -> Positions:
    """Up to where this training reads each stream: recorded before it does, because the version learns on from there."""
    streams = {str(table.path): context.places.stream(table.path) for table in tables if table.kind == "stream"}
    ends = context.store.learning(version).trained_to
    if ends.keys() != streams.keys():
        ends = {claim: stream_ends(path) for claim, path in streams.items()}
        context.store.record_training(version, ends)
    return ends


def _publish(job: JobRecord, version: VersionRecord, model: Model, options: dict[str, str], directory: Path,
             types: tuple[SqlType, ...], context: JobContext) -> dict:
    try:
        fit = json.loads((directory / FIT).read_text())
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f"training left no {error.filename}") from error
    constants = {name: np.asarray(value, np.float64) for name, value in fit["constants"].items()}
    initial = model.initial_rows(constants)
    write_version(directory, Version(
        algorithm=model.algorithm, options=options, input_types=tuple(kind.name for kind in types),
        partitions=LOG_PARTITIONS, constants=constants,
        classes=None if fit["classes"] is None else classes_of(fit["classes"]),
        tables=tuple(Table(name=spec.name, key=spec.key, width=spec.width, initial=initial.get(spec.name))
                     for spec in model.tables()),
    ))
    verify_loads(directory)
    outcome = TrainingOutcome(
        training_rows=fit["rows_read"], failed_rows=fit["rows_failed"], failures=fit["failures"],
        duration_ms=fit["duration_ms"], code_hash=fit["code_hash"], training_metrics=fit["metrics"],
    )
    go_live(job, context.store.complete_version(version, outcome), context)
    return {**_result(version.version, outcome), "notices": context.headers(job.options["tables"])}


def _result(version: int, outcome: TrainingOutcome) -> dict:
    return {"version": version, "rows": outcome.training_rows, "failed_rows": outcome.failed_rows,
            "failures": dict(outcome.failures), "duration_ms": outcome.duration_ms, **outcome.training_metrics}


def abandon(job: JobRecord, context: JobContext, error: FlinkmsError | None) -> None:
    """Record that the version of a failed or canceled training will not be."""
    try:
        version = trained_version(job, context.store)
        if version.state == "training":
            context.store.fail_version(version, error.message if error else "canceled")
    except FlinkmsError as gone:
        if gone.sqlstate != errors.UNDEFINED_OBJECT:  # the model was dropped meanwhile
            raise


class _ProgressFile:
    """The JSON lines a fit writes while it runs, read as they grow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> list[dict]:
        try:
            with self._path.open("rb") as lines:
                lines.seek(self._offset)
                data = lines.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def error(self) -> FlinkmsError | None:
        """What the fit said before it failed, if it was the fit that failed."""
        self._offset = 0
        for line in reversed(self.new_lines()):
            if "error" in line:
                return FlinkmsError(errors.DATA_EXCEPTION, line["error"]["message"])
        return None
