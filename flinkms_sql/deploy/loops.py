"""A standing INSERT may not read what it writes, itself or by way of others: each row would make another, without end.

Streams are told apart by where they lie: two tables can name one. Must not start nor stop a job.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobRecord, Snapshot
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.statements import statement as ast


def refuse_loop(statement: ast.Score, snapshot: Snapshot, jobs: Sequence[JobRecord]) -> None:
    """Raise 0A000, where the query names it, for a stream that would be filled from the rows the query reads of it."""
    reached, by = _streams(snapshot, [statement.table]), []
    going = [job for job in jobs if job.kind == "score" and job.desired == "running" and job.state not in ENDED]
    while onward := [job for job in going if job not in by and reached & _streams(snapshot, job.options["tables"])]:
        by += onward
        reached = reached.union(*(_streams(snapshot, job.options["targets"]) for job in onward))
    for source in statement.query.tables:
        if reached & _streams(snapshot, [source.name]):
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, f'stream "{statement.table}" cannot be filled from its own rows',
                detail="Each row that is written would be read, and write another, without end"
                       + (f": job {', '.join(str(job.id) for job in by)} hands them on." if by else "."),
                hint="Insert into a stream that this query does not read.",
                position=statement.query.position - 1 + source.position,
            )


def _streams(snapshot: Snapshot, names: Iterable[str]) -> set[str]:
    """Where the streams among these tables lie."""
    known = (snapshot.tables.get(name) for name in names)
    return {os.path.realpath(str(table.path or "")) for table in known if table is not None and table.kind == "stream"}
