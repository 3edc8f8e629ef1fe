"""Evaluating a version as it is served: a bounded job whose one row is the metrics (sql/jobs/evaluate.sql)."""

from __future__ import annotations

import json

from flinkms_sql.catalog.records import JobRecord, Metric
from flinkms_sql.jobs.context import JobContext, input_types, resolve
from flinkms_sql.jobs.environment import BULK, Workspace
from flinkms_sql.jobs.worker import evaluate_function
from flinkms_sql.types import SqlType


def evaluate(job: JobRecord, context: JobContext) -> dict | None:
    """Run the evaluation, record its metrics, and return them."""
    snapshot = context.store.snapshot()
    version = resolve(snapshot, job.model or "", job.version)
    types = input_types(snapshot, version.model)
    with context.submitting:
        workspace = Workspace(context.target, BULK, name=f"evaluate {version.model}@{version.version} (job {job.id})")
        context.declare_tables(workspace, job, job.options["tables"], bounded=True)
        workspace.create_function("evaluate", evaluate_function(version.path))
        workspace.create_view("packed", workspace.packed(workspace.typed(job.query, [*types, SqlType.DOUBLE])))
        flink_job_id, result = workspace.select("evaluate")
    context.store.update_job(job.id, state="running", flink_job_id=flink_job_id, version=version.version)
    context.follow(job, flink_job_id, lambda state: None)
    found = json.loads(result.rows()[0][0])
    context.store.record_metrics([
        Metric(model=version.model, version=version.version, metric=name, value=entry["value"], row_count=entry["rows"],
               unknown_rows=found["unknown_rows"], failed_rows=entry["failed_rows"])
        for name, entry in found["metrics"].items() if entry["rows"]
    ])
    return {"model": version.model, "version": version.version, **found}
