"""The simulator finds what it is there for: each fault that stood here once, put back, makes one of a few runs fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import LearnerStart, Snapshot
from flinkms_sql.jobs import learner
from flinkms_sql.query.statements.statement import Commit, Savepoint, SessionStatement
from flinkms_sql.server.transaction import Transaction
from flinkms_sql.serving import versions
from flinkms_sql.serving.following import Following
from tests.simulation.joint import JointWorld
from tests.simulation.world import World

SEEDS_MAX = 40
"""Runs that a fault may take, from the seed that finds it at present: found by the first, it costs a second."""

STEPS = 12


def savepoints_are_missed(patch: pytest.MonkeyPatch) -> None:
    """ROLLBACK TO a savepoint keeps the rows of streams."""
    note = Transaction.note

    def noted(self: Transaction, statement: SessionStatement | None, tag: str) -> None:
        if isinstance(statement, Savepoint):
            self.status = "transaction"
        else:
            note(self, statement, tag)

    patch.setattr(Transaction, "note", noted)


def commit_commits(patch: pytest.MonkeyPatch) -> None:
    """COMMIT of a failed transaction appends its rows, although the client is told ROLLBACK."""
    note = Transaction.note
    patch.setattr(Transaction, "note", lambda self, statement, tag: note(
        self, statement, "COMMIT" if isinstance(statement, Commit) else tag))


def a_job_learns_from_the_beginning(patch: pytest.MonkeyPatch) -> None:
    """What a version has learned belongs to the job: the next one begins where the training ended."""
    patch.setattr(learner, "_start", lambda learning, plan, query, tables, version, context: LearnerStart(
        sources=learner._resolved(learning.trained_to), logs=learner._committed(context.places.version(version.path))))


def trained_rows_are_learned(patch: pytest.MonkeyPatch) -> None:
    """Where a training read to is not kept."""
    patch.setattr(MemoryStore, "record_training", lambda self, version, trained_to: None)


def a_version_is_its_number(patch: pytest.MonkeyPatch) -> None:
    """Loaded versions are known by name and number: a model that was dropped answers for the next of its name."""
    patch.setattr(versions, "identity_of", lambda record: (record.model, record.version, "", 0.0))


def snapshots_are_compared_outside_of_the_lock(patch: pytest.MonkeyPatch) -> None:
    """An older snapshot may be taken after a newer one."""
    take = Following.take

    async def taken(self: Following, snapshot: Snapshot) -> None:
        if self._snapshot is None or snapshot.generation > self._snapshot.generation:
            async with self._taking:
                self._snapshot = None
            await take(self, snapshot)

    patch.setattr(Following, "take", taken)


def transactions(seed: int, folder: Path) -> None:
    World(seed, folder, faults=False).run()


def learning(seed: int, folder: Path) -> None:
    JointWorld(seed, folder, STEPS).run()


@pytest.mark.parametrize(
    ("fault", "run", "found", "first"),
    [
        (savepoints_are_missed, transactions, "rolled back but there", 0),
        (commit_commits, transactions, "rolled back but there", 1),
        (a_job_learns_from_the_beginning, learning, "twice", 1),
        (trained_rows_are_learned, learning, "twice", 1),
        (a_version_is_its_number, learning, "which is no more", 42),
        (snapshots_are_compared_outside_of_the_lock, learning, "goes back from snapshot", 4),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_of_before_is_found(
    fault: Callable[[pytest.MonkeyPatch], None], run: Callable[[int, Path], None], found: str, first: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    for seed in range(first, first + SEEDS_MAX):
        (folder := tmp_path / str(seed)).mkdir()
        try:
            run(seed, folder)
        except AssertionError as error:
            assert found in str(error)
            print(f"found by seed {seed}")
            return
    raise AssertionError(f"{fault.__name__} was not found by {SEEDS_MAX} runs")
