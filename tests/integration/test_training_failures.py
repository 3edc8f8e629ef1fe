"""A training that cannot end well: the live version serves on, its error names the cause, nothing half done is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

from tests.deployment import Deployment
from tests.faults import predictions
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

PAIRS = (list(range(50)), list(range(50)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model ``frail`` that is served, and the file it is trained from."""

    deployment: Deployment
    file: Path

    def versions(self) -> list[tuple[int, str, str | None]]:
        """(version, state, error), oldest first."""
        with self.deployment.connect() as connection:
            return connection.execute("SELECT version, state, error FROM flinkms.model_versions "
                                      "WHERE model = 'frail' ORDER BY version").fetchall()


def write_good(file: Path) -> None:
    columns = PlantedRatings(users=50, items=40, rank=3, seed=2).ratings(3000)
    np.savetxt(file, np.column_stack(columns), fmt=("%d", "%d", "%.3f"), delimiter=",")


def write_huge(file: Path) -> None:
    file.write_text("".join(f"{number % 7},{number % 5},{(-1) ** number}e300\n" for number in range(200)))


def write_malformed(file: Path) -> None:
    file.write_text("not,a,rating\n" * 200)


def write_nothing(file: Path) -> None:
    file.write_text("")


def remove(file: Path) -> None:
    file.unlink()


@pytest.fixture(scope="module")
def trained(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("frail")
    folder.chmod(0o755)
    file = folder / "ratings.csv"
    write_good(file)
    deployment.execute("CREATE TABLE frail_ratings (u BIGINT, i BIGINT, r DOUBLE) "
                       f"WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = 'csv')")
    deployment.execute("CREATE MODEL frail INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                       "'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM frail_ratings")
    yield Trained(deployment=deployment, file=file)


CAUSES = [
    pytest.param(write_huge, "training diverged before iteration 1: the variance of the label overflows", id="diverged"),
    pytest.param(write_malformed, "no row of 200 can be trained on: input is null in 200", id="malformed"),
    pytest.param(write_nothing, "no rows to train on", id="empty"),
    pytest.param(remove, "ratings.csv", id="missing"),
]


@pytest.mark.parametrize(("spoil", "cause"), CAUSES)
def test_a_failed_training_leaves_the_live_version_and_names_the_cause(
    trained: Trained, spoil: Callable[[Path], None], cause: str
):
    before, earlier = predictions(trained.deployment, "frail", *PAIRS), trained.versions()
    spoil(trained.file)
    with pytest.raises(psycopg.Error, match=cause):
        trained.deployment.execute("REFRESH MODEL frail")
    *others, (version, state, error) = trained.versions()
    assert others == earlier and (version, state) == (len(earlier) + 1, "failed") and cause in error
    assert predictions(trained.deployment, "frail", *PAIRS) == before
    with trained.deployment.connect() as connection:
        job = connection.execute("SELECT state, version, error FROM flinkms.jobs WHERE kind = 'train' "
                                 "AND model = 'frail' ORDER BY id DESC LIMIT 1").fetchone()
        assert job[:2] == ("failed", version) and cause in job[2]


def test_after_failures_the_next_training_is_published(trained: Trained):
    write_good(trained.file)
    before, earlier = predictions(trained.deployment, "frail", *PAIRS), trained.versions()
    trained.deployment.execute("REFRESH MODEL frail")
    assert trained.versions() == [*earlier, (len(earlier) + 1, "ready", None)]
    assert predictions(trained.deployment, "frail", *PAIRS) == before, "the same rows give the same bits"


def test_a_model_whose_first_training_fails_is_not_there_and_can_be_created_again(trained: Trained):
    create = ("CREATE MODEL frailer INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
              "'factors' = '4', 'iterations' = '3') AS SELECT u, i, r FROM frail_ratings")
    write_huge(trained.file)
    with pytest.raises(psycopg.Error, match="training diverged"):
        trained.deployment.execute(create)
    with trained.deployment.connect() as connection, pytest.raises(psycopg.Error, match='model "frailer" does not exist'):
        connection.execute("SELECT predict('frailer', 1, 1)")
    write_good(trained.file)
    trained.deployment.execute(create)
    assert predictions(trained.deployment, "frailer", *PAIRS) == predictions(trained.deployment, "frail", *PAIRS)
