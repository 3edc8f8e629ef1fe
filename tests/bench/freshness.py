"""freshness: from the INSERT of a rating until predict shows it, at 10 and at 500 events a second.

One connection inserts, another asks for the prediction of the same pair again and again until it differs. The time counts
from before the INSERT is sent to after the first answer that differs, so it holds the commit of the stream, the learning
job, the model's log, the replica, and half a pause between two questions. Every sample has a user and an item of its own.
The background comes from another process, open loop, over users and items that no sample uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import psycopg
from typing_extensions import Self

from tests.bench.factors import generate
from tests.bench.report import Goal, Report, Table, hash_of, percentiles
from tests.bench.stage import stage
from tests.bench.statements import queries
from tests.deployment import Deployment

SEED = 3
ASK_PAUSE_S = 0.0005
"""Between two questions: they should not be a load of their own on two cores. Its half is in every sample."""

BACKGROUND_CONNECTIONS = 32
"""Enough for the rate at 60 ms an INSERT."""

CHANGE_S_MAX = 10.0
"""After this a rating counts as lost."""

LIKED, DISLIKED = 5.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. The first half of users and items is for samples, the second for the background."""

    users: int = 20_000
    items: int = 20_000
    rank: int = 32
    samples: int = 400
    warm_up: int = 50
    per_s: float = 10.0
    background_per_s: tuple[int, ...] = (0, 490)


SMALL = Scale(users=400, items=400, rank=8, samples=10, warm_up=5, background_per_s=(0, 90))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One rate: microseconds until a rating showed, until its INSERT was acknowledged; what failed."""

    background_per_s: int
    shown_us: np.ndarray
    acknowledged_us: np.ndarray
    lost: int
    background: dict


def run(*, small: bool, running: Deployment | None = None) -> Report:
    """Measure at every background rate, over one deployment."""
    scale = SMALL if small else Scale()
    pairs = np.random.default_rng(SEED).permutation(scale.users // 2)
    needed = scale.warm_up + len(scale.background_per_s) * scale.samples
    if needed > len(pairs):
        raise ValueError("every sample needs a user of its own")
    with stage(running) as deployment:
        generate(deployment, users=scale.users, items=scale.items, factors=scale.rank)
        deployment.execute(queries("ours")["create_stream"])
        deployment.execute(queries("ours")["learn"])
        sample(deployment, pairs[: scale.warm_up], scale)
        measured, used = [], scale.warm_up
        for rate in scale.background_per_s:
            measured.append(under(deployment, rate, pairs[used : used + scale.samples], scale))
            used += scale.samples
    return report(scale, measured, pairs[:used])


def under(deployment: Deployment, rate: int, pairs: np.ndarray, scale: Scale) -> Measured:
    """Samples while ``rate`` further events a second arrive."""
    seconds = len(pairs) / scale.per_s + 2
    process = _background(deployment, rate, seconds, scale) if rate else None
    if process is not None:
        time.sleep(1.0)
    shown, acknowledged, lost = sample(deployment, pairs, scale)
    background = {}
    if process is not None:
        output, _ = process.communicate()
        background = json.loads(output)
    return Measured(background_per_s=rate, shown_us=shown, acknowledged_us=acknowledged, lost=lost, background=background)


def sample(deployment: Deployment, pairs: np.ndarray, scale: Scale) -> tuple[np.ndarray, np.ndarray, int]:
    """Microseconds until shown and until acknowledged, one of each per pair that showed; how many never did."""
    shown, acknowledged, lost = [], [], 0
    with deployment.connect() as asking, Inserter(deployment) as inserter:
        began = time.perf_counter()
        for number, key in enumerate(pairs.tolist()):
            if (early := number / scale.per_s - (time.perf_counter() - began)) > 0:
                time.sleep(early)
            before = _ask(asking, key)
            rating = LIKED if before < (LIKED + DISLIKED) / 2 else DISLIKED
            sent = time.perf_counter()
            inserter.insert(key, rating)
            while (now := _ask(asking, key)) == before and time.perf_counter() - sent < CHANGE_S_MAX:
                time.sleep(ASK_PAUSE_S)
            took = time.perf_counter() - sent
            answered_at = inserter.wait()
            if now == before or answered_at is None:
                lost += 1
                continue
            shown.append(took * 1e6)
            acknowledged.append((answered_at - sent) * 1e6)
    return np.array(shown), np.array(acknowledged), lost


class Inserter:
    """A connection in a thread of its own, so that asking does not wait for the INSERT to be acknowledged."""

    def __init__(self, deployment: Deployment) -> None:
        self._connection = deployment.connect()
        self._given: tuple[int, float] | None = None
        self._start, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._answered_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given = None
        self._start.release()
        self._thread.join()
        self._connection.close()

    def insert(self, key: int, rating: float) -> None:
        """Send a rating of item ``key`` by user ``key``."""
        self._given = (key, rating)
        self._start.release()

    def wait(self) -> float | None:
        """When the last INSERT was acknowledged (perf_counter), None when it failed."""
        self._done.acquire()
        return self._answered_at

    def _run(self) -> None:
        statement = queries("ours")["insert_rating"]
        while self._start.acquire() and self._given is not None:
            key, rating = self._given
            try:
                self._connection.execute(statement, {"user": key, "item": key, "rating": rating}, prepare=True)
                self._answered_at = time.perf_counter()
            except psycopg.Error as error:
                sys.stderr.write(f"INSERT failed: {error}\n")
                self._answered_at = None
            self._done.release()


def _ask(connection: psycopg.Connection, key: int) -> float:
    return connection.execute(queries("ours")["predict"], {"user": key, "item": key}, prepare=True).fetchone()[0]


def _background(deployment: Deployment, rate: int, seconds: float, scale: Scale) -> subprocess.Popen[str]:
    """``flinkms load`` with INSERTs over the other half of users and items."""
    command = [sys.executable, "-m", "flinkms_sql", "load", queries("ours")["insert_rating_numbered"], "--json",
               "--rate", str(rate), "--seconds", str(seconds), "--seed", str(SEED), "--connections", str(BACKGROUND_CONNECTIONS),
               "--parameter", f"{scale.users // 2}:{scale.users - 1}",
               "--parameter", f"{scale.items // 2}:{scale.items - 1}", "--parameter", "0.5:5.0"]
    environment = {**os.environ, **deployment.settings.environment()}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def report(scale: Scale, measured: list[Measured], pairs: np.ndarray) -> Report:
    """Percentiles at each rate; goals hold at every rate."""
    rows, figures = [], {}
    for entry in measured:
        rate = round(scale.per_s) + entry.background_per_s
        shown, acknowledged = percentiles(entry.shown_us), percentiles(entry.acknowledged_us)
        rows.append((rate, len(entry.shown_us), *(round(shown[key]) for key in ("p50", "p90", "p99", "max")),
                     round(acknowledged["p50"]), entry.lost))
        figures[str(rate)] = {"shown_us": shown, "acknowledged_us": acknowledged, "samples": len(entry.shown_us),
                              "lost": entry.lost, "background": entry.background}
    p50, p99 = (max(percentiles(entry.shown_us)[key] for entry in measured) / 1e3 for key in ("p50", "p99"))
    return Report(
        name="freshness", result_hash=hash_of(pairs),
        errors=sum(entry.lost + sum(entry.background.get("errors", {}).values()) for entry in measured),
        tables=(Table(title="Microseconds from INSERT until predict shows it", rows=tuple(rows),
                      columns=("events/s", "samples", "p50", "p90", "p99", "max", "INSERT acknowledged p50", "lost")),),
        goals=(Goal(name="p50, ms, at every rate", value=p50, bound=30, side="at most"),
               Goal(name="p99, ms, at every rate", value=p99, bound=120, side="at most")),
        figures={"rates": figures},
        notes=(f"{scale.users:,} users and items, rank {scale.rank}. The hash is of the pairs rated.",),
    )
