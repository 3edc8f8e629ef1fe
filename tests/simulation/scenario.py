"""One history of a model that learns, told step by step: the world of ``learning.py`` without chance failures.

The runner and the statements are the real ones; what the steps do not say goes well. At the end every law of that world
is checked. Must not know what is tested.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flinkms_sql.catalog.records import LIVE, JobRecord
from flinkms_sql.errors import FlinkmsError
from tests.simulation.learner import CHECKPOINT_S, SimLearner
from tests.simulation.learning import LEARN, PEOPLE, LearningWorld

PATIENCE_S = 100.0
"""Simulated seconds until something that is to happen has happened."""


class Scenario(LearningWorld):
    """A model ``m`` that learns from ``events``, trained from ``trains_from`` (``seeds``: nothing of the events)."""

    def __init__(self, folder: Path, tell: Callable[[Scenario], None], *, trains_from: str = "seeds") -> None:
        super().__init__(1, folder)
        self._faults = self.cluster.faults = False
        self._trains_from = trains_from
        self._tell = tell

    def _live(self, steps: int) -> None:
        self._insert("events")
        self.deploy(LEARN[0])
        self.until(self.has_learned, "what was inserted to be learned")
        self._tell(self)

    def insert(self) -> None:
        """Some rows of the stream, some of them rolled back."""
        self._insert("events")

    def until(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Let time pass until something is so."""
        latest = self.baton.now + patience_s
        while not condition():
            assert self.baton.now < latest, f"waited for {what}"
            self.baton.wait(0.1)

    def meanwhile(self, text: str) -> Callable[[], FlinkmsError | None]:
        """Begin a statement beside the others; what is returned waits for it, and says how it failed."""
        ended: list[FlinkmsError | None] = []

        def work() -> None:
            try:
                self.deploy(text)
                ended.append(None)
            except FlinkmsError as error:
                self._say(f"  -> {error.sqlstate} {error.message}")
                ended.append(error)

        def end() -> FlinkmsError | None:
            self.until(lambda: bool(ended), f"the end of {text}")
            return ended[0]

        self.baton.start(PEOPLE, work)
        return end

    def catching_up(self) -> bool:
        """Whether a training is at the point where its version learns before it goes live."""
        return any(job.kind == "train" and (job.progress or {}).get("phase", "").startswith("catching up")
                   for job in self.store.jobs(states=("running",)))

    def job(self) -> JobRecord:
        """The newest job that teaches the model."""
        return [job for job in self.store.jobs(model="m") if job.kind == "learn"][-1]

    def live(self) -> int:
        """The version that is live."""
        return self.store.snapshot().aliases["m", LIVE]

    def directory(self, version: int) -> str:
        """That of a version, as learners are told it."""
        return os.path.realpath(self.store.version("m", version).path.text)

    def learners(self) -> list[SimLearner]:
        """Flink jobs that teach and have not ended."""
        return [job for job in self.cluster.jobs.values() if isinstance(job, SimLearner) and job.is_open()]

    def has_learned(self) -> bool:
        """Whether the live version holds all that there is."""
        return self._present() <= self._held(self.store.version("m", self.live())).keys()

    def give_up(self) -> None:
        """Flink gives up whatever teaches, once it has learned what there is and a checkpoint is complete."""
        self.until(lambda: bool(self.learners()) and all(learner.state == "RUNNING" for learner in self.learners()),
                   "a learner to run")
        self.until(self.has_learned, "what was inserted to be learned")
        self.baton.wait(3 * CHECKPOINT_S)
        for learner in self.learners():
            learner.give_up("poison")
