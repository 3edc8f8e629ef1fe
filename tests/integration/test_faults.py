"""kill -9 of every process at random moments: nothing acknowledged is lost or doubled, every version is served as it was.

A deployment of its own. The moments are drawn from a fixed seed; what they hit differs from run to run, the laws do not.
"""

from __future__ import annotations

import csv
import threading
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from tests.deployment import Deployment, deployed
from tests.faults import (
    Background,
    Clients,
    check_every_delta,
    healed,
    kill,
    learned,
    predictions,
    replica_of,
    stream_columns,
    wait_for,
)
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

SEED = 11
VICTIMS = ("frontend", "flink-taskmanager", "postgres", "jobs", "flink-jobmanager", "fork-server", "frontend",
           "supervisor", "postgres", "flink-taskmanager")
PAUSE_S = (0.2, 2.0)
"""Between a deployment that is whole again and the next kill: often while its learning job is still starting."""

USERS, ITEMS = 120, 80
"""Ids of the training rows; events have ids up to half as large again, so that rows are added, too."""

INSERT = "INSERT INTO fault_events SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::float8[])"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A trained model that learns (``taught``), one that does not (``still``), and ratings to train on."""
    folder = tmp_path_factory.mktemp("faults")
    folder.chmod(0o755)
    planted = PlantedRatings(users=USERS, items=ITEMS, rank=4, seed=SEED).ratings(20_000)
    with (folder / "ratings.csv").open("w", newline="") as out:
        csv.writer(out).writerows(zip(*(column.tolist() for column in planted), strict=True))
    with deployed() as running:
        running.execute("CREATE TABLE fault_ratings (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'filesystem', "
                        f"'path' = '{folder / 'ratings.csv'}', 'format' = 'csv')")
        running.execute("CREATE TABLE fault_events (id BIGINT, u BIGINT, i BIGINT, r DOUBLE) "
                        "WITH ('connector' = 'flinkms')")
        for name, iterations in (("taught", 3), ("still", 40)):
            running.execute(f"CREATE MODEL {name} INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                            f"'factors' = '8', 'iterations' = '{iterations}', 'learn.parallelism' = '2') "
                            "AS SELECT u, i, r FROM fault_ratings")
        yield running


@pytest.fixture(scope="module")
def pairs() -> tuple[list[int], list[int]]:
    """Pairs to predict, some with ids that no model knows."""
    random = np.random.default_rng(SEED)
    return random.integers(0, USERS + 10, 500).tolist(), random.integers(0, ITEMS + 10, 500).tolist()


def test_acknowledged_inserts_are_in_the_stream_once_and_learned_once(deployment: Deployment, pairs):
    stream, version = deployment.stream_path("fault_events"), deployment.version_path("taught")
    deployment.execute("INSERT INTO MODEL taught SELECT u, i, r FROM fault_events")
    before = predictions(deployment, "still", *pairs)
    random = np.random.default_rng(SEED)
    seconds: dict[str, list[float]] = {}
    with Clients(deployment, INSERT, count=4, per_s=25, users=USERS * 3 // 2, items=ITEMS * 3 // 2, seed=SEED) as clients:
        for victim in VICTIMS:
            time.sleep(random.uniform(*PAUSE_S))
            seconds.setdefault(victim, []).append(healed(deployment, victim, kill(deployment, victim)))
            assert predictions(deployment, "still", *pairs) == before, f"after {victim}"
        time.sleep(1.0)
    ids, users, items, _ = stream_columns(stream)
    times = Counter(ids.tolist())
    acknowledged, unknown = clients.acknowledged, [number for mine in clients.inserted for number in mine.unknown]
    assert len(acknowledged) > 500 and sum(mine.connections_lost for mine in clients.inserted) > 0
    assert [number for number in acknowledged if times[number] != 1] == []
    assert set(times) <= {*acknowledged, *unknown} and max(times.values()) == 1

    with replica_of(version) as replica:
        wait_for(lambda: learned(replica) >= len(ids), "the learning job to have caught up")
        check_every_delta(replica, {"users": users, "items": items})
    print(f"\n{len(acknowledged)} INSERTed ids acknowledged, {len(unknown)} unknown of which "
          f"{len(set(unknown) & set(times))} are there; seconds to heal: "
          f"{ {name: [round(took, 1) for took in all_of] for name, all_of in seconds.items()} }")


def test_what_was_learned_is_served_bit_for_bit_after_a_restart_of_everything(deployment: Deployment, pairs):
    with deployment.connect() as connection:
        job = connection.execute("SELECT max(id) FROM flinkms.jobs WHERE kind = 'learn'").fetchone()[0]
        connection.execute(f"STOP JOB {job}")
    before = predictions(deployment, "taught", *pairs)
    healed(deployment, "supervisor", kill(deployment, "supervisor"))
    assert predictions(deployment, "taught", *pairs) == before


@pytest.mark.parametrize("victims", [("jobs", "flink-jobmanager"), ("flink-taskmanager", "postgres", "jobs")])
def test_a_training_outlives_those_who_run_it(deployment: Deployment, pairs, victims):
    """The live version answers throughout; afterwards exactly one version has been added and is live."""
    with deployment.connect() as connection:
        versions = "SELECT version, state FROM flinkms.model_versions WHERE model = 'still' ORDER BY version"
        earlier = connection.execute(versions).fetchall()
        live = f"still@{earlier[-1][0]}"
    before = predictions(deployment, live, *pairs)
    random = np.random.default_rng((SEED, len(victims)))
    refreshed: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: refreshed.append(_refresh(deployment)))
    with Asking(deployment) as asking:
        thread.start()
        wait_for(lambda: _training(deployment), "the training to start")
        for victim in victims:
            time.sleep(random.uniform(*PAUSE_S))
            healed(deployment, victim, kill(deployment, victim))
        thread.join()
    assert refreshed == [None] and asking.failures == []
    assert set(asking.answers) == {predictions(deployment, live, [1], [1]), predictions(deployment, "still", [1], [1])}
    with deployment.connect() as connection:
        assert connection.execute(versions).fetchall() == [*earlier, (earlier[-1][0] + 1, "ready")]
        jobs = "SELECT state, error FROM flinkms.jobs WHERE model = 'still' ORDER BY id DESC LIMIT 1"
        assert connection.execute(jobs).fetchone() == ("finished", None)
    assert predictions(deployment, live, *pairs) == before


def _refresh(deployment: Deployment) -> BaseException | None:
    try:
        deployment.execute("REFRESH MODEL still")
    except psycopg.Error as error:
        return error
    return None


def _training(deployment: Deployment) -> bool:
    with deployment.connect() as connection:
        query = "SELECT count(*) FROM flinkms.jobs WHERE kind = 'train' AND state IN ('starting', 'running')"
        return connection.execute(query).fetchone()[0] > 0


class Asking(Background):
    """Asks the live version for one prediction again and again: the different answers, and what failed."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(self._run)
        self._deployment = deployment
        self.answers: set[bytes] = set()
        self.failures: list[str] = []

    def _run(self) -> None:
        with self._deployment.connect() as connection, connection.cursor(binary=True) as cursor:
            while not self.stopping.wait(0.01):
                try:
                    score = cursor.execute("SELECT predict('still', 1, 1)").fetchone()[0]
                    self.answers.add(np.array([score], np.float64).tobytes())
                except psycopg.Error as error:
                    self.failures.append(str(error))
                    return
