"""The laws of a Store about what nothing needs any more, over the in-memory one and over PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone

from flinkms_sql.catalog.records import Learner, LearnerStart, NewJob
from flinkms_sql.catalog.store import Store
from flinkms_sql.places import Claim
from tests.test_catalog_contract import COLUMNS, dsn, job, model, publish, store, table

__all__ = ["dsn", "store"]


def test_what_is_dropped_failed_or_retired_is_left_over(store: Store) -> None:
    table(store)
    store.create_table(name="own", kind="stream", columns=COLUMNS, options={"connector": "flinkms", "path": "/own"},
                       definition="", path="/own")
    store.create_table(name="file", kind="flink", columns=COLUMNS, options={}, definition="", path=None)
    model(store)
    for _ in range(3):
        publish(store)
    store.begin_version("rec", directory="/warehouse/models/rec", options={})
    assert store.leftovers() == []
    store.fail_version(store.version("rec", 4), "no rows")
    store.retire_version(store.version("rec", 1))
    assert store.snapshot().retired == {("rec", 1)}
    assert {left.path.text for left in store.leftovers()} == {"/warehouse/models/rec/v4", "/warehouse/models/rec/v1"}
    for name in ("ratings", "own", "file"):
        store.drop_tables([name])
    store.drop_models(["rec"])
    found = {left.path.text: left.kind for left in store.leftovers()}
    assert found == {"/warehouse/streams/ratings": "stream",
                     **{f"/warehouse/models/rec/v{number}": "version" for number in (1, 2, 3, 4)}}
    assert all(abs((datetime.now(timezone.utc) - left.since).total_seconds()) < 60 for left in store.leftovers())
    store.forget_leftover(Claim("/warehouse/models/rec/v1"))
    assert len(store.leftovers()) == 4
    table(store)
    assert "/warehouse/streams/ratings" not in {left.path.text for left in store.leftovers()}, "it is needed again"


def test_a_model_created_anew_is_another_one(store: Store) -> None:
    seen = set()
    for _ in range(3):
        model(store)
        seen.add(store.snapshot().models["rec"].incarnation)
        store.drop_models(["rec"])
    assert len(seen) == 3 and all(len(name) == 12 and name.isalnum() for name in seen)


def test_ended_jobs_are_forgotten_but_for_the_newest_and_what_is_needed(store: Store) -> None:
    model(store)
    publish(store)
    training = job(store)
    learning = job(store, version=1)
    other = [store.enqueue_job(NewJob(kind="evaluate", statement="", query="")).id for _ in range(5)]
    for number in (training, learning, *other[:4]):
        store.finish_job(number, "finished")
    store.record_learner(store.version("rec", 1), Learner(job=training, flink_job_id="a" * 32, query="", plan="",
                                                         start=LearnerStart()))
    assert store.trim_jobs(2) == 2
    assert [found.id for found in store.jobs()] == [training, learning, *other[2:]]
    store.drop_models(["rec"])
    assert store.trim_jobs(0) == 4
    assert [found.id for found in store.jobs()] == other[4:]
    assert store.trim_jobs(0) == 0


def test_checkpoints_in_use_are_those_of_jobs_that_go_on_and_of_learners(store: Store) -> None:
    model(store)
    publish(store)
    going, ended = job(store), job(store)
    store.update_job(going, flink_job_id="going", options={"restore": "file:/c/old"})
    store.update_job(ended, flink_job_id="ended")
    store.finish_job(ended, "failed")
    store.record_learner(store.version("rec", 1), Learner(job=None, flink_job_id="learner", query="", plan="",
                                           start=LearnerStart(restore="file:/c/start")))
    assert store.checkpoints_in_use() == {"going", "file:/c/old", "learner", "file:/c/start"}
    publish(store)
    store.retire_version(store.version("rec", 1))
    assert store.checkpoints_in_use() == {"going", "file:/c/old"}
