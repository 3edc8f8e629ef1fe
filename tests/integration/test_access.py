"""An attacker's test: what each kind of client tries to read, write or delete outside of its reach, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from flinkms_sql.app import control_dsn
from flinkms_sql.catalog.roles import ROLES
from flinkms_sql.catalog.users import Users
from flinkms_sql.runtime import postgres
from flinkms_sql.settings import DATABASE
from flinkms_sql.tableoptions import CONNECTORS, Meaning
from tests.attempts import BEFORE, DENIED, NOBODYS, READERS, REGISTRY, lines
from tests.deployment import Deployment

pytestmark = pytest.mark.integration

CLIENTS = ("access_reader", "access_writer", "access_deployer", "flinkms")
InsufficientPrivilege = psycopg.errors.InsufficientPrivilege


@pytest.fixture(scope="module")
def users(deployment: Deployment) -> Iterator[Deployment]:
    """The shared deployment, with a user of each kind and a stream."""
    with closing(Users(control_dsn(deployment.settings))) as made:
        for role in ROLES:
            made.put(f"access_{role}", role)
        made.put("access_victim", "writer")
    deployment.execute("CREATE TABLE access_sink (u BIGINT, x DOUBLE) WITH ('connector' = 'blackhole')")
    deployment.execute("CREATE TABLE access_events (u BIGINT, x DOUBLE) WITH ('connector' = 'flinkms')")
    deployment.execute("CREATE MODEL access_model INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) "
                       "WITH ('algorithm' = 'als', 'factors' = '2')")
    yield deployment
    deployment.execute("DROP MODEL access_model")
    deployment.execute("DROP TABLE access_events")
    deployment.execute("DROP TABLE access_sink")
    with closing(Users(control_dsn(deployment.settings))) as made:
        for name in ("victim", *ROLES):
            made.remove(f"access_{name}")


@contextmanager
def client(deployment: Deployment, user: str, **options: str) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(host=deployment.settings.host, port=deployment.settings.port, dbname=DATABASE, user=user,
                                 autocommit=True, **options)) as connection:
        yield connection


def refused(connection: psycopg.Connection, statement: str | sql.Composable, sqlstate: str = "42501") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement)
    assert raised.value.sqlstate == sqlstate, f"{statement}: {raised.value}"
    return raised.value


def registry_tables(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """(table, one of its columns) of the registry."""
    return connection.execute("SELECT table_name, min(column_name) FROM information_schema.columns "
                              "WHERE table_schema = 'flinkms' GROUP BY 1 ORDER BY 1").fetchall()


@pytest.mark.parametrize("user", CLIENTS)
def test_the_registry_is_read_and_never_written_by_clients(users: Deployment, user: str) -> None:
    with client(users, user) as connection:
        found = registry_tables(connection)
        assert len(found) >= 9
        for table, column in found:
            target, name = sql.Identifier("flinkms", table), sql.Identifier(column)
            connection.execute(sql.SQL("SELECT * FROM {}").format(target))
            for attempt in lines(REGISTRY):
                refused(connection, sql.SQL(attempt).format(table=target, column=name))
            # Without anything to grant, PostgreSQL only warns.
            connection.execute(sql.SQL("GRANT ALL ON {} TO CURRENT_USER").format(target))
            granted = connection.execute("SELECT has_table_privilege(%s, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')",
                                         (f'flinkms."{table}"',)).fetchone()
            assert granted == (False,)


def test_two_inserts_no_longer_make_the_runner_delete_a_directory(users: Deployment, tmp_path: Path) -> None:
    for user in ("access_deployer", "flinkms"):
        with client(users, user) as connection:
            refused(connection, sql.SQL("INSERT INTO flinkms.model_versions (model, version, state, path, options) "
                                        "VALUES ('access_model', 9, 'training', {}, '{{}}')").format(str(tmp_path)))
            refused(connection, "INSERT INTO flinkms.jobs (kind, model, version, statement, query) "
                                "VALUES ('train', 'access_model', 9, '', 'SELECT 1')")
    assert tmp_path.exists()


def test_every_attempt_fails_for_its_own_reason(users: Deployment) -> None:
    """Not with any error: an attempt that fails for another one says nothing about rights."""
    with client(users, "access_victim") as other:
        victim = str(other.execute("SELECT pg_backend_pid()").fetchone()[0])
        wrong = []
        for user in CLIENTS:
            attempts = [("42501", one) for one in lines(DENIED)] + [(state, one) for state in NOBODYS for one in lines(NOBODYS[state])]
            if user in ("access_reader", "access_writer"):
                attempts += [("42501", one) for one in lines(READERS)]
            attempts.append(("42501" if user == "access_reader" else "0A000", "DO $$ BEGIN INSERT INTO access_events VALUES (1, 1); END $$"))
            with client(users, user) as connection:
                for statement in BEFORE.split(";\n"):
                    connection.execute(statement)
                for expected, attempt in attempts:
                    try:
                        connection.execute(attempt.replace("{victim}", victim))
                        wrong.append((user, attempt, expected, "it may"))
                    except psycopg.Error as error:
                        if error.sqlstate != expected:
                            wrong.append((user, attempt, expected, repr(error)))
                # Without anything to grant, PostgreSQL only warns.
                for grant in ("ALL ON ALL TABLES IN SCHEMA public", "ALL ON ALL TABLES IN SCHEMA flinkms", "CREATE ON SCHEMA flinkms",
                              "ALL ON access_events"):
                    connection.execute(f"GRANT {grant} TO PUBLIC")
                assert connection.execute(
                    "SELECT has_schema_privilege('flinkms', 'CREATE'), has_schema_privilege('access_victim', 'USAGE'), "
                    "has_table_privilege('access_events', 'UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')"
                ).fetchone() == (False, False, False)
        assert wrong == []
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_what_each_kind_of_user_may(users: Deployment) -> None:
    insert, deploy = "INSERT INTO access_events VALUES (1, 2.0)", "CREATE TABLE access_more (x BIGINT) WITH ('connector' = 'flinkms')"
    deploying = (deploy, "DROP TABLE access_events", "DROP MODEL access_model", "REFRESH MODEL access_model", "STOP JOB 1",
                 "ALTER MODEL access_model ROLLBACK", "ALTER MODEL access_model SET ('factors' = '3')",
                 "INSERT INTO MODEL access_model SELECT u, u, x FROM access_events",
                 "EVALUATE MODEL access_model USING SELECT u, u, x FROM access_events",
                 "CREATE MODEL access_other INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als')")
    for role in ROLES:
        with client(users, f"access_{role}") as connection:
            assert connection.execute("SHOW MODELS").fetchall()
            for question in ("SELECT predict('access_model', 1, 2)", "SELECT predict('access_model', g, 1) FROM generate_series(1, 2) g"):
                refused(connection, question, "55000")  # allowed, but not trained
            if role == "reader":
                assert str(refused(connection, insert)).startswith("permission denied for table access_events")
                refused(connection, "INSERT INTO access_events SELECT g, g FROM generate_series(1, 3) g")
                refused(connection, "EXPLAIN " + insert)
            else:
                assert connection.execute(insert).rowcount == 1
            if role == "deployer":
                connection.execute(deploy)
                connection.execute("DROP TABLE access_more")
            else:
                for statement in deploying:
                    assert str(refused(connection, statement)).startswith("permission denied to deploy")
            connection.execute(sql.SQL("CREATE TABLE {} (x int)").format(sql.Identifier(f"access_{role}", "own")))
            connection.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(sql.Identifier(f"access_{role}", "own")))
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"access_{role}", "own")))
    with client(users, "access_reader") as connection:
        refused(connection, "CREATE TABLE access_writer.mine (x int)")


def test_nobody_comes_in_as_somebody_that_is_no_client(users: Deployment) -> None:
    for name in ("flinkms_owner", "postgres", "nobody", "flinkms_deployer", "pg_read_all_data"):
        with pytest.raises(psycopg.OperationalError, match="does not exist|not permitted to log in"), client(users, name):
            pass


def test_the_role_that_is_set_is_the_one_that_counts(users: Deployment) -> None:
    insert, point = "INSERT INTO access_events VALUES (5, 6.0)", "SELECT predict('access_model', 1, 2)"
    with client(users, "access_deployer") as connection:
        connection.execute("SET ROLE flinkms_reader")
        refused(connection, insert)
        assert str(refused(connection, "DROP MODEL access_model")).startswith("permission denied to deploy")
        refused(connection, point, "55000")
        connection.execute("RESET ROLE")
        assert connection.execute(insert).rowcount == 1
        with connection.transaction():
            connection.execute("SET LOCAL ROLE flinkms_reader")
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(insert)
        assert connection.execute(insert).rowcount == 1
        with pytest.raises(psycopg.Error), connection.transaction():
            connection.execute("SET ROLE flinkms_reader")
            connection.execute("SELECT 1/0")
        assert connection.execute(insert).rowcount == 1
        connection.execute("DO $$ BEGIN PERFORM set_config('role', 'flinkms_reader', false); END $$")
        refused(connection, insert)
    with client(users, "access_deployer", options="-c role=flinkms_reader") as connection:
        refused(connection, insert)
    for options in ("-c role=flinkms_deployer", "-c role=flinkms_owner", "-c session_authorization=flinkms_owner"):
        with pytest.raises(psycopg.Error), client(users, "access_reader", options=options) as connection:
            assert connection.execute("SELECT current_user = session_user, session_user").fetchone() == (True, "access_reader")
            connection.execute(insert)
            pytest.fail("it may not")
    with client(users, "access_reader") as connection:
        refused(connection, "SET ROLE flinkms_writer")
        refused(connection, "SELECT set_config('role', 'access_deployer', false)")
        refused(connection, insert)


def test_a_model_is_not_asked_by_a_role_that_may_not_read(users: Deployment) -> None:
    superuser = postgres.dsn(users.settings.data_dir, user=postgres.SUPERUSER)
    with psycopg.connect(superuser, autocommit=True) as admin:
        admin.execute("CREATE ROLE access_outsider")
        admin.execute("GRANT access_outsider TO access_writer")
        try:
            with client(users, "access_writer") as connection:
                connection.execute("SET ROLE access_outsider")
                for question in ("SELECT predict('access_model', 1, 2)", "SELECT * FROM recommend('access_model', 1, 2)",
                                 "SELECT predict('access_model', g, 1) FROM generate_series(1, 2) g",
                                 "EXPLAIN SELECT predict('access_model', 1, 2)", "SHOW MODELS"):
                    for _ in range(2):
                        refused(connection, question)
        finally:
            admin.execute("DROP ROLE access_outsider")


def test_grants_hold_at_once_and_what_is_revoked_ends_within_seconds(users: Deployment) -> None:
    superuser = postgres.dsn(users.settings.data_dir, user=postgres.SUPERUSER)
    with client(users, "access_reader") as connection, psycopg.connect(superuser, autocommit=True) as admin:
        insert = "INSERT INTO access_events VALUES (3, 4.0)"
        refused(connection, insert)
        admin.execute("GRANT INSERT ON public.access_events TO access_reader")
        assert connection.execute(insert).rowcount == 1
        admin.execute("REVOKE INSERT ON public.access_events FROM access_reader")
        for _ in range(100):
            try:
                connection.execute(insert)
                connection.execute("SELECT pg_sleep(0.05)")
            except InsufficientPrivilege:
                break
        else:
            pytest.fail("what was revoked still holds")
        users.command("user", "add", "access_reader", "--role", "writer")
        assert connection.execute(insert).rowcount == 1
        users.command("user", "add", "access_reader", "--role", "reader")


def test_a_client_can_neither_hold_up_changes_of_the_registry_nor_forge_news_of_them(users: Deployment) -> None:
    with client(users, "access_reader") as connection:
        connection.execute("BEGIN")
        for number in (5066549580791375, 5066549580791376):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
        for table, _ in registry_tables(connection):
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.Identifier("flinkms", table)))
        connection.execute("LOCK TABLE flinkms.exclusive IN ACCESS SHARE MODE")
        for channel in ("flinkms_catalog", "flinkms_jobs"):
            connection.execute(f"NOTIFY {channel}, 'models'")
        users.execute("CREATE TABLE access_held (x BIGINT) WITH ('connector' = 'flinkms')")
        users.execute("DROP TABLE access_held")
        connection.execute("COMMIT")
        assert connection.execute("SELECT count(*) FROM flinkms.models WHERE name = 'access_model'").fetchone() == (1,)


def test_tables_reach_no_file_outside_of_the_roots(users: Deployment) -> None:
    own, warehouse = users.settings.data_dir, users.settings.warehouse
    with client(users, "access_deployer") as connection:
        beyond = ("/etc", "/etc/passwd", "file:///etc", "/", str(own), str(own / "postgres"), str(own / "run"),
                  str(warehouse / "models"), f"{warehouse}/x/../../run", "x", "hdfs://h/x", "file://h/etc")
        tried = 0
        for connector, options in CONNECTORS.items():
            needed = {"format": "raw", "path": f"{warehouse}/x"} if connector == "filesystem" else {}
            values = {Meaning.PLACE: beyond, Meaning.NAME: ("../x", "/etc/x", "..", "a/../../x", "a\\b", ""), Meaning.VALUE: ()}
            for option, meaning in options.items():
                for value in values[meaning]:
                    given = {"connector": connector, **needed, option: value}
                    with_clause = ", ".join(f"'{name}' = '{text}'" for name, text in given.items())
                    refused(connection, f"CREATE TABLE access_reach (line STRING) WITH ({with_clause})")
                    tried += 1
        assert tried > 2 * len(beyond)
        for connector in ("jdbc", "kafka", "elasticsearch-7", ""):
            refused(connection, f"CREATE TABLE access_reach (x INT) WITH ('connector' = '{connector}', 'url' = 'jdbc:postgresql:x')")
        # No table has these, whoever makes it.
        for option in ("sink.partition-commit.policy.class", "partition.time-extractor.class", "sink.mode", "hadoop.fs.defaultFS"):
            refused(connection, f"CREATE TABLE access_reach (x INT) WITH ('connector' = 'filesystem', 'path' = '{warehouse}/x', "
                                f"'format' = 'raw', '{option}' = 'x')", "22023")
