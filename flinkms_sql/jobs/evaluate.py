"""Evaluating a version as it is served: a bounded job whose one row is the metrics (sql/jobs/evaluate.sql)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flinkms_sql.catalog.records import JobRecord, Metric
from flinkms_sql.jobs.context import (
    JobCanceled,
    JobContext,
    input_types,
    new_flink_job_id,
    output_type,
    resolve,
    signature,
)
from flinkms_sql.jobs.labels import served_label
from flinkms_sql.jobs.measuring import evaluate_blocks
from flinkms_sql.jobs.submissions import EvaluationSubmission
from flinkms_sql.modellog.version import Version, read_version
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.model import TableView


def evaluate(job: JobRecord, context: JobContext) -> dict | None:
    """Run the evaluation, record its metrics, and return them."""
    if job.desired == "canceled":
        raise JobCanceled
    if job.flink_job_id is not None:
        # Its row went to a client that is no more.
        context.cluster.cancel(job.flink_job_id)
    snapshot = context.store.snapshot()
    version = resolve(snapshot, job.model or "", job.version)
    names, types = signature(snapshot, version.model), input_types(snapshot, version.model)
    directory, output = context.places.version(version.path), output_type(snapshot, version.model)
    files = read_version(directory)
    context.check_files(job.options["tables"])
    flink_job_id = new_flink_job_id()
    rows_of = context.flink.submit_evaluation(EvaluationSubmission(
        name=f"evaluate {version.model}@{version.version} (job {job.id})", flink_job_id=flink_job_id, query=job.query,
        tables=context.declared(context.tables(job.options["tables"]), lambda _: {"scan.bounded": "true"}),
        columns=list(zip(names, (*types, served_label(files, output)), strict=True)), version=str(directory), output=output,
    ), lambda: context.record_submission(job, flink_job_id, version=version.version))
    context.store.update_job(job.id, state="running")
    context.follow(job, flink_job_id, lambda state: None)
    rows = rows_of()
    found = json.loads(rows[0][0]) if rows else metrics_of_nothing(files, output)
    context.store.record_metrics(version, [
        Metric(model=version.model, version=version.version, metric=name, value=entry["value"], row_count=entry["rows"],
               unknown_rows=found["unknown_rows"], failed_rows=entry["failed_rows"])
        for name, entry in found["metrics"].items() if entry["value"] is not None
    ])
    return {"model": version.model, "version": version.version, **found}


@dataclass(frozen=True, slots=True, kw_only=True)
class _NoRows:
    """A ModelView of a version without its tables: to say which metrics it has."""

    constants: Mapping[str, np.ndarray]
    classes: np.ndarray | None
    tables: Mapping[str, TableView] = field(default_factory=dict)


def metrics_of_nothing(version: Version, output: SqlType) -> dict:
    """The metrics over no rows: Flink does not call an aggregate function then."""
    model = configure(version.algorithm, version.options, version.input_types)
    return evaluate_blocks(model, _NoRows(constants=version.constants, classes=version.classes), [], output)
