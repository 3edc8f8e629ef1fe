"""Show the parts that run over the data directory, how large it is, and jobs that do not get on."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from flinkms_sql.app import control_dsn
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.trouble import left_out, troubled
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import sizes, status
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``status``."""
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every part is ready, 3 when not (as init scripts do)."""
    parts = status.read(settings.data_dir)
    found, upkeep = sizes.measure(settings.data_dir), sizes.last_upkeep(settings.upkeep_report)
    jobs = _troubled(settings) if any(part.state == "ready" for part in parts) else []
    if arguments.json:
        print(status.as_json(parts, found, upkeep, jobs))
    elif parts:
        print(status.as_text(parts), status.sizes_as_text(found, upkeep), sep="\n\n")
        if jobs:
            print("\n" + status.jobs_as_text(jobs))
    else:
        print(f"nothing runs over {settings.data_dir}", file=sys.stderr)
    return 0 if parts and all(part.state == "ready" for part in parts) else 3


def _troubled(settings: Settings) -> list[status.TroubledJob]:
    """Jobs that do not get on, or leave observations out; none when the registry does not answer, which the parts show."""
    try:
        with closing(PostgresStore(control_dsn(settings))) as store:
            jobs = store.jobs()
            told = [(job, job.error or "") for job in troubled(jobs)]
            told += [(job, text) for job in jobs if (text := left_out(job))]
            return [status.TroubledJob(job=job.id, what=f"{job.kind} {job.model or ''}".strip(), state=job.state,
                                       attempts=job.attempts, error=text) for job, text in told]
    except FlinkmsError:
        return []
