"""``flinkms load``: when requests are due, whose fault a latency is, and how failures are counted."""

from __future__ import annotations

import argparse
import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from flinkms_sql.cli import main
from flinkms_sql.commands.load import as_text, configure, summary
from flinkms_sql.commands.load_client import UNANSWERED, Load, Outcome, Range, run_load
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.wire import framed

DIVISION_BY_ZERO = framed(b"E", b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0")


def a_load(**changed: object) -> Load:
    fields = {"host": "127.0.0.1", "port": 1, "user": "flinkms", "database": "flinkms", "statement": "SELECT 1",
              "rate": 200.0, "seconds": 0.5, "connections": 2}
    return Load(**(fields | changed))


def test_fixed_arrivals_are_evenly_spaced() -> None:
    np.testing.assert_allclose(a_load(arrivals="fixed", rate=4.0, seconds=1.0).due_s(), [0, 0.25, 0.5, 0.75])


def test_poisson_arrivals_have_the_rate_and_its_variance() -> None:
    due = a_load(rate=1000.0, seconds=20.0).due_s()
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.03)
    assert due[0] >= 0
    assert due[-1] < 20.0
    assert gaps.mean() == pytest.approx(gaps.std(), rel=0.05)


def test_times_and_values_are_a_function_of_the_seed() -> None:
    np.testing.assert_array_equal(a_load(seed=7).due_s(), a_load(seed=7).due_s())
    assert not np.array_equal(a_load(seed=7).due_s()[:10], a_load(seed=8).due_s()[:10])


def test_too_many_requests_are_refused() -> None:
    with pytest.raises(FlinkmsError, match="are too many") as raised:
        a_load(rate=1e9, seconds=3600.0).due_s()
    assert raised.value.sqlstate == "53400"


def test_a_range_holds_both_ends_and_stays_whole() -> None:
    random = np.random.default_rng(0)
    assert set(Range(low=3, high=5).draw(random, 200)) == {b"3", b"4", b"5"}
    assert all(0.5 <= float(text) <= 5.0 for text in Range(low=0.5, high=5.0).draw(random, 200))


class Stalling(asyncio.Protocol):
    """A server of one statement that answers every Sync after a pause."""

    pause_s = 0.05

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"\0":
            authenticated = framed(b"R", struct.pack(">i", 0)) + framed(b"Z", b"I")
            self.transport.write(authenticated)
        elif data[:1] == b"P":
            self.transport.write(framed(b"1", b"") + framed(b"Z", b"I"))
        elif data[:1] == b"B":
            answer = framed(b"2", b"") + framed(b"C", b"SELECT 0\0") + framed(b"Z", b"I")
            asyncio.get_running_loop().call_later(self.pause_s, self.transport.write, answer)


class Failing(Stalling):
    """Fails every second request."""

    pause_s, count = 0.0, 0

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"B":
            self.count += 1
            if self.count % 2 == 0:
                self.transport.write(DIVISION_BY_ZERO + framed(b"Z", b"I"))
                return
        super().data_received(data)


class Closing(Stalling):
    """Goes away at the first request."""

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"B":
            self.transport.close()
        else:
            super().data_received(data)


class Refusing(Stalling):
    """Prepares nothing."""

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"P":
            self.transport.write(DIVISION_BY_ZERO + framed(b"Z", b"I"))
        else:
            super().data_received(data)


@contextmanager
def serving(protocol: type[asyncio.Protocol]) -> Iterator[int]:
    """A server in a thread; its port."""
    loop, started, ended, port = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def serve() -> None:
        server = await loop.create_server(protocol, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        started.set()
        await ended.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.mark.integration
def test_a_stall_shows_in_every_request_it_held_up() -> None:
    with serving(Stalling) as port:
        load = a_load(port=port, rate=100.0, seconds=0.5, arrivals="fixed", connections=1)
        outcome = run_load(load)
    # One answer in 50 ms, one request in 10 ms: request n waits for n others before it.
    assert len(outcome.latencies_us) == outcome.requests == 50
    assert max(outcome.latencies_us) > 49 * 40_000
    assert np.median(outcome.service_us) < 200_000
    assert not outcome.failed


@pytest.mark.integration
def test_failures_are_counted_by_sqlstate_and_have_no_latency() -> None:
    with serving(Failing) as port:
        outcome = run_load(a_load(port=port, connections=1))
    assert outcome.failed == {"22012": outcome.requests // 2}
    assert len(outcome.latencies_us) == outcome.requests - outcome.requests // 2


@pytest.mark.integration
def test_a_server_that_goes_away_leaves_requests_unanswered() -> None:
    with serving(Closing) as port:
        outcome = run_load(a_load(port=port, connections=2))
    assert outcome.failed == {"08006": 2, UNANSWERED: outcome.requests - 2}
    assert outcome.latencies_us == []


@pytest.mark.integration
def test_a_statement_that_cannot_be_prepared_is_an_error_at_once() -> None:
    with serving(Refusing) as port, pytest.raises(FlinkmsError, match="division by zero") as raised:
        run_load(a_load(port=port))
    assert raised.value.sqlstate == "22012"


@pytest.mark.integration
def test_nobody_there_is_08006(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Closing) as port:
        pass
    assert main(["load", "SELECT 1", "--port", str(port), "--seconds", "1"]) == 1
    assert "error 08006: could not connect" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "sqlstate"), [
    (["--host", "192.0.2.1"], "42501"), (["--seconds", "1e6"], "22023"), (["--connections", "0"], "22023"),
    (["--connections", "5000"], "22023"),
])  # fmt: skip
def test_what_is_refused_before_anything_is_sent(
    arguments: list[str], sqlstate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", "SELECT 1", *arguments]) == 1
    assert f"error {sqlstate}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["5", "5:1", "a:b", ":"])
def test_what_is_no_range(text: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    configure(parser)
    with pytest.raises(argparse.ArgumentError, match="a range is LOW:HIGH"):
        parser.parse_args(["SELECT 1", "--parameter", text])


def test_a_summary_without_answers_still_reads() -> None:
    outcome = Outcome(requests=2)
    outcome.failed["57P01"] = 2
    text = as_text(summary(a_load(), outcome))
    assert "0 of 2 requests answered" in text
    assert "error 57P01: 2" in text
