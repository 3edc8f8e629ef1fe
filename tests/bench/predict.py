"""predict: point predictions through the wire, beside an SQL function over the same factors and a bare SELECT 1.

pgbench asks each server for random pairs of 20,000 users and items, rank 50. Peer 1 is PostgreSQL 18 with the factors in
tables and an SQL function in the fastest of four forms; peer 2 is SELECT 1 on the same PostgreSQL, which is what the wire
itself costs there. Runs are interleaved and medians are taken over rounds, because a machine's speed drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from flinkms_sql.settings import DATABASE
from tests.bench import pgbench
from tests.bench.factors import Factors, generate, random_pairs
from tests.bench.peer_postgres import PeerPostgres, peer_postgres
from tests.bench.report import Goal, Report, Table, hash_of, percentiles
from tests.bench.statements import queries, script
from tests.deployment import Deployment, deployed

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


def run(*, small: bool) -> Report:
    """Measure all three."""
    scale = SMALL if small else Scale()
    with deployed() as deployment, peer_postgres() as peer:
        factors = generate(deployment, users=scale.users, items=scale.items, factors=scale.rank)
        peer.load_factors(factors.users, factors.items)
        answers = check(deployment, peer, factors)
        form, tried = fastest_form(peer, scale)
        targets = (
            Target(name="flinkms", script="pgbench_flinkms", port=deployment.settings.port, user=DATABASE,
                   database=DATABASE),
            Target(name="sql_function", script=f"pgbench_{form}", port=peer.port, user="postgres", database="postgres"),
            Target(name="select1", script="pgbench_select1", port=peer.port, user="postgres", database="postgres"),
        )
        runs = measure(targets, scale)
    return report(scale, runs, form, tried, hash_of(answers))


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


def fastest_form(peer: PeerPostgres, scale: Scale) -> tuple[str, dict[str, float]]:
    """The form of the SQL function with the most transactions a second at the most clients, and what each had."""
    tried = {}
    for form in FORMS:
        target = Target(name=form, script=f"pgbench_{form}", port=peer.port, user="postgres", database="postgres")
        tried[form] = _once(target, max(scale.clients), "prepared", scale, seed=SEED).tps
    return max(tried, key=tried.__getitem__), tried


def measure(targets: Sequence[Target], scale: Scale) -> dict[Case, list[pgbench.Run]]:
    """All runs; within a case the targets take turns."""
    runs: dict[Case, list[pgbench.Run]] = {}
    for protocol in scale.protocols:
        for clients in scale.clients:
            for number in range(scale.rounds):
                for target in targets:
                    done = _once(target, clients, protocol, scale, seed=SEED + number)
                    runs.setdefault((target.name, clients, protocol), []).append(done)
    return runs


def _once(target: Target, clients: int, protocol: str, scale: Scale, *, seed: int) -> pgbench.Run:
    return pgbench.run(script(target.script), port=target.port, user=target.user, database=target.database,
                       clients=clients, protocol=protocol, seconds=scale.seconds, seed=seed,
                       variables={"users": scale.users - 1, "items": scale.items - 1})


def report(scale: Scale, runs: dict[Case, list[pgbench.Run]], form: str, tried: dict[str, float],
           result_hash: str) -> Report:
    """Medians over rounds; latencies of all rounds together."""
    tps = {case: median(run.tps for run in found) for case, found in runs.items()}
    latencies = {case: percentiles(np.concatenate([run.latencies_us for run in found])) for case, found in runs.items()}
    rows = tuple((protocol, clients, name, round(tps[name, clients, protocol]), round(latencies[name, clients, protocol]["p50"]),
                  round(latencies[name, clients, protocol]["p99"])) for name, clients, protocol in _ordered(runs))
    most, least = max(scale.clients), min(scale.clients)

    def ratio(peer: str, clients: int) -> float:
        return tps["flinkms", clients, "prepared"] / tps[peer, clients, "prepared"]

    reach = tps["select1", most, "prepared"] / tps["sql_function", most, "prepared"]
    simple = (tps["flinkms", most, "simple"] / tps["sql_function", most, "simple"] if "simple" in scale.protocols else 0.0)
    latency = latencies["flinkms", least, "prepared"]["p50"] / latencies["select1", least, "prepared"]["p50"]
    ratios = {f"{peer}_{protocol}_{clients}": tps["flinkms", clients, protocol] / tps[peer, clients, protocol]
              for peer in ("sql_function", "select1") for protocol in scale.protocols for clients in scale.clients}
    return Report(
        name="predict", result_hash=result_hash, errors=sum(run.failed for found in runs.values() for run in found),
        tables=(Table(title=f"pgbench, {scale.users:,} users and {scale.items:,} items, rank {scale.rank}: "
                            f"median of {scale.rounds} interleaved rounds of {scale.seconds} s",
                      columns=("protocol", "clients", "server", "tps", "p50 us", "p99 us"), rows=rows),),
        goals=(
            Goal(name=f"throughput / SQL function, prepared, {most} clients", value=ratio("sql_function", most), bound=4,
                 side="at least"),
            Goal(name=f"throughput / SELECT 1, prepared, {most} clients", value=ratio("select1", most), bound=0.8,
                 side="at least"),
            Goal(name=f"p50 / p50 of SELECT 1, prepared, {least} client", value=latency, bound=1.8, side="at most"),
        ),
        figures={
            "ratios": ratios,
            "tps": {f"{name}_{protocol}_{clients}": tps[name, clients, protocol] for name, clients, protocol in runs},
            "latency_us": {f"{name}_{protocol}_{clients}": latencies[name, clients, protocol]
                           for name, clients, protocol in runs},
            "sql_function_forms_tps": tried,
        },
        notes=(f"The SQL function is the fastest of four forms ({form}); at {most} clients they had "
               + ", ".join(f"{name} {value:,.0f}" for name, value in tried.items()) + " tps.",
               f"Prepared, at {most} clients, SELECT 1 has {reach:.2f} times the throughput of the SQL function: the client "
               f"and the protocol leave no more to any server on this machine. In the simple protocol, where the SQL "
               f"function is planned anew for each call, flinkms has {simple:.2f} times its throughput."
               if simple else "Small runs say nothing."),
    )  # fmt: skip


def _ordered(runs: dict[Case, list[pgbench.Run]]) -> list[Case]:
    return sorted(runs, key=lambda case: (case[2], case[1]))
