"""The simulated world of learning: streams, a registry, a cluster, a runner that is killed, and people who deploy.

The runner, the jobs and the statements are the real ones. What has to be true once all is quiet: each version that
serves, and each that may again, holds each committed observation of the streams it learns from exactly once.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, VersionRecord
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.stages import Given, stages
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.context import JobContext
from flinkms_sql.jobs.runner import run
from flinkms_sql.jobs.submissions import LearnerSubmission, Submission, TrainingSubmission
from flinkms_sql.modellog.frame import APPEND, UPSERT
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.version import read_version
from flinkms_sql.modellog.writer import PartitionWriter
from flinkms_sql.places import Places
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.script import read_script
from flinkms_sql.query.signatures import catalog_of
from tests.simulation.baton import EPOCH_S, Baton, Clock, Locks
from tests.simulation.flink import SimCluster, SimFlink, SimJob
from tests.simulation.learner import SimLearner
from tests.simulation.registry import SimStore
from tests.simulation.training import READ, SimTraining
from udfs import block
from udfs.block import Column, encode_block

RUNNER, PEOPLE = "runner", "people"
EVENTS = "CREATE TABLE events (n BIGINT, u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')"
SEEDS = EVENTS.replace("events", "seeds")
MODEL = ("CREATE MODEL m INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', 'factors' = '2') "
         "AS SELECT u, n, r FROM {}")
LEARN = ("INSERT INTO MODEL m SELECT u, n, r FROM events", "INSERT INTO MODEL m SELECT u, n, r FROM events WHERE n > 0")
QUIET_S = 60.0
"""Simulated seconds after which everything that goes on by itself has come to rest."""


@dataclass(frozen=True, slots=True)
class _Inserted:
    """Observations of one incarnation of the stream, by its directory."""

    path: str
    numbers: list[int]


class LearningWorld:
    """One run, from a seed, in a directory of its own."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.baton = Baton(seed)
        self.chance = self.baton.chance
        self.folder = folder
        self.log: list[str] = []
        self.store = _Registry(self._now, self._check_move)
        self.cluster = SimCluster(self.baton, self._begin)
        self._checkpoints = folder / "checkpoints"
        (folder / "disk").mkdir()
        (folder / "warehouse").symlink_to("disk")  # people move their data to another disk
        self._places = Places(warehouse=folder / "warehouse")
        self._writers: dict[str, SimLearner] = {}
        self._numbers = itertools.count(1)
        self._inserted: list[_Inserted] = []
        self._faults = True
        self._registry_away = False
        self._query = 0
        self._trains_from = self.chance.choice(("events", "seeds"))
        self._meddling = 0
        self._broken: list[str] = []

    def run(self, steps: int) -> None:
        """Run to the end and check the laws. Raises AssertionError, which names the seed and tells the story."""
        done: list[None] = []
        self._start_runner()
        self.baton.later(1.0, self._enemy)
        self.baton.start(PEOPLE, lambda: (self._people(steps), done.append(None)))
        try:
            self.baton.run(lambda: bool(done))
        except BaseException as error:
            raise AssertionError(self.story(repr(error))) from error
        finally:
            self.baton.close()

    def story(self, what: str) -> str:
        """What happened, for whoever has to find out why."""
        return "\n".join([f"seed {self.seed}: {what}", *self.log])

    def _now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.baton.now, timezone.utc)

    def _say(self, what: str) -> None:
        self.log.append(f"{self.baton.now:9.3f} {what}")

    # Processes.

    def _start_runner(self) -> None:
        self._runs = True
        locks = Locks(self.baton)
        store = SimStore(self.store, self.baton, locks, self._lost_share)
        flink = SimFlink(self.cluster)
        context = JobContext(store=store, cluster=flink, flink=flink, checkpoints=self._checkpoints,  # type: ignore[arg-type]
                             places=self._places, clock=Clock(self.baton), teaching=locks)  # type: ignore[arg-type]
        self.baton.start(RUNNER, lambda: run(context, _Pool(self.baton)))  # type: ignore[arg-type]

    def _lost_share(self) -> float:
        return 1.0 if self._registry_away else 0.002 if self._faults else 0.0

    def _begin(self, wanted: Submission, cluster: SimCluster) -> SimJob:
        self._say(f"Flink job {wanted.flink_job_id[:6]}: {wanted.name}, restore {wanted.restore and wanted.restore[-30:]}")
        if isinstance(wanted, LearnerSubmission):
            return SimLearner(wanted, cluster, self._checkpoints, self._writers)
        assert isinstance(wanted, TrainingSubmission)
        return SimTraining(wanted, cluster)

    def _enemy(self) -> None:
        """Something fails; then again, until faults are over."""
        if not self._faults:
            return
        kind = self.chance.choice(("runner", "runner", "cluster", "job", "job", "registry"))
        self._say(f"enemy: {kind}")
        match kind:
            case "runner" if self._runs:
                self._runs = False
                self.baton.kill(RUNNER)
                self.baton.later(0.2 + self.chance.random(), self._start_runner)
            case "cluster":
                self.cluster.restart(1.0 + 8.0 * self.chance.random())
            case "job":
                going = [job for job in self.cluster.jobs.values() if job.state == "RUNNING"]
                if going:
                    self.chance.choice(going).fail("killed")  # type: ignore[attr-defined]
            case "registry":
                self._registry_away = True
                self.baton.later(2.0 * self.chance.random(), self._registry_back)
        self.baton.later(20.0 * self.chance.random(), self._enemy)

    def _registry_back(self) -> None:
        self._registry_away = False

    # People.

    def _people(self, steps: int) -> None:
        store = SimStore(self.store, self.baton, Locks(self.baton), lambda: 0.0)
        self._deployer = Deployer(store=store, places=self._places)  # type: ignore[arg-type]
        self._create()
        self._live(steps)
        self._faults = self.cluster.faults = False
        self._say("faults are over")
        assert not self._broken, self._broken
        self._settle()
        self._check()

    def _live(self, steps: int) -> None:
        """What people do."""
        for _ in range(steps):
            self._step()
            self.baton.wait(3.0 * self.chance.random())
        while self._meddling:
            self.baton.wait(1.0)

    def _create(self) -> None:
        """Until all is there."""
        known = self.store.snapshot()
        for name, text in (("seeds", SEEDS), ("events", EVENTS)):
            if name not in known.tables:
                self._execute(text)
                self._insert(name)
        while self.store.snapshot().aliases.get(("m", LIVE)) is None:
            self._execute(MODEL.format(self._trains_from))
            self.baton.wait(0.5)

    def _step(self) -> None:
        steps: list[tuple[int, Callable[[], object]]] = [
            (6, lambda: self._insert("events")), (2, self._refresh), (2, self._promote),
            (1, self._roll_back), (1, self._drop_stream), (1, self._replace),
        ]
        steps += [(3, self._stop)] if self._standing() else [(8, self._learn)]
        weights, actions = zip(*steps, strict=True)
        self.chance.choices(actions, weights)[0]()

    def _execute(self, text: str, how: str = "execute") -> bool:
        """Whether a statement came to its end; whoever waits for it may lose patience."""
        try:
            return self.deploy(text, how, 200.0 if self.chance.random() < 0.8 else 10.0 * self.chance.random())
        except FlinkmsError as error:
            self._say(f"  -> {error.sqlstate} {error.message}")
            return False

    def deploy(self, text: str, how: str = "execute", patience_s: float = math.inf) -> bool:
        """A statement by itself, or as the one of a deployment file ("apply"). Raises FlinkmsError."""
        self._say(f"{how} {text}")
        until = self.baton.now + patience_s
        plan = analyze(text, catalog_of(self.store.snapshot()))
        assert isinstance(plan, DeployPlan), plan
        if how == "apply":
            entry, = read_script(text, {})
            given = Given(file="the file", entry=entry, statement=plan.statement)
            events = self._deployer.apply(stages([given], self.store.snapshot(), self.store.jobs(), {})[0])
        else:
            events = self._deployer.execute(plan.statement, text)
        for _ in events:
            if self.baton.now > until:
                events.close()  # type: ignore[attr-defined]
                self._say("  … given up by whoever waited")
                return False
        self._say("  -> done")
        return True

    def _insert(self, stream: str) -> None:
        """Some rows, each append committed or taken back, by one of the processes that write a stream."""
        path = self.store.snapshot().tables[stream].path
        for _ in range(self.chance.randint(1, 5)):
            numbers = [next(self._numbers) for _ in range(self.chance.randint(1, 4))]
            if _append(Path(path.text) / "log" / self.chance.choice(("frontend-0", "frontend-1")), numbers, self.chance.random()):
                self._inserted.append(_Inserted(path, numbers))
                self._say(f"{stream}: {numbers}")
            self.baton.wait(0.5 * self.chance.random())

    def _standing(self) -> JobRecord | None:
        return next((job for job in self.store.jobs(model="m")
                     if job.kind == "learn" and job.desired == "running" and job.state not in ENDED), None)

    def _learn(self) -> None:
        if self.chance.random() < 0.4:
            self._query = 1 - self._query
        self._execute(LEARN[self._query])

    def _stop(self) -> None:
        if (job := self._standing()) is not None:
            self._execute(f"STOP JOB {job.id}")

    def _refresh(self) -> None:
        """With somebody else who deploys meanwhile, mostly."""
        if self.chance.random() < 0.7:
            self._meddling += 1
            self.baton.start(PEOPLE, self._meddle)
        self._execute("REFRESH MODEL m")

    def _meddle(self) -> None:
        self.baton.wait(12.0 * self.chance.random())
        self.chance.choice((self._stop, self._stop, self._replace, self._promote, self._roll_back, self._drop_model,
                            lambda: self._execute("REFRESH MODEL m")))()
        self._meddling -= 1

    def _replace(self) -> None:
        """A deployment file with another learning query, or the same one."""
        if self.chance.random() < 0.7:
            self._query = 1 - self._query
        self._execute(LEARN[self._query], "apply")

    def _promote(self) -> None:
        if ready := self._ready():
            self._execute(f"ALTER MODEL m PROMOTE VERSION {self.chance.choice(ready).version}")

    def _roll_back(self) -> None:
        self._execute("ALTER MODEL m ROLLBACK")

    def _drop_model(self) -> None:
        self._execute("DROP MODEL m")
        self._create()

    def _ready(self) -> list[VersionRecord]:
        known = "m" in self.store.snapshot().models
        return [version for version in (self.store.versions("m") if known else ()) if version.state == "ready"]

    def _drop_stream(self) -> None:
        self._execute("DROP TABLE events CASCADE")
        self._create()

    # Laws.

    def _settle(self) -> None:
        """Until every job that ends has ended, and the live version learns."""
        for _ in range(60):
            self.baton.wait(QUIET_S / 10)
            if not self._standing():
                self._execute(LEARN[self._query])
            going = [job for job in self.store.jobs() if job.state not in ENDED]
            if all(job.kind == "learn" and job.state == "running" for job in going) and len(going) == 1:
                break
        else:
            raise AssertionError(f"jobs do not come to rest: {going}")
        self.baton.wait(QUIET_S)

    def _check(self) -> None:
        for version in [version for version in self._ready() if self._was_live(version)]:
            self._execute(f"ALTER MODEL m PROMOTE VERSION {version.version}")
            self.baton.wait(QUIET_S / 2)
            self._check_jobs(version)
            self._check_version(version)

    def _was_live(self, version: VersionRecord) -> bool:
        history = self.store.snapshot().history.get(("m", LIVE), ())
        return any(change.version == version.version for change in history)

    def _check_jobs(self, live: VersionRecord) -> None:
        """One learner runs, on the live version, and its row says so; no other Flink job is left."""
        going = [job for job in self.store.jobs() if job.state not in ENDED]
        on_flink = {number: job.state for number, job in self.cluster.jobs.items()
                    if job.state in ("INITIALIZING", "RUNNING", "RESTARTING")}
        assert [(job.kind, job.state, job.version) for job in going] == [("learn", "running", live.version)], going
        assert on_flink == {going[0].flink_job_id: "RUNNING"}, (on_flink, going)

    def _check_move(self, former: VersionRecord, version: VersionRecord) -> None:
        """A version that goes live holds at least what the former one does, of the stream that there is."""
        missing = (self._held(former).keys() - self._held(version).keys()) & self._present()
        if missing:  # whoever moved it would take an exception for his own
            self._broken.append(f"version {version.version} goes live without {sorted(missing)}, which {former.version} holds")
            self._say(self._broken[-1])

    def _present(self) -> set[int]:
        """What was committed to the stream that there is."""
        stream = self.store.snapshot().tables.get("events")
        return {number for rows in self._inserted if stream and rows.path == stream.path for number in rows.numbers}

    def _held(self, version: VersionRecord) -> Counter[int]:
        """What a version was trained on and has learned."""
        held = Counter(learned(Path(version.path.text)))
        trained = json.loads((Path(version.path.text) / READ).read_text()) if self._trains_from == "events" else []
        held.update(trained)
        return held

    def _check_version(self, version: VersionRecord) -> None:
        """Each committed observation once: trained or learned."""
        held = self._held(version)
        committed = {number for rows in self._inserted for number in rows.numbers}
        assert not (twice := sorted(number for number, times in held.items() if times > 1)), f"{version}: twice: {twice}"
        assert not (lost := sorted(self._present() - held.keys())), f"{version}: lost: {lost}"
        assert not (made := sorted(held.keys() - committed)), f"{version}: never committed: {made}"


class _Registry(MemoryStore):
    """The registry, which tells of each version that goes live, and in place of which one."""

    def __init__(self, now: Callable[[], datetime], moved: Callable[[VersionRecord, VersionRecord], None]) -> None:
        super().__init__(now=now)
        self._moved = moved

    def go_live(self, version: VersionRecord, *, former: int | None, reason: str = "trained") -> bool:
        """See Store."""
        moves = super().go_live(version, former=former, reason=reason)
        if moves and former is not None:
            self._moved(self.version(version.model, former), version)
        return moves


class _Pool:
    """See concurrent.futures.Executor: threads of the runner's process."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def submit(self, work: Callable[..., object], *args: object) -> None:
        """See Executor."""
        self._baton.start(RUNNER, lambda: work(*args))


def _append(partition: Path, numbers: list[int], luck: float) -> bool:
    """Append rows as a frontend does that was just started; whether they are committed."""

    def fsync(handle: int) -> None:
        if luck < 0.2 and not os.path.isdir(f"/proc/self/fd/{handle}") and appended:
            raise OSError(28, "no space left")

    appended: list[None] = []
    writer = PartitionWriter(partition, fsync=fsync)
    columns = [(block.BIGINT, Column(np.array(numbers, np.int64))), (block.BIGINT, Column(np.array(numbers, np.int64))),
               (block.DOUBLE, Column(np.ones(len(numbers))))]
    try:
        writer.append(APPEND, len(numbers), encode_block(columns))
        appended.append(None)
        writer.sync()
    except FlinkmsError:
        return False
    finally:
        writer.close()
    return True


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
