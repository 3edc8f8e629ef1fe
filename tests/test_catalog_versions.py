"""What is done to a version is done to that one: laws of both stores."""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.catalog.records import Learner, LearnerStart, Learning, Metric
from flinkms_sql.catalog.store import Store
from tests.test_catalog_contract import OUTCOME, dsn, model, publish, refused, store

__all__ = ["dsn", "store"]


def test_what_a_version_has_learned_is_recorded_with_it(store: Store) -> None:
    model(store)
    publish(store)
    assert store.learning(store.version("rec", 1)) == Learning()
    ends = {"/w/streams/s": {"frontend-0": (2, 4096), "job-3-0": (1, 0)}}
    store.record_training(store.version("rec", 1), ends)
    first = Learner(job=3, flink_job_id="f00", query="SELECT 1", plan="ab", start=LearnerStart(sources=ends))
    store.record_learner(store.version("rec", 1), first)
    assert store.learning(store.version("rec", 1)) == Learning(trained_to=ends, learner=first)
    second = Learner(job=4, flink_job_id="f01", query="SELECT 2", plan="cd", start=LearnerStart(
        sources={"/w/streams/s": {"frontend-0": (2, 9000, 17)}}, logs={"users": {"p0": (3, 88)}}, restore="file:/chk-3",
        apart=frozenset({"/w/streams/s"})))
    store.record_learner(store.version("rec", 1), second)
    assert store.learning(store.version("rec", 1)) == Learning(trained_to=ends, learner=second)
    publish(store)
    assert store.learning(store.version("rec", 2)) == Learning()
    store.drop_models(["rec"])
    model(store)
    publish(store)
    assert store.learning(store.version("rec", 1)) == Learning()


def test_nothing_that_is_done_to_a_dropped_version_reaches_the_one_of_its_name_and_number(store: Store) -> None:
    metric = Metric(model="rec", version=1, metric="rmse", value=1.0, row_count=1, unknown_rows=0, failed_rows=0)
    learner = Learner(job=3, flink_job_id="f00", query="SELECT 1", plan="ab", start=LearnerStart(logs={"u": {"p0": (3, 9)}}))
    model(store)
    held = store.begin_version("rec", directory="/warehouse/models/rec-1", options={})
    calls = (lambda: store.publish_version(held, OUTCOME), lambda: store.complete_version(held, OUTCOME),
             lambda: store.fail_version(held, "no rows"), lambda: store.go_live(held, former=None), lambda: store.retire_version(held),
             lambda: store.record_training(held, {"/s": {"p": (1, 2)}}), lambda: store.record_learner(held, learner),
             lambda: store.learning(held), lambda: store.record_metrics(held, [metric]))

    def refuses_all() -> None:
        before = store.snapshot(), store.jobs()
        for call in calls:
            with refused(errors.UNDEFINED_OBJECT):
                call()
        assert (store.snapshot(), store.jobs()) == before

    store.drop_models(["rec"])
    refuses_all()
    model(store)
    refuses_all()
    other = store.begin_version("rec", directory="/warehouse/models/rec-2", options={})
    refuses_all()
    assert (store.version("rec", 1), store.learning(other), store.metrics("rec")) == (other, Learning(), [])
    ready = store.complete_version(other, OUTCOME)
    refuses_all()
    assert (store.version("rec", 1), store.learning(ready), store.metrics("rec")) == (ready, Learning(), [])
