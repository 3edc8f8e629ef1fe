"""What becomes of the rows that a learning query holds back when another version, or another query, learns.

A version goes on from positions in the streams. Windows, joins and deduplication are the query's: they come back with the
same query on the same version, and begin empty otherwise. Whoever changes that is told, by a plan before and by a notice
after. Must not know Flink: in what a query holds rows is recorded with the learner.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from flinkms_sql.catalog.records import LIVE, JobRecord, Learner, Snapshot
from flinkms_sql.catalog.store import Store
from flinkms_sql.deploy.events import Notice
from flinkms_sql.deploy.stages import standing_learner
from flinkms_sql.errors import FlinkmsError


def holding(store: Store, snapshot: Snapshot, jobs: Sequence[JobRecord]) -> Mapping[str, str]:
    """By model, in what its standing job's query holds rows back ("windows, joins"); the others are not named."""
    found = {model: learner.holds for (model, alias) in snapshot.aliases if alias == LIVE
             and standing_learner(jobs, model) is not None and (learner := _live_learner(store, snapshot, model)) is not None}
    return {model: ", ".join(holds) for model, holds in found.items() if holds}


def refreshed(store: Store, model: str, version: int) -> str | None:
    """What to tell of a version that has just become live by its training: where its windows began."""
    job = standing_learner(store.jobs(model=model), model)
    learner = store.learning(store.version(model, version)).learner
    if job is None or learner is None or not learner.holds or not _begins_in(learner, job, store.snapshot()):
        return None
    return (f"{', '.join(learner.holds)} of the learning query (job {job.id}) began empty for version {version}: "
            "what was in them where its training ended is not there, only the rows after it")


def promoted(store: Store, model: str, former: int | None) -> str | None:
    """What to tell when another version than ``former`` is live by now: it may never have learned by this query."""
    snapshot = store.snapshot()
    live, job = snapshot.by_alias(model), standing_learner(store.jobs(model=model), model)
    if job is None or former is None or former == live.version or (model, former) not in snapshot.versions:
        return None
    before, learning = store.learning(snapshot.versions[model, former]).learner, store.learning(live)
    if before is None or not before.holds or (learning.learner is not None and learning.learner.query == job.query):
        return None
    return (f"{', '.join(before.holds)} of the learning query (job {job.id}) begin empty for version {live.version}: it learns on "
            "from where it stands, with the rows after that")


def given_up(store: Store, snapshot: Snapshot, model: str, query: str) -> str | None:
    """What to tell of another query than the one that the live version learned by."""
    learner = _live_learner(store, snapshot, model)
    if learner is None or not learner.holds or learner.query == query:
        return None
    return f"rows that the former query still held in {', '.join(learner.holds)} are not learned: this one begins empty after them"


def told(said: Callable[[], str | None]) -> Iterator[Notice]:
    """What is to be told of something that is done; nothing of a model that was dropped in that moment."""
    with suppress(FlinkmsError):
        if (message := said()) is not None:
            yield Notice(message=message)


def _live_learner(store: Store, snapshot: Snapshot, model: str) -> Learner | None:
    return store.learning(snapshot.by_alias(model)).learner


def _begins_in(learner: Learner, job: JobRecord, snapshot: Snapshot) -> bool:
    """Whether a learner began in the middle of a stream that its query reads, without the state of an earlier one."""
    read = {os.path.realpath(str(snapshot.tables[name].path)) for name in job.options["tables"] if name in snapshot.tables}
    return learner.start.restore is None and any(read & {path} and partitions for path, partitions in learner.start.sources.items())
