"""Deploying on a registry in memory: what each statement does, says and refuses, and what a file comes to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import JobRecord
from flinkms_sql.commands.apply import apply_stages, leave
from flinkms_sql.deploy.events import Done, Event, Notice
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.script import applying, plan_script
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.train import trained_version
from flinkms_sql.places import Places
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.signatures import catalog_of
from tests.deploying import (
    LEARNING,
    MODEL,
    SCORING,
    TABLES,
    Runner,
    apply,
    deployer,
    execute,
    playing,
    refused,
    runner,
    told,
)
from tests.running import wait_for

__all__ = ["deployer", "runner"]


def test_applying_twice_changes_nothing(deployer: Deployer, runner: Runner) -> None:
    text = TABLES + MODEL + LEARNING + ";" + SCORING
    actions = ["create", "create", "create", "train", "start", "run"]
    assert apply(deployer, text) == [(action, True) for action in actions]
    jobs = deployer.store.jobs()
    assert apply(deployer, text) == [("unchanged", False)] * 6
    assert deployer.store.jobs() == jobs


def test_two_who_apply_at_once_train_once(deployer: Deployer, runner: Runner) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(apply(deployer, TABLES + MODEL))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed for stages in found for _, changed in stages) == [False] * 12 + [True] * 4
    assert [job.kind for job in deployer.store.jobs()] == ["train"]


def test_a_changed_learning_query_takes_the_place_of_the_former(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL + LEARNING)
    (former,) = [job for job in deployer.store.jobs() if job.kind == "learn"]
    changed = f"{LEARNING} WHERE r > 1"
    error = refused(deployer, changed)
    assert (error.sqlstate, error.position) == (errors.OBJECT_IN_USE, changed.index("rec") + 1)
    assert f"job {former.id}" in error.message and f"STOP JOB {former.id}" in error.hint

    (stage,) = plan_script(deployer.store, changed, {})
    assert stage.action == "replace" and f"in place of job {former.id}" in str(stage)
    assert apply(deployer, changed) == [("replace", True)]
    learners = [(job.query, job.state) for job in deployer.store.jobs() if job.kind == "learn"]
    assert learners == [("SELECT u, i, r FROM events", "canceled"), ("SELECT u, i, r FROM events WHERE r > 1", "running")]
    assert apply(deployer, changed.replace(" WHERE", "\n  WHERE -- only these\n")) == [("unchanged", False)]


def test_white_space_within_a_text_is_part_of_a_query(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL + f"{LEARNING} WHERE 'a  b' <> 'c'")
    (stage,) = plan_script(deployer.store, f"{LEARNING} WHERE 'a b' <> 'c'", {})
    assert stage.action == "replace"


MISSING = ("REFRESH MODEL nope", "DROP MODEL nope", "ALTER MODEL nope ROLLBACK", "ALTER MODEL nope PROMOTE VERSION 1",
           "ALTER MODEL nope SET ('factors' = '2')", "EVALUATE MODEL 'nope' USING SELECT u, i, r FROM events",
           "INSERT INTO MODEL nope SELECT u, i, r FROM events", "ALTER MODEL nope SET ALIAS canary TO VERSION 1")  # fmt: skip


@pytest.mark.parametrize("text", MISSING)
def test_a_plan_refuses_a_model_that_is_not_there(deployer: Deployer, text: str) -> None:
    with pytest.raises(FlinkmsError) as caught:
        plan_script(deployer.store, TABLES + text, {})
    assert caught.value.sqlstate == errors.UNDEFINED_OBJECT
    (*_, stage) = plan_script(deployer.store, TABLES + MODEL.replace("rec", "nope") + text, {})
    assert "nope" in stage.what and type(stage.given.statement).__name__ not in stage.what
    assert plan_script(deployer.store, "DROP MODEL IF EXISTS nope", {})


def test_a_learner_that_cannot_be_replaced_goes_on(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL + LEARNING)
    runner.error = ("42601", "Flink: no such function")
    with pytest.raises(FlinkmsError, match="no such function"):
        apply(deployer, f"{LEARNING} WHERE nonsense(r)")
    learners = [(job.query, job.state) for job in deployer.store.jobs() if job.kind == "learn"]
    assert [query for query, _ in learners] == ["SELECT u, i, r FROM events", "SELECT u, i, r FROM events WHERE nonsense(r)",
                                                "SELECT u, i, r FROM events"]
    assert [state for _, state in learners][:2] == ["canceled", "failed"] and learners[2][1] not in ("canceled", "failed")


def test_what_is_needed_is_dropped_only_with_what_needs_it(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL + LEARNING)
    learner = deployer.store.jobs()[-1]
    error = refused(deployer, "DROP TABLE events, scores")
    assert error.sqlstate == errors.DEPENDENT_OBJECTS_STILL_EXIST and error.position == 12
    assert error.detail == f"job {learner.id} (learning of model rec) depends on table events."
    assert refused(deployer, "DROP TABLE ratings RESTRICT").detail == "model rec depends on table ratings."
    assert set(deployer.store.snapshot().tables) == {"ratings", "events", "scores"}

    events = execute(deployer, "DROP TABLE ratings CASCADE")
    assert told(events) == ["drop cascades to model rec", f"job {learner.id} (learning of model rec) ends with the model"]
    assert events[-1] == Done(tag="DROP TABLE")
    events = execute(deployer, "DROP TABLE events")
    assert not deployer.store.snapshot().models and set(deployer.store.snapshot().tables) == {"scores"}


def test_what_may_be_missing_or_there_already_is_told_of(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL)
    create_table, create_model = TABLES.strip().splitlines()[0], MODEL
    assert told(execute(deployer, create_table.replace("TABLE", "TABLE IF NOT EXISTS"))) == [
        'Flink table "ratings" already exists, skipping']
    assert told(execute(deployer, create_model.replace("MODEL", "MODEL IF NOT EXISTS"))) == [
        'model "rec" already exists, skipping']
    for text in (create_table, create_model):
        assert refused(deployer, text).sqlstate == errors.DUPLICATE_OBJECT
    events = execute(deployer, "DROP MODEL IF EXISTS nope, rec")
    assert told(events) == ['model "nope" does not exist, skipping'] and events[-1].changed
    assert execute(deployer, "DROP MODEL IF EXISTS rec")[-1] == Done(tag="DROP MODEL", changed=False)


@pytest.mark.parametrize(("text", "sqlstate", "named"), [
    ("REFRESH MODEL nope", errors.UNDEFINED_OBJECT, "nope"),
    ("DROP MODEL rec, nope", errors.UNDEFINED_OBJECT, "nope"),
    ("ALTER MODEL nope ROLLBACK", errors.UNDEFINED_OBJECT, "nope"),
    ("ALTER MODEL rec PROMOTE VERSION 7", errors.UNDEFINED_OBJECT, "rec"),
    ("ALTER MODEL nope SET ('factors' = '4')", errors.UNDEFINED_OBJECT, "nope"),
    ("INSERT INTO MODEL nope SELECT u, i, r FROM events", errors.UNDEFINED_OBJECT, "nope"),
    ("INSERT INTO MODEL rec SELECT u, i, r FROM nope", errors.UNDEFINED_TABLE, "nope"),
    ("EVALUATE MODEL nope USING SELECT u, i, r FROM ratings", errors.UNDEFINED_OBJECT, "nope"),
    ("EVALUATE MODEL rec@9 USING SELECT u, i, r FROM ratings", errors.UNDEFINED_OBJECT, "rec@9"),
    ("EVALUATE MODEL rec USING SELECT u, i, r FROM nope", errors.UNDEFINED_TABLE, "nope"),
    ("CREATE MODEL x INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als') AS SELECT u, i, r FROM nope",
     errors.UNDEFINED_TABLE, "nope"),
    ("STOP JOB 999", errors.UNDEFINED_OBJECT, "999"),
])
def test_a_name_that_does_not_exist_is_an_error_where_it_stands(deployer: Deployer, runner: Runner, text: str, sqlstate: str,
                                                               named: str) -> None:
    apply(deployer, TABLES + MODEL)
    error = refused(deployer, text)
    assert (error.sqlstate, error.position) == (sqlstate, text.index(named) + 1)


@pytest.mark.parametrize(("text", "option"), [
    ("CREATE TABLE s (u BIGINT) WITH ('connector' = 'flinkms', 'retentoin' = '7 d')", "retentoin"),
    ("CREATE MODEL x INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', 'factor' = '4')", "factor"),
    ("CREATE MODEL x INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', 'learn.it' = '4')", "learn.it"),
    ("ALTER MODEL rec SET ('iteration' = '4')", "iteration"),
    ("ALTER MODEL rec SET ('learn.parallelism' = 'many')", "learn.parallelism"),
])
def test_an_option_that_there_is_not_is_refused(deployer: Deployer, runner: Runner, text: str, option: str) -> None:
    apply(deployer, TABLES + MODEL)
    before = deployer.store.snapshot()
    error = refused(deployer, text)
    assert error.sqlstate == errors.INVALID_PARAMETER_VALUE and f'"{option}"' in error.message
    assert deployer.store.snapshot() == before


LOOPS = """
CREATE TABLE a (u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms', 'path' = '{0}/a');
CREATE TABLE again (u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms', 'path' = '{0}/link/a', 'attach' = 'true');
CREATE TABLE b (u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms', 'path' = '{0}/b');
CREATE TABLE c (u BIGINT, r DOUBLE) WITH ('connector' = 'flinkms', 'path' = '{0}/c');
CREATE TABLE f (u BIGINT, r DOUBLE) WITH ('connector' = 'filesystem', 'path' = '/f.csv', 'format' = 'csv');
"""


@pytest.mark.parametrize(("text", "named"), [
    ("INSERT INTO a SELECT * FROM a", "a"),
    ("INSERT INTO a SELECT f.u, a.r FROM f JOIN a ON a.u = f.u", "a ON"),
    ("INSERT INTO a SELECT * FROM f UNION ALL SELECT * FROM a WHERE u > 1", "a WHERE"),
    ("INSERT INTO a WITH x AS (SELECT * FROM a LIMIT 3) SELECT * FROM x", "a LIMIT"),
    ("INSERT INTO a SELECT * FROM again", "again"),
    ("INSERT INTO a SELECT * FROM c", "c"),
])
def test_a_stream_is_not_filled_from_its_own_rows(deployer: Deployer, runner: Runner, tmp_path: Path, text: str,
                                                  named: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    apply(deployer, LOOPS.format(tmp_path))
    apply(deployer, "INSERT INTO b SELECT * FROM a; INSERT INTO c SELECT * FROM b; INSERT INTO f SELECT * FROM a, f;")
    before = deployer.store.jobs()
    error = refused(deployer, text)
    assert (error.sqlstate, error.position) == (errors.FEATURE_NOT_SUPPORTED, text.rindex(named) + 1) and error.hint
    assert deployer.store.jobs() == before


def test_rows_do_not_go_in_circles_by_jobs_that_ended(deployer: Deployer, runner: Runner, tmp_path: Path) -> None:
    apply(deployer, LOOPS.format(tmp_path).replace("/link", ""))
    apply(deployer, "INSERT INTO b SELECT * FROM a;")
    assert "job 1 hands them on" in (refused(deployer, "INSERT INTO a SELECT * FROM b").detail or "")
    execute(deployer, "STOP JOB 1")
    assert execute(deployer, "INSERT INTO a SELECT * FROM b")[-1].tag == "START JOB"


def test_a_training_is_for_its_own_version_only(deployer: Deployer) -> None:
    store = deployer.store
    for line in TABLES.strip().splitlines():
        execute(deployer, line)
    running = []
    for _ in range(2):
        running.append(deployer.execute(analyze(MODEL, catalog_of(store.snapshot())).statement, MODEL))
        next(running[-1])
        last = store.jobs()[-1]
        assert trained_version(last, store) == store.version("rec", 1)
        store.drop_models(["rec"], cascade=True)
    running.append(deployer.execute(analyze(MODEL, catalog_of(store.snapshot())).statement, MODEL))
    next(running[-1])
    first, second, third = store.jobs()
    for former in (first, second):
        with pytest.raises(FlinkmsError, match="version 1 .* was dropped") as raised:
            trained_version(former, store)
        assert raised.value.sqlstate == errors.UNDEFINED_OBJECT
    assert trained_version(third, store) == store.version("rec", 1)


def test_metrics_over_no_rows_have_no_value(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL)
    text = "EVALUATE MODEL rec USING SELECT u, i, r FROM ratings"
    runner.result = {"metrics": {"rmse": {"value": float("nan"), "rows": 0, "failed_rows": 5},
                                 "mae": {"value": float("inf"), "rows": 1, "failed_rows": 4}}, "unknown_rows": 0}
    found, _ = execute(deployer, text)
    assert found.rows == (("rmse", None, 0, 0, 5), ("mae", float("inf"), 1, 0, 4))
    runner.result = {"metrics": {"rmse": {"value": None, "rows": 0, "failed_rows": 0}}, "unknown_rows": 0}
    events = execute(deployer, text)
    assert told(events) == ["the query returned no rows: nothing was measured"]
    assert events[1].rows == (("rmse", None, 0, 0, 0),)


def test_a_canceled_statement_ends_its_job_and_a_canceled_declaration_is_gone(deployer: Deployer) -> None:
    store = deployer.store
    for line in TABLES.strip().splitlines():
        execute(deployer, line)
    plan = analyze(MODEL, catalog_of(store.snapshot()))
    running = deployer.execute(plan.statement, MODEL)
    assert next(running).job == 1
    running.close()
    assert store.job(1).desired == "canceled" and not store.snapshot().models


def test_a_declaration_that_comes_to_nothing_takes_no_other_of_its_name_along(deployer: Deployer) -> None:
    store = deployer.store
    for line in TABLES.strip().splitlines():
        execute(deployer, line)
    plan = analyze(MODEL, catalog_of(store.snapshot()))
    first = deployer.execute(plan.statement, MODEL)
    next(first)
    execute(deployer, "DROP MODEL rec")
    second = deployer.execute(plan.statement, MODEL)
    next(second)
    with pytest.raises(FlinkmsError) as raised:
        list(first)
    assert raised.value.sqlstate == errors.QUERY_CANCELED
    assert set(store.snapshot().models) == {"rec"} and store.job(2).desired == "finished"
    second.close()


def test_many_who_declare_one_model_train_it_once(deployer: Deployer, runner: Runner) -> None:
    for line in TABLES.strip().splitlines():
        execute(deployer, line)
    plan = analyze(MODEL, catalog_of(deployer.store.snapshot()))

    def declare() -> str:
        try:
            list(deployer.execute(plan.statement, MODEL))
        except FlinkmsError as error:
            return error.sqlstate
        return "declared"

    with ThreadPoolExecutor(8) as pool:
        found = sorted(one.result() for one in [pool.submit(declare) for _ in range(8)])
    assert found == [errors.DUPLICATE_OBJECT] * 7 + ["declared"]
    assert [job.kind for job in deployer.store.jobs()] == ["train"]


def test_a_job_that_is_started_anew_says_why(deployer: Deployer) -> None:
    store = deployer.store
    for line in TABLES.strip().splitlines():
        execute(deployer, line)
    plan = analyze(MODEL, catalog_of(store.snapshot()))
    running = deployer.execute(plan.statement, MODEL)
    next(running)
    store.claim_job()
    store.update_job(1, state="restarting", error="a partition has one writer", sqlstate="55006", attempts=1)
    assert next(event for event in running if isinstance(event, Notice)).message == (
        "job 1 is started anew: a partition has one writer")
    running.close()


def test_what_replaces_a_learner_is_wished_for_before_the_former_is_stopped(deployer: Deployer) -> None:
    played, changed = Runner(deployer.store), f"{LEARNING} WHERE r > 1"
    with playing(played):
        apply(deployer, TABLES + MODEL + LEARNING)
    with applying(deployer.store, changed, {}, on_wait=lambda: None) as (stage,):
        events = deployer.apply(stage)
        next(events)
        events.close()  # whoever applies is gone, while the runner is away
    with playing(played):
        wait_for(lambda: [(job.query, job.state) for job in deployer.store.jobs() if job.kind == "learn"] == [
            ("SELECT u, i, r FROM events", "canceled"), ("SELECT u, i, r FROM events WHERE r > 1", "running")])


class Together(MemoryStore):
    """A store of whose jobs two callers see the same, when they may look at once."""

    def __init__(self) -> None:
        super().__init__()
        self.both: threading.Barrier | None = None

    def jobs(self, **given: object) -> list[JobRecord]:
        found = super().jobs(**given)
        if self.both is not None:
            with suppress(threading.BrokenBarrierError):
                self.both.wait(TOGETHER_S)
        return found


TOGETHER_S = 0.5
"""Seconds that one waits for the other: it does not come while the first holds it up."""


def test_two_inserts_cannot_each_close_half_of_a_loop(tmp_path: Path) -> None:
    store = Together()
    deployer = Deployer(store=store, places=Places(warehouse=tmp_path, roots=(Path("/"),)))
    for name in ("a", "b"):
        execute(deployer, f"CREATE TABLE {name} (u BIGINT) WITH ('connector' = 'flinkms')")
    halves = [analyze(f"INSERT INTO {one} SELECT u FROM {other}", catalog_of(store.snapshot())) for one, other in ("ab", "ba")]
    store.both = threading.Barrier(2)
    kept_out: list[FlinkmsError] = []
    begun: dict[str, Iterator[Event]] = {}

    def begin(plan: DeployPlan) -> None:
        try:
            next(begun.setdefault(plan.text, deployer.execute(plan.statement, plan.text)))
        except FlinkmsError as error:
            kept_out.append(error)

    threads = [threading.Thread(target=begin, args=(plan,)) for plan in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error.sqlstate for error in kept_out] == [errors.FEATURE_NOT_SUPPORTED]


def test_an_alias_names_a_version_until_it_is_dropped(deployer: Deployer, runner: Runner) -> None:
    execute(deployer, TABLES.split(";")[0])
    execute(deployer, MODEL.strip().rstrip(";"))
    execute(deployer, "REFRESH MODEL rec")
    execute(deployer, "ALTER MODEL rec SET ALIAS canary TO VERSION 1")
    snapshot = deployer.store.snapshot()
    assert (snapshot.by_alias("rec", "canary").version, snapshot.by_alias("rec").version) == (1, 2)
    assert refused(deployer, "ALTER MODEL rec SET ALIAS canary TO VERSION 9").sqlstate == errors.UNDEFINED_OBJECT
    execute(deployer, "ALTER MODEL rec DROP ALIAS canary")
    assert ("rec", "canary") not in deployer.store.snapshot().aliases
    for text, sqlstate in (("ALTER MODEL rec DROP ALIAS canary", errors.UNDEFINED_OBJECT),
                           ("ALTER MODEL rec DROP ALIAS live", errors.OBJECT_NOT_IN_PREREQUISITE_STATE)):
        error = refused(deployer, text)
        assert (error.sqlstate, error.position) == (sqlstate, text.index("rec") + 1)


class Pressed(MemoryStore):
    """A store over which whoever waits for a job is interrupted."""

    def watch(self, topics: Sequence[str]) -> Pressed:
        return self

    def wait(self, wait_s: float) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_apply_says_what_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployer = Deployer(store=Pressed(), places=Places(warehouse=tmp_path, roots=(Path("/"),)))
    with applying(deployer.store, TABLES + MODEL + LEARNING, {}, on_wait=lambda: None) as found, pytest.raises(KeyboardInterrupt):
        apply_stages(found, deployer)
    told = " ".join(capsys.readouterr().out.split())
    (job,) = deployer.store.jobs()
    assert job.desired == "finished" and f"job {job.id} goes on: model rec" in told
    assert "not begun: 1 statement;" in told and f"interrupted in line {TABLES.count(chr(10)) + 2};" in told


def test_who_is_interrupted_between_two_events_leaves_the_job_as_well(deployer: Deployer) -> None:
    with applying(deployer.store, TABLES + MODEL, {}, on_wait=lambda: None) as found:
        for stage in found[:-1]:
            list(deployer.apply(stage))
        events = deployer.apply(found[-1])
        next(events)
        leave(events, KeyboardInterrupt())
    assert [job.desired for job in deployer.store.jobs()] == ["finished"]
