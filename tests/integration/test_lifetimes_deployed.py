"""Lifetimes over a deployment that runs: what is dropped or retired goes, and nobody who serves, learns or inserts notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from flinkms_sql.app import control_dsn
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.jobs.upkeep import Upkeep
from flinkms_sql.places import Places
from tests.deployment import Deployment

pytestmark = pytest.mark.integration

@pytest.fixture
def upkeep(deployment: Deployment, tmp_path: Path) -> Iterator[Upkeep]:
    """Upkeep of the deployment for which nothing has to wait; the jobs of other tests are remembered."""
    with closing(PostgresStore(control_dsn(deployment.settings))) as store:
        yield Upkeep(store=store, places=Places(warehouse=deployment.settings.warehouse), checkpoints=tmp_path / "none",
                     report=deployment.settings.upkeep_report, keep_s=0.0, jobs_keep=1_000_000)


def generate(deployment: Deployment, name: str) -> None:
    deployment.command("generate", "model", name, "--users", "20", "--items", "20", "--factors", "2", "--seed", "1")


def test_a_stream_created_again_is_empty_and_the_old_rows_go(deployment: Deployment, upkeep: Upkeep) -> None:
    create = "CREATE TABLE lived (n BIGINT) WITH ('connector' = 'flinkms', 'retention' = '30 d')"
    with deployment.connect() as connection:
        connection.execute(create)
        connection.execute("INSERT INTO lived VALUES (1), (2)")
        first = deployment.stream_path("lived")
        assert list((first / "log").iterdir())
        connection.execute("DROP TABLE lived")
        connection.execute(create)
        second = deployment.stream_path("lived")
        assert second != first and not list((second / "log").iterdir())
        done = upkeep.round()
        assert f"stream {first} deleted" in done and not first.exists() and second.exists()
        connection.execute("INSERT INTO lived VALUES (3)")
        assert list((second / "log").iterdir())
        connection.execute("DROP TABLE lived")
    with deployment.connect() as connection, pytest.raises(psycopg.errors.FeatureNotSupported, match="primary key"):
        connection.execute("CREATE TABLE lived (n BIGINT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'flinkms')")


def test_a_dropped_model_goes_and_its_successor_answers(deployment: Deployment, upkeep: Upkeep) -> None:
    generate(deployment, "mortal")
    first = deployment.version_path("mortal")
    deployment.execute("DROP MODEL mortal")
    generate(deployment, "mortal")
    second = deployment.version_path("mortal")
    upkeep.round()
    assert first != second and not first.exists() and second.exists()
    with deployment.connect() as connection:
        until = time.monotonic() + 30
        while True:
            try:
                assert connection.execute("SELECT predict('mortal', 1, 1)").fetchone()[0] is not None
                break
            except psycopg.Error:
                assert time.monotonic() < until
                time.sleep(0.1)
    deployment.execute("DROP MODEL mortal")


def test_status_shows_what_is_kept_and_what_upkeep_did(deployment: Deployment, upkeep: Upkeep) -> None:
    generate(deployment, "sized")
    deployment.execute("DROP MODEL sized")
    upkeep.round()
    found = json.loads(deployment.status("--json"))
    assert found["sizes"]["control_database"] > 1 << 20 and found["sizes"]["part_logs"] > 0
    assert any(line.startswith("version ") and line.endswith(" deleted") for line in found["upkeep"]["actions"])
    assert "control database" in deployment.status()
