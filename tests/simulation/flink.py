"""A simulated Flink cluster, and the client that submits to it and asks it: jobs.cluster and jobs.submissions of a schedule.

The cluster outlives the processes that ask it. It may be restarted, and then knows none of its jobs; a call may not
reach it, or its answer may be lost. Must not know the registry, nor what a job does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.cluster import ENDED_STATES, Failure, JobStatus
from flinkms_sql.jobs.submissions import (
    CheckpointPositions,
    EvaluationSubmission,
    LearnerPlanned,
    LearnerSubmission,
    Planned,
    Rows,
    ScoringSubmission,
    Submission,
    TrainingSubmission,
)
from tests.simulation.baton import Baton

CALL_S_MAX = 0.05
"""A call takes up to this long, in simulated seconds."""

LOST_SHARE = 0.01
"""Share of the calls that do not arrive, and of those whose answer does not, while there are faults."""


class SimJob(Protocol):
    """A job on the cluster."""

    state: str
    failures: list[Failure]

    def cancel(self) -> None:
        """End it."""

    def savepoint(self, directory: Path) -> bool:
        """End it at a savepoint; whether that worked."""

    def vanish(self) -> None:
        """The cluster is gone."""


class SimCluster:
    """The cluster: what runs on it, by id."""

    def __init__(self, baton: Baton, begin: Callable[[Submission, SimCluster], SimJob]) -> None:
        self.baton = baton
        self.jobs: dict[str, SimJob] = {}
        self.is_up = True
        self.faults = True
        self.refuses: Callable[[Submission], bool] = lambda _: False
        self._begin = begin

    def submit(self, wanted: Submission) -> None:
        """Take a job."""
        assert wanted.flink_job_id not in self.jobs, "an id is used twice"
        self.jobs[wanted.flink_job_id] = self._begin(wanted, self)

    def restart(self, away_s: float) -> None:
        """Lose all jobs, and be away for some seconds."""
        for job in self.jobs.values():
            job.vanish()
        self.jobs.clear()
        self.is_up = False
        self.baton.later(away_s, self._come_back)

    def _come_back(self) -> None:
        self.is_up = True


class SimFlink:
    """What a process has of the cluster: the interfaces of jobs.cluster.Cluster and jobs.submissions.Flink."""

    address = "elsewhere:0"

    def __init__(self, cluster: SimCluster) -> None:
        self._cluster = cluster
        self._baton = cluster.baton

    def is_ready(self) -> bool:
        """See Cluster."""
        self._baton.wait(self._moment())
        return self._cluster.is_up

    def status(self, job_id: str) -> JobStatus:
        """See Cluster."""
        with _Call(self):
            job = self._cluster.jobs.get(job_id)
            if job is None:
                return JobStatus(state=None)
            failed = job.state in ("FAILED", "RESTARTING") and job.failures
            return JobStatus(state=job.state, failure=job.failures[-1].stacktrace if failed else None)

    def failures(self, job_id: str, since_ms: int) -> list[Failure]:
        """See Cluster."""
        with _Call(self):
            job = self._cluster.jobs.get(job_id)
            return [failure for failure in reversed(job.failures if job else []) if failure.at_ms > since_ms]

    def cancel(self, job_id: str) -> None:
        """See Cluster."""
        with _Call(self):
            if job_id in self._cluster.jobs:
                self._cluster.jobs[job_id].cancel()

    def cancel_and_wait(self, job_id: str) -> None:
        """See Cluster."""
        self.cancel(job_id)
        while self.status(job_id).state not in (None, *ENDED_STATES):
            self._baton.wait(0.1)

    def stop_with_savepoint(self, job_id: str, directory: str) -> str:
        """See Cluster."""
        with _Call(self):
            if job_id not in self._cluster.jobs:
                raise FlinkmsError(errors.IO_ERROR, "no such job")
        self._baton.wait(self._baton.chance.random())
        with _Call(self):
            job = self._cluster.jobs.get(job_id)
            if job is None or not job.savepoint(Path(urlparse(directory).path)):
                raise FlinkmsError(errors.IO_ERROR, "savepoint failed")
        return directory

    def warm(self) -> None:
        """See Flink: nothing is cold."""

    def positions(self, uri: str) -> CheckpointPositions:
        """See Flink."""
        self._baton.wait(self._moment())
        try:
            return read_positions(Path(urlparse(uri).path))
        except OSError as error:
            raise FlinkmsError(errors.IO_ERROR, f"checkpoint {uri} cannot be read") from error

    def submit_learner(self, wanted: LearnerSubmission, planned: LearnerPlanned) -> None:
        """See Flink."""
        self._submit(wanted, lambda: planned(()))

    def submit_training(self, wanted: TrainingSubmission, planned: Planned) -> None:
        """See Flink."""
        self._submit(wanted, planned)

    def submit_evaluation(self, wanted: EvaluationSubmission, planned: Planned) -> Rows:
        """See Flink: nothing is evaluated here."""
        raise AssertionError(wanted)

    def submit_scoring(self, wanted: ScoringSubmission, planned: Planned) -> None:
        """See Flink: nothing is scored here."""
        raise AssertionError(wanted)

    def _submit(self, wanted: Submission, planned: Planned) -> None:
        self._baton.wait(self._moment() * 20)  # the plan is made
        planned()
        with _Call(self):
            if self._cluster.refuses(wanted):
                raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "Flink: the job was refused")
            self._cluster.submit(wanted)

    def _moment(self) -> float:
        return self._baton.chance.random() * CALL_S_MAX


class _Call:
    """A call of the cluster: on its way there, then back."""

    def __init__(self, flink: SimFlink) -> None:
        self._flink = flink

    def __enter__(self) -> None:
        self._travel("does not answer")
        if not self._flink._cluster.is_up:
            raise FlinkmsError(errors.CONNECTION_FAILURE, "Flink does not answer")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._travel("did not answer")

    def _travel(self, reason: str) -> None:
        flink = self._flink
        flink._baton.wait(flink._moment())
        if flink._cluster.faults and flink._baton.chance.random() < LOST_SHARE:
            raise FlinkmsError(errors.CONNECTION_FAILURE, f"Flink {reason}")


Places = dict[str, dict[str, tuple[int, ...]]]
"""By directory or table, then by partition: where something stands."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a simulated checkpoint holds: where each scan of the query stood, and where the version's logs did."""

    scans: list[Places]
    logs: Places

    def write(self, directory: Path) -> None:
        """Into the directory, not complete yet."""
        directory.mkdir(parents=True)
        (directory / "_metadata.part").write_text(json.dumps({"scans": self.scans, "logs": self.logs}))

    @classmethod
    def read(cls, directory: Path) -> Checkpoint:
        """Raises OSError when there is no complete one."""
        found = json.loads((directory / "_metadata").read_text())
        return cls(scans=list(map(_places, found["scans"])), logs=_places(found["logs"]))


def _places(found: Mapping[str, Mapping[str, Sequence[int]]]) -> Places:
    return {name: {partition: tuple(at) for partition, at in partitions.items()} for name, partitions in found.items()}


def read_positions(directory: Path) -> CheckpointPositions:
    """See submissions.CheckpointPositions. Raises OSError when there is no complete checkpoint.

    A scan that does not know a partition yet stands at its beginning.
    """
    held = Checkpoint.read(directory)
    sources: Places = {}
    apart = set()
    for path in dict.fromkeys(path for scan in held.scans for path in scan):
        stood = [scan.get(path, {}) for scan in held.scans]
        names = dict.fromkeys(name for scan in stood for name in scan)
        sources[path] = {name: min(scan[name] for scan in stood) for name in names if all(name in scan for scan in stood)}
        if any(scan != stood[0] for scan in stood):
            apart.add(path)
    return CheckpointPositions(sources=sources, logs=held.logs, apart=frozenset(apart))
