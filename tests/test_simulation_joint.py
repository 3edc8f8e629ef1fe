"""Seeded histories of everybody at once: whoever writes, deploys, fails or does not hear of it, each committed observation is
once in every version that serves or may serve again, frontends serve those, and nobody is told what is not so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.joint import JointWorld

SEEDS = int(os.environ.get("FLINKMS_SIMULATION_SEEDS", "5"))
FIRST = int(os.environ.get("FLINKMS_SIMULATION_FIRST", "0"))
STEPS = 12


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_each_committed_observation_is_learned_once_and_served(seed: int, tmp_path: Path) -> None:
    JointWorld(seed, tmp_path, STEPS).run()
