"""recommend: the ten best of 10,000 and of 100,000 items, rank 64.

Compared are: ours at the client (psycopg, prepared, from the call to the fetched rows); ours in process (the same kernel
on a replica of the same version: what is left is the wire); numpy in process on the same float32 arrays (matrix-vector
product, argpartition, sort: no keys, no ties, no deleted rows); pgvector's exact scan at the client, as ours. The user is
another at each call. Calls take turns in blocks, because a machine's speed drifts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.version import read_version
from tests.bench.factors import MODEL, Factors, generate
from tests.bench.peer_postgres import PeerPostgres, peer_postgres
from tests.bench.report import Goal, Report, Table, hash_of, percentiles
from tests.bench.stage import stage
from tests.bench.statements import queries
from tests.deployment import Deployment
from udfs.algorithms import configure

SEED = 2
K = 10
TOLERANCE = 1e-4
"""Largest difference of two scores of the same factors: float32 sums of 66 products in another order."""

Top = tuple[np.ndarray, np.ndarray]
"""int64[k] items and float64[k] scores, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    users: int = 1000
    items: tuple[int, ...] = (10_000, 100_000)
    rank: int = 64
    blocks: int = 10
    calls: int = 40
    """Calls of one contender in one block."""


SMALL = Scale(users=50, items=(500,), rank=8, blocks=2, calls=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Latencies of each contender over one number of items, and the hash of ours' answers."""

    items: int
    latencies_us: dict[str, np.ndarray]
    answers: np.ndarray


def run(*, small: bool, running: Deployment | None = None) -> Report:
    """Measure all contenders at each number of items, each with a deployment and a PostgreSQL of its own."""
    scale = SMALL if small else Scale()
    return report(scale, [measure(scale, items, running) for items in scale.items])


def measure(scale: Scale, items: int, running: Deployment | None) -> Measured:
    """All contenders over one number of items. Raises ValueError when two of them disagree."""
    with stage(running) as deployment, peer_postgres() as peer:
        factors = generate(deployment, users=scale.users, items=items, factors=scale.rank)
        peer.load_factors(factors.users, factors.items)
        with closing(Contenders(deployment, peer, factors)) as contenders:
            users = np.random.default_rng(SEED).choice(factors.users[0], scale.blocks * scale.calls)
            answers = contenders.check(users[: scale.calls])
            contenders.choose_threads(users[: scale.calls].tolist())
            latencies: dict[str, list[float]] = {name: [] for name in contenders.calls}
            for block in users.reshape(scale.blocks, scale.calls).tolist():
                for name, call in contenders.calls.items():
                    latencies[name] += timed(call, block)
    return Measured(items=items, answers=answers, latencies_us={name: np.array(found) for name, found in latencies.items()})


def timed(call: Callable[[int], Top], users: list[int]) -> list[float]:
    """Microseconds of each call; one more before them brings caches back to where this contender left them."""
    call(users[-1])
    found = []
    for user in users:
        began = time.perf_counter_ns()
        call(user)
        found.append((time.perf_counter_ns() - began) / 1e3)
    return found


class Contenders:
    """Four ways to the ten best items of a user."""

    def __init__(self, deployment: Deployment, peer: PeerPostgres, factors: Factors) -> None:
        self._factors = factors
        self._ours, self._peer = deployment.connect(), peer.connect()
        path = deployment.version_path(MODEL)
        version = read_version(path)
        self._model = configure(version.algorithm, version.options, version.input_types)
        self._replica = VersionReplica(path)
        self._statements = queries("ours")["recommend"], queries("peer_postgres")["recommend"]
        self.calls: dict[str, Callable[[int], Top]] = {
            "flinkms, at the client": self.ours, "flinkms, in process": self.in_process,
            "numpy, in process": self.numpy, "pgvector, at the client": self.pgvector,
        }

    def close(self) -> None:
        """Close connections and the replica."""
        self._ours.close()
        self._peer.close()
        self._replica.close()

    def check(self, users: np.ndarray) -> np.ndarray:
        """Items and scores of ours; every contender gives scores within the tolerance of them. Raises ValueError."""
        answers = []
        for user in users.tolist():
            found = {name: call(user) for name, call in self.calls.items()}
            items, scores = found["flinkms, at the client"]
            for name, (_, others) in found.items():
                if not np.allclose(others, scores, rtol=0, atol=TOLERANCE):
                    raise ValueError(f"{name} recommends otherwise to user {user}")
            answers.append(np.column_stack([items.astype(np.float64), scores]))
        return np.stack(answers)

    def choose_threads(self, users: list[int]) -> None:
        """Give numpy the number of BLAS threads it is fastest with: one, or one per core."""
        with threadpool_limits(1):
            alone = np.median(timed(self.numpy, users))
        if alone < np.median(timed(self.numpy, users)):
            threadpool_limits(1)  # for the rest of the process

    def ours(self, user: int) -> Top:
        """Through the wire."""
        return _top(self._ours.execute(self._statements[0], {"user": user}, prepare=True).fetchall())

    def in_process(self, user: int) -> Top:
        """The kernel that the frontend calls."""
        return self._model.recommend(self._replica, user, K)

    def numpy(self, user: int) -> Top:
        """What one would write by hand."""
        keys, rows = self._factors.items
        scores = rows @ self._factors.users[1][user]
        best = np.argpartition(scores, -K)[-K:]
        best = best[np.argsort(-scores[best])]
        return keys[best], scores[best].astype(np.float64) + 3.5

    def pgvector(self, user: int) -> Top:
        """An exact scan in PostgreSQL, with the parallel workers its planner chooses."""
        return _top(self._peer.execute(self._statements[1], {"user": user}, prepare=True).fetchall())


def _top(rows: list[tuple[int, float]]) -> Top:
    return np.array([item for item, _ in rows], np.int64), np.array([score for _, score in rows], np.float64)


def report(scale: Scale, measured: list[Measured]) -> Report:
    """Percentiles, and ratios of medians."""
    found = {(entry.items, name): percentiles(values) for entry in measured for name, values in entry.latencies_us.items()}
    rows = tuple((items, name, *(round(values[key]) for key in ("p50", "p90", "p99")))
                 for (items, name), values in found.items())
    most = max(scale.items)

    def ratio(over: str, under: str, items: int = most) -> float:
        return found[items, over]["p50"] / found[items, under]["p50"]

    client, inside, peer, vector = measured[0].latencies_us
    return Report(
        name="recommend", result_hash=hash_of(*(entry.answers for entry in measured)),
        tables=(Table(title=f"Top {K} of n items, rank {scale.rank}, {scale.blocks * scale.calls} calls each, microseconds",
                      columns=("items", "contender", "p50", "p90", "p99"), rows=rows),),
        goals=(
            Goal(name=f"p50 at the client / numpy in process, {most:,} items", value=ratio(client, peer), bound=1.5,
                 side="at most"),
            Goal(name=f"p50 of pgvector / p50 at the client, {most:,} items", value=ratio(vector, client), bound=3,
                 side="at least"),
        ),
        figures={
            "ratios": {
                f"{name}_{items}": ratio(over, under, items) for items in scale.items
                for name, over, under in (("client_over_numpy", client, peer), ("in_process_over_numpy", inside, peer),
                                          ("pgvector_over_client", vector, client))
            },
            "latency_us": {f"{name}_{items}": values for (items, name), values in found.items()},
        },
    )  # fmt: skip
