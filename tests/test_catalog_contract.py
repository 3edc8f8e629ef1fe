"""The laws of a Store, over the in-memory one and over PostgreSQL."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone

import numpy as np
import psycopg
import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.address import format_moment, parse_address
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import (
    Column,
    LoadFailure,
    Metric,
    NewJob,
    TrainingOutcome,
)
from flinkms_sql.catalog.store import Store
from flinkms_sql.catalog.trouble import troubled
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import SqlType
from tests.running import running_postgres

COLUMNS = (Column(name="user_id", type=SqlType.BIGINT), Column(name="rated_at", type=SqlType.TIMESTAMP_LTZ))
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
OUTCOME = TrainingOutcome(training_rows=100, failed_rows=2, failures={"label is NULL": 2}, duration_ms=1500,
                          code_hash="ab" * 32, training_metrics={"rmse": 0.875},
                          positions={"users": {"p0": (1, 0), "p1": (2, 4096)}})


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("control")
    folder.chmod(0o711)
    with running_postgres(folder) as dsn:
        yield dsn


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    dsn = request.getfixturevalue("dsn")
    with closing(PostgresStore(dsn)) as opened:
        opened.migrate()
        yield opened
    # The shadows of what a test left go with it.
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA flinkms, public CASCADE")
        connection.execute("CREATE SCHEMA public")


def model(store: Store, name: str = "rec", tables: Sequence[str] = ()) -> None:
    store.create_model(name=name, algorithm="als", inputs=(Column(name="user_id", type=SqlType.BIGINT),
                                                          Column(name="item_id", type=SqlType.BIGINT)),
                       outputs=(Column(name="rating", type=SqlType.DOUBLE),), options={"factors": "32"},
                       training_query="SELECT 1", definition="CREATE MODEL …", recommends=True, tables=tables)


def table(store: Store, name: str = "ratings") -> None:
    store.create_table(name=name, kind="stream", columns=COLUMNS, options={"connector": "flinkms"},
                       definition="CREATE TABLE …", path="/warehouse/streams/ratings")


def publish(store: Store, name: str = "rec") -> int:
    version = store.begin_version(name, directory="/warehouse/models/rec", options={"factors": "32"})
    store.publish_version(version, OUTCOME)
    return version.version


def job(store: Store, **given: object) -> int:
    return store.enqueue_job(NewJob(kind="train", statement="CREATE MODEL …", query="SELECT 1", model="rec", **given)).id


def refused(sqlstate: str) -> pytest.RaisesExc[FlinkmsError]:
    return pytest.raises(FlinkmsError, check=lambda error: error.sqlstate == sqlstate)


def test_what_is_declared_is_in_the_snapshot(store: Store) -> None:
    table(store)
    model(store)
    publish(store)
    found = store.snapshot()
    assert found.tables["ratings"].columns == COLUMNS
    assert found.tables["ratings"].options == {"connector": "flinkms"}
    assert [column.name for column in found.models["rec"].inputs] == ["user_id", "item_id"]
    assert found.models["rec"].recommends
    assert found.by_alias("rec").outcome == OUTCOME
    assert found.by_alias("rec").path.text == "/warehouse/models/rec/v1"
    assert found.by_alias("rec").created_at.utcoffset() is not None


def test_names_are_taken_once_and_free_after_a_drop(store: Store) -> None:
    table(store)
    model(store)
    with refused(errors.DUPLICATE_OBJECT):
        table(store)
    with refused(errors.DUPLICATE_OBJECT):
        model(store)
    publish(store)
    store.drop_tables(["ratings"])
    store.drop_models(["rec"])
    found = store.snapshot()
    assert not (found.tables or found.models or found.versions or found.aliases or found.history)
    table(store)
    model(store)


def test_unknown_names_are_42704(store: Store) -> None:
    model(store)
    publish(store)
    at = store.versions("rec")[0].published_at
    for call in (lambda: store.drop_models(["no"]), lambda: store.versions("no"),
                 lambda: store.begin_version("no", directory="/x", options={}), lambda: store.version("rec", 9),
                 lambda: store.set_alias("rec", "canary", 9),
                 lambda: store.rollback("no"), lambda: store.drop_alias("rec", "canary"), lambda: store.job(99),
                 lambda: store.version_as_of("no", at), lambda: store.set_desired(99, "canceled"),
                 lambda: store.version_as_of("rec", at, alias="canary"), lambda: store.metrics("no"),
                 lambda: store.snapshot().by_alias("no"), lambda: store.snapshot().by_number("rec", 9)):
        with refused(errors.UNDEFINED_OBJECT):
            call()


def test_version_numbers_are_given_once_even_at_once(store: Store) -> None:
    model(store)
    taken = []

    def take() -> None:
        taken.append(store.begin_version("rec", directory="/m", options={}).version)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 9))
    assert {version.state for version in store.versions("rec")} == {"training"}


def test_a_version_is_seen_only_once_it_is_published(store: Store) -> None:
    model(store)
    store.begin_version("rec", directory="/m", options={})
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.snapshot().by_alias("rec")
    store.publish_version(store.version("rec", 1), OUTCOME)
    assert store.snapshot().by_alias("rec").version == 1
    assert [change.version for change in store.snapshot().history["rec", "live"]] == [1]
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.publish_version(store.version("rec", 1), OUTCOME)


def test_a_failed_version_leaves_the_live_one(store: Store) -> None:
    model(store)
    publish(store)
    store.begin_version("rec", directory="/m", options={})
    store.fail_version(store.version("rec", 2), "loss is NaN in iteration 3")
    assert store.snapshot().by_alias("rec").version == 1
    assert store.version("rec", 2).error == "loss is NaN in iteration 3"
    for call in (lambda: store.set_alias("rec", "live", 2), lambda: store.fail_version(store.version("rec", 2), "again")):
        with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
            call()


def test_a_rollback_goes_back_and_a_second_one_further(store: Store) -> None:
    model(store)
    for _ in range(3):
        publish(store)
    assert [store.rollback("rec"), store.rollback("rec")] == [2, 1]
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.rollback("rec")
    store.set_alias("rec", "live", 3)
    assert store.rollback("rec") == 1
    assert [change.version for change in store.snapshot().history["rec", "live"]] == [1, 2, 3, 2, 1, 3, 1]


def test_the_history_says_what_was_live_when(store: Store) -> None:
    model(store)
    for _ in range(3):
        publish(store)
    store.set_alias("rec", "live", 1)
    history = store.snapshot().history["rec", "live"]
    assert [change.valid_to for change in history] == [*(change.valid_from for change in history[1:]), None]
    for change in history:
        assert store.version_as_of("rec", change.valid_from) == change.version
        assert store.snapshot().as_of("rec", change.valid_from).version == change.version
    with refused(errors.UNDEFINED_OBJECT):
        store.version_as_of("rec", history[0].valid_from - timedelta(microseconds=1))


def test_an_address_means_a_version(store: Store) -> None:
    model(store)
    for _ in range(3):
        publish(store)
    store.set_alias("rec", "canary", 2)
    found = store.snapshot()
    moment = format_moment(round((found.history["rec", "live"][0].valid_from - EPOCH) / timedelta(microseconds=1)))
    for text, version in (("rec", 3), ("rec@1", 1), ("rec@canary", 2), (f"rec@{moment}", 1)):
        assert found.resolve(parse_address(text)).version == version


def test_setting_an_alias_to_what_it_names_changes_nothing(store: Store) -> None:
    model(store)
    publish(store)
    before = store.snapshot()
    store.set_alias("rec", "live", 1)
    assert store.snapshot() == before


def test_aliases_come_and_go_but_live_stays(store: Store) -> None:
    model(store)
    publish(store)
    store.set_alias("rec", "canary", 1)
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.retire_version(store.version("rec", 1))
    store.drop_alias("rec", "canary")
    assert store.snapshot().history["rec", "canary"][0].valid_to is not None
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.drop_alias("rec", "live")
    publish(store)
    store.retire_version(store.version("rec", 1))
    assert ("rec", 1) not in store.snapshot().versions


def test_the_generation_grows_with_every_change_of_the_catalog_only(store: Store) -> None:
    model(store)
    seen = [store.snapshot().generation]
    for change in (lambda: table(store), lambda: publish(store), lambda: store.set_alias("rec", "canary", 1),
                   lambda: store.drop_alias("rec", "canary"), lambda: store.drop_models(["rec"])):
        change()
        seen.append(store.snapshot().generation)
    assert seen == sorted(set(seen))
    model(store)
    before = store.snapshot().generation
    job(store)
    assert store.snapshot().generation == before


def test_a_job_goes_from_queued_to_its_end(store: Store) -> None:
    model(store)
    number = job(store, options={"path": "/x"})
    assert store.job(number).state == "queued"
    assert store.claim_job().id == number
    assert store.claim_job() is None
    store.update_job(number, state="running", flink_job_id="f00", progress={"done": 1, "total": 10}, version=1)
    store.update_job(number, progress={"done": 2, "total": 10})
    found = store.job(number)
    assert (found.state, found.flink_job_id, found.version) == ("running", "f00", 1)
    assert (found.progress, found.options) == ({"done": 2, "total": 10}, {"path": "/x"})
    store.finish_job(number, "failed", error="diverged", sqlstate="22000", result={"iterations": 3})
    found = store.job(number)
    assert (found.state, found.error, found.sqlstate, found.result) == ("failed", "diverged", "22000", {"iterations": 3})
    assert found.created_at <= found.started_at <= found.ended_at
    for call in (lambda: store.update_job(number, state="running"), lambda: store.finish_job(number, "finished")):
        with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
            call()


def test_a_job_that_is_started_anew_says_why_until_it_runs_again(store: Store) -> None:
    model(store)
    number = job(store, desired="running")
    store.claim_job()
    store.update_job(number, state="restarting", error="division by zero", sqlstate="22012", attempts=2)
    store.update_job(number, progress={"phase": "reading"})
    found = store.job(number)
    assert (found.state, found.error, found.sqlstate, found.attempts) == ("restarting", "division by zero", "22012", 2)
    store.update_job(number, state="running")
    found = store.job(number)
    assert (found.state, found.error, found.sqlstate, found.attempts) == ("running", None, None, 0)


def test_jobs_that_do_not_get_on_are_in_trouble(store: Store) -> None:
    model(store)
    numbers = []
    for state in ("restarting", "failed", "failed", "running"):
        numbers.append(store.enqueue_job(NewJob(kind="score", statement="INSERT", query=f"SELECT {len(numbers) % 3}",
                                                desired="running")).id)
        store.claim_job()
        if state == "failed":
            store.finish_job(numbers[-1], state, error="division by zero", sqlstate="22012")
        else:
            store.update_job(numbers[-1], state=state)
    assert [found.id for found in troubled(store.jobs())] == numbers[:1] + numbers[1:3]
    again = store.enqueue_job(NewJob(kind="score", statement="INSERT", query="SELECT 1", desired="running")).id
    assert [found.id for found in troubled(store.jobs())] == [numbers[0], numbers[2]]
    store.claim_job()
    store.update_job(again, state="restarting", error="division by zero", attempts=3)
    assert [found.id for found in troubled(store.jobs())] == [numbers[0], numbers[2], again]


def test_a_model_has_one_standing_learner(store: Store) -> None:
    model(store)
    model(store, "other")

    def enqueue(name: str = "rec") -> int:
        return store.enqueue_job(NewJob(kind="learn", model=name, statement="INSERT INTO MODEL", query="SELECT 1",
                                        desired="running")).id

    first = enqueue()
    enqueue("other")
    job(store, desired="running")
    with refused(errors.OBJECT_IN_USE):
        enqueue()
    store.set_desired(first, "canceled")
    second = enqueue()
    store.claim_job()
    store.finish_job(second, "failed", error="table is gone", sqlstate="42P01")
    third = enqueue()
    store.drop_models(["rec"])
    assert store.job(third).state == "canceled"


def test_a_version_that_is_complete_is_not_live_until_it_goes_live(store: Store) -> None:
    model(store)
    publish(store)
    for _ in range(2):
        store.complete_version(store.begin_version("rec", directory="/m", options={}), OUTCOME)
    assert store.snapshot().by_alias("rec").version == 1
    assert store.snapshot().by_number("rec", 2).outcome == OUTCOME
    assert not store.go_live(store.version("rec", 3), former=2), "it was compared with another one than is live"
    assert not store.go_live(store.version("rec", 3), former=None)
    assert store.go_live(store.version("rec", 3), former=1)
    assert not store.go_live(store.version("rec", 3), former=3)
    assert not store.go_live(store.version("rec", 2), former=3), "a newer one is live"
    assert store.rollback("rec") == 1
    assert not store.go_live(store.version("rec", 3), former=1), "it was rolled back"
    assert [change.version for change in store.snapshot().history["rec", "live"]] == [1, 3, 1]
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.complete_version(store.version("rec", 3), OUTCOME)
    store.begin_version("rec", directory="/m", options={})
    with refused(errors.OBJECT_NOT_IN_PREREQUISITE_STATE):
        store.go_live(store.version("rec", 4), former=1)


def test_whatever_a_job_says_and_ends_with_can_be_recorded(store: Store) -> None:
    model(store)
    number = job(store, options={"label": "a\0b"})
    store.update_job(number, state="running", progress={"metrics": {"rmse": math.nan, "loss": math.inf}})
    assert store.job(number).options == {"label": "a\ufffdb"}
    assert store.job(number).progress == {"metrics": {"rmse": None, "loss": "Infinity"}}
    store.finish_job(number, "failed", error="line 1: \0 \ud800", sqlstate="22000",
                     result={"rows": np.int64(3), "rmse": np.float32("nan"), "failures": {"\0": (1, -math.inf)}, "at": EPOCH})
    found = store.job(number)
    assert found.error == "line 1: \ufffd \ufffd"
    assert found.result == {"rows": 3, "rmse": None, "failures": {"\ufffd": [1, "-Infinity"]}, "at": str(EPOCH)}


def test_jobs_are_claimed_in_order_and_once(store: Store) -> None:
    model(store)
    numbers = [job(store) for _ in range(6)]
    store.set_desired(numbers[2], "canceled")
    assert store.job(numbers[2]).state == "canceled"
    claimed = []

    def claim() -> None:
        while (found := store.claim_job()) is not None:
            claimed.append(found.id)

    threads = [threading.Thread(target=claim) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [*numbers[:2], *numbers[3:]]


def test_jobs_are_listed_by_state_and_model(store: Store) -> None:
    model(store)
    numbers = [job(store), job(store, desired="running"), store.enqueue_job(
        NewJob(kind="insert", statement="INSERT", query="SELECT 1")).id]
    store.claim_job()
    assert [found.id for found in store.jobs()] == numbers
    assert [found.id for found in store.jobs(states=["queued"])] == numbers[1:]
    assert [found.id for found in store.jobs(states=["queued", "starting"], model="rec")] == numbers[:2]


def test_dropping_a_model_asks_its_jobs_to_end(store: Store) -> None:
    model(store)
    running, queued = job(store, desired="running"), job(store)
    store.claim_job()
    store.update_job(running, state="running")
    store.drop_models(["rec"])
    assert (store.job(running).state, store.job(running).desired) == ("running", "canceled")
    assert store.job(queued).state == "canceled"


def test_what_a_frontend_cannot_load_replaces_what_it_said_before(store: Store) -> None:
    first, second, other = (LoadFailure(frontend=frontend, model="rec", version=version, error="it is damaged")
                            for frontend, version in (("a:1", 1), ("a:1", 2), ("b:1", 1)))
    store.replace_load_failures("a:1", [first])
    store.replace_load_failures("b:1", [other])
    store.replace_load_failures("a:1", [second, first])
    assert store.load_failures() == [first, second, other]
    store.replace_load_failures("a:1", [])
    assert store.load_failures() == [other]


def test_metrics_are_kept_in_order(store: Store) -> None:
    model(store)
    publish(store)
    first = Metric(model="rec", version=1, metric="rmse", value=0.9, row_count=100, unknown_rows=3, failed_rows=0)
    second = Metric(model="rec", version=1, metric="rmse", value=0.8, row_count=50, unknown_rows=0, failed_rows=1)
    store.record_metrics(store.version("rec", 1), [first])
    store.record_metrics(store.version("rec", 1), [second])
    found = store.metrics("rec")
    assert [metric.measured for metric in found] == [first, second]
    assert found[0].measured_at <= found[1].measured_at


def test_a_change_is_told_of_and_only_once(store: Store) -> None:
    every, jobs = store.watch(["catalog", "jobs"]), store.watch(["jobs"])
    model(store)
    assert every.wait(5) == {"catalog"}
    job(store)
    assert every.wait(5) == {"jobs"}
    assert store.claim_job() is not None
    assert every.wait(5) == {"jobs"}
    assert store.claim_job() is None
    assert every.wait(0.05) == set()
    # What one watch was told of is news to the other.
    assert jobs.wait(5) == {"jobs"}
    assert jobs.wait(0.05) == set()


def test_all_who_wait_are_woken_by_one_change(store: Store) -> None:
    model(store)
    watches = [store.watch(["jobs"]) for _ in range(20)]
    began = time.monotonic()
    with ThreadPoolExecutor(len(watches)) as pool:
        told = [pool.submit(watch.wait, 20) for watch in watches]
        job(store)
        assert [one.result() for one in told] == [{"jobs"}] * len(watches)
    assert time.monotonic() - began < 10


def test_a_refused_change_leaves_nothing(store: Store) -> None:
    model(store)
    before = store.snapshot()
    with refused(errors.INVALID_PARAMETER_VALUE):
        store.create_model(name="odd", algorithm="als", inputs=COLUMNS[:1], outputs=COLUMNS[:1], options={},
                           training_query=None, definition="CREATE MODEL …", recommends=True)
    assert store.snapshot() == before


def test_migrating_again_does_nothing(store: Store) -> None:
    model(store)
    assert store.migrate() == []
    assert "rec" in store.snapshot().models
