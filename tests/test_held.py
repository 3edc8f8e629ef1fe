"""Laws of what a learning query holds back: what Flink's operators come to, and who is told when."""

from __future__ import annotations

import pytest

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Column, Learner, LearnerStart, NewJob, TrainingOutcome
from flinkms_sql.deploy import held
from flinkms_sql.deploy.events import Progress, Telling
from flinkms_sql.deploy.script import plan_script
from flinkms_sql.jobs.held import held_in
from flinkms_sql.types import SqlType

QUERY = "SELECT u, i, r FROM ev"
IN_THE_MIDDLE = LearnerStart(sources={"/streams/ev": {"p": (1, 64)}})
OUTCOME = TrainingOutcome(training_rows=1, duration_ms=1, code_hash="")


@pytest.mark.parametrize(("operators", "words"), [
    (["Source: ev", "WatermarkAssigner", "Calc", "Correlate", "LookupJoin", "Source: Values", "PythonCalc"], ()),
    (["Source: ev", "Calc", "LocalWindowAggregate", "GlobalWindowAggregate", "Calc"], ("windows",)),
    (["Source: a", "Source: b", "Join", "IntervalJoin", "Deduplicate"], ("joins", "deduplication")),
    (["OverAggregate", "GroupAggregate", "Rank", "Match"], ("windows", "aggregates", "deduplication", "patterns")),
    (["NewInAnotherRelease"], ("NewInAnotherRelease",)),
])
def test_what_does_not_let_each_row_pass_holds_rows(operators: list[str], words: tuple[str, ...]) -> None:
    assert held_in(operators) == words


@pytest.fixture
def store() -> MemoryStore:
    """A model with two versions, the second one live, which learns by a query with windows."""
    store = MemoryStore()
    store.create_table(name="ev", kind="stream", columns=(Column(name="u", type=SqlType.BIGINT),), options={}, definition="",
                       path="/streams/ev")
    store.create_model(name="m", algorithm="als", inputs=(Column(name="u", type=SqlType.BIGINT),) * 2,
                       outputs=(Column(name="r", type=SqlType.DOUBLE),), options={}, training_query=QUERY, definition="",
                       recommends=True)
    for number in (1, 2):
        store.publish_version(store.begin_version("m", directory="/m", options={}), OUTCOME)
        assert store.snapshot().by_alias("m").version == number
    store.enqueue_job(NewJob(kind="learn", model="m", statement="", query=QUERY, desired="running", options={"tables": ["ev"]}))
    learns(store, 2)
    return store


def learns(store: MemoryStore, version: int, *, query: str = QUERY, holds: tuple[str, ...] = ("windows",),
           start: LearnerStart = IN_THE_MIDDLE) -> None:
    store.record_learner(store.version("m", version), Learner(job=1, flink_job_id="f", query=query, plan="", start=start, holds=holds))


def test_a_plan_says_what_begins_empty(store: MemoryStore) -> None:
    text = f"REFRESH MODEL m; ALTER MODEL m PROMOTE VERSION 1; ALTER MODEL m ROLLBACK; INSERT INTO MODEL m {QUERY} WHERE u > 0"

    def said() -> list[str]:
        return [str(stage).partition("; ")[2] for stage in plan_script(store, text, {})]

    assert said() == ["windows of its learning query begin empty for a version that has not learned by it"] * 3 + [
        "rows that it then holds in windows are not learned"]
    learns(store, 2, holds=())
    assert said() == [""] * 4


def test_a_new_version_is_told_of_when_its_windows_began_in_the_middle_of_a_stream(store: MemoryStore) -> None:
    assert "windows of the learning query (job 1) began empty for version 2" in (held.refreshed(store, "m", 2) or "")
    for start in (LearnerStart(), LearnerStart(sources={"/streams/other": {"p": (1, 64)}}), LearnerStart(sources={"/streams/ev": {}}),
                  LearnerStart(sources={"/streams/ev": {"p": (1, 64)}}, restore="file:/chk-1")):
        learns(store, 2, start=start)
        assert held.refreshed(store, "m", 2) is None
    assert held.refreshed(store, "m", 1) is None, "nobody taught it"


def test_a_promotion_is_told_of_unless_the_version_has_learned_by_this_query(store: MemoryStore) -> None:
    store.set_alias("m", "live", 1)
    assert "begin empty for version 1" in (held.promoted(store, "m", 2) or "")
    learns(store, 1)
    assert held.promoted(store, "m", 2) is None and held.promoted(store, "m", 1) is None
    learns(store, 1, query="SELECT 1")
    assert "begin empty for version 1" in (held.promoted(store, "m", 2) or "")
    learns(store, 2, holds=())
    assert held.promoted(store, "m", 2) is None


def test_another_query_leaves_what_the_former_one_held(store: MemoryStore) -> None:
    assert held.given_up(store, store.snapshot(), "m", QUERY) is None
    assert "still held in windows are not learned" in (held.given_up(store, store.snapshot(), "m", "SELECT 1") or "")


def test_a_listener_shows_each_change_of_progress_once() -> None:
    telling = Telling(1.0)
    first, second = Progress(job=1, phase="reading"), Progress(job=1, phase="training", done=1, total=3)
    shown = [telling.is_due(step, now) for now, step in enumerate([first, first, first, second, second, first])]
    assert shown == [True, False, False, True, False, True]
    assert not telling.is_due(second, 5.5) and telling.is_due(second, 6.0), "one a second; the rest at the next look"
