"""A deployer over a registry in memory, and a runner that is played: what tests of deploying stand on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import TrainingOutcome
from flinkms_sql.deploy.events import Done, Event, Notice, Rows
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.script import applying
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.runner import written_place
from flinkms_sql.places import Places
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.signatures import catalog_of

TABLES = """
CREATE TABLE ratings (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'filesystem', 'path' = '/r.csv', 'format' = 'csv');
CREATE TABLE events (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms');
CREATE TABLE scores (u BIGINT, s DOUBLE) WITH ('connector' = 'filesystem', 'path' = '/s.csv', 'format' = 'csv');
"""
MODEL = """
CREATE MODEL rec INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als')
  AS SELECT u, i, r FROM ratings;
"""
LEARNING = "INSERT INTO MODEL rec SELECT u, i, r FROM events"
SCORING = "INSERT INTO scores SELECT u, predict('rec', u, i) FROM ratings"
OUTCOME = TrainingOutcome(training_rows=1, duration_ms=1, code_hash="")


class Runner:
    """Plays the job runner: trainings go live, standing jobs run, the others finish; what is to be canceled ends."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.result: dict = {}
        self.error: tuple[str, str] | None = None
        self.at: str | None = None
        """What in the query the error is about."""

    def look(self) -> None:
        while (job := self.store.claim_job()) is not None:
            if self.error is not None and (self.at in job.query if self.at else job.kind == "learn" and "WHERE" in job.query):
                where = written_place(job, job.query.index(self.at) + 1) if self.at else None
                self.store.finish_job(job.id, "failed", result=where, sqlstate=self.error[0], error=self.error[1])
            elif job.desired == "running":
                self.store.update_job(job.id, state="running")
            else:
                if job.kind == "train":
                    self.store.publish_version(self.store.version(job.model, job.version), OUTCOME)
                self.store.finish_job(job.id, "finished", result=self.result)
        for job in self.store.jobs(states=("starting", "running", "restarting")):
            if job.desired == "canceled":
                self.store.finish_job(job.id, "canceled")


@contextmanager
def playing(runner: Runner) -> Iterator[None]:
    stop, watch = threading.Event(), runner.store.watch(["jobs"])

    def run() -> None:
        while not stop.is_set():
            runner.look()
            watch.wait(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def deployer(tmp_path: Path) -> Deployer:
    return Deployer(store=MemoryStore(), places=Places(warehouse=tmp_path, roots=(Path("/"),)))


@pytest.fixture
def runner(deployer: Deployer) -> Iterator[Runner]:
    played = Runner(deployer.store)
    with playing(played):
        yield played


def execute(deployer: Deployer, text: str) -> list[Event]:
    """Events of one statement, but for its progress."""
    plan = analyze(text, catalog_of(deployer.store.snapshot()))
    assert isinstance(plan, DeployPlan)
    return [event for event in deployer.execute(plan.statement, text) if isinstance(event, Notice | Rows | Done)]


def told(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


def apply(deployer: Deployer, text: str) -> list[tuple[str, bool]]:
    """Apply a file: (action, whether it changed anything) of each stage."""
    with applying(deployer.store, text, {}, on_wait=lambda: None) as found:
        return [(stage.action, done.changed) for stage in found for *_, done in [tuple(deployer.apply(stage))]]


def refused(deployer: Deployer, text: str) -> FlinkmsError:
    with pytest.raises(FlinkmsError) as raised:
        execute(deployer, text)
    return raised.value
