"""predict: point predictions through the wire, beside an SQL function over the same factors and a bare SELECT 1.

pgbench asks each server for random pairs of 20,000 users and items, rank 50. Peer 1 is PostgreSQL 18 with the factors in
tables and an SQL function in the fastest of four forms; peer 2 is SELECT 1 on the same PostgreSQL, which is what the wire
itself costs there; peer 3 answers every request by the same bytes, which is what the wire costs anyone. Runs are
interleaved and medians are taken over rounds, because a machine's speed drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np

from flinkms_sql.settings import DATABASE
from tests.bench import pgbench
from tests.bench.factors import Factors, generate, random_pairs
from tests.bench.peer_postgres import PeerPostgres, peer_postgres
from tests.bench.report import Goal, Report, Table, hash_of, percentiles
from tests.bench.stage import stage
from tests.bench.statements import queries, script
from tests.bench.wire_floor import wire_floor
from tests.deployment import Deployment

SEED = 1
FORMS = ("vector", "unnest", "plpgsql", "inlined")
CHECKED_PAIRS = 10_000
TOLERANCE = 1e-4
"""Largest difference of two predictions of the same factors: float32 sums of 52 products in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    users: int = 20_000
    items: int = 20_000
    rank: int = 50
    clients: tuple[int, ...] = (1, 8, 32)
    protocols: tuple[str, ...] = ("simple", "prepared")
    rounds: int = 3
    seconds: int = 5


SMALL = Scale(users=500, items=500, rank=8, clients=(1, 4), protocols=("prepared",), rounds=1, seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server and the script it is asked with."""

    name: str
    script: str
    port: int
    user: str
    database: str


Case = tuple[str, int, str]
"""(target, clients, protocol)."""

Runs = dict[Case, list[pgbench.Run]]


def run(*, small: bool, running: Deployment | None = None) -> Report:
    """Measure all three."""
    scale = SMALL if small else Scale()
    with stage(running) as deployment, peer_postgres() as peer, wire_floor() as floor_port:
        factors = generate(deployment, users=scale.users, items=scale.items, factors=scale.rank)
        peer.load_factors(factors.users, factors.items)
        answers = check(deployment, peer, factors)
        ours = Target(name="flinkms", script="pgbench_flinkms", port=deployment.settings.port, user=DATABASE,
                      database=DATABASE)
        forms = {form: Target(name=form, script=f"pgbench_{form}", port=peer.port, user="postgres", database="postgres")
                 for form in FORMS}
        bare = (Target(name="select1", script="pgbench_select1", port=peer.port, user="postgres", database="postgres"),
                Target(name="constant", script="pgbench_flinkms", port=floor_port, user=DATABASE, database=DATABASE))
        runs = measure((ours, *forms.values(), *bare), [("prepared", max(scale.clients))], scale)
        fastest = max(FORMS, key=lambda form: _tps(runs)[form, max(scale.clients), "prepared"])
        others = [case for case in product(scale.protocols, scale.clients) if case != ("prepared", max(scale.clients))]
        runs |= measure((ours, forms[fastest], *bare), others, scale)
    return report(scale, runs, fastest, hash_of(answers))


def check(deployment: Deployment, peer: PeerPostgres, factors: Factors) -> np.ndarray:
    """float64: predictions for random pairs, which every form of the peer's function gives too. Raises ValueError."""
    users, items = random_pairs(factors, CHECKED_PAIRS, SEED)
    # As texts: psycopg declares an array of small numbers smallint[].
    arguments = {name: "{" + ",".join(map(str, keys.tolist())) + "}" for name, keys in (("users", users), ("items", items))}
    with deployment.connect() as connection:
        rows = connection.execute(queries("ours")["predict_pairs"], arguments).fetchall()
    ours = np.array(rows, np.float64)[:, 0]
    with peer.connect() as connection:
        for form in FORMS:
            rows = connection.execute(queries("peer_postgres")[f"score_pairs_{form}"], arguments).fetchall()
            if not np.allclose(np.array(rows, np.float64)[:, 0], ours, rtol=0, atol=TOLERANCE):
                raise ValueError(f"the peer's form {form} predicts otherwise")
    return ours


def measure(targets: Sequence[Target], cases: Sequence[tuple[str, int]], scale: Scale) -> Runs:
    """All runs of (protocol, clients) cases; within a case the targets take turns."""
    runs: Runs = {}
    for protocol, clients in cases:
        for number in range(scale.rounds):
            for target in targets:
                done = _once(target, clients, protocol, scale, seed=SEED + number)
                runs.setdefault((target.name, clients, protocol), []).append(done)
    return runs


def _tps(runs: Runs) -> dict[Case, float]:
    return {case: median(run.tps for run in found) for case, found in runs.items()}


def _once(target: Target, clients: int, protocol: str, scale: Scale, *, seed: int) -> pgbench.Run:
    return pgbench.run(script(target.script), port=target.port, user=target.user, database=target.database,
                       clients=clients, protocol=protocol, seconds=scale.seconds, seed=seed,
                       variables={"users": scale.users - 1, "items": scale.items - 1})


def report(scale: Scale, runs: Runs, form: str, result_hash: str) -> Report:
    """Medians over rounds; latencies of all rounds together. ``form`` is the SQL function that counts."""
    tps = _tps(runs)
    latencies = {case: percentiles(np.concatenate([run.latencies_us for run in found])) for case, found in runs.items()}
    rows = tuple((protocol, clients, name, round(tps[name, clients, protocol]), round(latencies[name, clients, protocol]["p50"]),
                  round(latencies[name, clients, protocol]["p99"])) for name, clients, protocol in _ordered(runs))
    most, least = max(scale.clients), min(scale.clients)

    def ratio(one: str, other: str, clients: int, protocol: str = "prepared") -> float:
        return tps[one, clients, protocol] / tps[other, clients, protocol]

    latency = latencies["flinkms", least, "prepared"]["p50"] / latencies["select1", least, "prepared"]["p50"]
    return Report(
        name="predict", result_hash=result_hash, errors=sum(run.failed for found in runs.values() for run in found),
        tables=(Table(title=f"pgbench, {scale.users:,} users and {scale.items:,} items, rank {scale.rank}: "
                            f"median of {scale.rounds} interleaved rounds of {scale.seconds} s",
                      columns=("protocol", "clients", "server", "tps", "p50 us", "p99 us"), rows=rows),),
        goals=(
            Goal(name=f"throughput / fastest SQL function, prepared, {most} clients", value=ratio("flinkms", form, most),
                 bound=4, side="at least"),
            Goal(name=f"throughput / SELECT 1, prepared, {most} clients", value=ratio("flinkms", "select1", most),
                 bound=0.8, side="at least"),
            Goal(name=f"p50 / p50 of SELECT 1, prepared, {least} client", value=latency, bound=1.8, side="at most"),
        ),
        figures={
            "sql_function": form,
            "ratios": {f"{name}_{protocol}_{clients}": ratio("flinkms", name, clients, protocol)
                       for name, clients, protocol in runs if name != "flinkms"},
            "tps": {f"{name}_{protocol}_{clients}": tps[name, clients, protocol] for name, clients, protocol in runs},
            "latency_us": {f"{name}_{protocol}_{clients}": latencies[name, clients, protocol]
                           for name, clients, protocol in runs},
        },
        notes=(
            "inlined, plpgsql, vector and unnest are the SQL function in four forms: over pgvector's inner product, the "
            "first as a set-returning function that the planner inlines, and over real[] without an extension; the fastest "
            f"at {most} clients, {form}, is the peer. Throughput / each of them, prepared, {most} clients: "
            + ", ".join(f"{name} {ratio('flinkms', name, most):.2f}" for name in FORMS) + ".",
            "constant is no database: a server on the same event loop that answers every request by the same bytes. It has "
            f"{ratio('constant', form, most):.2f} times the throughput of the fastest SQL function, and "
            + f"{ratio('constant', 'flinkms', most):.2f} times ours: more the client, the kernel and the event loop do not leave.",
        ),
    )  # fmt: skip


def _ordered(runs: Runs) -> list[Case]:
    return sorted(runs, key=lambda case: (case[2], case[1]))
