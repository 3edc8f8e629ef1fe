"""Laws of learning at moments that chance meets rarely: what happens to a version that is about to go live, to a job that
Flink refuses, and to one that has failed.

Every scenario ends with the checks of the simulated world: each committed observation is once in every version that is or
was live, and no version went live with less than the one before it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED
from flinkms_sql.jobs.submissions import LearnerSubmission
from tests.simulation.learning import LEARN
from tests.simulation.scenario import Scenario


def play(folder: Path, tell) -> None:
    Scenario(folder, tell).run(0)


def refreshing(world: Scenario):
    """REFRESH MODEL, at the moment at which its version begins to catch up."""
    end = world.meanwhile("REFRESH MODEL m")
    world.until(world.catching_up, "the version to begin to catch up")
    return end


def stays_behind(world: Scenario, end, reason: str) -> None:
    """The version is ready and not live, and the statement says why."""
    error = end()
    assert error is not None and error.sqlstate == errors.OBJECT_NOT_IN_PREREQUISITE_STATE
    assert reason in error.message and "PROMOTE VERSION 2" in error.message
    assert (world.live(), world.store.version("m", 2).state) == (1, "ready")


def shown(world: Scenario) -> tuple:
    """What the row of the job that teaches the model says."""
    job = world.job()
    return job.state, job.version, job.error


def test_a_version_whose_learner_is_stopped_while_it_catches_up_does_not_go_live(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        world.deploy(f"STOP JOB {world.job().id}")
        stays_behind(world, end, 'nothing learns for the model, and the live version, 1, has learned more of stream "events"')
        assert world.learners() == []
        world.deploy(LEARN[0])
        world.deploy("REFRESH MODEL m")
        assert world.live() == 3

    play(tmp_path, tell)


def test_nor_does_one_that_was_trained_when_nothing_learned_any_more(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        world.deploy(f"STOP JOB {world.job().id}")
        stays_behind(world, world.meanwhile("REFRESH MODEL m"), "nothing learns for the model")

    play(tmp_path, tell)


def test_it_does_when_its_training_read_all_that_was_learned(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        world.deploy(f"STOP JOB {world.job().id}")
        world.deploy("REFRESH MODEL m")
        assert world.live() == 2

    Scenario(tmp_path, tell, trains_from="events").run(0)


def test_it_catches_up_with_the_query_of_a_file_that_is_applied_meanwhile(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        world.deploy(LEARN[1], "apply")
        assert end() is None and world.live() == 2

    play(tmp_path, tell)


def test_it_does_not_when_the_query_of_that_file_reads_another_stream(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        world.deploy(LEARN[0].replace("events", "seeds"), "apply")
        stays_behind(world, end, 'has learned more of stream "events"')
        world.deploy(LEARN[0], "apply")

    play(tmp_path, tell)


def test_the_former_version_is_the_one_that_is_live_in_the_end(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        world.deploy("REFRESH MODEL m")
        for change in ("ALTER MODEL m ROLLBACK", "ALTER MODEL m PROMOTE VERSION 2"):
            world.insert()
            end = refreshing(world)
            world.deploy(change)
            world.insert()
            assert end() is None
        assert world.live() == 4

    play(tmp_path, tell)


def test_who_promotes_it_while_it_catches_up_ends_the_wait(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        world.deploy("ALTER MODEL m PROMOTE VERSION 2")
        assert end() is None and world.live() == 2
        world.until(lambda: [learner.version for learner in world.learners()] == [world.directory(2)],
                    "one learner to be left")

    play(tmp_path, tell)


def test_nothing_is_left_of_a_model_that_is_dropped_while_a_version_catches_up(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        world.deploy("DROP MODEL m")
        assert end() is not None
        world.until(lambda: all(job.state in ENDED for job in world.store.jobs()) and world.learners() == [], "all to end")
        world._create()

    play(tmp_path, tell)


def test_a_version_whose_learner_flink_gives_up_stays_behind(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        end = refreshing(world)
        second = world.directory(2)
        world.until(lambda: any(learner.version == second for learner in world.learners()), "its learner")
        next(learner for learner in world.learners() if learner.version == second).give_up("poison")
        stays_behind(world, end, "could not catch up: job failed: poison")

    play(tmp_path, tell)


def test_a_learner_that_flink_refuses_after_a_promotion_goes_on_after_the_rollback(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        world.deploy("REFRESH MODEL m")
        for version in (2, 1):
            world.deploy(f"ALTER MODEL m PROMOTE VERSION {version}")
            world.until(lambda version=version: shown(world) == ("running", version, None), "the live version to learn")
        second = world.directory(2)
        world.cluster.refuses = lambda wanted: isinstance(wanted, LearnerSubmission) and wanted.version == second
        world.deploy("ALTER MODEL m PROMOTE VERSION 2")
        world.until(lambda: shown(world) == ("restarting", 1, "Flink: the job was refused"), "the refusal to be shown")
        assert world.learners() == []
        world.insert()
        world.deploy("ALTER MODEL m ROLLBACK")
        world.until(lambda: world.has_learned() and shown(world) == ("running", 1, None), "version 1 to learn again")
        world.cluster.refuses = lambda _: False

    play(tmp_path, tell)


def test_one_that_is_refused_for_good_fails_with_the_reason(tmp_path: Path) -> None:
    def tell(world: Scenario) -> None:
        world.deploy("REFRESH MODEL m")
        first = world.directory(1)
        world.cluster.refuses = lambda wanted: isinstance(wanted, LearnerSubmission) and wanted.version == first
        world.deploy("ALTER MODEL m PROMOTE VERSION 1")
        world.until(lambda: world.job().state in ENDED, "the job to end", 200.0)
        assert (world.job().state, world.job().error) == ("failed", "Flink: the job was refused")
        world.cluster.refuses = lambda _: False

    play(tmp_path, tell)


@pytest.mark.parametrize("query", LEARN, ids=["the same query", "another query"])
def test_a_failed_job_that_is_applied_anew_learns_on_exactly_once(tmp_path: Path, query: str) -> None:
    def tell(world: Scenario) -> None:
        failed = world.job().id
        for _ in range(3):
            world.insert()
            world.give_up()
        world.until(lambda: world.job().state == "failed", "the job to fail")
        assert "poison" in (world.job().error or "")
        world.insert()
        world.deploy(query, "apply")
        assert world.job().id > failed
        world.until(world.has_learned, "the rest to be learned")

    play(tmp_path, tell)
