"""What only the PostgreSQL store has: migrations, shadows, reconnecting, snapshots for an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.asynchronous import SnapshotReader
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Column, TrainingOutcome
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres
from flinkms_sql.types import SqlType
from tests.running import make_passable, running, wait_for

pytestmark = pytest.mark.integration

USER, ITEM = Column(name="user_id", type=SqlType.BIGINT), Column(name="item id", type=SqlType.STRING)
RATING = Column(name="rating", type=SqlType.DOUBLE)
OUTCOME = TrainingOutcome(training_rows=1, duration_ms=1, code_hash="ab" * 32)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("control")
    make_passable(directory)
    with running([postgres.part(directory)], directory) as held:
        held.wait_ready()
        yield directory


@pytest.fixture
def store(data_dir: Path) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres.dsn(data_dir))) as opened:
        opened.migrate()
        yield opened
    with psycopg.connect(postgres.dsn(data_dir), autocommit=True) as connection:
        connection.execute("DROP SCHEMA flinkms, public CASCADE")
        connection.execute("CREATE SCHEMA public")


@pytest.fixture
def client(data_dir: Path) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.dsn(data_dir), autocommit=True) as connection:
        yield connection


def model(store: PostgresStore, name: str, inputs: tuple[Column, ...], *, recommends: bool = False) -> None:
    store.create_model(name=name, algorithm="als", inputs=inputs, outputs=(RATING,), options={}, training_query=None,
                       definition="CREATE MODEL …", recommends=recommends)


def stubs(client: psycopg.Connection) -> set[str]:
    found = client.execute("SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' FROM pg_proc p "
                           "WHERE pronamespace = 'public'::regnamespace")
    return {row[0] for row in found}


def test_the_role_of_the_registry_is_no_superuser(client: psycopg.Connection) -> None:
    assert client.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
        "flinkms_owner", False)
    assert client.execute("SHOW fsync").fetchone() == ("on",)


def test_a_changed_migration_is_refused(store: PostgresStore, client: psycopg.Connection) -> None:
    client.execute("UPDATE flinkms.migrations SET sha256 = 'x' WHERE name = 'catalog/0001_registry'")
    with pytest.raises(FlinkmsError, match="migration catalog/0001_registry was changed"):
        store.migrate()


def test_a_table_has_a_shadow_that_describes_and_refuses(store: PostgresStore, client: psycopg.Connection) -> None:
    store.create_table(name='odd "name', kind="stream", columns=(USER, ITEM), options={}, definition="", path=None)
    cursor = client.execute('SELECT * FROM "odd ""name"')
    assert [(column.name, column.type_code) for column in cursor.description] == [("user_id", 20), ("item id", 25)]
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="lives in Flink"):
        client.execute('INSERT INTO "odd ""name" VALUES (1, \'x\')')
    store.drop_tables(['odd "name'])
    with pytest.raises(psycopg.errors.UndefinedTable):
        client.execute('SELECT * FROM "odd ""name"')


def test_a_shadow_never_replaces_a_table_of_the_user(store: PostgresStore, client: psycopg.Connection) -> None:
    client.execute("CREATE TABLE movies (id integer)")
    with pytest.raises(FlinkmsError) as raised:
        store.create_table(name="movies", kind="flink", columns=(USER,), options={}, definition="", path=None)
    assert raised.value.sqlstate == errors.DUPLICATE_TABLE
    assert "movies" not in store.snapshot().tables


def test_models_share_stubs_by_signature(store: PostgresStore, client: psycopg.Connection) -> None:
    model(store, "rec", (USER, ITEM), recommends=True)
    model(store, "same", (USER, ITEM))
    model(store, "text", (Column(name="features", type=SqlType.DOUBLE_ARRAY),))
    expected = {"predict(model text, bigint, text)", "predict(model text, double precision[])",
                "recommend(model text, key bigint, k integer)", "similar(model text, key text, k integer)"}
    assert stubs(client) == expected
    with pytest.raises(psycopg.errors.FeatureNotSupported) as raised:
        client.execute("SELECT predict('rec', 42, 'x')")
    assert raised.value.diag.message_hint == "Connect to the flinkms frontend."
    store.drop_models(["rec"])
    assert stubs(client) == {"predict(model text, bigint, text)", "predict(model text, double precision[])"}
    client.execute("CREATE VIEW scored AS SELECT predict('text', ARRAY[1.0::float8])")
    store.drop_models(["text"])
    assert "predict(model text, double precision[])" in stubs(client)


def test_functions_of_the_user_are_left_alone(store: PostgresStore, client: psycopg.Connection) -> None:
    client.execute("CREATE FUNCTION predict(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x'")
    model(store, "rec", (USER, ITEM))
    store.drop_models(["rec"])
    assert stubs(client) == {"predict(x integer)"}


def test_a_store_survives_the_loss_of_its_connection(store: PostgresStore, client: psycopg.Connection) -> None:
    store.snapshot()
    client.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flinkms'")
    assert store.snapshot().models == {}


def test_no_server_is_08006(tmp_path: Path) -> None:
    with pytest.raises(FlinkmsError) as raised:
        PostgresStore(f"host={tmp_path} dbname=flinkms").snapshot()
    assert raised.value.sqlstate == errors.CONNECTION_FAILURE


def test_an_event_loop_sees_each_change(store: PostgresStore, data_dir: Path) -> None:
    async def follow() -> list[int]:
        seen = []
        async for snapshot in SnapshotReader(postgres.dsn(data_dir)).snapshots():
            seen.append(len(snapshot.versions))
            if len(seen) == 3:
                return seen
            version = await asyncio.to_thread(store.begin_version, "rec", directory="/m", options={})
            await asyncio.to_thread(store.publish_version, version, OUTCOME)
        raise AssertionError("the news ended")

    model(store, "rec", (USER, ITEM))
    assert asyncio.run(asyncio.wait_for(follow(), 20))[-1] >= 1


def test_what_was_published_survives_kill_9(tmp_path: Path) -> None:
    with running([postgres.part(tmp_path)], tmp_path) as held:
        held.wait_ready()
        with closing(PostgresStore(postgres.dsn(tmp_path))) as store:
            store.migrate()
            model(store, "rec", (USER, ITEM))
            store.begin_version("rec", directory="/m", options={})
            store.publish_version(store.version("rec", 1), OUTCOME)
            before = store.snapshot()
            os.kill(held.parts["postgres"].process.pid, signal.SIGKILL)
            wait_for(lambda: held.parts["postgres"].restarts >= 1)
            held.wait_ready()
            assert store.snapshot() == before
