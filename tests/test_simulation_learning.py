"""Seeded histories of a model that learns: whatever is stopped, refreshed, promoted, dropped, killed or lost, each committed
observation is once in every version that serves or may serve again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.learning import LearningWorld

SEEDS = int(os.environ.get("FLINKMS_SIMULATION_SEEDS", "5"))
FIRST = int(os.environ.get("FLINKMS_SIMULATION_FIRST", "0"))
STEPS = 12


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_each_committed_observation_is_learned_once(seed: int, tmp_path: Path) -> None:
    LearningWorld(seed, tmp_path).run(STEPS)
