"""The simulated world of learning: writers, frontends, a registry, a cluster, a runner that is killed, people who deploy.

Sessions, statements, following, the runner and its jobs are the real ones. People write streams and deploy at the same
time, through the frontends, while everything fails. The laws of what has to be true once all is quiet are in ``laws``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, LIVE, JobRecord, VersionRecord
from flinkms_sql.jobs.context import JobContext
from flinkms_sql.jobs.runner import run
from flinkms_sql.jobs.submissions import LearnerSubmission, Submission, TrainingSubmission
from tests.simulation import laws
from tests.simulation.baton import Baton, Clock, Locks
from tests.simulation.client import Answer
from tests.simulation.flink import SimCluster, SimFlink, SimJob
from tests.simulation.learner import SimLearner
from tests.simulation.scripts import exchanges
from tests.simulation.training import SimTraining
from tests.simulation.world import EVENTS, STREAM, World

RUNNER = "runner"
SEEDS = EVENTS.replace(STREAM, "seeds")
MODEL = ("CREATE MODEL m INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', 'factors' = '2') "
         "AS SELECT u, n, r FROM {}")
_LEARN = "INSERT INTO MODEL m SELECT u, n, r FROM events"
LEARN = (_LEARN, f"{_LEARN} WHERE n > 0",
         f"{_LEARN} WHERE n % 2 = 0 UNION ALL SELECT u, n, r FROM events WHERE n % 2 = 1")
"""Learning queries that yield every row once; the last reads the stream in two scans."""

QUIET_S = 60.0
"""Simulated seconds after which everything that goes on by itself has come to rest."""

DEAF_S_MAX = 20.0
"""A frontend does not hear of changes for up to so many simulated seconds: longer than a model is dropped and trained."""

DECLARES_S_MAX = 2.0

FAILS_S_MAX = 12.0

CLIENTS = 2
PAUSE_S_MAX = 2.0
"""Between two requests of one client."""


class JointWorld(World):
    """One run, from a seed, in a directory of its own; ``steps``: what people deploy."""

    frontends_count = 2

    def __init__(self, seed: int, folder: Path, steps: int) -> None:
        super().__init__(seed, folder, faults=True)
        self._steps = steps
        self.cluster = SimCluster(self.baton, self._begin)
        self._checkpoints = folder / "checkpoints"
        self._writers: dict[str, SimLearner] = {}
        self._query = 0
        self._trains_from = self.chance.choice((STREAM, "seeds"))
        self._writing = True
        self.streams: set[str] = set()
        """Directories of all incarnations of the stream."""

    async def play(self) -> None:  # type: ignore[override]
        """See World."""
        self._start_runner()
        await self._create()
        writers = [asyncio.ensure_future(self.client(str(name), self._script(), PAUSE_S_MAX)) for name in range(CLIENTS)]
        writers.append(asyncio.ensure_future(self._declare()))
        enemy = asyncio.ensure_future(self._fail())
        for _ in range(self._steps):
            await self._step()
            self.raise_failed(*writers, enemy)
            await asyncio.sleep(3.0 * self.chance.random())
        self._writing = self.faults = self.disk.fails = self.cluster.faults = False
        self.say("faults are over")
        await asyncio.gather(*writers)
        enemy.cancel()
        await self._settle()
        self.cut_all()
        await asyncio.sleep(10.0)
        self.check_rows()
        self.check_rest()
        laws.check_ends(self.store.jobs())
        await self._check_versions()

    @staticmethod
    def raise_failed(*works: asyncio.Future[None]) -> None:
        """Raise what work that is at hand has failed with."""
        for work in works:
            if work.done():
                work.result()

    def _script(self):
        for exchange in exchanges(self.chance, self._numbers, 10_000, reads=("SELECT predict('m', 1, 1)",)):
            if not self._writing:
                return
            yield exchange

    # Processes.

    def lost_share(self) -> float:
        """See World: some calls are lost, too."""
        return 1.0 if self.registry_away else 0.002 if self.faults else 0.0

    def _start_runner(self) -> None:
        self._runs = True
        flink = SimFlink(self.cluster)
        context = JobContext(store=self.registry(), cluster=flink, flink=flink, checkpoints=self._checkpoints,  # type: ignore[arg-type]
                             places=self.places, clock=Clock(self.baton), teaching=Locks(self.baton))  # type: ignore[arg-type]
        self.baton.start(RUNNER, lambda: run(context, _Pool(self.baton)))  # type: ignore[arg-type]

    def _begin(self, wanted: Submission, cluster: SimCluster) -> SimJob:
        self.say(f"Flink job {wanted.flink_job_id[:6]}: {wanted.name}, restore {wanted.restore and wanted.restore[-30:]}")
        if isinstance(wanted, LearnerSubmission):
            return SimLearner(wanted, cluster, self._checkpoints, self._writers)
        assert isinstance(wanted, TrainingSubmission)
        return SimTraining(wanted, cluster)

    async def _fail(self) -> None:
        """Something fails; then again, until faults are over."""
        while True:
            await asyncio.sleep(FAILS_S_MAX * self.chance.random())
            if not self.faults:
                return
            kind = self.chance.choice(("runner", "runner", "cluster", "job", "job", "database", "frontend", "frontend", "wire",
                                      "news", "news"))
            self.say(f"enemy: {kind}")
            match kind:
                case "runner" if self._runs:
                    self._runs = False
                    self.baton.kill(RUNNER)
                    self.loop.call_later(0.2 + self.chance.random(), self._start_runner)
                case "cluster":
                    self.cluster.restart(1.0 + 8.0 * self.chance.random())
                case "job":
                    going = [job for job in self.cluster.jobs.values() if job.state == "RUNNING"]
                    if going:
                        self.chance.choice(going).fail("killed")  # type: ignore[attr-defined]
                case "database":
                    self.kill_database()
                case "frontend":
                    self.kill_frontend(self.chance.randrange(len(self.frontends)))
                case "news":
                    self.chance.choice(self.frontends).deafen(DEAF_S_MAX * self.chance.random())
                case "wire" if self.loop.wires:
                    self.chance.choice(self.loop.wires).cut()

    # People.

    async def _do(self, text: str) -> Answer | None:
        """Have a statement carried out; now and then whoever waits for it does not wait long."""
        patient = not self.faults or self.chance.random() < 0.8
        return await self.execute(text, 200.0 if patient else 10.0 * self.chance.random())

    async def _create(self) -> None:
        """Until all is there, and every frontend knows it."""
        for name, text in (("seeds", SEEDS), (STREAM, EVENTS)):
            while name not in self.store.snapshot().tables:
                await self._do(text)
            self.streams.add(self.path_of(name))
            await self.execute(f"INSERT INTO {name} VALUES ({next(self._numbers)}, 1, 1.0)")
        while self.store.snapshot().aliases.get(("m", LIVE)) is None:
            await self._do(MODEL.format(self._trains_from))
            await asyncio.sleep(0.5)
        at = self.store.snapshot().generation
        while any(frontend.following.current().generation < at for frontend in self.frontends):
            await asyncio.sleep(0.1)
        self.moving = False

    async def _declare(self) -> None:
        """Somebody else declares and drops what has nothing to do with the model: every frontend reads the registry anew."""
        while self._writing:
            await asyncio.sleep(DECLARES_S_MAX * self.chance.random())
            known = "other" in self.store.snapshot().tables
            await self.execute("DROP TABLE other" if known else EVENTS.replace(STREAM, "other"))

    async def _step(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[object]]]] = [
            (2, self._refresh), (2, self._promote), (1, lambda: self._do("ALTER MODEL m ROLLBACK")),
            (1, self._drop_stream), (1, self._drop_model),
        ]
        steps += [(3, self._stop)] if self.standing() else [(8, self._learn)]
        weights, actions = zip(*steps, strict=True)
        await self.chance.choices(actions, weights)[0]()

    def standing(self) -> JobRecord | None:
        """The job that teaches the model."""
        return next((job for job in self.store.jobs(model="m")
                     if job.kind == "learn" and job.desired == "running" and job.state not in ENDED), None)

    async def _learn(self) -> None:
        if self.chance.random() < 0.5:
            self._query = self.chance.randrange(len(LEARN))
        await self._do(LEARN[self._query])

    async def _stop(self) -> None:
        if (job := self.standing()) is not None:
            await self._do(f"STOP JOB {job.id}")

    async def _refresh(self) -> None:
        await self._do("REFRESH MODEL m")

    async def _promote(self) -> None:
        await self._do(f"ALTER MODEL m PROMOTE VERSION {self.chance.choice(self.ready()).version}")

    def ready(self) -> list[VersionRecord]:
        """Versions that may be live."""
        return [version for version in self.store.versions("m") if version.state == "ready"]

    async def _drop_stream(self) -> None:
        self.moving = True
        await self._do(f"DROP TABLE {STREAM} CASCADE")
        await self._create()

    async def _drop_model(self) -> None:
        self.moving = True
        await self._do("DROP MODEL m")
        await self._create()

    # Laws.

    def may_move(self, answer: Answer) -> bool:
        """See World."""
        return super().may_move(answer)

    def check_served(self) -> None:
        """See World."""
        for frontend in self.frontends:
            frontend.check("m", self.seen)

    async def _settle(self) -> None:
        """Until every job that ends has ended, and the live version learns."""
        for _ in range(60):
            await asyncio.sleep(QUIET_S / 10)
            await self._keep_learning()
            going = [job for job in self.store.jobs() if job.state not in ENDED]
            if all(job.kind == "learn" and job.state == "running" for job in going) and len(going) == 1:
                break
        else:
            raise AssertionError(f"jobs do not come to rest: {going}")
        await asyncio.sleep(QUIET_S)

    async def _keep_learning(self) -> None:
        """See that something learns; what is refused because the former query stands apart does as its hint says."""
        job = self.standing()
        if job is not None and (job.state, job.sqlstate) == ("restarting", errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
            await self._do(f"STOP JOB {job.id}")
        if self.standing() is None:
            await self._start_learning()

    async def _start_learning(self) -> None:
        """With the query that was wanted, or one that goes on where the former one stands apart."""
        for query in dict.fromkeys((LEARN[self._query], *LEARN)):
            answer = await self._do(query)
            if answer is not None and answer.error is None:
                return

    async def _check_versions(self) -> None:
        history = self.store.snapshot().history.get(("m", LIVE), ())
        rows, former = self.rows_in(self.path_of(STREAM)), [row for path in self.streams for row in self.rows_in(path)]
        gone = {row.number for row in self.known.gone if row.table == STREAM}
        for version in self.ready():
            if any(change.version == version.version for change in history):
                await self._do(f"ALTER MODEL m PROMOTE VERSION {version.version}")
                await asyncio.sleep(QUIET_S / 4)
                await self._keep_learning()
                await asyncio.sleep(QUIET_S / 4)
                laws.check_jobs(self.store.jobs(), self.cluster, version)
                laws.check_version(version, rows=rows, ever=former, gone=gone)
                for frontend in self.frontends:
                    laws.check_frontend(frontend, self.store.snapshot(), version)


class _Pool:
    """See concurrent.futures.Executor: threads of the runner's process."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def submit(self, work: Callable[..., object], *args: object) -> None:
        """See Executor."""
        self._baton.start(RUNNER, lambda: work(*args))
