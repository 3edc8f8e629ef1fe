"""How often logs are looked at: often while something is happening, seldom else, versions without an alias least."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flinkms_sql.engine.registry import Registry
from flinkms_sql.places import Places
from flinkms_sql.serving import versions
from flinkms_sql.serving.versions import LIVELY_S, POLL_OTHERS_S, POLL_QUIET_S, POLL_S, Held, Versions


class Replica:
    """Has ``news``, each told once; knows when it was looked at."""

    def __init__(self) -> None:
        self.news: list[int] = []
        self.looks: list[float] = []

    def poll(self) -> int:
        self.looks.append(asyncio.get_running_loop().time())
        return self.news.pop() if self.news else 0


def looks(monkeypatch: pytest.MonkeyPatch, *, during_s: float, before=lambda held, live: None) -> dict[str, int]:
    """How often each of two replicas, ``live`` with an alias and ``old`` without, is looked at, by a clock of our own."""
    live, old, sleep = Replica(), Replica(), asyncio.sleep

    async def go() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)

        async def pass_time(seconds: float) -> None:
            nonlocal now
            now += seconds
            await sleep(0)

        monkeypatch.setattr(versions.asyncio, "sleep", pass_time)
        held = Versions(Registry(), Places(warehouse=Path()))
        held._held = {("m", number, "", 0.0): Held(loaded=None, replica=replica) for number, replica in ((2, live), (1, old))}
        held._asked = frozenset({("m", 2, "", 0.0)})
        before(held, live)
        end, polling = now + during_s, loop.create_task(held.poll())
        while now < end:
            await sleep(0)
        polling.cancel()

    asyncio.run(go())
    return {"live": len(live.looks), "old": len(old.looks)}


def test_seldom_when_nothing_happens(monkeypatch):
    found = looks(monkeypatch, during_s=2.0)
    assert found["live"] == pytest.approx(2.0 / POLL_QUIET_S, rel=0.1)
    assert found["old"] == pytest.approx(2.0 / POLL_OTHERS_S, rel=0.2)


def test_often_after_an_insert_for_a_while(monkeypatch):
    found = looks(monkeypatch, during_s=LIVELY_S + 2.0, before=lambda held, live: held.expect_updates())
    assert found["live"] == pytest.approx(LIVELY_S / POLL_S + 2.0 / POLL_QUIET_S, rel=0.1)
    assert found["old"] == pytest.approx((LIVELY_S + 2.0) / POLL_OTHERS_S, rel=0.2)


def test_often_after_an_update_in_the_log(monkeypatch):
    found = looks(monkeypatch, during_s=1.0, before=lambda held, live: live.news.append(3))
    assert found["live"] == pytest.approx(1.0 / POLL_S, rel=0.1)
