"""Conversations with a session that has no socket and no control database."""

from __future__ import annotations

import asyncio

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, scram
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.floats import format_float8
from flinkms_sql.server.authentication import Authentication, PasswordEntry, PasswordFile, read_password_file
from flinkms_sql.server.listener import serve
from flinkms_sql.server.services import Services
from flinkms_sql.server.settings import FrontendSettings
from tests.server_client import (
    POINT,
    REGISTRY,
    Client,
    begin_statement,
    conversation,
    error,
    kinds,
    make_frontend,
    run,
    status,
    tags,
)
from tests.serving import Catalogs


class TestStartup:
    def test_a_client_is_told_settings_key_and_status(self):
        async def go() -> None:
            answer = await Client(make_frontend()).start()
            told = {message.name: message.value for message in answer if isinstance(message, m.ParameterStatus)}
            assert told["TimeZone"] == "UTC" and told["client_encoding"] == "UTF8" and told["DateStyle"] == "ISO, MDY"
            assert told["session_authorization"] == "flinkms"
            assert kinds(answer)[0] == "AuthenticationOk" and kinds(answer)[-2:] == ["BackendKeyData", "ReadyForQuery"]

        run(go())

    @pytest.mark.parametrize(
        ("minor", "options", "negotiated", "key_bytes"),
        [(0, {}, None, 4), (2, {}, None, 32), (9999, {"_pq_.x": "1"}, m.NegotiateProtocolVersion(
            minor=2, unknown_options=("_pq_.x",)), 32), (0, {"_pq_.x": "1"}, m.NegotiateProtocolVersion(
                minor=0, unknown_options=("_pq_.x",)), 4)],
    )  # fmt: skip
    def test_versions_are_negotiated(self, minor, options, negotiated, key_bytes):
        async def go() -> None:
            client = Client(make_frontend())
            answer = await client.say(m.Startup(minor=minor, parameters={"user": "flinkms"} | options))
            found = next((one for one in answer if isinstance(one, m.NegotiateProtocolVersion)), None)
            assert found == negotiated
            key = next(one for one in answer if isinstance(one, m.BackendKeyData))
            assert len(key.secret_key) == key_bytes

        run(go())

    @pytest.mark.parametrize("request_", [m.SSLRequest(), m.GSSENCRequest()])
    def test_encryption_is_declined(self, request_):
        async def go() -> None:
            client = Client(make_frontend())
            assert await client.bytes_of(request_) == b"N"
            assert status(await client.start()) == "idle"

        run(go())

    @pytest.mark.parametrize(
        ("startup", "sqlstate", "message"),
        [
            (m.Startup(major=2, minor=0, parameters={}), "0A000",
             "unsupported frontend protocol 2.0: server supports 3.0 to 3.2"),
            (m.Startup(minor=0, parameters={}), "28000", "no PostgreSQL user name specified in startup packet"),
            (m.Startup(minor=0, parameters={"user": "u", "database": "x"}), "3D000", 'database "x" does not exist'),
            (m.Startup(minor=0, parameters={"user": "u", "client_encoding": "LATIN1"}), "0A000",
             'client encoding "LATIN1" is not supported'),
            (m.Startup(minor=0, parameters={"user": "u", "replication": "database"}), "0A000",
             "replication connections are not supported"),
        ],
    )  # fmt: skip
    def test_who_may_not_come_in_is_told_why(self, startup, sqlstate, message):
        async def go() -> None:
            client = Client(make_frontend())
            answer = await client.say(startup)
            assert error(answer) == (sqlstate, message) and answer[-1].fields["S"] == "FATAL"
            assert client.transport.closed

        run(go())

    def test_settings_of_the_startup_packet(self):
        async def go() -> None:
            client = Client(make_frontend())
            options = "-c timezone=Europe/Berlin -c search_path=a\\ b"
            answer = await client.say(m.Startup(minor=0, parameters={"user": "flinkms", "options": options}))
            assert m.ParameterStatus(name="TimeZone", value="Europe/Berlin") in answer
            assert m.DataRow(values=(b"a b",)) in await client.ask("SHOW search_path")

        run(go())

    @pytest.mark.parametrize("parameters", [
        {"options": "-c user=postgres"}, {"options": "--database=template1"}, {"options": "-c replication=database"},
        {"USER": "postgres"}, {"Database": "template1"}, {"options": "-c _pq_.x=1"}, {"_PQ_.x": "1"},
    ])  # fmt: skip
    def test_a_field_of_the_startup_packet_is_no_setting(self, parameters):
        """Else a client's settings would choose as whom we connect to PostgreSQL."""

        async def go() -> None:
            answer = await Client(make_frontend()).say(m.Startup(minor=0, parameters={"user": "flinkms"} | parameters))
            sqlstate, text = error(answer)
            assert sqlstate == "42704" and text.startswith("unrecognized configuration parameter")

        run(go())

    def test_one_connection_too_many(self):
        async def go() -> None:
            served = make_frontend(connections_max=1)
            first, second = Client(served), Client(served)
            await first.start()
            assert error(await second.start()) == ("53300", "sorry, too many clients already")
            first.session.connection_lost(None)
            assert status(await Client(served).start()) == "idle"

        run(go())

    def test_scram(self):
        async def go() -> None:
            verifier = scram.make_verifier("pencil", b"salt" * 4, 1)
            for user, password, accepted in (
                ("ann", "pencil", True),
                ("ann", "wrong", False),
                ("bob", "pencil", False),
            ):
                client = Client(make_frontend(Authentication({"ann": verifier})))
                answer = await client.say(m.Startup(minor=0, parameters={"user": user, "database": "flinkms"}))
                assert answer == [m.AuthenticationSASL(mechanisms=("SCRAM-SHA-256",))]
                exchange = scram.ClientExchange(password, b"c" * 18)
                (challenge,) = await client.say(m.Password(data=exchange.start()))
                answer = await client.say(m.Password(data=exchange.respond(challenge.data)))
                if accepted:
                    exchange.verify(answer[0].data)
                    assert kinds(answer)[1] == "AuthenticationOk" and status(answer) == "idle"
                else:
                    assert error(answer) == ("28P01", f'password authentication failed for user "{user}"')

        run(go())

    def test_strangers_are_not_let_in_without_passwords(self):
        async def go() -> None:
            services = Services(catalogs=Catalogs(), registry=REGISTRY)
            with pytest.raises(FlinkmsError, match='will not listen on "0.0.0.0" without passwords'):
                await serve(services, FrontendSettings(hosts=("127.0.0.1", "0.0.0.0"), port=0))

        run(go())

    def test_password_files(self, tmp_path):
        file = tmp_path / "passwords"
        verifier = scram.make_verifier("p", b"s" * 16, 1)
        file.write_text(f"# who\n\nann:{verifier.text()}\n")
        assert read_password_file(file) == {"ann": PasswordEntry(verifier=verifier)}
        file.write_text(f"ann:{verifier.text()}:writer\nbob:{verifier.text()}\n")
        assert [entry.role for entry in read_password_file(file).values()] == ["writer", None]
        file.write_text("ann:plain\n")
        with pytest.raises(FlinkmsError, match="invalid SCRAM verifier in line 1"):
            read_password_file(file)
        for role in ("redaer", "", "writer:"):
            file.write_text(f"ann:{verifier.text()}:{role}\n")
            with pytest.raises(FlinkmsError, match=f'"{role}" is no role of a user in line 1') as raised:
                read_password_file(file)
            assert ":reader, :writer or :deployer" in raised.value.hint

    def test_a_password_file_that_changes_is_read_again(self, tmp_path):
        file = tmp_path / "passwords"
        first, second = (scram.make_verifier(word, b"s" * 16, 1) for word in "pq")
        file.write_text(f"ann:{first.text()}\n")
        passwords = PasswordFile(file)
        assert passwords.get("ann") == first and passwords.get("bob") is None
        file.write_text(f"ann:{first.text()}\nbob:{second.text()}:reader\n")
        assert passwords.get("bob") == second
        file.unlink()
        assert passwords.get("ann") == first


@conversation
async def test_rows_and_their_description(client: Client):
    answer = await client.ask("SELECT * FROM recommend('rec', 4, 2)")
    assert answer[0] == m.RowDescription(
        fields=(m.Field(name="item_id", oid=20, size=8), m.Field(name="score", oid=701, size=8))
    )
    version = REGISTRY.loaded()[0]
    keys, scores = version.recommender.recommend(version.view, 4, 2)
    assert [row.values for row in answer[1:3]] == [
        (str(key).encode(), format_float8(score).encode()) for key, score in zip(keys.tolist(), scores.tolist())
    ]
    assert answer[3:] == [m.CommandComplete(tag="SELECT 2"), m.ReadyForQuery(status="idle")]


@conversation
async def test_a_portal_with_a_row_limit_is_suspended_until_it_has_no_more(client: Client):
    await begin_statement(client, "SELECT g FROM generate_series(1, 5) g WHERE predict('rec', g, 7) > -100", "s")
    await client.ask("BEGIN")
    seen = []
    for limit in (2, 2, 2, 0):
        bind = [m.Bind(portal="p", statement="s")] if not seen else []
        answer = await client.say(*bind, m.Execute(portal="p", row_limit=limit), m.Sync())
        seen.append((sum(isinstance(one, m.DataRow) for one in answer), kinds(answer)[-2], *tags(answer)))
    assert seen == [(2, "PortalSuspended"), (2, "PortalSuspended"), (1, "CommandComplete", "SELECT 1"),
                    (0, "CommandComplete", "SELECT 0")]  # fmt: skip


@conversation
async def test_portals_end_with_their_transaction(client: Client):
    await begin_statement(client, POINT, "s")
    await client.say(m.Bind(portal="p", statement="s", values=(b"1", b"2")), m.Sync())
    assert error(await client.say(m.Execute(portal="p"), m.Sync())) == ("34000", 'portal "p" does not exist')


@conversation
async def test_after_an_error_everything_is_skipped_until_sync(client: Client):
    bad = m.Parse(statement="", text="SELECT predict('nope', 1, 2)")
    good = [m.Parse(statement="", text=POINT), m.Bind(values=(b"1", b"2")), m.Execute()]
    answer = await client.say(*good, bad, *good, m.Query(text="SELECT 1"), m.Sync(), *good, m.Sync())
    assert kinds(answer) == [
        "ParseComplete", "BindComplete", "DataRow", "CommandComplete", "ErrorResponse", "ReadyForQuery",
        "ParseComplete", "BindComplete", "DataRow", "CommandComplete", "ReadyForQuery",
    ]  # fmt: skip


@conversation
async def test_describe_tells_parameters_and_columns(client: Client):
    await begin_statement(client, POINT, "s", oids=(23, 0))
    answer = await client.say(m.Describe(target="statement", name="s"), m.Sync())
    assert answer[0] == m.ParameterDescription(oids=(23, 20))
    assert answer[1] == m.RowDescription(fields=(m.Field(name="predict", oid=701, size=8),))
    await begin_statement(client, "INSERT INTO rating_events VALUES ($1, $2, $3, $4)", "i")
    answer = await client.say(m.Describe(target="statement", name="i"), m.Sync())
    assert answer[:2] == [m.ParameterDescription(oids=(20, 20, 701, 25)), m.NoData()]


@pytest.mark.parametrize(
    ("messages", "sqlstate"),
    [
        ([m.Bind(statement="missing")], "26000"),
        ([m.Describe(target="portal", name="missing")], "34000"),
        ([m.Parse(statement="s", text=POINT), m.Parse(statement="s", text=POINT)], "42P05"),
        ([m.Parse(statement="s", text=POINT), m.Bind(statement="s", values=(b"1",))], "08P01"),
        (
            [m.Parse(statement="s", text=POINT), m.Bind(statement="s", values=(b"1", b"2"), result_formats=(0, 0))],
            "08P01",
        ),
        ([m.Parse(statement="s", text=POINT), m.Bind(statement="s", values=(b"1", b"x"))], "22P02"),
        ([m.Parse(statement="s", text=POINT, oids=(16,))], "42883"),
        ([m.Parse(statement="s", text=POINT, oids=(1700,))], "42883"),
        ([m.Parse(statement="s", text="SELECT * FROM nowhere")], "08006"),
        ([m.Query(text="SELECT * FROM nowhere")], "08006"),
        ([m.Query(text="SAVEPOINT a")], "25P01"),
        ([m.Query(text="COMMIT AND CHAIN")], "25P01"),
    ],
)
def test_a_request_that_does_not_fit_is_an_error_and_the_session_lives_on(messages, sqlstate):
    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        sync = [] if isinstance(messages[-1], m.Query) else [m.Sync()]
        answer = await client.say(*messages, *sync)
        assert error(answer)[0] == sqlstate and status(answer) == "idle"
        assert tags(await client.ask("SELECT 1")) == ["SELECT 1"]

    run(go())


@pytest.mark.parametrize(
    ("data", "message", "lives"),
    [
        (b"Q\0\0\0\3", "invalid message length", False),
        (b"Q\x7f\0\0\0", "invalid message length", False),
        (b"z\0\0\0\4", "unexpected message b'z' while ready", False),
        (b"p\0\0\0\4", "unexpected message b'p' while ready", False),
        (b"Q\0\0\0\x05x", "invalid string in message", True),
        (b"Q\0\0\0\x06\xff\0", 'invalid byte sequence for encoding "UTF8": 0xff', True),
        (b"B\0\0\0\x08\0\0\0\1S\0\0\0\4", "insufficient data left in message", True),
        (b"D\0\0\0\x06x\0S\0\0\0\4", "invalid DESCRIBE or CLOSE message subtype 120", True),
    ],
)
def test_malformed_bytes(data, message, lives):
    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        client.feed(data)
        answer = client.decoded(await client.taken())
        assert error(answer)[1] == message
        assert client.transport.closed is not lives
        if lives:
            assert tags(await client.ask("SELECT 1")) == ["SELECT 1"]

    run(go())


@conversation
async def test_transaction_control_without_a_backend(client: Client):
    steps = [("BEGIN", "BEGIN", "transaction"), ("BEGIN", "BEGIN", "transaction"), ("COMMIT", "COMMIT", "idle"),
             ("ROLLBACK", "ROLLBACK", "idle"), ("START TRANSACTION", "START TRANSACTION", "transaction"),
             ("COMMIT AND CHAIN", "COMMIT", "transaction"), ("ABORT", "ROLLBACK", "idle")]  # fmt: skip
    for text, tag, after in steps:
        answer = await client.ask(text)
        assert (tags(answer), status(answer)) == ([tag], after), text
    warnings = [one for one in await client.ask("COMMIT") if isinstance(one, m.NoticeResponse)]
    assert [one.fields["M"] for one in warnings] == ["there is no transaction in progress"]
    assert client.session.transaction.link is None


@conversation
async def test_settings_follow_the_transaction(client: Client):
    async def shown() -> bytes | None:
        return next(one for one in await client.ask("SHOW timezone") if isinstance(one, m.DataRow)).values[0]

    answer = await client.ask("SET timezone TO 'Europe/Berlin'")
    assert answer[0] == m.ParameterStatus(name="TimeZone", value="Europe/Berlin")
    await client.ask("BEGIN")
    await client.ask("SET timezone TO 'Asia/Tokyo'")
    answer = await client.ask("ROLLBACK")
    assert m.ParameterStatus(name="TimeZone", value="Europe/Berlin") in answer and await shown() == b"Europe/Berlin"
    await client.ask("BEGIN; SET LOCAL timezone TO 'Asia/Tokyo'")
    assert await shown() == b"Asia/Tokyo"
    await client.ask("COMMIT")
    assert await shown() == b"Europe/Berlin"
    await client.ask("DISCARD ALL")
    assert await shown() == b"UTC"


@conversation
async def test_a_text_of_several_statements(client: Client):
    answer = await client.ask("SELECT predict('rec', 1, 2); ; SELECT 1; SHOW timezone")
    assert tags(answer) == ["SELECT 1", "SELECT 1", "SHOW"] and kinds(answer).count("ReadyForQuery") == 1
    answer = await client.ask("SELECT 1; SELECT predict('nope', 1, 2); SELECT 1")
    assert tags(answer) == ["SELECT 1"] and error(answer)[0] == "42704"
    assert answer[-2].fields["P"] == "26"
    assert kinds(await client.ask(" ; -- nothing\n")) == ["EmptyQueryResponse", "ReadyForQuery"]


@conversation
async def test_what_a_pool_sends_on_release(client: Client):
    answer = await client.ask("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;")
    assert tags(answer) == ["SELECT 1", "CLOSE CURSOR ALL", "UNLISTEN", "RESET"] and status(answer) == "idle"


@conversation
async def test_a_statement_is_deallocated_by_sql(client: Client):
    await begin_statement(client, POINT, "S_1")
    assert tags(await client.ask('DEALLOCATE "S_1"')) == ["DEALLOCATE"]
    assert error(await client.say(m.Bind(statement="S_1", values=(b"1", b"2")), m.Sync()))[0] == "26000"
    await begin_statement(client, POINT, "S_1")
    await client.ask("DEALLOCATE ALL")
    assert error(await client.say(m.Bind(statement="S_1", values=(b"1", b"2")), m.Sync()))[0] == "26000"


@conversation
async def test_an_insert_ends_with_the_series(client: Client):
    await begin_statement(client, "INSERT INTO rating_events VALUES ($1, $2, $3, $4)", "i")
    series = [m.Bind(statement="i", values=(b"1", b"2", b"3", None)), m.Execute()]
    streams = client.frontend.services.streams
    assert await client.say(*series, *series) == [], "an INSERT is not acknowledged before it is durable"
    assert streams.events.rows == []
    answer = await client.say(m.Sync())
    assert tags(answer) == ["INSERT 0 1"] * 2 and status(answer) == "idle"
    assert streams.events.rows == [[1, 2, 3.0, None]] * 2
    streams.events.error = FlinkmsError("53100", "the disk is full")
    assert error(await client.say(*series, m.Sync())) == ("53100", "the disk is full")


@conversation
async def test_a_cancel_needs_the_key(client: Client):
    client.feed(client_messages.encode(m.Query(text="REFRESH MODEL rec")))
    for key, ends in ((b"wrong key", False), (client.session.secret_key, True)):
        other = Client(client.frontend)
        other.feed(client_messages.encode(m.CancelRequest(process_id=client.session.process_id, secret_key=key)))
        assert other.transport.closed
        await asyncio.sleep(0.01)
        assert client.session.busy is not ends
    answer = client.decoded(await client.taken())
    assert error(answer) == ("57014", "canceling statement due to user request") and status(answer) == "idle"
    assert client.frontend.services.deployer.closed == ["RefreshModel"]


@conversation
async def test_shutdown_is_told(client: Client):
    await client.frontend.close()
    answer = client.decoded(await client.taken())
    assert error(answer) == ("57P01", "terminating connection due to administrator command")
    assert client.transport.closed
