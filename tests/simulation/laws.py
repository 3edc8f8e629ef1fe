"""What has to be true of a model that learns, once all is quiet: each committed row once, in every version, for everybody.

Must not know what happened.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobRecord, Snapshot, VersionRecord
from flinkms_sql.modellog.frame import UPSERT
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.version import read_version
from tests.faults import state_of
from tests.simulation.flink import SimCluster
from tests.simulation.frontend import Frontend, path_of
from tests.simulation.training import READ

GOING = ("INITIALIZING", "RUNNING", "RESTARTING")


def check_jobs(jobs: Sequence[JobRecord], cluster: SimCluster, live: VersionRecord) -> None:
    """One learner runs, on the live version, and its row says so; no other Flink job is left."""
    going = [job for job in jobs if job.state not in ENDED]
    on_flink = {number: job.state for number, job in cluster.jobs.items() if job.state in GOING}
    assert [(job.kind, job.state, job.version) for job in going] == [("learn", "running", live.version)], going
    assert on_flink == {going[0].flink_job_id: "RUNNING"}, (on_flink, going)


def check_ends(jobs: Sequence[JobRecord]) -> None:
    """No job has ended by a fault of ours."""
    assert not (found := [job for job in jobs if job.sqlstate == errors.INTERNAL_ERROR]), found


def check_version(version: VersionRecord, *, rows: Sequence[int], ever: Collection[int], gone: Collection[int]) -> None:
    """A version holds each row of the stream once, trained or learned, and none that was rolled back.

    rows: of the stream; ever: of all its former incarnations, too, from which the version may have learned.
    """
    path = Path(version.path.text)
    held = Counter([*learned(path), *json.loads((path / READ).read_text())])
    name = f"{version.model}@{version.version}"
    assert not (twice := sorted(number for number, times in held.items() if times > 1)), f"{name}: twice: {twice}"
    assert not (lost := sorted(set(rows) - held.keys())), f"{name}: lost: {lost}"
    assert not (made := sorted(held.keys() - set(ever))), f"{name}: in no stream: {made}"
    assert not (undone := sorted(held.keys() & set(gone))), f"{name}: rolled back: {undone}"


def check_frontend(frontend: Frontend, snapshot: Snapshot, live: VersionRecord) -> None:
    """A frontend stands at the newest snapshot, has loaded all that is ready, and answers by what the live version holds."""
    name, following = frontend.process.name, frontend.following
    assert following.current().generation == snapshot.generation, f"{name}: stands at an older snapshot"
    loaded = {(one.name, one.version): path_of(one) for one in following.registry.loaded()}
    assert loaded == {key: os.path.realpath(record.path.text) for key, record in snapshot.versions.items()}, f"{name}: has loaded {loaded}"
    served = frontend.served(live.model)
    assert served is not None and path_of(served) == os.path.realpath(live.path.text), f"{name}: serves {served}"
    table = served.view.tables[read_version(Path(live.path.text)).tables[0].name]  # type: ignore[attr-defined]
    held, _, _ = state_of(table)
    assert held.tolist() == sorted(learned(Path(live.path.text))), f"{name}: serves other rows than the log holds"


def learned(version: Path) -> list[int]:
    """The observations in the log of a version's first table."""
    described = read_version(version)
    found: list[int] = []
    for number in range(described.partitions):
        reader = PartitionReader(version / described.tables[0].name / "log" / f"p{number}", UPSERT, None)
        try:
            while events := reader.poll():
                for frame in events:
                    found += frame.columns()[1].values.tolist()  # type: ignore[union-attr]
        finally:
            reader.close()
    return found
