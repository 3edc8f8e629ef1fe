"""The hot path: what is answered without being parsed is the same, byte for byte, as what is."""

from __future__ import annotations

import pytest

from flinkms_sql.pgwire import client_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.server import hotpath, shapes
from tests.server_client import (
    POINT,
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

REQUESTS = [
    [m.Bind(statement="s", values=(b"4", b"7")), m.Describe(target="portal"), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"4", None)), m.Describe(target="portal"), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"-4", b"007")), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b" 4", b"7")), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"4_0", b"7")), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"99999999999999999999", b"7")), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"4",)), m.Execute(), m.Sync()],
    [m.Bind(statement="s", values=(b"4", b"7", b"8")), m.Execute(), m.Sync()],
    [m.Bind(statement="s", formats=(1,), values=(b"\0" * 7 + b"\4", b"\0" * 7 + b"\7"), result_formats=(1,)),
     m.Execute(), m.Sync()],
    [m.Bind(statement="s", formats=(1,), values=(b"\4", b"\0" * 7 + b"\7")), m.Execute(), m.Sync()],
    [m.Parse(statement="", text=POINT), m.Bind(values=(b"4", b"7")), m.Describe(target="portal"), m.Execute(),
     m.Sync()],
    [m.Parse(statement="", text=POINT, oids=(23, 1700)), m.Bind(values=(b"4", b"7")), m.Execute(), m.Sync()],
    [m.Query(text="SELECT predict('rec', 4, 7)")],
    [m.Query(text="select predict('rec@2',4 , -7) AS x;")],
    [m.Query(text="SELECT predict('rec', 4, 7.5)")],
    [m.Query(text="SELECT predict('rec', 4, NULL)")],
    [m.Query(text="SELECT predict('rec', 4)")],
]  # fmt: skip


@pytest.mark.parametrize("messages", REQUESTS, ids=range(len(REQUESTS)))
def test_the_same_bytes(messages):
    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        await begin_statement(client, POINT, "s")
        data = b"".join(map(client_messages.encode, messages))
        client.feed(data[:-1])  # in two pieces it is never hot
        client.feed(data[-1:])
        usual = await client.taken()
        for _ in range(3):
            client.feed(data)
            assert await client.taken() == usual

    run(go())


@pytest.mark.parametrize("at", range(0, 41, 3))
def test_wherever_the_request_is_cut(at):
    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        await begin_statement(client, POINT, "s")
        data = b"".join(map(client_messages.encode, REQUESTS[0]))
        client.feed(data)
        whole = await client.taken()
        client.feed(data)
        assert await client.taken() == whole
        client.feed(data + data[:at])
        client.feed(data[at:])
        assert await client.taken() == whole * 2

    run(go())


def test_it_is_really_taken():
    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        await begin_statement(client, POINT, "s")
        taken = []
        inner = client.frontend.batcher.submit
        client.frontend.batcher.submit = lambda *arguments: (taken.append(1), inner(*arguments))
        for messages in (REQUESTS[0], REQUESTS[8], REQUESTS[10], REQUESTS[12]):
            before = len(taken)
            for _ in range(3):
                await client.bytes_of(*messages)
            assert len(taken) - before == 2, messages

    run(go())


def test_one_write_for_a_request_and_one_batch_for_a_turn():
    async def go() -> None:
        served = make_frontend()
        clients = [Client(served) for _ in range(8)]
        for client in clients:
            await client.start()
            await begin_statement(client, POINT, "s")
            await client.bytes_of(*REQUESTS[0])
        data = b"".join(map(client_messages.encode, REQUESTS[0]))
        for client in clients:
            client.transport.writes = 0
            client.feed(data)
        assert all(client.transport.writes == 0 for client in clients)
        served.batcher.flush()
        assert all(client.transport.writes == 1 for client in clients)

    run(go())


@conversation
async def test_in_a_transaction_block_and_after_its_failure(client: Client):
    await begin_statement(client, POINT, "s")
    hot = REQUESTS[0]
    await client.say(*hot)
    await client.ask("BEGIN")
    assert status(await client.say(*hot)) == "transaction"
    assert error(await client.ask("SELECT predict('nope', 1, 2)"))[0] == "42704"
    assert error(await client.say(*hot))[0] == "25P02"
    assert error(await client.ask("SELECT predict('rec', 4, 7)"))[0] == "25P02"
    assert tags(await client.ask("COMMIT")) == ["ROLLBACK"]
    assert status(await client.say(*hot)) == "idle"


@conversation
async def test_a_closed_statement_is_not_remembered(client: Client):
    await begin_statement(client, POINT, "s")
    hot = REQUESTS[0]
    for _ in range(2):
        await client.say(*hot)
    await client.say(m.Close(target="statement", name="s"), m.Sync())
    assert error(await client.say(*hot)) == ("26000", 'prepared statement "s" does not exist')
    await begin_statement(client, "SELECT predict('rec@2', $1, $2)", "s")
    first, second = await client.bytes_of(*hot), await client.bytes_of(*hot)
    assert first == second
    assert client.decoded(first)[2] == (await client.ask("SELECT predict('rec@2', 4, 7)"))[1]


@conversation
async def test_as_of_is_minded(client: Client):
    await begin_statement(client, POINT, "s")
    hot = REQUESTS[0]
    for _ in range(2):
        await client.say(*hot)
    assert tags(await client.ask("SET flinkms.as_of = '2020-01-01 00:00:00+00'")) == ["SET"]
    for _ in range(2):
        assert error(await client.say(*hot))[0] == "55000"
        assert error(await client.ask("SELECT predict('rec', 4, 7)"))[0] == "55000"
    await client.ask("RESET flinkms.as_of")
    assert "DataRow" in kinds(await client.say(*hot))


def test_what_is_no_point_prediction_is_not_read_twice(monkeypatch):
    read = []
    monkeypatch.setattr(hotpath, "read_series", lambda data: read.append(data) or shapes.read_series(data))

    async def go() -> None:
        client = Client(make_frontend())
        await client.start()
        await begin_statement(client, "SELECT i, predict('rec', 1, i) FROM generate_series($1::int, $2::int) AS t (i)", "s")
        tree = b"".join(map(client_messages.encode, REQUESTS[0]))
        await begin_statement(client, POINT, "p")
        point = tree.replace(b"\0s\0", b"\0p\0")
        for data in (tree, tree, point):
            client.feed(data)
            await client.taken()
        assert [data for data in read if data.startswith(b"B")] == [point]

    run(go())
