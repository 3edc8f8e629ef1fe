"""Seeded runs of the simulator: what clients are told is true, whatever is cut, killed or full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.world import World

FIRST = int(os.environ.get("FLINKMS_SIMULATION_FIRST", "0"))
SEEDS = int(os.environ.get("FLINKMS_SIMULATION_SEEDS", "8"))
"""Runs of each kind: a second or so by default; a thousand find what ten do not."""


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_transactions_leave_what_postgresql_would(seed: int, tmp_path: Path) -> None:
    World(seed, tmp_path, faults=False).run()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_what_was_acknowledged_stays_and_what_was_rolled_back_does_not(seed: int, tmp_path: Path) -> None:
    World(seed, tmp_path, faults=True).run()
