"""Streams: stream.json, group commit, back-pressure, and what an append may be told when the disk fails."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog import stream as stream_module
from flinkms_sql.modellog.frame import APPEND
from flinkms_sql.modellog.partition import PartitionReader
from flinkms_sql.modellog.stream import Stream, StreamColumn, StreamWriter
from flinkms_sql.types import SqlType
from tests.modellog_files import no_sync, objects
from udfs.block import Column

DECLARED = [
    StreamColumn(name="user_id", type=SqlType.BIGINT),
    StreamColumn(name="note", type=SqlType.STRING),
    StreamColumn(name="tags", type=SqlType.INT_ARRAY),
    StreamColumn(name="at", type=SqlType.TIMESTAMP_LTZ),
]


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream.create(tmp_path / "streams" / "events", DECLARED, no_sync)


def rows(*numbers: int) -> list[Column]:
    """Rows whose every column says the number; negative ones have a NULL note."""
    array = np.array(numbers, np.int64)
    valid = None if (array >= 0).all() else array >= 0
    offsets = np.arange(len(array) + 1) * 2
    return [
        Column(array),
        Column(objects([f"n{number}" for number in numbers]), valid),
        Column(np.repeat(array, 2).astype(np.int32), None, offsets),
        Column(array * 1000),
    ]


def read(stream: Stream, partition: str = "frontend-0") -> list[list[int]]:
    """The numbers in the stream, frame by frame, every column checked."""
    reader = PartitionReader(stream.path / "log" / partition, APPEND, None)
    frames = []
    while events := reader.poll():
        for frame in events:
            user, note, tags, at = frame.columns()
            expected = rows(*user.values.tolist())
            assert (at.values == expected[3].values).all()
            assert (tags.values == expected[2].values).all()
            assert (tags.offsets == expected[2].offsets).all()
            valid = np.ones(frame.rows, bool) if note.valid is None else note.valid
            assert (note.values[valid] == expected[1].values[user.values >= 0]).all()
            assert (valid == (user.values >= 0)).all()
            frames.append(user.values.tolist())
    reader.close()
    return frames


class Gate:
    """An fsync that can be held up, and made to fail."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.calls = 0
        self.error: int | None = None

    def __call__(self, handle: int) -> None:
        self.entered.set()
        assert self.open.wait(10)
        self.calls += 1
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))

    def shut(self) -> None:
        self.open.clear()
        self.entered.clear()


def test_a_declaration_is_read_back(stream: Stream) -> None:
    assert Stream.open(stream.path) == stream
    with pytest.raises(FlinkmsError, match='stream "events" already exists') as caught:
        Stream.create(stream.path, DECLARED)
    assert caught.value.sqlstate == "42P07"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1, "columns": []}', '{"format": 1, "columns": [{"name": 1}]}']
)
def test_a_damaged_declaration_is_named(stream: Stream, text: str) -> None:
    (stream.path / "stream.json").write_text(text)
    with pytest.raises(FlinkmsError, match=r"stream\.json") as caught:
        Stream.open(stream.path)
    assert caught.value.sqlstate == "XX001"


def test_appends_come_back_in_order_over_restarts(stream: Stream) -> None:
    for run in range(3):
        writer = StreamWriter(stream, "frontend-0", fsync=no_sync)
        writer.append_sync(rows(10 * run, -1))
        writer.append_sync(rows())
        writer.append_sync(rows(10 * run + 1))
        writer.close()
    assert read(stream) == [[0, -1], [1], [10, -1], [11], [20, -1], [21]]


def test_no_append_is_acknowledged_before_its_fsync_and_many_share_one(stream: Stream) -> None:
    gate = Gate()

    async def scenario() -> int:
        writer = StreamWriter(stream, "frontend-0", fsync=gate)
        await writer.append(rows(0))
        gate.shut()
        first = asyncio.create_task(writer.append(rows(1)))
        await asyncio.to_thread(gate.entered.wait, 10)
        others = [asyncio.create_task(writer.append(rows(n))) for n in range(2, 100)]
        await asyncio.sleep(0.02)
        assert not first.done()
        assert not any(task.done() for task in others)
        before = gate.calls
        gate.open.set()
        await asyncio.gather(first, *others)
        after = gate.calls
        await asyncio.to_thread(writer.close)
        return after - before

    assert asyncio.run(scenario()) == 2
    assert read(stream) == [[0], [1], list(range(2, 100))]


def test_a_full_queue_makes_appends_wait_and_loses_none(stream: Stream) -> None:
    gate = Gate()

    async def scenario() -> None:
        writer = StreamWriter(stream, "frontend-0", fsync=gate, pending_max=3)
        await writer.append(rows(0))
        gate.shut()
        tasks = [asyncio.create_task(writer.append(rows(n))) for n in range(1, 30)]
        await asyncio.to_thread(gate.entered.wait, 10)
        await asyncio.sleep(0.02)
        assert len(writer._queue) == 3
        tasks[-1].cancel()
        gate.open.set()
        await asyncio.gather(*tasks[:-1])
        await asyncio.to_thread(writer.close)

    asyncio.run(scenario())
    assert sorted(itertools.chain(*read(stream))) == list(range(29))


def test_threads_and_coroutines_share_a_writer(stream: Stream) -> None:
    writer = StreamWriter(stream, "frontend-0", fsync=no_sync, pending_max=2)

    def append_ten(first: int) -> None:
        for number in range(first, first + 10):
            writer.append_sync(rows(number))

    threads = [threading.Thread(target=append_ten, args=(100 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()

    async def appends() -> None:
        await asyncio.gather(*(writer.append(rows(1000 + i)) for i in range(10)))

    asyncio.run(appends())
    for thread in threads:
        thread.join()
    writer.close()
    expected = [100 * n + i for n in range(3) for i in range(10)] + [1000 + i for i in range(10)]
    assert sorted(itertools.chain(*read(stream))) == sorted(expected)


@pytest.mark.parametrize(("error", "sqlstate"), [(errno.ENOSPC, "53100"), (errno.EIO, "58030")])
def test_a_failed_commit_is_told_to_all_that_shared_it_and_leaves_no_row(
    stream: Stream, error: int, sqlstate: str
) -> None:
    gate = Gate()

    async def scenario() -> None:
        writer = StreamWriter(stream, "frontend-0", fsync=gate)
        await writer.append(rows(0))
        gate.error = error
        outcomes = await asyncio.gather(*(writer.append(rows(n)) for n in (1, 2)), return_exceptions=True)
        assert [outcome.sqlstate for outcome in outcomes] == [sqlstate] * 2
        gate.error = None
        await writer.append(rows(3))
        await asyncio.to_thread(writer.close)

    asyncio.run(scenario())
    assert read(stream) == [[0], [3]]


def test_rows_that_cannot_be_written_do_not_fail_their_neighbours(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FRAME_BYTES_MAX", 1000)
    gate = Gate()

    async def scenario() -> list[BaseException | None]:
        writer = StreamWriter(stream, "frontend-0", fsync=gate)
        await writer.append(rows(0))
        gate.shut()
        first = asyncio.create_task(writer.append(rows(1)))
        await asyncio.to_thread(gate.entered.wait, 10)
        bad = rows(2)
        bad[1] = Column(objects(["\ud800"]))
        tasks = [asyncio.create_task(writer.append(batch)) for batch in (bad, rows(3), rows(*range(100)), rows(4))]
        await asyncio.sleep(0.01)
        gate.open.set()
        await first
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(writer.close)
        return outcomes

    outcomes = asyncio.run(scenario())
    assert [outcome and outcome.sqlstate for outcome in outcomes] == ["22000", None, "53400", None]
    assert read(stream) == [[0], [1], [3], [4]]


@pytest.mark.parametrize(
    "change",
    [
        lambda columns: columns[:-1],
        lambda columns: [Column(columns[0].values.astype(np.int32)), *columns[1:]],
        lambda columns: [Column(np.arange(5)), *columns[1:]],
        lambda columns: [Column(columns[0].values, np.ones(3, bool)), *columns[1:]],
        lambda columns: [*columns[:2], Column(np.zeros(2, np.int32)), columns[3]],
    ],
)
def test_columns_that_do_not_fit_are_refused_at_once(stream: Stream, change: object) -> None:
    writer = StreamWriter(stream, "frontend-0", fsync=no_sync)
    with pytest.raises(FlinkmsError) as caught:
        writer.append_sync(change(rows(1, 2)))
    assert caught.value.sqlstate == "42804"
    writer.close()
    assert read(stream) == []


def test_a_closed_writer_refuses(stream: Stream) -> None:
    writer = StreamWriter(stream, "frontend-0", fsync=no_sync)
    writer.close()
    with pytest.raises(FlinkmsError, match="closed for appending") as caught:
        writer.append_sync(rows(1))
    assert caught.value.sqlstate == "57P01"
    with pytest.raises(FlinkmsError, match="closed for appending"):
        asyncio.run(writer.append(rows(1)))
