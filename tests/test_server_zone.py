"""TimeZone acts on what a session writes, whichever way it comes: literals, casts, parameters; plans know no zone."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from flinkms_sql.engine.batcher import PreparedPoint
from flinkms_sql.engine.columns import convert
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, oids
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.times import DAYS_MAX, MICROSECONDS_MAX, parse_timestamp
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.plan import ModelPlan, PointPlan
from flinkms_sql.query.signatures import Catalog, ModelSignature
from flinkms_sql.server.names import Prepared
from flinkms_sql.server.parameters import UnknownZone, zone_of
from flinkms_sql.server.shapes import bound_shape, read_series
from flinkms_sql.types import SqlType
from tests.server_client import Client, begin_statement, conversation, tags
from udfs.block import Column

NOON = datetime(2026, 7, 1, 12)
OFFSETS = {"UTC": 0.0, "Europe/Berlin": 2.0, "America/New_York": -4.0, "Asia/Kolkata": 5.5}
"""Hours, in July."""
DUE = Catalog(model_signatures=(
    ModelSignature(name="due", algorithm="linear", inputs=(("at", SqlType.TIMESTAMP_LTZ),),
                   outputs=(("y", SqlType.DOUBLE),), recommends=False),
))  # fmt: skip
WRITTEN = ["'2026-07-01 12:00'", "TIMESTAMP '2026-07-01 12:00'", "TIMESTAMPTZ '2026-07-01 12:00'",
           "'2026-07-01 12:00'::timestamptz", "'2026-07-01T12:00'::timestamp"]  # fmt: skip


def micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def moments(client: Client) -> list[object]:
    found = [row[1] for row in client.frontend.services.streams.visits.rows]
    client.frontend.services.streams.visits.batches.clear()
    return found


@conversation
async def test_constants_without_an_offset_are_the_sessions(client: Client) -> None:
    for zone, hours in [*OFFSETS.items(), *OFFSETS.items()]:  # a plan of the former zone may not answer
        await client.ask(f"SET timezone TO '{zone}'")
        expected = micros(NOON - timedelta(hours=hours))
        for text in WRITTEN:
            assert tags(await client.ask(f"INSERT INTO visits (at) VALUES ({text})")) == ["INSERT 0 1"], text
            assert moments(client) == [expected], (zone, text)
        await client.ask("INSERT INTO visits (at) VALUES ('2026-07-01 12:00+03'), (DATE '2026-07-01'), ('infinity')")
        assert moments(client) == [micros(NOON - timedelta(hours=3)), expected - 12 * 3_600_000_000, MICROSECONDS_MAX]
        await client.ask("INSERT INTO visits (at) SELECT d FROM (VALUES (DATE '2026-07-01'), (NULL)) AS v (d)")
        assert moments(client) == [expected - 12 * 3_600_000_000, None]


@conversation
async def test_parameters_are_the_sessions(client: Client) -> None:
    text, shown, day = b"2026-07-01 12:00", struct.pack(">q", micros(NOON) - 946_684_800_000_000), b"2026-07-01"
    for at, (oid, code, value, back) in enumerate([
        (oids.TIMESTAMPTZ, 0, text, 0), (oids.UNSPECIFIED, 0, text, 0), (oids.TIMESTAMP, 0, text, 0),
        (oids.TIMESTAMP, 1, shown, 0), (oids.DATE, 0, day, 12), (oids.TIMESTAMP, 0, None, 0),
    ]):  # fmt: skip
        name = f"s{at}"
        await begin_statement(client, "INSERT INTO visits (at) VALUES ($1)", name, (oid,))
        for zone, hours in OFFSETS.items():
            await client.ask(f"SET timezone TO '{zone}'")
            bind = m.Bind(statement=name, formats=(code,), values=(value,))
            assert tags(await client.say(bind, m.Execute(), m.Sync())) == ["INSERT 0 1"]
            assert moments(client) == [None if value is None else micros(NOON - timedelta(hours=hours + back))], (at, zone)


@conversation
async def test_a_date_given_for_a_timestamp_is_its_midnight(client: Client) -> None:
    await begin_statement(client, "INSERT INTO visits (shown) VALUES ($1)", "s", (oids.DATE,))
    await client.say(m.Bind(statement="s", values=(b"2026-07-01",)), m.Execute(), m.Sync())
    assert [row[2] for row in client.frontend.services.streams.visits.rows] == [micros(datetime(2026, 7, 1))]


def test_an_argument_of_a_model_waits_for_the_zone() -> None:
    plan = analyze("SELECT predict('due', '2026-07-01 12:00')", DUE)
    assert isinstance(plan, ModelPlan), "a point has no zone"
    assert "::timestamptz" in plan.format()
    assert "::timestamptz" not in analyze("SELECT predict('due', '2026-07-01 12:00+02')", DUE).format()


@pytest.mark.parametrize(("code", "value"), [(0, b"2026-07-01 12:00"), (1, bytes(8))])
def test_a_text_that_a_zone_decides_is_not_read_on_the_hot_path(code: int, value: bytes) -> None:
    text = "SELECT predict('due', $1)"
    plan = analyze(text, DUE)
    assert isinstance(plan, PointPlan)
    prepared = Prepared(name="s", text=text, plan=plan, declared=(), oids=(oids.TIMESTAMPTZ,), key=0)
    bind = m.Bind(statement="s", formats=(code,), values=(value,))
    data = b"".join(map(client_messages.encode, [bind, m.Execute(), m.Sync()]))
    series = read_series(data)
    assert series is not None
    assert (bound_shape(data, series, prepared, plan, PreparedPoint(plan)) is None) == (code == 0)


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:30"), ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 01:30"),
     ("America/New_York", "2026-11-01 01:30", "2026-11-01 06:30"), ("UTC", "2026-10-25 02:30", "2026-10-25 02:30")],
)  # fmt: skip
def test_a_time_skipped_is_before_the_change_and_one_shown_twice_after_it(zone: str, text: str, utc: str) -> None:
    found = zone_of(zone)
    assert found is not None
    assert parse_timestamp(text, zone=found) == micros(datetime.fromisoformat(utc))


def test_infinity_is_nowhere_in_a_zone() -> None:
    days = Column(np.array([DAYS_MAX, 0], "<i4"))
    found = convert(days, SqlType.DATE, SqlType.TIMESTAMP_LTZ, zone_of("Asia/Kolkata") or timezone.utc)
    assert found.values.tolist() == [MICROSECONDS_MAX, -19_800_000_000]


def test_a_zone_that_only_postgres_knows_is_refused_where_it_matters() -> None:
    zone = UnknownZone("EST5EDT,M3.2.0,M11.1.0")
    assert parse_timestamp("2026-07-01 12:00Z", zone=zone) == micros(NOON)
    with pytest.raises(FlinkmsError, match="EST5EDT") as caught:
        parse_timestamp("2026-07-01 12:00", zone=zone)
    assert caught.value.sqlstate == "0A000"
