"""A registry that a client's role owned, as in data directories of earlier versions: whose it becomes, and what stays behind."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.adopting import adopt
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.catalog.records import Column
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres
from flinkms_sql.types import SqlType
from tests.running import renew, running_postgres

pytestmark = pytest.mark.integration

COLUMNS = (Column(name="x", type=SqlType.BIGINT),)
EARLIER = """
ALTER ROLE flinkms CREATEDB CREATEROLE;
ALTER DATABASE flinkms OWNER TO flinkms;
ALTER ROLE flinkms IN DATABASE flinkms SET search_path = public;
"""
"""What earlier versions made of a new server."""

ROWS = """
INSERT INTO flinkms.tables VALUES ('ev', 'stream', '[{"name": "x", "type": "BIGINT"}]', '{}', '', 'p');
INSERT INTO flinkms.models (name, algorithm, inputs, outputs, options, definition)
    VALUES ('m', 'als', '[{"name": "u", "type": "BIGINT"}, {"name": "i", "type": "BIGINT"}]', '[{"name": "r", "type": "DOUBLE"}]', '{}', '');
INSERT INTO flinkms.model_versions (model, version, state, path, options) VALUES ('m', 1, 'ready', 'd', '{}');
INSERT INTO flinkms.model_aliases VALUES ('m', 'live', 1);
INSERT INTO flinkms.jobs (kind, model, version, statement, query) VALUES ('train', 'm', 1, '', E'tab\\t\n"quoted"'), ('train', 'm', 1, '', '');
CREATE TABLE ev (x bigint);
CREATE TRIGGER flinkms_refuse_write BEFORE INSERT ON ev EXECUTE FUNCTION flinkms.refuse_write();
CREATE FUNCTION predict(text, bigint, bigint) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8';
COMMENT ON FUNCTION predict(text, bigint, bigint) IS 'flinkms stub';
CREATE VIEW seen AS SELECT x, predict('m', x, x) FROM ev;
CREATE TABLE mine AS SELECT 1 AS x;
CREATE TRIGGER flinkms_refuse_write BEFORE INSERT ON mine EXECUTE FUNCTION flinkms.refuse_write();
CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""

TRAP = "LANGUAGE plpgsql AS $$ BEGIN IF session_user <> 'flinkms' THEN RAISE EXCEPTION 'trapped %', session_user; END IF; RETURN {}; END $$;"
PLANTED = f"""
CREATE ROLE eve LOGIN;
CREATE FUNCTION public.trap() RETURNS trigger {TRAP.format("NEW")}
CREATE FUNCTION public.trapped(anyelement) RETURNS boolean IMMUTABLE {TRAP.format("true")}
CREATE FUNCTION flinkms.to_regclass(name) RETURNS regclass {TRAP.format("NULL")}
CREATE FUNCTION flinkms.clock_timestamp() RETURNS timestamptz {TRAP.format("now()")}
CREATE OR REPLACE FUNCTION flinkms.notify_changed() RETURNS trigger {TRAP.format("NULL")}
CREATE OR REPLACE FUNCTION flinkms.raise_generation() RETURNS trigger SECURITY DEFINER {TRAP.format("NULL")}
CREATE TRIGGER mine BEFORE INSERT OR UPDATE OR DELETE ON flinkms.models FOR EACH ROW EXECUTE FUNCTION public.trap();
CREATE TRIGGER mine BEFORE INSERT ON public.ev FOR EACH ROW EXECUTE FUNCTION public.trap();
CREATE RULE mine AS ON UPDATE TO flinkms.jobs DO ALSO DELETE FROM flinkms.models;
CREATE RULE mine AS ON INSERT TO public.ev DO INSTEAD NOTHING;
CREATE INDEX mine ON flinkms.models (public.trapped(1));
CREATE UNIQUE INDEX mine_too ON flinkms.jobs (id) WHERE public.trapped(1);
ALTER TABLE flinkms.models ADD CONSTRAINT planted CHECK (public.trapped(1)), ADD COLUMN extra int DEFAULT 1;
ALTER TABLE flinkms.jobs ALTER COLUMN query SET DEFAULT 'x', ALTER COLUMN statement DROP NOT NULL;
ALTER TABLE flinkms.model_metrics DROP CONSTRAINT model_metrics_model_fkey;
ALTER TABLE flinkms.tables ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY planted ON flinkms.tables USING (public.trapped(1));
CREATE POLICY planted ON public.ev USING (public.trapped(1));
CREATE TABLE flinkms.planted (x int);
CREATE VIEW flinkms.exclusive AS SELECT public.trapped(1);
CREATE TYPE flinkms.planted_type AS (x int);
CREATE OPERATOR flinkms.= (LEFTARG = int, RIGHTARG = bigint, FUNCTION = pg_catalog.int48eq);
ALTER DEFAULT PRIVILEGES IN SCHEMA flinkms GRANT ALL ON TABLES TO eve;
GRANT ALL ON SCHEMA flinkms TO eve WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA flinkms TO eve WITH GRANT OPTION;
GRANT ALL ON DATABASE flinkms TO PUBLIC, eve;
GRANT ALL ON SCHEMA public TO PUBLIC, eve;
ALTER DATABASE flinkms SET default_transaction_read_only = on;
ALTER DATABASE flinkms SET role = 'flinkms';
ALTER DATABASE flinkms SET search_path = public, pg_catalog;
ALTER ROLE flinkms SET DateStyle = 'German';
CREATE FUNCTION public.pg_has_role(oid, name, text) RETURNS boolean {TRAP.format("true")}
CREATE FUNCTION public.pg_has_role(text, text, text) RETURNS boolean {TRAP.format("true")}
CREATE VIEW public.pg_namespace AS SELECT 'flinkms' AS nspname, oid AS nspowner FROM pg_roles WHERE rolname = 'flinkms';
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a server."""
    data_dir = tmp_path_factory.mktemp("server")
    with running_postgres(data_dir):
        yield data_dir


@pytest.fixture
def data_dir(server: Path) -> Iterator[Path]:
    """That of a server in which an earlier version has run."""
    renew(server)
    with connect(server, postgres.SUPERUSER) as superuser:
        superuser.execute(EARLIER)
        superuser.execute("DROP ROLE flinkms_owner")
    with connect(server, "flinkms") as earlier:
        names = ("catalog/0001_registry", "catalog/0002_generation", "catalog/0003_missing_prediction")
        for name in names:
            earlier.execute(sqlfiles.load(name))
        for name in names:
            earlier.execute("INSERT INTO flinkms.migrations VALUES (%s, %s)",
                            (name, hashlib.sha256(sqlfiles.load(name).encode()).hexdigest()))
        earlier.execute(ROWS)
    yield server


def connect(data_dir: Path, user: str) -> closing[psycopg.Connection]:
    return closing(psycopg.connect(postgres.dsn(data_dir, user=user), autocommit=True))


def started(superuser: str, owner: str) -> None:
    """What each start does."""
    adopt(superuser)
    with closing(PostgresStore(owner)) as store:
        store.migrate()


def schema_of(dsn: str) -> list[str]:
    """All that is in schema flinkms, as pg_dump writes it."""
    done = subprocess.run([str(postgres.bin_dir() / "pg_dump"), "--schema-only", "--schema=flinkms", "--dbname", dsn],
                          capture_output=True, text=True, check=True)
    # A word of its own in each run keeps psql from meta-commands.
    return [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


def test_a_registry_of_an_earlier_version_gets_its_owner_and_users_keep_what_is_theirs(data_dir: Path) -> None:
    for _ in range(2):
        started(postgres.dsn(data_dir, user=postgres.SUPERUSER), postgres.dsn(data_dir))
    with connect(data_dir, "flinkms") as client:
        owners = dict(client.execute("SELECT oid::regclass::text, relowner::regrole::text FROM pg_class WHERE oid = ANY "
                                     "('{flinkms.models,flinkms.jobs,ev,seen,mine,flinkms_former.models}'::regclass[])").fetchall())
        assert owners == {"flinkms.models": "flinkms_owner", "flinkms.jobs": "flinkms_owner", "ev": "flinkms_owner",
                          "seen": "flinkms", "mine": "flinkms", "flinkms_former.models": "flinkms"}
        functions = dict(client.execute("SELECT oid::regproc::text, proowner::regrole::text FROM pg_proc "
                                        "WHERE proname IN ('predict', 'mine', 'refuse_write')").fetchall())
        assert functions == {"predict": "flinkms_owner", "flinkms_former_public.predict": "flinkms", "mine": "flinkms",
                             "flinkms.refuse_write": "flinkms_owner", "flinkms_former.refuse_write": "flinkms"}
        assert client.execute("SELECT * FROM seen").fetchall() == []
        assert client.execute("SELECT x FROM mine").fetchone() == (1,)
        assert client.execute("SELECT name, path FROM flinkms.tables").fetchall() == [("ev", "p")]
        assert client.execute("SELECT id, model, query FROM flinkms.jobs ORDER BY id").fetchall() == [(1, "m", 'tab\t\n"quoted"'), (2, "m", "")]
        assert client.execute("SELECT model, alias, version, path FROM flinkms.model_aliases JOIN flinkms.model_versions "
                              "USING (model, version)").fetchall() == [("m", "live", 1, "d")]
        assert client.execute("SELECT has_table_privilege('ev', 'INSERT'), pg_has_role('flinkms_deployer', 'USAGE')").fetchone() == (True, True)
        for statement in ("DELETE FROM flinkms.models", "DROP TABLE ev", "CREATE ROLE other", "DROP SCHEMA flinkms CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(statement)
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            client.execute("INSERT INTO ev VALUES (1)")
        client.execute("DROP SCHEMA flinkms_former CASCADE")
        client.execute("DROP SCHEMA flinkms_former_public CASCADE")
        assert client.execute("SELECT x FROM mine").fetchone() == (1,)
    with closing(PostgresStore(postgres.dsn(data_dir))) as store:
        store.drop_models(["m"])
        store.drop_tables(["ev"])


def test_what_a_client_has_put_into_the_registry_stays_behind(data_dir: Path) -> None:
    superuser, owner = postgres.dsn(data_dir, user=postgres.SUPERUSER), postgres.dsn(data_dir)
    with connect(data_dir, "flinkms") as earlier:
        earlier.execute(PLANTED)
    started(superuser, owner)
    with connect(data_dir, postgres.SUPERUSER) as admin:
        admin.execute("CREATE DATABASE fresh OWNER flinkms_owner")
    fresh = [dsn.replace("dbname=flinkms", "dbname=fresh") for dsn in (superuser, owner)]
    started(*fresh)
    expected = schema_of(fresh[0])
    assert len(expected) > 100
    assert schema_of(superuser) == expected
    with closing(PostgresStore(owner)) as store:
        store.create_table(name="more", kind="stream", columns=COLUMNS, options={}, definition="", path="p")
        store.begin_version("m", directory="d", options={})
        store.drop_models(["m"])
        store.drop_tables(["ev", "more"])
    with connect(data_dir, "eve") as eve:
        for statement in ("SELECT * FROM flinkms.models", "DELETE FROM flinkms.models", "CREATE TABLE flinkms.t (x int)",
                          "CREATE SCHEMA mine", "CREATE TABLE public.t (x int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                eve.execute(statement)


def test_a_role_of_our_names_that_a_client_has_made_is_not_taken_for_ours(data_dir: Path) -> None:
    superuser = postgres.dsn(data_dir, user=postgres.SUPERUSER)
    with connect(data_dir, "flinkms") as earlier:
        earlier.execute("CREATE ROLE helper CREATEROLE LOGIN")
    with connect(data_dir, "helper") as helper:
        helper.execute("SET createrole_self_grant = 'set, inherit'")
        helper.execute("CREATE ROLE flinkms_owner LOGIN CREATEROLE")
        helper.execute("GRANT flinkms_owner TO flinkms")
    with connect(data_dir, "flinkms") as earlier:
        earlier.execute("GRANT CREATE ON DATABASE flinkms TO flinkms_owner")
        earlier.execute("ALTER SCHEMA flinkms OWNER TO flinkms_owner")
    with connect(data_dir, "helper") as helper:
        helper.execute("REVOKE flinkms_owner FROM flinkms")
    with connect(data_dir, "flinkms") as earlier:
        earlier.execute("DROP ROLE helper")
    with pytest.raises(FlinkmsError, match="role flinkms_owner was made by a client") as raised:
        adopt(superuser)
    assert raised.value.sqlstate == errors.OBJECT_NOT_IN_PREREQUISITE_STATE


@pytest.mark.parametrize("planted", [
    """INSERT INTO flinkms.tables VALUES ('odd', 'stream', '[{"name": "x", "type": "NOTHING"}]', '{}', '', 'p')""",
    "ALTER TABLE flinkms.models RENAME TO others", "ALTER TABLE flinkms.jobs DROP COLUMN query CASCADE",
    "DROP SCHEMA flinkms CASCADE; CREATE SCHEMA flinkms", "CREATE SCHEMA flinkms_former",
    "ALTER TABLE flinkms.tables DROP CONSTRAINT tables_pkey; INSERT INTO flinkms.tables SELECT * FROM flinkms.tables",
])
def test_what_cannot_be_taken_over_is_said_and_nothing_is_changed(data_dir: Path, planted: str) -> None:
    with connect(data_dir, "flinkms") as earlier:
        earlier.execute(planted)
        before = schema_of(postgres.dsn(data_dir, user="flinkms"))
        with pytest.raises(FlinkmsError):
            adopt(postgres.dsn(data_dir, user=postgres.SUPERUSER))
        assert schema_of(postgres.dsn(data_dir, user="flinkms")) == before
        assert earlier.execute("SELECT to_regrole('flinkms_owner')").fetchone() == (None,)
