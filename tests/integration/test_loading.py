"""Versions that a frontend cannot load, on a real deployment: what it serves, what it says, and when it gets over it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg
import pytest

from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.commands.generate_model import ModelSize, publish_random
from flinkms_sql.modellog.frame import UPSERT, encode_frame
from flinkms_sql.places import Places
from flinkms_sql.runtime import postgres
from tests.deployment import Deployment
from tests.modellog_files import FlinkWriter, nine_keys
from udfs import block
from udfs.block import Column, encode_block

pytestmark = pytest.mark.integration

SIZE = ModelSize(users=20, items=20, factors=2)


@pytest.fixture(scope="module")
def store(deployment: Deployment) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres.dsn(deployment.settings.data_dir))) as store:
        yield store


def publish(deployment: Deployment, store: PostgresStore, model: str, seed: int = 0) -> Path:
    size = ModelSize(users=SIZE.users, items=SIZE.items, factors=SIZE.factors, seed=seed)
    return Path(publish_random(store, Places(warehouse=deployment.settings.warehouse), model, "als", size, lambda rows: None).path.text)


def predicted(deployment: Deployment, model: str) -> float:
    with deployment.connect() as connection:
        return connection.execute("SELECT predict(%s, 1, 2)", (model,)).fetchone()[0]


def shown(deployment: Deployment, model: str) -> list[str | None]:
    """The errors that SHOW VERSIONS has, oldest version first."""
    with deployment.connect() as connection:
        return [row[-1] for row in connection.execute(f"SHOW VERSIONS OF {model}").fetchall()]


def until(what: object, found, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while (last := found()) != what:
        assert time.monotonic() < end, f"{last!r} is not {what!r}"
        time.sleep(0.05)


def test_a_version_that_cannot_be_loaded_does_not_take_the_former_one_down(
    deployment: Deployment, store: PostgresStore
) -> None:
    publish(deployment, store, "loadable", seed=1)
    until(None, lambda: failure_of(deployment, "loadable"))
    before = predicted(deployment, "loadable")
    # What no publisher of ours does any more: ready and live, with nothing in its directory.
    record = store.begin_version("loadable", directory=str(deployment.settings.warehouse / "models" / "loadable"), options={})
    store.publish_version(record, store.version("loadable", 1).outcome)
    until(True, lambda: "cannot load it" in (shown(deployment, "loadable")[1] or ""))
    assert "version.json" in shown(deployment, "loadable")[1] and shown(deployment, "loadable")[0] is None
    assert predicted(deployment, "loadable") == before
    with deployment.connect() as connection, pytest.raises(psycopg.Error, match="version 2 .* cannot be loaded") as caught:
        connection.execute("SELECT predict('loadable@2', 1, 2)")
    assert caught.value.sqlstate == "55000" and "version.json" in caught.value.diag.message_detail
    deployment.execute("ALTER MODEL loadable PROMOTE VERSION 1")
    with pytest.raises(psycopg.Error, match="version 2 .* cannot be loaded") as refused:
        deployment.execute("ALTER MODEL loadable PROMOTE VERSION 2")
    assert refused.value.sqlstate == "55000"
    assert store.snapshot().by_alias("loadable").version == 1
    deployment.execute("DROP MODEL loadable")
    until([], store.load_failures)


def failure_of(deployment: Deployment, model: str) -> str | None:
    try:
        predicted(deployment, model)
    except psycopg.Error as error:
        return str(error)
    return None


def test_a_model_dropped_and_created_in_one_step_is_the_new_one(deployment: Deployment, store: PostgresStore) -> None:
    publish(deployment, store, "reborn", seed=1)
    until(None, lambda: failure_of(deployment, "reborn"))
    before = predicted(deployment, "reborn")
    store.drop_models(["reborn"])
    publish(deployment, store, "reborn", seed=2)
    until(True, lambda: failure_of(deployment, "reborn") is None and predicted(deployment, "reborn") != before)
    deployment.execute("DROP MODEL reborn")


def test_keys_that_share_their_slots_under_fixed_seeds_do_no_harm(deployment: Deployment, store: PostgresStore) -> None:
    path = publish(deployment, store, "crafted")
    until(None, lambda: failure_of(deployment, "crafted"))
    keys = nine_keys(SIZE.users + 9)
    rows = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (len(keys), 1))
    ones = np.ones(len(keys), np.int64)
    body = encode_block([
        (block.TINYINT, Column(np.ones(len(keys), np.int8))), (block.BIGINT, Column(keys)),
        (block.BIGINT, Column(ones)), (block.BIGINT, Column(ones)), (block.FLOAT, Column(rows)),
    ])  # fmt: skip
    log = FlinkWriter(path / "users" / "log" / "p0")
    log.begin()
    log.write(encode_frame(UPSERT, len(keys), body, 7))

    def answered() -> bool:
        with deployment.connect() as connection:
            found = connection.execute("SELECT count(DISTINCT predict('crafted', u, 1)) FROM unnest(%s::bigint[]) AS u",
                                       (keys.tolist(),)).fetchone()
        return found == (1,)

    until(True, answered)
    deployment.execute("DROP MODEL crafted")
