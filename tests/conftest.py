"""Settings of the whole test run.

BLAS gets one thread: its matrices are small here, and threads that spin for each other on a busy machine of two cores
make a fit of 0.1 s take 3 s. It has to be set before numpy is imported. JVMs have their quick compiler only: they live for
minutes at most, and half of what they would do in that time is optimising code that runs once (a deployment, four trainings
and three learning jobs take 20 instead of 38 s of processor time).
"""

import gc
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Of every java that is started, by the deployments too.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

import pytest

from tests.deployment import deployed
from tests.running import make_passable

GC_THRESHOLDS = (100_000, 20, 100)
"""Collections are most of the time of a short test beside a thousand others."""

gc.set_threshold(*GC_THRESHOLDS)


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of every garbage collection."""
    gc.freeze()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A directory of the test's own that PostgreSQL's user may pass."""
    make_passable(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def deployment():
    """One deployment, with one Flink cluster, for all integration tests that need a whole one.

    Tests name their tables and models after themselves and leave no standing job behind.
    """
    with deployed() as running:
        yield running
