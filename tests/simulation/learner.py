"""A simulated learner on the cluster: reads streams from its positions, writes what it learns to its version's log.

An observation is one key of the log, so that the log says how often each was learned. Reading, log and checkpoints are
what the connectors do: real files, with an epoch for each attempt that begins where its start says. Must not know who
asked for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlparse

from flinkms_sql.jobs.cluster import Failure
from flinkms_sql.jobs.submissions import LearnerSubmission
from flinkms_sql.modellog.frame import APPEND, UPSERT, Frame, Position, encode_frame
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.segments import Segments
from flinkms_sql.modellog.stream import stream_ends
from flinkms_sql.modellog.version import read_version
from tests.modellog_files import FlinkWriter, upsert_block
from tests.simulation.baton import EPOCH_S
from tests.simulation.flink import Checkpoint, Places, SimCluster, read_positions

CHECKPOINT_S = 2.0
WORK_S_MAX = 0.4
OPEN_S_MAX = 1.5
RESTART_S = 1.0
SCANS = (" = 0 UNION ALL ", 2)
"""How a query says that it reads its stream twice, and how often: each scan every second row."""

SLEEPS_SHARE, SLEEPS_S_MAX = 0.1, 10.0
"""Share of its turns after which one of several scans rests, and for how long: it looks for partitions now and then."""

GIVEN_UP_SHARE = 0.1
"""Share of the failures after which the job is not started anew."""


class SimLearner:
    """One learner; ``state`` as Flink names it."""

    def __init__(self, wanted: LearnerSubmission, cluster: SimCluster, checkpoints: Path,
                 writers: dict[str, SimLearner]) -> None:
        self.state = "INITIALIZING"
        self.failures: list[Failure] = []
        self.version = wanted.version
        self._wanted, self._cluster, self._baton = wanted, cluster, cluster.baton
        self._checkpoints = checkpoints / wanted.flink_job_id
        self._writing = writers
        self._newest: Path | None = None
        self._number = 0
        self._attempt = 0
        self._group = ""
        self._streams: dict[str, Path] = {}
        self._starts: Places = {}
        self._scans = SCANS[1] if SCANS[0] in wanted.query else 1
        for table in wanted.tables:
            path = str(table.options["path"])
            at = json.loads(str(table.options["scan.startup.positions"]))
            self._starts[path] = {partition: tuple(place) for partition, place in at.items()}
            self._group = str(table.options["scan.group"])
        self._after(OPEN_S_MAX * self._baton.chance.random(), self._open)

    def cancel(self) -> None:
        """See SimJob."""
        if self.is_open():
            self._end("CANCELED")

    def vanish(self) -> None:
        """See SimJob."""
        self._end("VANISHED")

    def savepoint(self, directory: Path) -> bool:
        """See SimJob."""
        if self.state != "RUNNING" or (self._cluster.faults and self._baton.chance.random() < 0.1):
            return False
        self._number += 1
        self._complete(self._write(directory / f"savepoint-{self._number:06d}"))
        self._end("FINISHED")
        return True

    def fail(self, reason: str) -> None:
        """An attempt ends; mostly another one begins."""
        if not self.is_open():
            return
        self._failed(reason)
        if self._cluster.faults and self._baton.chance.random() < GIVEN_UP_SHARE:
            self._end("FAILED")
            return
        self.state = "RESTARTING"
        self._after(RESTART_S, self._open)

    def give_up(self, reason: str) -> None:
        """An attempt ends, and Flink begins no other."""
        if self.is_open():
            self._failed(reason)
            self._end("FAILED")

    def _failed(self, reason: str) -> None:
        self._close()
        self.failures.append(Failure(at_ms=int((EPOCH_S + self._baton.now) * 1000), stacktrace=f"java.lang.Error: {reason}"))

    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("INITIALIZING", "RUNNING", "RESTARTING")

    def _end(self, state: str) -> None:
        self._close()
        self.state = state

    def _close(self) -> None:
        self._attempt += 1
        if self._writing.get(self.version) is self:
            del self._writing[self.version]

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        attempt = self._attempt

        def go() -> None:
            if attempt == self._attempt:
                action()

        self._baton.later(seconds, go)

    def _open(self) -> None:
        if self.version in self._writing:
            self.fail("a partition has one writer")
            return
        try:
            start = self._start()
            described = read_version(Path(self.version))
        except OSError:
            self._end("FAILED")
            return
        self._writing[self.version] = self
        self.state = "RUNNING"
        self._read = [{path: dict(partitions) for path, partitions in scan.items()} for scan in start.scans]
        self._rests = [0.0] * self._scans
        self._table, self._width = described.tables[0].name, described.tables[0].width
        logs = Path(self.version) / self._table / "log"
        self._logs = {}
        for number in range(described.partitions):
            name = f"p{number}"
            self._logs[name] = _begun(logs / name, start.logs[self._table][name])
        self._after(WORK_S_MAX * self._baton.chance.random(), self._work)
        self._after(CHECKPOINT_S, self._checkpoint)

    def _start(self) -> Checkpoint:
        """Where an attempt begins: the newest checkpoint of the job, else what it was restored from or told."""
        restore = self._newest or (Path(urlparse(self._wanted.restore).path) if self._wanted.restore else None)
        logs = {table: dict(places) for table, places in self._wanted.logs.items()}
        if restore is None:
            return Checkpoint(scans=[self._starts] * self._scans, logs=logs)
        held = Checkpoint.read(restore)
        assert len(held.scans) == self._scans, "the state of another query is restored"
        scans = [{path: {**partitions, **scan.get(path, {})} for path, partitions in self._starts.items()}
                 for scan in held.scans]
        return Checkpoint(scans=scans, logs={**logs, **held.logs})

    def _work(self) -> None:
        for scan in range(self._scans):
            if self._baton.now >= self._rests[scan]:
                self._turn(scan)
                if scan and self._baton.chance.random() < SLEEPS_SHARE:
                    self._rests[scan] = self._baton.now + SLEEPS_S_MAX * self._baton.chance.random()
        self._after(WORK_S_MAX * self._baton.chance.random(), self._work)

    def _turn(self, scan: int) -> None:
        for path in self._starts:
            for partition, end in stream_ends(Path(path)).items():
                self._follow(scan, path, partition, end)

    def _follow(self, scan: int, path: str, partition: str, end: Position) -> None:
        """Read what is on the disk, and no further."""
        at = self._read[scan].get(path, {}).get(partition, (0, 0))
        if at[:2] == end:
            return
        reader = PartitionReader(Path(path) / "log" / partition, APPEND, Position(*at[:2]) if at[0] else None, stop=end,
                                 clock=lambda: self._baton.now)
        for frame in reader.poll(1 << 12):
            assert isinstance(frame, Frame), f"{path}/{partition} was read past {frame.since}, what is on the disk"
            for number in frame.columns()[0].values.tolist():
                if number % self._scans == scan:
                    self._logs[f"p{number % len(self._logs)}"].write(_record(number, self._width))
            self._read[scan].setdefault(path, {})[partition] = (*frame.end, 0)
        reader.close()

    def _checkpoint(self) -> None:
        chance = self._baton.chance
        if self._cluster.faults and chance.random() < 0.1:
            if chance.random() < 0.5:
                self.fail("checkpoint failed")
                return
        else:
            self._number += 1
            made = self._write(self._checkpoints / f"chk-{self._number}")
            self._after(0.3 * chance.random(), lambda: self._complete(made))
        self._after(CHECKPOINT_S * (0.5 + chance.random()), self._checkpoint)

    def _write(self, directory: Path) -> tuple[Path, Checkpoint]:
        held = Checkpoint(
            scans=[{path: dict(partitions) for path, partitions in scan.items()} for scan in self._read],
            logs={self._table: {name: tuple(log.position) for name, log in self._logs.items()}},
        )
        held.write(directory)
        return directory, held

    def _complete(self, made: tuple[Path, Checkpoint]) -> None:
        """The checkpoint counts from now on; then its sources and sinks are told."""
        directory, held = made
        file = directory / "_metadata"
        (directory / "_metadata.part").rename(file)
        now_ns = int((EPOCH_S + self._baton.now) * 1e9) + self._number
        os.utime(file, ns=(now_ns, now_ns))
        former, self._newest = self._newest, directory
        if former is not None and former.name.startswith("chk-"):
            shutil.rmtree(former)
        for path, partitions in read_positions(directory).sources.items():
            group = Path(path) / "groups" / f"{self._group}.json"
            if Path(path).exists():
                group.parent.mkdir(exist_ok=True)
                group.write_text(json.dumps({"format": 1, "positions": partitions}))
        for name, at in held.logs[self._table].items():
            self._logs[name].commit(Position(*at))


def _record(number: int, width: int) -> bytes:
    return encode_frame(UPSERT, 1, upsert_block([(1, number, 1, 1.0)], width), 7)


def _begun(path: Path, at: Sequence[int]) -> FlinkWriter:
    """A writer whose epoch follows a position."""
    segments = Segments(path)
    segments.scan()
    writer = FlinkWriter(path, epoch=max(segments.starts, default=0))
    writer.begin(Position(*at) if at[0] else None)
    return writer
