"""Users and the registry's owner in a real PostgreSQL: made, changed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.adopting import adopt
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Column
from flinkms_sql.catalog.users import Users
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres
from flinkms_sql.server.settings import FrontendSettings
from flinkms_sql.types import SqlType
from tests.running import renew, running_postgres

pytestmark = pytest.mark.integration

COLUMNS = (Column(name="x", type=SqlType.BIGINT),)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("server")
    with running_postgres(folder):
        yield folder


@pytest.fixture
def data_dir(server: Path) -> Path:
    """The directory of a server that has nothing in it yet."""
    renew(server)
    return server


def connect(data_dir: Path, user: str) -> closing[psycopg.Connection]:
    return closing(psycopg.connect(postgres.dsn(data_dir, user=user), autocommit=True))


def migrated(data_dir: Path) -> None:
    adopt(postgres.dsn(data_dir, user=postgres.SUPERUSER))
    with closing(PostgresStore(postgres.dsn(data_dir))) as store:
        store.migrate()


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
        users.put("flinkms", "deployer")
        assert users.all() == {"flinkms": "deployer"}
        for name in ("flinkms_owner", "postgres", "nobody"):
            with pytest.raises(FlinkmsError, match="does not exist"):
                users.remove(name)
        for name in ("flinkms_owner", "pg_monitor", "postgres", "public", "", "a:b", "x" * 64, "line\nbreak"):
            with pytest.raises(FlinkmsError) as raised:
                users.put(name, "reader")
            assert raised.value.sqlstate == errors.INVALID_PARAMETER_VALUE


def test_a_user_is_made_of_no_role_and_no_schema_that_is_somebody_elses(data_dir: Path) -> None:
    migrated(data_dir)
    with connect(data_dir, "flinkms") as deployer, connect(data_dir, postgres.SUPERUSER) as superuser, closing(
            Users(postgres.dsn(data_dir))) as users:
        deployer.execute("CREATE SCHEMA bob")
        for statement in ("CREATE ROLE robot LOGIN", "CREATE ROLE boss LOGIN SUPERUSER", "CREATE ROLE second LOGIN",
                          "GRANT flinkms_owner, flinkms_reader TO second", "CREATE ROLE crew"):
            superuser.execute(statement)
        taken = {"bob": errors.DUPLICATE_SCHEMA, "information_schema": errors.DUPLICATE_SCHEMA,
                 **dict.fromkeys(("robot", "boss", "second", "crew"), errors.DUPLICATE_OBJECT)}
        for name, sqlstate in taken.items():
            with pytest.raises(FlinkmsError, match="already exists") as raised:
                users.put(name, "reader")
            assert raised.value.sqlstate == sqlstate
        assert {name: refused.sqlstate for name, refused in users.ensure(dict.fromkeys(taken)).items()} == taken
        assert users.all() == {"flinkms": "deployer"}
        assert superuser.execute("SELECT to_regrole('bob'), count(*) FROM pg_auth_members WHERE member = 'robot'::regrole"
                                 ).fetchone() == (None, 0)
        superuser.execute("GRANT flinkms_reader TO robot")
        users.put("robot", "writer")
        deployer.execute("DROP SCHEMA bob")
        users.put("bob", "reader")
        assert users.all() == {"bob": "reader", "flinkms": "deployer", "robot": "writer"}


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
