"""Laws of upkeep over a registry and a warehouse: what is superfluous goes after its time, and nothing else ever does."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Column, Learner, LearnerStart, NewJob, TrainingOutcome
from flinkms_sql.deploy.events import Done, Notice
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.upkeep import Upkeep
from flinkms_sql.modellog.base import Chunk, write_base, write_manifest
from flinkms_sql.modellog.stream import Stream, StreamColumn
from flinkms_sql.modellog.version import Table, Version, write_version
from flinkms_sql.places import Places
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.script import read_script
from flinkms_sql.query.signatures import catalog_of
from flinkms_sql.types import SqlType
from tests.modellog_files import FlinkWriter, no_sync, upsert_frame
from tests.test_retention import partition

KEEP_S = 100.0
OUTCOME = TrainingOutcome(training_rows=1, duration_ms=1, code_hash="ab" * 32)


@dataclass
class World:
    """A deployment without processes, whose time stands still until it is moved."""

    path: Path
    now: float = 1e9
    store: MemoryStore = field(init=False)
    upkeep: Upkeep = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(now=lambda: datetime.fromtimestamp(self.now, timezone.utc))
        for name in ("warehouse", "checkpoints", "run"):
            (self.path / name).mkdir()
        self.upkeep = Upkeep(store=self.store, places=Places(warehouse=self.path / "warehouse", roots=(Path("/"),)), checkpoints=self.path / "checkpoints",
                             report=self.path / "run" / "upkeep.json", keep_s=KEEP_S, jobs_keep=2, clock=lambda: self.now)

    def execute(self, text: str) -> list:
        deployer = Deployer(store=self.store, places=Places(warehouse=self.path / "warehouse", roots=(Path("/"),)))
        events = []
        for entry in read_script(text, {}):
            plan = analyze(entry.text, catalog_of(self.store.snapshot()))
            events += deployer.execute(plan.statement, entry.text)
        return events

    def model(self, name: str = "rec", **options: str) -> None:
        self.store.create_model(name=name, algorithm="als", inputs=(Column(name="a", type=SqlType.BIGINT),) * 2,
                                outputs=(Column(name="b", type=SqlType.DOUBLE),), options=options, training_query="SELECT 1",
                                definition="", recommends=True)

    def version(self, name: str = "rec", *, live: bool = True) -> Path:
        """A version that is ready."""
        record = self.store.snapshot().models[name]
        directory = self.path / "warehouse" / "models" / f"{name}-{record.incarnation}"
        begun = self.store.begin_version(name, directory=str(directory), options={})
        path = Path(begun.path.text)
        path.mkdir(parents=True)
        write_version(path, Version(algorithm="als", options={}, input_types=(), tables=(), partitions=1), no_sync)
        if live:
            self.store.publish_version(begun, OUTCOME)
        else:
            self.store.complete_version(begun, OUTCOME)
        return path

    def states(self, name: str = "rec") -> dict[int, str]:
        return {version.version: version.state for version in self.store.versions(name)}

    def after(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.upkeep.round()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_older_versions_are_retired_and_their_files_go_after_a_while(world: World) -> None:
    world.model()
    paths = [world.version() for _ in range(5)]
    world.after(0)
    assert world.states() == {1: "retired", 2: "retired", 3: "ready", 4: "ready", 5: "ready"}
    world.after(KEEP_S - 1)
    assert all(path.exists() for path in paths)
    done = world.after(1)
    assert [path.exists() for path in paths] == [False, False, True, True, True]
    assert f"version {paths[0]} deleted" in done
    assert world.after(1e9) == []
    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_a_model_says_how_many_versions_it_keeps(world: World) -> None:
    world.model(**{"versions.keep": "1"})
    for _ in range(4):
        world.version()
    world.after(0)
    assert world.states() == {1: "retired", 2: "retired", 3: "ready", 4: "ready"}, "a rollback would return to 3"


def test_what_an_alias_a_rollback_or_a_job_needs_is_kept(world: World) -> None:
    world.model(**{"versions.keep": "1"})
    for number in range(1, 7):
        world.version(live=number < 4)
    world.store.set_alias("rec", "canary", 1)
    job = world.store.enqueue_job(NewJob(kind="evaluate", statement="", query="", model="rec", version=4)).id
    world.after(0)
    assert world.states() == {1: "ready", 2: "ready", 3: "ready", 4: "ready", 5: "retired", 6: "ready"}
    world.store.finish_job(job, "finished")
    world.store.drop_alias("rec", "canary")
    world.after(0)
    assert world.states() == {1: "retired", 2: "ready", 3: "ready", 4: "retired", 5: "retired", 6: "ready"}
    assert world.store.rollback("rec") == 2


def test_a_retired_version_says_so_and_how_to_keep_more(world: World) -> None:
    world.model(**{"versions.keep": "1"})
    for _ in range(3):
        world.version()
        world.now += 1
    live_at = world.store.snapshot().history["rec", "live"][0].valid_from
    world.after(0)
    snapshot = world.store.snapshot()
    for ask in (lambda: snapshot.by_number("rec", 1), lambda: snapshot.as_of("rec", live_at),
                lambda: world.store.set_alias("rec", "live", 1)):
        with pytest.raises(FlinkmsError) as error:
            ask()
        assert error.value.sqlstate == errors.OBJECT_NOT_IN_PREREQUISITE_STATE
        assert "version 1" in error.value.message and "retired" in error.value.message
        assert "versions.keep" in error.value.hint


def test_the_files_of_a_failed_version_go(world: World) -> None:
    world.model()
    begun = world.store.begin_version("rec", directory=str(world.path / "warehouse" / "models" / "rec-1"), options={})
    Path(begun.path.text).mkdir(parents=True)
    world.after(1e6)
    assert Path(begun.path.text).exists(), "it is in training"
    world.store.fail_version(world.store.version("rec", 1), "no rows")
    world.after(KEEP_S)
    assert not Path(begun.path.text).exists()
    assert world.states() == {1: "failed"}


def test_a_dropped_model_and_its_successor_share_no_directory(world: World) -> None:
    world.model()
    first = world.version()
    world.store.drop_models(["rec"])
    world.model()
    second = world.version()
    assert first != second
    world.after(KEEP_S)
    assert not first.exists() and not first.parent.exists() and second.exists()


@pytest.mark.parametrize("name", ["ev", '"../../precious"', '"a/b"', '".."', '"' + "é" * 31 + '"'])
def test_a_dropped_stream_does_not_come_back(world: World, name: str) -> None:
    """Nor does a name lead out of the warehouse."""
    create = f"CREATE TABLE {name} (n BIGINT) WITH ('connector' = 'flinkms');"
    world.execute(create)
    [table] = world.store.snapshot().tables.values()
    first = Path(table.path.text)
    assert first.parent == world.path / "warehouse" / "streams"
    world.execute(f"DROP TABLE {name}; {create}")
    [table] = world.store.snapshot().tables.values()
    assert Path(table.path.text) != first
    assert list((Path(table.path.text) / "log").iterdir()) == []
    world.after(KEEP_S - 1)
    assert first.exists()
    world.after(1)
    assert not first.exists() and Path(table.path.text).exists()


def test_a_path_that_was_given_is_the_users(world: World) -> None:
    own = world.path / "own"
    create = f"CREATE TABLE ev (n BIGINT) WITH ('connector' = 'flinkms', 'path' = '{own}'{{}});"
    world.execute(create.format(""))
    events = world.execute("DROP TABLE ev;")
    assert [type(event) for event in events] == [Notice, Done]
    assert str(own) in events[0].message
    world.after(1e9)
    assert Stream.open(own).columns[0].name == "n"
    with pytest.raises(FlinkmsError) as error:
        world.execute(create.format(""))
    assert error.value.sqlstate == errors.DUPLICATE_TABLE and "'attach' = 'true'" in error.value.hint
    world.execute(create.format(", 'attach' = 'true'"))
    with pytest.raises(FlinkmsError) as error:
        world.execute(create.replace("n BIGINT", "n INT").replace("ev", "other").format(", 'attach' = 'true'"))
    assert error.value.sqlstate == errors.DUPLICATE_TABLE and "other columns" in error.value.message


def test_a_create_table_that_is_refused_leaves_no_directory(world: World) -> None:
    create = "CREATE TABLE ev (n BIGINT) WITH ('connector' = 'flinkms');"
    world.execute(create)
    with pytest.raises(FlinkmsError, check=lambda error: error.sqlstate == errors.DUPLICATE_OBJECT):
        world.execute(create)
    assert len(list((world.path / "warehouse" / "streams").iterdir())) == 1


@pytest.mark.parametrize(("body", "options", "sqlstate"), [
    ("n BIGINT, PRIMARY KEY (n) NOT ENFORCED", "", errors.FEATURE_NOT_SUPPORTED),
    ("n BIGINT PRIMARY KEY NOT ENFORCED", "", errors.FEATURE_NOT_SUPPORTED),
    ("n BIGINT", ", 'retention' = '30'", errors.INVALID_PARAMETER_VALUE),
    ("n BIGINT", ", 'retention' = 'for ever'", errors.INVALID_PARAMETER_VALUE),
    ("n BIGINT", ", 'attach' = 'perhaps'", errors.INVALID_PARAMETER_VALUE),
])  # fmt: skip
def test_what_a_stream_does_not_do_is_refused(world: World, body: str, options: str, sqlstate: str) -> None:
    with pytest.raises(FlinkmsError) as error:
        world.execute(f"CREATE TABLE ev ({body}) WITH ('connector' = 'flinkms'{options});")
    assert error.value.sqlstate == sqlstate
    assert error.value.hint or error.value.sqlstate == errors.INVALID_PARAMETER_VALUE
    assert not world.store.snapshot().tables


def test_a_stream_is_trimmed_to_its_retention(world: World) -> None:
    world.execute("CREATE TABLE ev (n BIGINT) WITH ('connector' = 'flinkms', 'retention' = '1 h');"
                  "CREATE TABLE kept (n BIGINT) WITH ('connector' = 'flinkms');")
    for name in ("ev", "kept"):
        log = partition(Path(world.store.snapshot().tables[name].path.text), "frontend-0", [3, 2, 0])
        assert len(list(log.path.glob("*.log"))) == 3
    [line] = world.after(0)
    assert line.startswith("stream ev trimmed: 2 segments")


def test_checkpoints_that_nobody_will_restore_go(world: World) -> None:
    world.model()
    world.version()
    ids = {name: letter * 32 for name, letter in zip(("going", "ended", "learner", "restored", "unknown"), "abcde")}
    for flink_job_id in (*ids.values(), "savepoint-aabbcc-0123456789ab", "notes"):
        (world.path / "checkpoints" / flink_job_id / "chk-3").mkdir(parents=True)
        os.utime(world.path / "checkpoints" / flink_job_id, (world.now,) * 2)
    going = world.store.enqueue_job(NewJob(kind="score", statement="", query="", desired="running")).id
    world.store.update_job(going, state="running", flink_job_id=ids["going"])
    ended = world.store.enqueue_job(NewJob(kind="score", statement="", query="")).id
    world.store.update_job(ended, state="running", flink_job_id=ids["ended"])
    world.store.finish_job(ended, "finished")
    restored = (world.path / "checkpoints" / ids["restored"] / "chk-3").as_uri()
    world.store.record_learner(world.store.version("rec", 1), Learner(job=None, flink_job_id=ids["learner"], query="", plan="",
                                                 start=LearnerStart(restore=restored)))
    assert world.after(KEEP_S - 1) == []
    world.after(1)
    left = sorted(path.name for path in (world.path / "checkpoints").iterdir())
    assert left == sorted([ids["going"], ids["learner"], ids["restored"], "notes"])
    world.store.drop_models(["rec"])
    world.after(0)
    assert sorted(path.name for path in (world.path / "checkpoints").iterdir()) == sorted([ids["going"], "notes"])


def test_rounds_of_two_upkeeps_stand_in_one_report(world: World) -> None:
    """The runner's and one by hand, or those before and after a restart: none takes the other's away."""
    other = replace(world.upkeep)
    world.model()
    for _ in range(4):
        world.version()
    assert world.after(0) == ["version 1 of model rec retired"]
    assert other.round() == []
    world.version()
    assert other.round() == ["version 2 of model rec retired"]
    world.upkeep.round()
    report = json.loads((world.path / "run" / "upkeep.json").read_text())
    assert [entry["action"] for entry in report["actions"]] == [
        "version 1 of model rec retired", "version 2 of model rec retired"]


def test_what_cannot_be_done_does_not_stop_the_rest_and_is_reported(world: World) -> None:
    world.model(**{"versions.keep": "1"})
    paths = [world.version() for _ in range(3)]
    (paths[2] / "version.json").write_text("{")
    world.execute("CREATE TABLE ev (n BIGINT) WITH ('connector' = 'flinkms', 'retention' = '1 h');")
    stream = Path(world.store.snapshot().tables["ev"].path.text)
    (stream / "log").rmdir()
    world.after(0)
    done = world.after(KEEP_S)
    assert f"version {paths[0]} deleted" in done
    report = json.loads((world.path / "run" / "upkeep.json").read_text())
    assert report["at"] == world.now
    assert [entry["action"] for entry in report["actions"]] == ["version 1 of model rec retired", *done]
    assert any("version.json" in problem for problem in report["problems"])
    assert any("stream ev" in problem for problem in report["problems"])


def outsiders(world: World) -> dict[str, Path]:
    """A version and a stream outside of the warehouse, both overdue for every duty, and ways to name them."""
    model, stream = world.path / "precious" / "rec" / "v1", world.path / "precious" / "ev"
    table = Table(name="t", key="int64", width=2, initial=(0.0, 0.0))
    (model / "t").mkdir(parents=True)
    write_version(model, Version(algorithm="als", options={}, input_types=(), tables=(table,), partitions=1), no_sync)
    rows = Chunk(keys=np.arange(3), rows=np.ones((3, 2), np.float32), sequences=np.zeros(3, np.int64),
                 event_times=np.zeros(3, np.int64))  # fmt: skip
    write_manifest(model / "t", write_base(model / "t", 1, [rows], key="int64", width=2, fsync=no_sync), {}, no_sync)
    writer = FlinkWriter(model / "t" / "log" / "p0")
    writer.begin()
    for number in range(9):
        writer.write(upsert_frame((1, 1, number, float(number))))
        writer.roll()
    writer.commit()
    Stream.create(stream, (StreamColumn(name="n", type=SqlType.BIGINT),))
    partition(stream, "frontend-0", [3, 2, 0])
    return {"models": model.parent, "streams": stream}


@pytest.mark.parametrize("way", ["plain", "dots", "link"])
def test_no_duty_touches_what_a_row_names_outside_of_the_warehouse(world: World, way: str) -> None:
    found = outsiders(world)
    # The user's own streams are trimmed wherever they may be, which is below a root.
    world.upkeep = replace(world.upkeep, places=Places(warehouse=world.path / "warehouse"), log_bytes_min=1)
    names = {}
    for kind, path in found.items():
        folder = world.path / "warehouse" / kind
        folder.mkdir()
        (folder / "link").symlink_to(path)
        names[kind] = {"plain": str(path), "dots": f"{folder}/../../precious/{path.name}", "link": str(folder / "link")}[way]
    world.model()
    world.store.begin_version("rec", directory=names["models"], options={})
    world.store.publish_version(world.store.version("rec", 1), OUTCOME)
    world.store.create_table(name="ev", kind="stream", columns=(Column(name="n", type=SqlType.BIGINT),), definition="",
                             options={"connector": "flinkms", "retention": "1 s"}, path=names["streams"])
    before = tree(world.path / "precious")
    for due in (lambda: None, lambda: world.store.drop_models(["rec"]), lambda: world.store.drop_tables(["ev"])):
        due()
        world.after(KEEP_S)
        assert tree(world.path / "precious") == before
        report = json.loads((world.path / "run" / "upkeep.json").read_text())
        assert any("outside of" in problem or "not absolute" in problem or "is not deleted" in problem
                   for problem in report["problems"]), report
    assert world.store.leftovers() == []


def tree(folder: Path) -> dict[Path, bytes]:
    """Every file and what is in it."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
