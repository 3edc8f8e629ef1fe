"""What takes long is ended while it is done, has no effect then, and holds up nobody else meanwhile.

No test here depends on how fast anything is: a model sleeps between its answers, so that all of them take longer than
the statement may, or a text is so long that reading it takes longer than a millisecond on any machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import ClassVar

import pytest

from flinkms_sql.engine.execute import STEP_ROWS
from flinkms_sql.engine.registry import Pointers, Registry
from flinkms_sql.pgwire import client_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.server import apart
from flinkms_sql.server.apart import Apart
from flinkms_sql.server.services import Services
from tests.server_client import REGISTRY, Client, error, make_frontend, run, status, tags
from tests.serving import Catalogs, Streams
from udfs.als import Als

STEPS = 200
"""Portions of a prediction, each of which takes SLEEP_S at least: two seconds in all."""
SLEEP_S = 0.01
SECONDS_MAX = 60.0
SOME = f"SELECT g, predict('rec', g, 1) p FROM generate_series(1, {STEPS * STEP_ROWS}) g"
INSERT = "INSERT INTO rating_events SELECT g, g, predict('rec', g, 1), 'x' FROM generate_series(1, 900000) g"
LOAD = "INSERT INTO rating_events VALUES " + ",".join(f"({one}, 1, 2.5, 'some text')" for one in range(20_000))
TOO_LATE = "57014", "canceling statement due to statement timeout"
CANCELED = "57014", "canceling statement due to user request"


class Slow(Als):
    """Takes its time, and counts how often it was asked in this room."""

    CALLS: ClassVar[list[int]] = []

    def predict(self, view, arguments):
        time.sleep(SLEEP_S)
        self.CALLS.append(len(arguments[0]))
        return super().predict(view, arguments)


class Room:
    """A frontend that serves a slow model and a stream."""

    def __init__(self) -> None:
        Slow.CALLS.clear()
        model = Slow.from_options({"factors": "4"}, ["BIGINT", "BIGINT"])
        (fast,) = [one for one in REGISTRY.loaded() if one.version == 1]
        registry, version = Registry(), replace(fast, model=model)
        registry.become(loaded=[version], pointers={"rec": Pointers(versions=frozenset((1,)), aliases={"live": 1})})
        self.streams = Streams()
        services = Services(catalogs=Catalogs(), registry=registry, streams=self.streams)
        self.frontend = make_frontend(services=services)

    @property
    def asked(self) -> int:
        """How often the model was."""
        return len(Slow.CALLS)

    async def has_asked(self, times: int) -> None:
        """Wait until it was so often."""
        until = time.monotonic() + SECONDS_MAX
        while self.asked < times:
            assert time.monotonic() < until
            await asyncio.sleep(0)

    async def client(self) -> Client:
        found = Client(self.frontend)
        await found.start()
        return found


def room(test):
    def wrapped(**arguments):
        async def go() -> None:
            found = Room()
            await test(found, await found.client(), **arguments)

        run(go())

    wrapped.__name__ = test.__name__
    return wrapped


def cancel(client: Client) -> None:
    request = m.CancelRequest(process_id=client.session.process_id, secret_key=client.session.secret_key)
    client.frontend.cancel(request)

@pytest.mark.parametrize("text", [
    SOME,
    f"{SOME} ORDER BY p DESC LIMIT 1",
    f"EXPLAIN ANALYZE {SOME}",
    INSERT,
])  # fmt: skip
@pytest.mark.parametrize("way", ["timeout", "cancel"])
@pytest.mark.parametrize("extended", [False, True])
def test_the_engine_is_stopped(text, way, extended):
    @room
    async def played(room: Room, client: Client):
        if way == "timeout":
            await client.ask("SET statement_timeout = 50")
        series = [m.Parse(statement="", text=text), m.Bind(), m.Execute(), m.Sync()]
        for message in series if extended else [m.Query(text=text)]:
            client.feed(client_of(message))
        if way == "cancel":
            await room.has_asked(3)
            cancel(client)
        answer = client.decoded(await client.taken())
        assert error(answer) == (TOO_LATE if way == "timeout" else CANCELED) and status(answer) == "idle"
        assert room.asked < 50, "the rest was not computed"
        await client.ask("SET statement_timeout = 0")
        assert tags(await client.ask("SELECT predict('rec', 1, 2)")) == ["SELECT 1"]
        assert room.streams.events.rows == []

    played()


@room
async def test_one_step_too_late_has_no_effect(room: Room, client: Client):
    await client.ask(f"SET statement_timeout = {int(SLEEP_S * 1e3) - 5}")
    assert error(await client.ask("INSERT INTO rating_events SELECT 1, 2, predict('rec', 1, 2), 'x'")) == TOO_LATE
    assert error(await client.ask("SELECT predict('rec', 1, 2) AS first")) == TOO_LATE
    assert room.streams.events.rows == []


@room
async def test_in_a_block_what_was_stopped_leaves_the_rows_of_its_savepoint(room: Room, client: Client):
    await client.ask("BEGIN")
    await client.ask("INSERT INTO rating_events VALUES (1, 2, 3, NULL)")
    await client.ask("SET LOCAL statement_timeout = 50")
    assert error(await client.ask(INSERT))[0] == "57014"
    assert tags(await client.ask("COMMIT")) == ["ROLLBACK"]
    assert room.streams.events.rows == []


@room
async def test_others_have_their_turn(room: Room, client: Client):
    other = await room.client()
    client.feed(client_of(m.Query(text=SOME)))
    await room.has_asked(3)
    for _ in range(5):
        assert tags(await other.ask("SELECT predict('rec', 1, 2)")) == ["SELECT 1"]
    assert client.session.busy
    cancel(client)
    assert error(client.decoded(await client.taken())) == CANCELED


LONG = [LOAD, "SELECT predict('rec', 1, 2)" + " " * 9 + ", 1" * 100_000]


@pytest.mark.parametrize("text", LONG, ids=["load", "columns"])
@pytest.mark.parametrize("way", ["timeout", "cancel"])
@pytest.mark.parametrize("extended", [False, True])
def test_planning_is_stopped_and_holds_up_nobody(text, way, extended):
    @room
    async def played(room: Room, client: Client):
        other = await room.client()
        if way == "timeout":
            await client.ask("SET statement_timeout = 1")
        series = [m.Parse(statement="", text=text), m.Bind(), m.Execute(), m.Sync()]
        client.feed(b"".join(map(client_of, series if extended else [m.Query(text=text)])))
        if way == "cancel":
            while not threads():
                await asyncio.sleep(0)
            assert tags(await other.ask("SELECT predict('rec', 1, 2)")) == ["SELECT 1"]
            assert client.session.busy
            cancel(client)
        answer = client.decoded(await client.taken())
        assert error(answer) == (TOO_LATE if way == "timeout" else CANCELED) and status(answer) == "idle"
        assert room.streams.events.rows == []
        while threads():
            await asyncio.sleep(0.001)

    played()


@pytest.mark.parametrize("rows", [200, 2000], ids=["kept by the cache", "not kept"])
def test_what_was_planned_apart_is_run(rows):
    @room
    async def played(room: Room, client: Client):
        load = "INSERT INTO rating_events VALUES " + ",".join(f"({one}, 1, 2.5, 'text')" for one in range(rows))
        assert tags(await client.ask(load)) == [f"INSERT 0 {rows}"]
        series = [m.Parse(statement="s", text=load), m.Bind(statement="s"), m.Execute(), m.Sync()]
        assert tags(await client.say(*series)) == [f"INSERT 0 {rows}"]
        room.frontend.services.catalogs.change()
        assert tags(await client.say(*series[1:])) == [f"INSERT 0 {rows}"]
        assert tags(await client.ask(f"SELECT predict('rec', 1, 2); {load};")) == ["SELECT 1", f"INSERT 0 {rows}"]
        assert len(room.streams.events.rows) == 4 * rows
        (failed,) = [one for one in await client.ask(f"  {load}, (1, 2") if isinstance(one, m.ErrorResponse)]
        assert failed.fields["C"] == "42601" and int(failed.fields["P"]) == len(load) + 10
        assert error(await client.say(m.Parse(statement="", text=f"{load}, (1, 2"), m.Sync()))[0] == "42601"

    played()


@room
async def test_a_text_of_many_statements_is_ended_between_two(room: Room, client: Client):
    client.feed(client_of(m.Query(text="SELECT predict('rec', 1, 2);" * 1000)))
    await room.has_asked(2)
    cancel(client)
    answer = client.decoded(await client.taken())
    assert error(answer) == CANCELED and room.asked < 1000


def client_of(message: m.ClientMessage) -> bytes:
    return client_messages.encode(message)


def threads() -> list[threading.Thread]:
    """What works apart."""
    return [one for one in threading.enumerate() if one.name == apart.THREAD]


def for_ever() -> None:
    while True:
        pass


def test_work_apart_gives_fails_and_is_ended():
    async def go() -> None:
        working = Apart()
        assert await working.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await working.run(lambda: 1 // 0)
        tasks = [asyncio.ensure_future(working.run(for_ever)) for _ in range(apart.APART_AT_ONCE_MAX + 1)]
        while len(threads()) < apart.APART_AT_ONCE_MAX:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert len(threads()) == apart.APART_AT_ONCE_MAX, "the last one waits"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        while threads():
            await asyncio.sleep(0.001)
        assert await working.run(lambda: 8) == 8

    run(go())
