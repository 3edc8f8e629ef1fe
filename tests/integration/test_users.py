"""Users and the registry's owner in a real PostgreSQL: made, changed, removed, and taken over from an earlier version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Column
from flinkms_sql.catalog.users import Users, adopt
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres
from flinkms_sql.server.settings import FrontendSettings
from flinkms_sql.types import SqlType
from tests.running import running_postgres

pytestmark = pytest.mark.integration

COLUMNS = (Column(name="x", type=SqlType.BIGINT),)
EARLIER = """
ALTER ROLE flinkms CREATEDB CREATEROLE;
ALTER DATABASE flinkms OWNER TO flinkms;
ALTER ROLE flinkms IN DATABASE flinkms SET search_path = public;
"""
"""What earlier versions made of a new server."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    with running_postgres(tmp_path):
        yield tmp_path


def connect(data_dir: Path, user: str) -> closing[psycopg.Connection]:
    return closing(psycopg.connect(postgres.dsn(data_dir, user=user), autocommit=True))


def migrated(data_dir: Path) -> None:
    adopt(postgres.dsn(data_dir, user=postgres.SUPERUSER))
    with closing(PostgresStore(postgres.dsn(data_dir))) as store:
        store.migrate()


def test_a_registry_of_an_earlier_version_gets_its_owner_and_users_keep_their_tables(data_dir: Path) -> None:
    with connect(data_dir, postgres.SUPERUSER) as superuser:
        superuser.execute(EARLIER)
        superuser.execute("DROP ROLE flinkms_owner")
    with connect(data_dir, "flinkms") as earlier:
        for name in ("0001_registry", "0002_generation", "0003_missing_prediction"):
            earlier.execute(sqlfiles.load(f"catalog/{name}"))
            earlier.execute("INSERT INTO flinkms.migrations SELECT %s, encode(sha256(%s::bytea), 'hex') "
                            "WHERE to_regclass('flinkms.migrations') IS NOT NULL",
                            (f"catalog/{name}", sqlfiles.load(f"catalog/{name}").encode())) if name > "0002" else None
        earlier.execute("INSERT INTO flinkms.migrations SELECT %s, encode(sha256(%s::bytea), 'hex')",
                        ("catalog/0001_registry", sqlfiles.load("catalog/0001_registry").encode()))
        earlier.execute("""INSERT INTO flinkms.tables VALUES ('ev', 'stream', '[{"name": "x", "type": "BIGINT"}]', '{}', '', 'p')""")
        earlier.execute("CREATE TABLE ev (x bigint)")
        earlier.execute("CREATE TRIGGER flinkms_refuse_write BEFORE INSERT ON ev EXECUTE FUNCTION flinkms.refuse_write()")
        earlier.execute("CREATE FUNCTION predict(text, bigint) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8'")
        earlier.execute("COMMENT ON FUNCTION predict(text, bigint) IS 'flinkms stub'")
        earlier.execute("CREATE FUNCTION similar(text, bigint, int) RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'")
        earlier.execute("COMMENT ON FUNCTION similar(text, bigint, int) IS 'flinkms stub'")
        earlier.execute("CREATE TABLE mine AS SELECT 1 AS x")
        earlier.execute("CREATE TRIGGER flinkms_refuse_write BEFORE INSERT ON mine EXECUTE FUNCTION flinkms.refuse_write()")
        earlier.execute("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for _ in range(2):
        migrated(data_dir)
    with connect(data_dir, "flinkms") as client:
        owners = dict(client.execute("SELECT relname, relowner::regrole::text FROM pg_class WHERE relname IN "
                                     "('models', 'jobs', 'ev', 'mine') AND relkind = 'r'").fetchall())
        assert owners == {"models": "flinkms_owner", "jobs": "flinkms_owner", "ev": "flinkms_owner", "mine": "flinkms"}
        functions = dict(client.execute("SELECT proname, proowner::regrole::text FROM pg_proc "
                                        "WHERE proname IN ('predict', 'similar', 'mine', 'refuse_write')").fetchall())
        assert functions == {"predict": "flinkms_owner", "similar": "flinkms", "mine": "flinkms", "refuse_write": "flinkms_owner"}
        assert client.execute("SELECT x FROM mine").fetchone() == (1,)
        assert client.execute("SELECT name FROM flinkms.tables").fetchone() == ("ev",)
        assert client.execute("SELECT has_table_privilege('ev', 'INSERT'), pg_has_role('flinkms_deployer', 'USAGE')").fetchone() == (True, True)
        for statement in ("DELETE FROM flinkms.models", "DROP TABLE ev", "CREATE ROLE other", "DROP SCHEMA flinkms CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(statement)
    with closing(PostgresStore(postgres.dsn(data_dir))) as store:
        store.drop_tables(["ev"])


def test_no_mark_that_a_client_can_set_makes_a_thing_ours(data_dir: Path) -> None:
    migrated(data_dir)
    point = (Column(name="a", type=SqlType.BIGINT),)
    with closing(Users(postgres.dsn(data_dir))) as users, closing(PostgresStore(postgres.dsn(data_dir))) as store:
        users.put("eve", "reader")

        def declare(name: str, *inputs: Column) -> None:
            store.create_model(name=name, algorithm="ridge", inputs=inputs, outputs=COLUMNS, options={}, training_query=None,
                               definition="", recommends=False)

        with connect(data_dir, "eve") as eve:
            eve.execute("CREATE FUNCTION eve.evil(s text) RETURNS text SECURITY DEFINER LANGUAGE plpgsql "
                        "AS 'BEGIN EXECUTE s; RETURN current_user; END'")
            eve.execute("COMMENT ON FUNCTION eve.evil(text) IS 'flinkms stub'")
            eve.execute("CREATE TABLE eve.t (x int)")
            eve.execute("CREATE TRIGGER flinkms_refuse_write BEFORE UPDATE ON eve.t FOR EACH ROW "
                        "EXECUTE FUNCTION suppress_redundant_updates_trigger()")
            migrated(data_dir)
            assert eve.execute("SELECT eve.evil('SELECT 1')").fetchone() == ("eve",)
            assert eve.execute("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'eve.t'::regclass").fetchone() == ("eve",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                eve.execute("SELECT eve.evil('DELETE FROM flinkms.models')")
        with connect(data_dir, "flinkms") as client:
            for arguments in ("text, point", "text, bigint, bigint"):
                client.execute(f"CREATE FUNCTION public.predict({arguments}) RETURNS int LANGUAGE sql AS 'SELECT 1'")
                client.execute(f"COMMENT ON FUNCTION public.predict({arguments}) IS 'flinkms stub'")
            declare("one", *point)
            with pytest.raises(FlinkmsError) as raised:
                declare("two", *point * 2)
            assert (raised.value.sqlstate, raised.value.message) == (
                errors.DUPLICATE_FUNCTION, "function public.predict(text, bigint, bigint) already exists and is not ours")
            store.drop_models(["one"])
            client.execute("DROP FUNCTION public.predict(text, bigint, bigint)")
            declare("two", *point * 2)
            assert client.execute("SELECT count(*) FROM pg_proc WHERE proname = 'predict'").fetchone() == (2,)


def test_users_are_made_changed_and_removed(data_dir: Path) -> None:
    migrated(data_dir)
    with closing(Users(postgres.dsn(data_dir))) as users:
        assert users.all() == {"flinkms": "deployer"}
        users.put("Ann O'Neil", "reader")
        users.put("bob", "writer")
        users.put("bob", "deployer")
        wanted = {"bob": None, "cy": None, "dee": "writer", "Ann O'Neil": "writer"}
        assert users.ensure(wanted) == {"cy": "reader", "dee": "writer", "Ann O'Neil": "writer"}
        assert users.ensure(wanted) == {}
        assert users.all() == {"flinkms": "deployer", "Ann O'Neil": "writer", "bob": "deployer", "cy": "reader", "dee": "writer"}
        with connect(data_dir, "bob") as bob:
            bob.execute("CREATE TABLE bob.kept (x int)")
        with pytest.raises(FlinkmsError) as raised:
            users.remove("bob")
        assert raised.value.sqlstate == "2BP01"
        with connect(data_dir, "bob") as bob:
            bob.execute("DROP TABLE bob.kept")
        for name in ("bob", "Ann O'Neil", "cy", "dee", "flinkms"):
            users.remove(name)
        assert users.all() == {}
        for name in ("flinkms_owner", "postgres", "nobody"):
            with pytest.raises(FlinkmsError, match="does not exist"):
                users.remove(name)
        for name in ("flinkms_owner", "pg_monitor", "postgres", "public", "", "a:b", "x" * 64, "line\nbreak"):
            with pytest.raises(FlinkmsError) as raised:
                users.put(name, "reader")
            assert raised.value.sqlstate == errors.INVALID_PARAMETER_VALUE


def test_a_change_waits_a_bounded_time_for_a_client_that_holds_a_shadow(data_dir: Path) -> None:
    migrated(data_dir)
    with closing(PostgresStore(postgres.dsn(data_dir))) as store, connect(data_dir, "flinkms") as client:
        store.create_table(name="ev", kind="stream", columns=COLUMNS, options={}, definition="", path="p")
        client.execute("BEGIN")
        client.execute("LOCK TABLE ev IN ACCESS SHARE MODE")
        with pytest.raises(FlinkmsError) as raised:
            store.drop_tables(["ev"])
        assert raised.value.sqlstate == "55P03"
        assert "ev" in store.snapshot().tables
        client.execute("COMMIT")
        store.drop_tables(["ev"])


def test_nothing_a_client_has_made_is_run_by_the_owner(data_dir: Path) -> None:
    migrated(data_dir)
    trap = "LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END'"
    with connect(data_dir, "flinkms") as client:
        for function in ("now() RETURNS timestamptz", "to_regclass(text) RETURNS regclass", "coalesce_(jsonb) RETURNS jsonb",
                         "obj_description(oid, text) RETURNS text", "set_config(text, text, boolean) RETURNS text",
                         "pg_notify(text, text) RETURNS void", "clock_timestamp() RETURNS timestamptz"):
            client.execute(f"CREATE FUNCTION public.{function} {trap}")
        client.execute(f"CREATE FUNCTION public.trap(text, text) RETURNS boolean {trap}")
        client.execute("CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap)")
        client.execute("CREATE TABLE public.generation (value bigint)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("ALTER ROLE flinkms_owner SET search_path = public")
    with closing(PostgresStore(postgres.dsn(data_dir))) as store:
        store.create_table(name="ev", kind="stream", columns=COLUMNS, options={}, definition="", path="p")
        store.create_model(name="m", algorithm="als", inputs=COLUMNS * 2, outputs=COLUMNS, options={}, training_query=None,
                           definition="", recommends=True)
        store.begin_version("m", directory="d", options={})
        store.drop_models(["m"])
        store.drop_tables(["ev"])


def test_clients_cannot_take_the_owners_connections(data_dir: Path) -> None:
    migrated(data_dir)
    with ExitStack() as held:
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            for _ in range(postgres.CONNECTIONS_MAX):
                held.enter_context(connect(data_dir, "flinkms"))
        with closing(PostgresStore(postgres.dsn(data_dir))) as store:
            store.create_table(name="ev", kind="stream", columns=COLUMNS, options={}, definition="", path="p")
            store.drop_tables(["ev"])


def test_the_frontend_lets_fewer_sessions_connect_than_the_server(data_dir: Path) -> None:
    with connect(data_dir, postgres.SUPERUSER) as superuser:
        names = ("max_connections", "reserved_connections", "superuser_reserved_connections")
        most, owners, superusers = (int(superuser.execute("SELECT current_setting(%s)", (name,)).fetchone()[0]) for name in names)
    settings = FrontendSettings()
    assert settings.links_of_user_max < settings.links_max < most - owners - superusers
