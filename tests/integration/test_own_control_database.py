"""A frontend as ``flinkms up`` starts it, over a PostgreSQL that is somebody else's: TLS, passwords, and whose statements run as whom."""

from __future__ import annotations

import io
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import cli, settings
from flinkms_sql.catalog import users
from flinkms_sql.catalog.adopting import adopt
from flinkms_sql.commands.up import migrate
from flinkms_sql.pgwire import scram
from flinkms_sql.runtime import parts, postgres
from flinkms_sql.runtime.flink import free_ports
from flinkms_sql.settings import Settings
from tests.certificate import make_pair
from tests.running import running, running_postgres, wait_for

pytestmark = pytest.mark.integration

DATABASE = "somebody"
PASSWORDS = "\n".join(f"local {DATABASE} {role} scram-sha-256" for role in ("theirs", "pooled"))
LET_IN = f"local all postgres trust\n{PASSWORDS}\nlocal {DATABASE} all trust\n"
ASKED = f"local all postgres trust\nlocal {DATABASE} all scram-sha-256\n"
"""pg_hba.conf: clients' roles come in from this machine without a password, or nobody does."""


class Server:
    """Somebody's PostgreSQL: a database with an owner that may make roles, and a role that all clients could share."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        with self.superuser() as superuser:
            superuser.execute("CREATE ROLE theirs LOGIN CREATEROLE PASSWORD 'owners'")
            superuser.execute("CREATE ROLE pooled LOGIN PASSWORD 'everybodys'")
            superuser.execute(f"CREATE DATABASE {DATABASE} OWNER theirs")
        self.admit(LET_IN)

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection]:
        with closing(psycopg.connect(postgres.dsn(self._data_dir, user=postgres.SUPERUSER), autocommit=True)) as connection:
            yield connection

    def admit(self, rules: str) -> None:
        """Who may come in from now on."""
        (self._data_dir / "postgres" / "data" / "pg_hba.conf").write_text(rules)
        loaded = "SELECT pg_conf_load_time()"
        with self.superuser() as superuser:
            before = superuser.execute(loaded).fetchone()
            superuser.execute("SELECT pg_reload_conf()")

        def is_reloaded() -> bool:
            # A new backend has what the server has read.
            with self.superuser() as later:
                return later.execute(loaded).fetchone() > before

        wait_for(is_reloaded)

    def dsn(self, user: str, password: str) -> str:
        return f"host={postgres.socket_dir(self._data_dir)} port=5432 user={user} password={password} dbname={DATABASE}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("theirs")
    with running_postgres(data_dir):
        yield Server(data_dir)


@contextmanager
def frontend(server: Server, folder: Path, **options: object) -> Iterator[Settings]:
    """A frontend over the server, its parts as ``flinkms up`` has them, but without Flink."""
    chosen = Settings().with_options({
        "data_dir": folder, "port": free_ports(1)[0], "control_dsn": server.dsn("theirs", "owners"), **options})
    found, _ = parts.all_parts(chosen, adopt=adopt, migrate=migrate, environment=os.environ)
    wanted = [replace(part, needs=tuple(need for need in part.needs if need == "postgres"))
              for part in found if part.name in ("postgres", "frontend")]
    with running(wanted, folder, chosen.environment()) as held:
        held.wait_ready()
        yield chosen


def connect(chosen: Settings, user: str, **options: str) -> closing[psycopg.Connection]:
    return closing(psycopg.connect(**({"host": "127.0.0.1"} | options), port=chosen.port, dbname=settings.DATABASE, user=user,
                                   autocommit=True, connect_timeout=10))


def refused(connection: psycopg.Connection, statement: str, sqlstate: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement)
    assert raised.value.sqlstate == sqlstate, f"{statement}: {raised.value}"
    return raised.value


def own_address() -> str | None:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def test_a_remote_user_comes_in_by_tls_and_is_who_it_is(server: Server, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(tmp_path, ("localhost", "127.0.0.1"))
    passwords = tmp_path / "passwords"
    # As files of earlier versions are: nothing is said of what the user may do.
    passwords.write_text(f"ann:{scram.make_verifier('secret', secrets.token_bytes(16)).text()}\n")
    passwords.chmod(0o600)
    with frontend(server, tmp_path / "data", host="0.0.0.0", tls_cert=pair.certificate, tls_key=pair.key,
                  password_file=passwords) as chosen:
        tls = {"host": "localhost", "hostaddr": "127.0.0.1", "sslmode": "verify-full", "sslrootcert": str(pair.certificate)}
        with connect(chosen, "ann", password="secret", **tls) as ann:
            assert ann.pgconn.ssl_in_use
            assert ann.execute("SELECT current_user, session_user, count(*) FROM flinkms.models GROUP BY 1, 2").fetchall() == []
            assert ann.execute("SELECT current_user, session_user").fetchone() == ("ann", "ann")
            for statement in ("DELETE FROM flinkms.models", "INSERT INTO flinkms.jobs DEFAULT VALUES", "CREATE TABLE public.t (x int)",
                              "SET ROLE theirs"):
                refused(ann, statement, "42501")
            assert str(refused(ann, "CREATE TABLE ev (x BIGINT) WITH ('connector' = 'flinkms')", "42501")).startswith(
                "permission denied to deploy")
            ann.execute("CREATE TABLE ann.own AS SELECT 1 AS x")
            assert ann.execute("SELECT x FROM ann.own").fetchone() == (1,)
        for wrong in (tls | {"password": "guess"}, tls | {"host": "example.org", "password": "secret"},
                      {"hostaddr": "127.0.0.1", "password": "secret", "sslmode": "verify-full", "sslrootcert": "system"}):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed|certificate|host name"):
                connect(chosen, "ann", **wrong)
        with connect(chosen, "ann", password="secret", sslmode="disable") as ann:
            assert not ann.pgconn.ssl_in_use, "this machine reads itself anyway"
        # A command is told the directory alone: the deployment's database and password file are known.
        monkeypatch.setattr("sys.stdin", io.StringIO("later\n"))
        assert cli.main(["user", "add", "late", "--role", "writer", "--password-stdin", "--data-dir", str(chosen.data_dir)]) == 0
        with connect(chosen, "late", password="later", **tls) as late:
            assert late.execute("SELECT pg_has_role('flinkms_writer', 'USAGE')").fetchone() == (True,)
        address = own_address()
        if address is not None:  # on a machine with no other address nobody else comes either
            with pytest.raises(psycopg.OperationalError, match="need TLS"):
                connect(chosen, "ann", password="secret", host=address, sslmode="disable")
            with connect(chosen, "ann", password="secret", host=address, sslmode="require") as ann:
                assert ann.pgconn.ssl_in_use


def test_clients_are_themselves_or_who_the_client_dsn_says_and_never_the_owner(server: Server, tmp_path: Path) -> None:
    with frontend(server, tmp_path / "own") as chosen:
        with closing(users.Users(server.dsn("theirs", "owners"))) as known:
            known.put("bob", "writer")
        with connect(chosen, "bob") as bob:
            assert bob.execute("SELECT current_user").fetchone() == ("bob",)
            refused(bob, "DELETE FROM flinkms.models", "42501")
        with pytest.raises(psycopg.OperationalError):
            connect(chosen, "nobody")
        server.admit(ASKED)
        try:
            with pytest.raises(psycopg.Error) as raised, connect(chosen, "bob") as bob:
                bob.execute("SELECT current_user")
            text = str(raised.value)
            assert 'asks for the password of role "bob" and none is set' in text and "--client-dsn" in text
            assert "owners" not in text
        finally:
            server.admit(LET_IN)
    with frontend(server, tmp_path / "pooled", client_dsn=server.dsn("pooled", "everybodys")) as chosen:
        with server.superuser() as superuser:
            superuser.execute("GRANT flinkms_reader TO pooled")
        for name in ("bob", "theirs"):
            with connect(chosen, name) as client:
                assert client.execute("SELECT current_user").fetchone() == ("pooled",)
                for statement in ("DELETE FROM flinkms.models", "SET ROLE theirs", "SET ROLE bob"):
                    refused(client, statement, "42501")
