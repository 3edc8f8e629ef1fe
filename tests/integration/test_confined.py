"""The runner touches nothing outside of its places, whatever a row says: rows as only the registry's owner can write them.

A real registry and Flink's real planner; the cluster beside them is one that answers as an idle Flink. What lies outside
could not be loaded or planned: a job that looked at it first would fail for another reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.adopting import adopt
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Column, JobRecord, Learner, LearnerStart, NewJob, TrainingOutcome
from flinkms_sql.commands.generate_model import ModelSize, publish_random
from flinkms_sql.commands.up import migrate
from flinkms_sql.modellog.stream import Stream, StreamColumn
from flinkms_sql.places import Places
from flinkms_sql.runtime import flink as flink_runtime
from flinkms_sql.runtime import jdk, postgres
from flinkms_sql.settings import Settings
from flinkms_sql.types import SqlType
from tests.integration.test_jobs_runner import idle_flink, run
from tests.running import running_postgres

pytestmark = pytest.mark.integration

COLUMNS = (Column(name="u", type=SqlType.BIGINT), Column(name="i", type=SqlType.BIGINT), Column(name="r", type=SqlType.DOUBLE))
DECLARED = "u BIGINT, i BIGINT, r DOUBLE"
QUERY = "SELECT u, i, r FROM src"
OUTCOME = TrainingOutcome(training_rows=1, duration_ms=1, code_hash="ab" * 32)


@dataclass
class World:
    """A registry, a warehouse, and a directory outside of it."""

    store: PostgresStore
    dsn: str
    flink: str
    folder: Path
    runner: Executor

    @property
    def places(self) -> Places:
        return Places(warehouse=self.folder / "warehouse", roots=(self.folder / "root",))

    def model(self, path: Path | str | None = None, *, state: str = "ready") -> None:
        """Model rec; its version 1 is in the warehouse, or where ``path`` says, with /v1."""
        if path is None:
            publish_random(self.store, self.places, "rec", "als", ModelSize(users=3, items=3, factors=2), lambda rows: None)
            return
        self.store.create_model(name="rec", algorithm="als", inputs=COLUMNS[:2], outputs=COLUMNS[2:],
                                options={"algorithm": "als", "factors": "2"}, training_query=QUERY, definition="", recommends=True)
        begun = self.store.begin_version("rec", directory=str(path), options={"algorithm": "als", "factors": "2"})
        if state == "ready":
            self.store.publish_version(begun, OUTCOME)

    def stream(self, path: Path | str | None = None) -> None:
        """Stream src, in the warehouse or where ``path`` says."""
        if path is None:
            path = self.folder / "warehouse" / "streams" / "src"
            Stream.create(path, tuple(StreamColumn(name=column.name, type=column.type) for column in COLUMNS))
        self.table("src", {"connector": "flinkms"}, kind="stream", path=str(path))

    def table(self, name: str, options: Mapping[str, str], definition: str | None = None, *, kind: str = "flink",
              path: str | None = None) -> None:
        with_clause = ", ".join(f"'{key}' = '{text}'" for key, text in options.items())
        self.store.create_table(name=name, kind=kind, columns=COLUMNS, options=options, path=path,
                                definition=definition or f"CREATE TABLE {name} ({DECLARED}) WITH ({with_clause})")

    def run(self, kind: str, *, query: str = QUERY, standing: bool = False, flink_job_id: str | None = None,
            **options: Any) -> JobRecord:
        """What came of a job of model rec over table src."""
        job = self.store.enqueue_job(NewJob(
            kind=kind, model="rec", version=1 if kind in ("train", "evaluate") else None, statement=query, query=query,
            desired="running" if standing or kind == "learn" else "finished", options={"tables": ["src"], **options})).id
        self.store.claim_job()
        if flink_job_id is not None:
            self.store.update_job(job, state="running", flink_job_id=flink_job_id)
        self.runner.submit(run_there, self.dsn, job, self.flink, self.folder, self.places).result()
        return self.store.job(job)

    def score(self, **given: Any) -> JobRecord:
        """What came of an INSERT of predictions into table scored."""
        calls = [{"model": "rec", "version": 1}]
        return self.run("score", **{"query": "INSERT INTO scored SELECT u, i, flinkms_predict_0(u, i) FROM src", "calls": calls,
                                    "targets": ["scored"], **given})


def run_there(dsn: str, job: int, flink: str, folder: Path, places: Places) -> None:
    """Let a runner's process run one job."""
    with closing(PostgresStore(dsn)) as store:
        run(store, job, flink, folder, places)


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry, by its owner's connection string."""
    folder = tmp_path_factory.mktemp("registry")
    with running_postgres(folder):
        adopt(postgres.dsn(folder, user=postgres.SUPERUSER))
        migrate(postgres.dsn(folder))
        yield postgres.dsn(folder)


def furnish(environment: Mapping[str, str]) -> None:
    """What a runner's process begins with."""
    os.environ.update(environment)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """A process with the client JVM that a deployment's runner has."""
    settings = Settings().with_options({"data_dir": tmp_path_factory.mktemp("runner")})
    java = jdk.find(os.environ)
    jobmanager = flink_runtime.parts(settings, java)[0]
    jobmanager.prepare()
    environment = flink_runtime.client_environment(settings, java)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=furnish, initargs=(environment,)) as one:
        yield one


@pytest.fixture
def flink() -> Iterator[str]:
    with idle_flink() as address:
        yield address


@pytest.fixture
def world(dsn: str, runner: Executor, flink: str, tmp_path: Path) -> Iterator[World]:
    """Nothing declared; on leaving, all that lies outside is as it was."""
    for name in ("warehouse/models", "warehouse/streams", "root", "checkpoints", "outside/v1", "outside/log"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("outside/v1/fit.json", "outside/v1/version.json", "outside/stream.json", "outside/x.csv"):
        (tmp_path / name).write_text("precious")
    for link in ("warehouse/models/link", "warehouse/streams/link", "root/link", f"checkpoints/{'ab' * 16}"):
        (tmp_path / link).symlink_to(tmp_path / "outside")
    before = tree(tmp_path / "outside")
    with closing(PostgresStore(dsn)) as store:
        yield World(store, dsn, flink, tmp_path, runner)
        store.drop_models(["rec"], cascade=True, missing_ok=True)
        store.drop_tables(["src", "scored"], cascade=True, missing_ok=True)
    assert tree(tmp_path / "outside") == before


def tree(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def denied(job: JobRecord, reason: str = "outside of") -> None:
    assert (job.state, job.sqlstate) == ("failed", errors.INSUFFICIENT_PRIVILEGE), job.error
    assert reason in job.error


MODELS = ("{0}/outside", "{0}/warehouse/models/link", "{0}/warehouse/models/../../outside")
STREAMS = ("{0}/outside", "{0}/warehouse/streams/link", "{0}/warehouse/streams/../../outside", "{0}/root/link")


@pytest.mark.parametrize("path", MODELS)
@pytest.mark.parametrize("kind", ["train", "learn", "evaluate", "score"])
def test_a_version_elsewhere_is_no_jobs_to_read_write_or_delete(world: World, kind: str, path: str) -> None:
    world.stream()
    world.table("scored", {"connector": "blackhole"})
    world.model(path.format(world.folder), state="training" if kind == "train" else "ready")
    denied(world.score() if kind == "score" else world.run(kind))


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("kind", ["train", "learn", "evaluate", "score"])
def test_a_stream_elsewhere_is_no_jobs_to_read_or_write(world: World, kind: str, path: str) -> None:
    world.stream(path.format(world.folder))
    world.table("scored", {"connector": "blackhole"})
    if kind == "train":
        world.model(world.folder / "warehouse" / "models" / "rec-1", state="training")
    else:
        world.model()
    ended = world.score() if kind == "score" else world.run(kind)
    denied(ended, "not absolute" if ".." in path else "outside of")


@pytest.mark.parametrize(("side", "options"), [
    ("src", {"path": "{0}/outside/x.csv"}), ("src", {"path": "{0}/root/link/x.csv"}), ("src", {"path": "file:{0}/outside/x.csv"}),
    ("src", {"connector": "jdbc"}), ("scored", {"connector": "flinkms", "path": "{0}/outside", "format": ""}),
    ("scored", {"path": "{0}/outside/x.csv"}), ("scored", {"sink.partition-commit.success-file.name": "../../outside/x.csv"}),
])
@pytest.mark.parametrize("registered", [True, False])
def test_a_table_reaches_no_further_than_its_roots(world: World, options: dict, registered: bool, side: str) -> None:
    """Neither by the options that are registered, nor by those that Flink reads out of its definition."""
    inside = {"connector": "filesystem", "path": str(world.folder / "root" / "x.csv"), "format": "csv"}
    beyond = {name: text.format(world.folder) for name, text in (inside | options).items() if text}
    (world.folder / "root" / "x.csv").write_text("1,2,3\n")
    world.model()
    for name in ("src", "scored"):
        given = beyond if name == side else inside
        with_clause = ", ".join(f"'{key}' = '{text}'" for key, text in given.items())
        world.table(name, given if registered else inside, f"CREATE TABLE {name} ({DECLARED}) WITH ({with_clause})")
    denied(world.score(), "")


@pytest.mark.parametrize("definition", [
    "CREATE TABLE src WITH ('connector' = 'filesystem', 'path' = '{0}/outside/new', 'format' = 'csv') AS SELECT 1 AS u",
    "CREATE TABLE other (u BIGINT) WITH ('connector' = 'datagen')", "DROP TABLE IF EXISTS src",
    "CREATE TEMPORARY TABLE src (u BIGINT) WITH ('connector' = 'datagen')", "CREATE VIEW src AS SELECT 1 AS u",
    "CREATE FUNCTION src AS 'java.lang.Runtime'", "SELECT 1", "SET 'pipeline.jars' = '{0}/outside/x.jar'",
    "ADD JAR '{0}/outside/x.jar'",
])
def test_a_definition_is_a_create_table_and_a_job_an_insert(world: World, definition: str) -> None:
    text = definition.format(world.folder)
    world.model()
    world.table("scored", {"connector": "blackhole"})
    world.table("src", {"connector": "datagen"}, text)
    denied(world.score(), "definition of table")
    world.store.drop_tables(["src"])
    world.table("src", {"connector": "datagen"})
    denied(world.score(query=text.replace("src", "made")), "is not an INSERT")


@pytest.mark.parametrize("uri", ["file://{0}/outside/v1", "file://{0}/checkpoints/../outside/v1", "{1}/v1", "file:{1}/v1"])
def test_a_job_starts_from_no_checkpoint_elsewhere(world: World, uri: str) -> None:
    restore = uri.format(world.folder, world.folder / "checkpoints" / ("ab" * 16))
    world.stream()
    world.table("scored", {"connector": "blackhole"})
    world.model()
    denied(world.score(standing=True, restore=restore), "")
    world.store.record_learner(world.store.version("rec", 1), Learner(job=1, flink_job_id="cd" * 16, query=QUERY, plan="",
                                                 start=LearnerStart(sources={}, logs={}, restore=restore)))
    denied(world.run("learn"), "")


@pytest.mark.parametrize("flink_job_id", ["../outside", "ab" * 16, "..", "x"])
def test_a_job_reads_no_checkpoints_elsewhere(world: World, flink_job_id: str) -> None:
    world.stream()
    world.table("scored", {"connector": "blackhole"})
    world.model()
    denied(world.score(standing=True, flink_job_id=flink_job_id), "")
    world.store.record_learner(world.store.version("rec", 1), Learner(job=1, flink_job_id=flink_job_id, query=QUERY, plan="",
                                                 start=LearnerStart(sources={}, logs={}, restore=None)))
    denied(world.run("learn"), "")


def test_what_is_in_its_place_is_looked_at(world: World) -> None:
    """The refusals above are of places: the same rows with others get as far as Flink's planner."""
    world.stream()
    world.table("scored", {"connector": "blackhole"})
    world.model()
    ended = world.score(query="INSERT INTO scored SELECT u, i, flinkms_predict_0(u, nothing) FROM src")
    assert (ended.state, ended.sqlstate) == ("failed", errors.UNDEFINED_COLUMN), ended.error
