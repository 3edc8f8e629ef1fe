"""Rows that wait for their transaction: savepoints as PostgreSQL nests them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server import budget, pending
from flinkms_sql.server.budget import Budget, Kept, Share
from flinkms_sql.server.pending import PendingRows
from tests.serving import Streams
from udfs.block import Column


def play(steps: str) -> list[int]:
    """The rows that are appended after steps such as ``1 sa 2 ra 3``: rows, s(avepoint), r(ollback to), e (release)."""
    rows, streams = PendingRows(Share(Budget())), Streams()
    acts = {"s": rows.savepoint, "r": rows.rollback_to, "e": rows.release}
    for step in steps.split():
        if step.isdigit():
            rows.add("rating_events", [Column(np.array([int(step)]))])
        else:
            acts[step[0]](step[1:])
    rows.commit()
    asyncio.run(rows.append(streams))
    assert not rows.waiting and not rows.due
    return [row[0] for row in streams.events.rows]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ("1", [1]), ("1 sa 2 ra 3", [1, 3]), ("1 sa 2 ra ra 3", [1, 3]), ("1 sa 2 ea 3", [1, 2, 3]),
        ("sa 1 sa 2 ra 3", [1, 3]), ("sa 1 sa 2 ea ra 3", [3]), ("sa 1 sb 2 ea 3", [1, 2, 3]),
        ("sa 1 sb 2 ra 3 rb", [3]), ("sa 1 sb 2 sc 3 rb 4", [1, 4]), ("1 rnone enone 2", [1, 2]), ("sa 1 sA 2 rA", [1]),
    ],
)  # fmt: skip
def test_savepoints(steps, left):
    assert play(steps) == left


def test_what_is_rolled_back_is_never_due():
    rows = PendingRows(Share(Budget()))
    rows.add("rating_events", [Column(np.array([1]))])
    rows.forget()
    rows.commit()
    assert not rows.due and not rows.waiting


def test_limits(monkeypatch):
    monkeypatch.setattr(pending, "TRANSACTION_ROWS_MAX", 2)
    monkeypatch.setattr(pending, "SAVEPOINTS_MAX", 1)
    rows = PendingRows(Share(Budget()))
    rows.add("rating_events", [Column(np.array([1, 2]))])
    rows.savepoint("a")
    for act in (lambda: rows.add("rating_events", [Column(np.array([3]))]), lambda: rows.savepoint("b")):
        with pytest.raises(FlinkmsError) as caught:
            act()
        assert caught.value.sqlstate == "53400"


def test_rows_are_bounded_by_their_bytes_too(monkeypatch):
    monkeypatch.setattr(pending, "TRANSACTION_BYTES_MAX", 1000)
    rows = PendingRows(Share(Budget()))
    texts = np.array(["x" * 300], dtype=object)
    rows.add("texts", [Column(texts)])
    rows.savepoint("a")
    rows.add("texts", [Column(texts)])
    rows.rollback_to("a")
    for _ in range(2):
        rows.add("texts", [Column(texts)])
    with pytest.raises(FlinkmsError) as caught:
        rows.add("texts", [Column(texts)])
    assert caught.value.sqlstate == "53400"
    rows.forget()
    assert rows.add("texts", [Column(texts)]) == 1


def test_what_waits_counts_until_it_is_durable():
    budget, streams = Budget(), Streams()
    share = Share(budget)
    rows = PendingRows(share)
    for end in (rows.forget, rows.commit):
        rows.savepoint("a")
        rows.add("rating_events", [Column(np.arange(10))])
        assert budget.kept == share.kept == 80
        end()
    assert rows.due and budget.kept == 80
    asyncio.run(rows.append(streams))
    assert budget.kept == 0


def test_sessions_have_one_bound_together(monkeypatch):
    monkeypatch.setattr(budget, "KEPT_BYTES_MAX", 100)
    shared = Budget()
    first, second = PendingRows(Share(shared)), PendingRows(mine := Share(shared))
    first.add("rating_events", [Column(np.arange(10))])
    with pytest.raises(FlinkmsError) as caught:
        second.add("rating_events", [Column(np.arange(10))])
    assert caught.value.sqlstate == "53200" and not second.waiting
    first.forget()
    assert second.add("rating_events", [Column(np.arange(10))]) == 10
    mine.end()
    second.forget()
    assert shared.kept == mine.kept == 0


def test_names_take_and_give(monkeypatch):
    monkeypatch.setattr(budget, "SESSION_KEPT_BYTES_MAX", 100)
    shared = Budget()
    names: Kept[str] = Kept(Share(shared), len)
    names["a"] = "x" * 60
    names["b"] = "x" * 40
    with pytest.raises(FlinkmsError) as caught:
        names["c"] = "x"
    assert caught.value.sqlstate == "53400" and "c" not in names
    names["a"] = "x" * 50
    del names["b"]
    assert shared.kept == 50 and names.pop("none") is None
    assert names.pop("a") == "x" * 50 and shared.kept == 0
    names["d"] = "x" * 100
    names.clear()
    assert shared.kept == 0 and not names
