"""Scoring inside Flink: INSERT INTO … SELECT predict(…), as a batch job or, over an unbounded stream, a standing one.

Each call becomes a vectorized Python function over its arguments alone, opened on the version its address names.
"""

from __future__ import annotations

from flinkms_sql.catalog.records import JobRecord
from flinkms_sql.jobs.context import JobContext, JobFailed, JobLost, new_flink_job_id, output_type, resolve
from flinkms_sql.jobs.environment import BULK, STANDING, Workspace
from flinkms_sql.jobs.learn import latest_checkpoint
from flinkms_sql.jobs.naming import PREDICT_FUNCTION
from flinkms_sql.jobs.worker import predict_function


def score(job: JobRecord, context: JobContext) -> dict | None:
    """Run the INSERT to its end; a standing one is restored from its last checkpoint when it was lost.

    ``job.query`` is the whole INSERT with call number i replaced by ``flinkms_predict_<i>(…)``;
    ``options["calls"]`` says which model and version each call names.
    """
    if not context.is_known(job.flink_job_id):
        job = _submit(job, context)
    try:
        context.follow(job, job.flink_job_id or "", lambda state: _tick(job, state, context))
    except JobFailed as failure:
        if job.desired != "running" or latest_checkpoint(context.target.checkpoints, job.flink_job_id) is None:
            raise
        raise JobLost from failure
    return {}


def _tick(job: JobRecord, state: str, context: JobContext) -> None:
    shown = {"RUNNING": "running", "RESTARTING": "restarting", "FAILING": "restarting"}.get(state)
    if shown is not None and context.store.job(job.id).state != shown:
        context.store.update_job(job.id, state=shown)


def _submit(job: JobRecord, context: JobContext) -> JobRecord:
    snapshot = context.store.snapshot()
    standing = job.desired == "running"
    restore = latest_checkpoint(context.target.checkpoints, job.flink_job_id) or job.options.get("restore")
    flink_job_id = new_flink_job_id()
    if not standing:
        context.check_files(job.options["tables"])
    with context.submitting:
        workspace = Workspace(
            context.target, STANDING if standing else BULK, name=f"score (job {job.id})",
            parallelism=int(job.options.get("parallelism", 1)), flink_job_id=flink_job_id,
            restore_from=restore if standing else None,
        )
        context.declare_tables(workspace, job, job.options["tables"], bounded=not standing)
        context.declare_tables(workspace, job, job.options["targets"], bounded=not standing)
        for index, call in enumerate(job.options["calls"]):
            version = resolve(snapshot, call["model"], call["version"])
            output = output_type(snapshot, call["model"])
            workspace.create_function(PREDICT_FUNCTION.format(index), predict_function(version.path, output))
        context.record_submission(job, flink_job_id, options={**job.options, "restore": restore})
        workspace.submit_text(job.query)
    return context.store.job(job.id)
