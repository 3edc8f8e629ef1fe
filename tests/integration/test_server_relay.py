"""The relational route against a real PostgreSQL: links, replay, COPY, notifications, back-pressure, authentication."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import asyncpg
import numpy as np
import psycopg
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, oids, scram, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.floats import format_float4, format_float8
from flinkms_sql.server.address import BackendAddress, parse_dsn
from flinkms_sql.server.dialing import open_link
from flinkms_sql.server.outbox import Outbox
from flinkms_sql.types import BY_OID
from tests.control_database import control_database
from tests.serving import Running
from tests.serving import frontend as serving
from tests.wire import Wire

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pg")


@pytest.fixture(scope="module")
def address(directory: Path) -> Iterator[BackendAddress]:
    with control_database(directory) as found:
        yield found


@pytest.fixture(scope="module")
def running(address: BackendAddress) -> Iterator[Running]:
    with serving(address) as served:
        yield served


@pytest.fixture
def connection(running: Running) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(running.dsn, autocommit=True)) as opened:
        yield opened


def test_a_link_starts_with_the_sessions_settings_and_block(connection):
    connection.execute("SET extra_float_digits = 2")
    connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
    connection.execute("SET LOCAL statement_timeout = '7s'")
    names = ("extra_float_digits", "transaction_isolation", "transaction_read_only", "statement_timeout")
    shown = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0] for name in names]
    assert shown == ["2", "serializable", "on", "7s"]
    connection.execute("COMMIT")
    assert connection.execute("SELECT current_setting('statement_timeout')").fetchone() == ("0",)


JOIN = "SELECT item_id, predict('rec', $1, item_id) s FROM movies WHERE item_id <= $2 ORDER BY s DESC, item_id"


def test_model_calls_over_rows_prepared_in_binary_and_by_portions(running):
    async def run() -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=running.port, user="flinkms", database="flinkms")
        statement = await connection.prepare(JOIN)
        assert [one.name for one in statement.get_parameters()] == ["int8", "int8"]
        assert [one.type.name for one in statement.get_attributes()] == ["int8", "float8"]
        first = await statement.fetch(42, 10)
        assert first == await statement.fetch(42, 10) and len(first) == 10
        for item, score in first:
            assert await connection.fetchval("SELECT predict('rec', 42, $1)", item) == score
        async with connection.transaction():
            assert [row async for row in connection.cursor(JOIN, 42, 10, prefetch=3)] == first
        await connection.execute("ALTER TABLE movies ADD COLUMN extra int")
        assert await statement.fetch(42, 10) == first
        star = await connection.prepare("SELECT m.*, predict('rec', 1, item_id) FROM movies m")
        assert len(await star.fetch()) == 50
        await connection.execute("ALTER TABLE movies DROP COLUMN extra")
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="cached plan must not change result type"):
            await star.fetch()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

    asyncio.run(run())


def test_a_failing_statement_over_model_calls_leaves_the_transaction_as_postgresql_would(connection):
    bad = "SELECT predict('rec', 1, item_id) / (item_id - item_id) FROM movies"
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(bad)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
        connection.execute("INSERT INTO movies VALUES (950, 'x', 1)")
        connection.execute(bad)
    assert connection.execute("SELECT count(*) FROM movies WHERE item_id = 950").fetchone() == (0,)
    connection.execute("CREATE TEMP TABLE scored AS SELECT item_id, predict('rec', 1, item_id) s FROM movies")
    assert connection.execute("SELECT count(*), count(s) FROM scored").fetchone() == (50, 50)


def test_show_models_reads_the_registry(connection):
    for _ in range(6):  # by then psycopg has prepared it
        assert connection.execute("SHOW MODELS").fetchall() == []
    with connection.transaction():
        assert connection.execute("SHOW JOBS").fetchall() == []


def test_a_backend_that_is_terminated_ends_its_session_only(running, connection):
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert connection.closed
    with closing(psycopg.connect(running.dsn)) as other:
        assert other.execute("SELECT 1 + 1").fetchone() == (2,)


def test_copy_in_text_and_binary_and_its_failure(connection):
    connection.execute("CREATE TEMPORARY TABLE copied (a bigint, b text)")
    with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as copy:
        for number in range(10_000):
            copy.write_row((number, "x" * 50))
    with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(("int8", "text"))
        copy.write_row((1, "y"))
    assert connection.execute("SELECT count(*) FROM copied").fetchone() == (10_001,)
    with (
        pytest.raises(psycopg.errors.InvalidTextRepresentation),
        connection.cursor() as cursor,
        cursor.copy("COPY copied FROM STDIN") as copy,
    ):
        copy.write_row(("no number", ""))
    with connection.cursor() as cursor, cursor.copy("COPY (SELECT generate_series(1, 50000)) TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 50_000
    assert connection.execute("SELECT predict('rec', 1, 2)").fetchone()


def test_copy_inside_of_a_text_that_is_mixed(running):
    """COPY data arrives while the frontend is in the middle of a text of statements."""
    with closing(socket.create_connection(("127.0.0.1", running.port))) as wire:
        wire.settimeout(10)
        wire.sendall(client_messages.encode(m.Startup(minor=0, parameters={"user": "flinkms"})))
        text = "CREATE TEMP TABLE c (a int); SELECT predict('rec', 1, 2); COPY c FROM STDIN; SELECT count(*) FROM c"
        wire.sendall(client_messages.encode(m.Query(text=text)))
        wire.sendall(client_messages.encode(m.CopyData(data=b"1\n2\n")) + client_messages.encode(m.CopyDone()))
        received = b""
        while received.count(server_messages.encode(m.ReadyForQuery(status="idle"))) < 2:
            received += wire.recv(65536)
    assert server_messages.encode(m.CommandComplete(tag="COPY 2")) in received
    assert server_messages.encode(m.DataRow(values=(b"2",))) in received


def test_asyncpg_copies_and_listens(running):
    async def run() -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=running.port, user="flinkms", database="flinkms")
        await connection.execute("CREATE TEMPORARY TABLE copied (a bigint, b text)")
        await connection.copy_records_to_table("copied", records=[(1, "x"), (2, None)])
        assert await connection.fetch("SELECT * FROM copied ORDER BY a") == [(1, "x"), (2, None)]
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await connection.add_listener("news", lambda *arguments: heard.set_result(arguments[-1]))
        await connection.execute("NOTIFY news, 'hello'")
        assert await asyncio.wait_for(heard, 5) == "hello"
        await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize("waits", [False, True], ids=["", "while rows of a stream wait for their commit"])
def test_a_client_that_does_not_read_is_not_buffered_for(running, waits):
    with closing(socket.create_connection(("127.0.0.1", running.port))) as wire:
        who = {"user": "flinkms", "application_name": "slow"}
        wire.sendall(client_messages.encode(m.Startup(minor=0, parameters=who)))
        text = "SELECT repeat('x', 1000) FROM generate_series(1, 200000)"
        requests = [m.Query(text=text)]
        if waits:
            insert = "INSERT INTO rating_events VALUES (1, 1, 1.0, 'x')"
            requests = [part for one in (insert, text) for part in (m.Parse(statement="", text=one), m.Bind(), m.Execute())]
        wire.sendall(b"".join(map(client_messages.encode, [*requests, m.Flush()])))
        waiting = 0
        for _ in range(100):
            time.sleep(0.05)
            sessions = list(running.server.shared.sessions.values())
            mine = next((one for one in sessions if one.transaction.local.shown("application_name") == "slow"), None)
            before, waiting = waiting, 0 if mine is None else kept(mine.outbox)
            if 0 < waiting == before:  # it grows no more
                break
        assert 0 < waiting < 4 << 20
        wire.settimeout(20)
        if waits:
            wire.sendall(client_messages.encode(m.Sync()))
        received, last = 0, b""
        while not last.endswith(server_messages.encode(m.ReadyForQuery(status="idle"))):
            chunk = wire.recv(1 << 20)
            received += len(chunk)
            last = (last + chunk)[-100:]
        assert received > 200_000 * 1000


def kept(outbox: Outbox) -> int:
    """Bytes that wait for a client, before and in its transport."""
    return outbox.transport.get_write_buffer_size() + sum(map(len, outbox._out))


def test_a_frontend_without_its_control_database_says_so():
    with pytest.raises(FlinkmsError) as caught, serving(BackendAddress(host="127.0.0.1", port=1)):
        pass
    assert caught.value.sqlstate == "08006" and caught.value.message == "the control database cannot be reached"


def test_clients_with_passwords_and_tls(address, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text(f"ann:{scram.make_verifier('pencil', os.urandom(16)).text()}\n")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with serving(address, password_file=passwords, tls=context) as served:
        dsn = f"host=127.0.0.1 port={served.port} dbname=flinkms user=ann"
        with closing(psycopg.connect(f"{dsn} password=pencil sslmode=require")) as connection:
            assert connection.execute("SELECT predict('rec', 1, 2)").fetchone()
            assert connection.execute("SELECT count(*) FROM movies").fetchone() == (50,)
            assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "ann"'):
            psycopg.connect(f"{dsn} password=wrong")
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(f"{dsn} passfile=/dev/null")


def test_sessions_that_use_the_control_database_are_bounded(address):
    with serving(address, links_max=2) as served, ExitStack() as held:
        one, two, three = [held.enter_context(closing(psycopg.connect(served.dsn, autocommit=True))) for _ in range(3)]
        reads = "SELECT count(*) FROM movies"
        for session in (one, two):
            session.execute(reads)
        with pytest.raises(psycopg.errors.TooManyConnections, match="too many sessions use the control database"):
            three.execute(reads)
        assert three.execute("SELECT predict('rec', 1, 1)").rowcount == 1
        one.close()
        two.execute(reads)  # by then the frontend has seen the first one leave
        three.execute(reads)
        with pytest.raises(psycopg.OperationalError):
            three.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        held.enter_context(closing(psycopg.connect(served.dsn, autocommit=True))).execute(reads)


def test_the_control_database_may_ask_for_a_password(address, directory):
    with closing(psycopg.connect(host=address.host, user="postgres", dbname="flinkms", autocommit=True)) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'sécret'")
        connection.execute("CREATE ROLE open LOGIN PASSWORD 'clear'")
        rules = directory / "pg_hba.conf"
        rules.write_text("local all guarded scram-sha-256\nlocal all open password\n" + rules.read_text())
        connection.execute("SELECT pg_reload_conf()")

    async def login(user: str, password: str | None) -> str:
        link = await open_link(
            BackendAddress(host=address.host, user=user, database="flinkms", password=password), {}, None
        )
        link.close()
        return link.parameters["session_authorization"]

    for _ in range(100):  # the reload takes its time
        try:
            asyncio.run(login("guarded", None))
        except FlinkmsError:
            break
        time.sleep(0.05)
    assert asyncio.run(login("guarded", "sécret")) == "guarded"
    assert asyncio.run(login("open", "clear")) == "open"
    for user, password in (("guarded", "wrong"), ("guarded", None), ("open", "wrong")):
        with pytest.raises(FlinkmsError) as caught:
            asyncio.run(login(user, password))
        assert caught.value.sqlstate == "28P01"


def test_a_unix_socket_besides(tmp_path):
    with serving(socket_dir=tmp_path) as served:
        with closing(psycopg.connect(host=str(tmp_path), port=served.port, user="flinkms")) as connection:
            assert connection.execute("SELECT predict('rec', 1, 2)").fetchone()
        with (
            pytest.raises(FlinkmsError, match=f"cannot listen on 127.0.0.1 port {served.port}"),
            serving(port=served.port),
        ):
            pass


def test_connection_strings():
    assert parse_dsn("host=/run/pg user=u dbname=d") == BackendAddress(host="/run/pg", user="u", database="d")
    found = parse_dsn("postgresql://u:p@db.example:6000/d")
    assert (found.host, found.port, found.password, found.tls) == ("db.example", 6000, "p", None)
    assert parse_dsn("host=h sslmode=verify-full").tls.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(FlinkmsError, match="invalid connection string"):
        parse_dsn("nonsense")


def test_floats_and_type_facts_are_postgresqls(connection):
    random = np.random.default_rng(7)
    doubles = random.integers(0, 2**63, 4000).view("f8")
    doubles = [*doubles[np.isfinite(doubles)].tolist(), *(10.0 ** random.uniform(-8, 30, 4000)).tolist()]
    shown = connection.execute("SELECT array_agg(x::text ORDER BY n) FROM unnest(%s::float8[]) WITH ORDINALITY t(x, n)",
                               (doubles,)).fetchone()[0]  # fmt: skip
    assert shown == list(map(format_float8, doubles))
    singles = (10.0 ** random.uniform(-8, 20, 4000)).astype("f4")
    shown = connection.execute(
        "SELECT array_agg(x::float4::text ORDER BY n) FROM unnest(%s::float8[]) WITH ORDINALITY t(x, n)",
        ([float(one) for one in singles],),
    ).fetchone()[0]
    assert shown == list(map(format_float4, singles))
    facts = dict(connection.execute("SELECT oid::int, typlen::int FROM pg_type").fetchall())
    elements = dict(connection.execute("SELECT oid::int, typelem::int FROM pg_type WHERE typcategory = 'A'").fetchall())
    for oid in {*oids.NAMES, *BY_OID, oids.VOID}:
        assert oids.SIZES.get(oid, -1) == facts[oid] or oid in (oids.UNKNOWN, oids.NAME), oid
    assert all(elements[array] == element for array, element in oids.ELEMENTS.items())
    names = connection.execute("SELECT oid::int, format_type(oid, NULL) FROM pg_type").fetchall()
    assert {oid: name for oid, name in names if oid in oids.NAMES} == oids.NAMES


COPIED_BYTES_MAX = 48 << 20
"""Bytes of a COPY that may be on their way while PostgreSQL takes none: buffers of two sockets and of the frontend."""


def test_copy_data_is_not_taken_faster_than_postgresql_takes_it(running):
    """A client that sends more than PostgreSQL reads is not read from, and goes on when PostgreSQL does."""
    with closing(psycopg.connect(running.dsn)) as owner, \
            closing(Wire(("127.0.0.1", running.port), user="flinkms", database="flinkms")) as wire:
        owner.execute("CREATE TABLE copied (t text)")
        owner.commit()
        owner.execute("LOCK TABLE copied IN ACCESS EXCLUSIVE MODE")
        assert wire.push(client_messages.encode(m.Query(text="COPY copied FROM STDIN"))) == b""
        piece = client_messages.encode(m.CopyData(data=b"x" * 99 + b"\n")) * 10_000
        sent, rest = 0, b""
        while sent < 2 * COPIED_BYTES_MAX and not rest:
            rest = wire.push(piece, seconds=3.0)
            sent += len(piece) - len(rest)
        assert sent < COPIED_BYTES_MAX
        owner.rollback()
        assert wire.push(rest + client_messages.encode(m.CopyDone())) == b""
        rows = (sent + len(rest)) // len(piece) * 10_000
        assert f"COPY {rows}" in [one.tag for one in wire.answer() if isinstance(one, m.CommandComplete)]
        owner.execute("DROP TABLE copied")
        owner.commit()
