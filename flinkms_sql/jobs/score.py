"""Scoring inside Flink: INSERT INTO … SELECT predict(…), as a batch job or, over an unbounded stream, a standing one.

Each call becomes a vectorized Python function over its arguments alone, opened on the version its address names.
"""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.catalog.records import JobRecord, TableRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.checkpoints import newest_checkpoint
from flinkms_sql.jobs.context import (
    JobCanceled,
    JobContext,
    JobFailed,
    JobLost,
    new_flink_job_id,
    output_type,
    resolve,
)
from flinkms_sql.jobs.naming import PREDICT_FUNCTION
from flinkms_sql.jobs.readers import job_group
from flinkms_sql.jobs.standing import Standing
from flinkms_sql.jobs.submissions import ScoringSubmission
from flinkms_sql.places import restorable


def score(job: JobRecord, context: JobContext) -> dict | None:
    """Run the INSERT to its end; a standing one is restored from its last checkpoint when it was lost.

    ``job.query`` is the whole INSERT with call number i replaced by ``flinkms_predict_<i>(…)``;
    ``options["calls"]`` says which model and version each call names.
    """
    match job.desired:
        case "canceled":
            raise JobCanceled
        case "running":
            _keep_running(job, context)
        case _:
            _run(job, context)
    return {}


def _run(job: JobRecord, context: JobContext) -> None:
    """Run a bounded INSERT once: into our streams whatever happens, elsewhere unless the cluster forgets the job."""
    if not context.is_known(job.flink_job_id):
        if job.flink_job_id is not None and any(table.kind != "stream" for table in context.tables(job.options["targets"])):
            raise FlinkmsError(
                errors.TRANSACTION_RESOLUTION_UNKNOWN,
                f"the Flink cluster was restarted while job {job.id} ran: whether its rows are written is not known",
                hint="Look into the table before the statement is run again. Into a stream rows are written once.",
            )
        job = _submit(job, context)
    context.follow(job, job.flink_job_id or "", lambda state: _tick(job, state, context))


def _tick(job: JobRecord, state: str, context: JobContext) -> None:
    shown = {"RUNNING": "running", "RESTARTING": "restarting", "FAILING": "restarting"}.get(state)
    if shown is not None and context.store.job(job.id).state != shown:
        context.store.update_job(job.id, state=shown)


def _keep_running(job: JobRecord, context: JobContext) -> None:
    standing = Standing(job, context)
    while True:
        if not context.is_known(job.flink_job_id):
            restore = newest_checkpoint(context.checkpoints, job.flink_job_id)
            job = _submit(job, context, job.options.get("restore") if restore is None else restore.as_uri())
        flink_job_id = job.flink_job_id or ""
        try:
            context.follow(job, flink_job_id, lambda state, now=flink_job_id: standing.look(now, state))
            return
        except JobFailed as failure:
            standing.given_up(flink_job_id, failure)
        except JobLost:
            standing.lost()
        context.wait_for_cluster()
        job = context.store.job(job.id)


def _submit(job: JobRecord, context: JobContext, restore: str | None = None) -> JobRecord:
    snapshot = context.store.snapshot()
    flink_job_id = new_flink_job_id()
    standing = job.desired == "running"
    if not standing:
        context.check_files(job.options["tables"])
    # A bounded run that is repeated writes its rows once; a standing one is restored.
    writing = {"sink.writer": job_group(job.id)} | ({} if standing else {"sink.once": "true"})
    reading = {"scan.group": job_group(job.id), "scan.startup.mode": "group-offsets"} if standing else {"scan.bounded": "true"}

    def access(table: TableRecord) -> dict[str, str]:
        return (reading if table.name in job.options["tables"] else {}) | (
            writing if table.name in job.options["targets"] else {})

    functions = {}
    for index, call in enumerate(job.options["calls"]):
        version = resolve(snapshot, call["model"], call["version"])
        functions[PREDICT_FUNCTION.format(index)] = (str(context.places.version(version.path)),
                                                      output_type(snapshot, call["model"]))
    names = sorted({*job.options["tables"], *job.options["targets"]})
    wanted = ScoringSubmission(
        name=f"score (job {job.id})", flink_job_id=flink_job_id, tables=context.declared(context.tables(names), access),
        query=job.query, parallelism=int(job.options.get("parallelism", 1)), standing=standing,
        functions=functions, restore=restorable(context.checkpoints, restore),
    )
    context.flink.submit_scoring(
        wanted, lambda: context.record_submission(job, flink_job_id, options={**job.options, "restore": restore}))
    return context.store.job(job.id)
