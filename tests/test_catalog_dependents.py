"""What depends on what: laws of both stores."""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.catalog.lifetimes import LEARNERS
from flinkms_sql.catalog.records import Learner, LearnerStart, NewJob
from flinkms_sql.catalog.store import Store
from tests import test_catalog_contract as contract
from tests.test_catalog_contract import model, publish, refused, table

dsn, store = contract.dsn, contract.store


def reading(store: Store, kind: str, *, tables: list[str], **given: object) -> int:
    given = {"model": None, "options": {}} | given
    options = {"tables": tables, **given.pop("options")}
    return store.enqueue_job(NewJob(kind=kind, statement="…", query="…", options=options, **given)).id


def test_what_a_model_or_a_job_works_with_cannot_be_dropped(store: Store) -> None:
    for name in ("ratings", "events", "scores", "free"):
        table(store, name)
    model(store, tables=["ratings"])
    learner = reading(store, "learn", model="rec", tables=["events"], desired="running")
    calls = {"targets": ["scores"], "calls": [{"model": "rec", "version": 1}]}
    scoring = reading(store, "score", tables=["events"], options=calls)
    before = store.snapshot()
    for name, dependents in (("ratings", ["model rec depends on table ratings.",
                                         f"job {scoring} (scoring into scores) depends on model rec."]),
                             ("events", [f"job {learner} (learning of model rec) depends on table events.",
                                         f"job {scoring} (scoring into scores) depends on table events."]),
                             ("scores", [f"job {scoring} (scoring into scores) depends on table scores."])):
        with refused(errors.DEPENDENT_OBJECTS_STILL_EXIST) as raised:
            store.drop_tables(["free", name])
        assert raised.value.detail.splitlines() == dependents
    with refused(errors.DEPENDENT_OBJECTS_STILL_EXIST) as raised:
        store.drop_models(["rec"])
    assert raised.value.detail == f"job {scoring} (scoring into scores) depends on model rec."
    assert store.snapshot() == before and all(found.desired != "canceled" for found in store.jobs())

    store.set_desired(scoring, "canceled")
    assert store.drop_models(["rec"]).own == (f"job {learner} (learning of model rec)",)
    assert store.job(learner).desired == "canceled"
    store.drop_tables(["ratings", "events", "scores", "free"])
    assert not store.snapshot().tables


def test_cascade_takes_along_what_depends_on_what_goes(store: Store) -> None:
    for name in ("ratings", "events", "scores"):
        table(store, name)
    model(store, tables=["ratings"])
    model(store, "other")
    learner = reading(store, "learn", model="rec", tables=["events"], desired="running")
    scoring = reading(store, "score", tables=["events"],
                      options={"targets": ["scores"], "calls": [{"model": "rec", "version": 1}]})
    found = store.drop_tables(["ratings"], cascade=True)
    assert (found.models, found.jobs) == (("rec",), (learner, scoring))
    assert [(one.what, one.on) for one in found.dependents] == [
        ("model rec", "table ratings"), (f"job {scoring} (scoring into scores)", "model rec")]
    assert set(store.snapshot().models) == {"other"} and set(store.snapshot().tables) == {"events", "scores"}
    assert {store.job(number).desired for number in (learner, scoring)} == {"canceled"}


def test_names_that_may_be_missing_are_passed_over(store: Store) -> None:
    table(store)
    model(store)
    for drop, unknown in ((store.drop_tables, errors.UNDEFINED_TABLE), (store.drop_models, errors.UNDEFINED_OBJECT)):
        with refused(unknown):
            drop(["no", "rec", "ratings"])
    assert store.drop_tables(["ratings", "no"], missing_ok=True).missing == ("no",)
    assert store.drop_models(["no", "rec"], missing_ok=True).missing == ("no",)
    assert not (store.snapshot().tables or store.snapshot().models)


def test_nothing_comes_to_depend_on_what_is_not_there(store: Store) -> None:
    model(store)
    for call in (lambda: model(store, "other", tables=["no"]), lambda: reading(store, "score", tables=["no"])):
        with refused(errors.UNDEFINED_TABLE):
            call()
    for call in (lambda: reading(store, "evaluate", model="no", tables=[]),
                 lambda: reading(store, "score", tables=[], options={"calls": [{"model": "no", "version": 1}]})):
        with refused(errors.UNDEFINED_OBJECT):
            call()
    assert set(store.snapshot().models) == {"rec"} and store.jobs() == []


def test_a_standing_job_is_told_what_to_end_when_its_model_is_dropped(store: Store) -> None:
    model(store)
    standing = store.enqueue_job(NewJob(kind="learn", model="rec", statement="INSERT INTO MODEL", query="SELECT 1",
                                        options={"tables": []}, desired="running"))
    store.claim_job()
    for flink_job_id, by in (("f00", standing.id), ("f01", standing.id), ("f02", standing.id + 7)):
        publish(store)
        store.record_learner(store.versions("rec")[-1], Learner(
            job=by, flink_job_id=flink_job_id, query="SELECT 1", plan="ab", start=LearnerStart()))
    store.drop_models(["rec"])
    assert store.job(standing.id).desired == "canceled"
    assert store.job(standing.id).options == {"tables": [], LEARNERS: ["f00", "f01"]}
