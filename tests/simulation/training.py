"""A simulated training on the cluster: reads streams to where it is told, and leaves a base without keys.

What it read it writes down beside the base, for whoever asks what the version was trained from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from flinkms_sql.jobs.cluster import Failure
from flinkms_sql.jobs.submissions import TrainingSubmission
from flinkms_sql.modellog.base import write_base, write_manifest
from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.partition import PartitionReader
from tests.modellog_files import no_sync
from tests.simulation.baton import EPOCH_S
from tests.simulation.flink import SimCluster
from udfs.model import TableSpec

TRAINING_S_MAX = 4.0
FAILURE_SHARE = 0.1
READ = "read.json"
"""File of a version that names the observations it was trained from."""


class SimTraining:
    """One training; ``state`` as Flink names it."""

    def __init__(self, wanted: TrainingSubmission, cluster: SimCluster) -> None:
        self.state = "RUNNING"
        self.failures: list[Failure] = []
        self._wanted, self._cluster = wanted, cluster
        cluster.baton.later(TRAINING_S_MAX * cluster.baton.chance.random(), self._finish)

    def cancel(self) -> None:
        """See SimJob."""
        if self.state == "RUNNING":
            self.state = "CANCELED"

    def vanish(self) -> None:
        """See SimJob."""
        self.state = "VANISHED"

    def savepoint(self, directory: Path) -> bool:
        """See SimJob."""
        return False

    def fail(self, reason: str) -> None:
        """It ends; a bounded job is not started anew here."""
        if self.state == "RUNNING":
            at_ms = int((EPOCH_S + self._cluster.baton.now) * 1000)
            self.failures.append(Failure(at_ms=at_ms, stacktrace=f"java.lang.Error: {reason}"))
            self.state = "FAILED"

    def _finish(self) -> None:
        if self.state != "RUNNING":
            return
        if self._cluster.faults and self._cluster.baton.chance.random() < FAILURE_SHARE:
            self.fail("no luck")
            return
        directory = self._wanted.directory
        if not directory.exists() or (directory / "fit.json").exists():
            self.fail("the directory is not this training's")
            return
        (directory / READ).write_text(json.dumps(self._observations()))
        for spec in self._wanted.model.tables():
            base = write_base(directory / spec.name, 1, [], key=spec.key, width=spec.width, fsync=no_sync)
            write_manifest(directory / spec.name, base, {}, no_sync)
        (directory / "fit.json").write_text(json.dumps(_fit(self._wanted.model.tables())))
        self.state = "FINISHED"

    def _observations(self) -> list[int]:
        found: list[int] = []
        for table in self._wanted.tables:
            ends = json.loads(str(table.options["scan.bounded.positions"]))
            for partition, end in ends.items():
                found += numbers_of(Path(str(table.options["path"])) / "log" / partition, Position(*end[:2]))
        return found


def _fit(tables: Sequence[TableSpec]) -> dict[str, object]:
    """What a fit says of itself."""
    constants = {"mean": [0.0], "scale": [1.0], "label_range": [0.0, 1.0]} | {spec.name: [0.0] * spec.width for spec in tables}
    return {"rows_read": 1, "rows_failed": 0, "failures": {}, "duration_ms": 1, "code_hash": "none", "classes": None,
            "metrics": {"rmse": 0.0}, "constants": constants}


def numbers_of(partition: Path, stop: Position | None = None) -> list[int]:
    """The first column of a stream's partition, up to a place."""
    reader = PartitionReader(partition, APPEND, None, stop=stop)
    found: list[int] = []
    try:
        while frames := reader.poll():
            for frame in frames:
                found += frame.columns()[0].values.tolist()
    finally:
        reader.close()
    return found
