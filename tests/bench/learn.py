"""learn: events a second that the learning job takes from a backlog, none of them lost; beside plain PyFlink.

Ours: the standing job of INSERT INTO MODEL, with its checkpoints, state and log; it runs already, a million planted
ratings are appended to the stream at once, and the clock stops when the model's log holds every one of them: the sum of
all rows' sequences, which count deltas, equals the number of events on both sides of the model.

Peer: a streaming job in plain PyFlink over the same events as CSV, joined with the factors in tables, both vectors shipped
into a pandas function that returns both deltas, which are thrown away. Its rate is net of its start: a job over a few
events is run too, and the difference of the two durations is what the further events took.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.stream import Stream, StreamWriter
from tests.bench.factors import MODEL, generate
from tests.bench.peer_flink import FORMS, Form, run_peer, write_factors
from tests.bench.report import Goal, Report, Table, hash_of
from tests.bench.stage import stage
from tests.bench.statements import queries
from tests.deployment import Deployment, start_job
from udfs.block import Column
from udfs.generate import BLOCK_ROWS, PlantedRatings

SEED = 4
LOOK_S = 0.2
"""Between two looks at the model's log."""

STALL_S_MAX = 120.0
"""Seconds without any progress after which the rest counts as lost."""

OVERSHOOT_S = 1.0
"""How long is watched for deltas that come twice, after all have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    users: int = 20_000
    items: int = 20_000
    rank: int = 32
    events: int = 1_000_000
    warm_up: int = 100_000
    tried: int = 100_000
    """Events over which the peer's forms are compared; 0: they are only run, and the last one is taken."""
    few: int = 1000
    rounds: int = 2
    peer_warm_ups: int = 1
    """Jobs of the peer before each measured pair: a first one loads classes, which is not to count."""


SMALL = Scale(users=500, items=500, rank=8, events=20_000, warm_up=1000, tried=0, few=100, rounds=1, peer_warm_ups=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Ours: seconds from the append until every delta was in the log; deltas counted on the side with the fewest."""

    seconds: float
    append_s: float
    deltas: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Plain PyFlink in its faster form: seconds over few events, over all; net events a second of each form over some."""

    form: Form
    tried: dict[str, float]
    few_s: float
    every_s: float


def run(*, small: bool, running: Deployment | None = None) -> Report:
    """Measure both on one cluster, one after the other, in every round."""
    scale = SMALL if small else Scale()
    planted = PlantedRatings(users=scale.users, items=scale.items, rank=8, seed=SEED, popularity=0.5)
    warm_up = planted.ratings(scale.warm_up)
    events = planted.ratings(scale.events, first_block=-(-scale.warm_up // BLOCK_ROWS))
    rounds = [_round(scale, warm_up, events, running) for _ in range(scale.rounds)]
    return report(scale, [learned for learned, _ in rounds], [peer for _, peer in rounds], hash_of(*events))


def _round(scale: Scale, warm_up: tuple[np.ndarray, ...], events: tuple[np.ndarray, ...],
           running: Deployment | None) -> tuple[Learned, Peer]:
    with stage(running) as deployment, tempfile.TemporaryDirectory(prefix="flinkms-bench-") as folder:
        factors = generate(deployment, users=scale.users, items=scale.items, factors=scale.rank)
        deployment.execute(queries("ours")["create_stream"])
        with deployment.connect() as connection:
            job = start_job(connection, queries("ours")["learn"])
        learned = learn(deployment, warm_up, events)
        deployment.execute(f"STOP JOB {job}")
        write_factors(factors, Path(folder))
        return learned, measure_peer(deployment, Path(folder), events, scale)


def learn(deployment: Deployment, warm_up: tuple[np.ndarray, ...], events: tuple[np.ndarray, ...]) -> Learned:
    """Append a warm-up, then the events, each until all deltas are in the log."""
    stream = Stream.open(deployment.stream_path("rating_events"))
    with closing(StreamWriter(stream, "bench-0")) as writer, closing(VersionReplica(deployment.version_path(MODEL))) as log:
        append(writer, warm_up)
        wait_for(log, len(warm_up[0]))
        began = time.perf_counter()
        append(writer, events)
        appended = time.perf_counter()
        expected = len(warm_up[0]) + len(events[0])
        wait_for(log, expected)
        seconds = time.perf_counter() - began
        time.sleep(OVERSHOOT_S)
        deltas = counted(log)
    return Learned(seconds=seconds, append_s=appended - began,
                   deltas={side: count - len(warm_up[0]) for side, count in deltas.items()})


def append(writer: StreamWriter, events: tuple[np.ndarray, ...]) -> None:
    """Append events, durably, a frame for every block of rows."""
    for first in range(0, len(events[0]), BLOCK_ROWS):
        piece = [values[first : first + BLOCK_ROWS] for values in events]
        now = np.full(len(piece[0]), int(time.time() * 1e6), np.int64)
        writer.append_sync([*(Column(values) for values in piece), Column(now)])


def wait_for(log: VersionReplica, expected: int) -> None:
    """Follow the log until it holds that many deltas on either side, or stalls."""
    last, moved_at = -1, time.monotonic()
    while (now := min(counted(log).values())) < expected and time.monotonic() - moved_at < STALL_S_MAX:
        if now != last:
            last, moved_at = now, time.monotonic()
        time.sleep(LOOK_S)


def counted(log: VersionReplica) -> dict[str, int]:
    """Deltas in each table: a row's sequence counts those that were added to it."""
    while log.poll():
        pass
    return {name: int(table.sequences.sum()) for name, table in log.tables.items()}


def measure_peer(deployment: Deployment, folder: Path, events: tuple[np.ndarray, ...],
                 scale: Scale) -> Peer:
    """Try every form over some events, and the faster one over all."""
    files = {count: folder / f"events_{count}.csv" for count in (scale.few, scale.tried, scale.events)}
    for count, file in files.items():
        rows = zip(*(values[:count].tolist() for values in events), strict=True)
        file.write_text("".join(f"{user},{item},{rating!r}\n" for user, item, rating in rows))

    def seconds(form: Form, count: int, *, before: Sequence[Form] = ()) -> tuple[float, float]:
        jobs = [*before, *[form] * (scale.peer_warm_ups + 1)]
        *_, few_s, more_s = run_peer(deployment, "learn", folder, [*((one, files[scale.few]) for one in jobs), (form, files[count])])
        return few_s, more_s

    tried = {}
    for form in FORMS if scale.tried else ():
        few_s, some_s = seconds(form, scale.tried)
        tried[form] = (scale.tried - scale.few) / max(some_s - few_s, 1e-3)
    form = max(tried, key=tried.__getitem__, default=FORMS[-1])
    few_s, every_s = seconds(form, scale.events, before=() if tried else [other for other in FORMS if other != form])
    return Peer(form=form, tried=tried, few_s=few_s, every_s=every_s)


def report(scale: Scale, learned: list[Learned], peers: list[Peer], result_hash: str) -> Report:
    """Rates over the mean of the rounds' seconds; lost or doubled deltas are errors."""
    seconds, rounds = fmean(one.seconds for one in learned), len(learned)
    every_s, net_s = fmean(peer.every_s for peer in peers), fmean(max(peer.every_s - peer.few_s, 1e-3) for peer in peers)
    ours, with_start, net = scale.events / seconds, scale.events / every_s, (scale.events - scale.few) / net_s
    forms = "/".join(sorted({peer.form for peer in peers}))
    wrong = sum(abs(count - scale.events) for one in learned for count in one.deltas.values())
    deltas = {side: sum(one.deltas[side] for one in learned) for side in ("users", "items")}
    return Report(
        name="learn", result_hash=result_hash, errors=wrong,
        tables=(Table(
            title=f"{scale.events:,} events, {scale.users:,} users and {scale.items:,} items, rank {scale.rank}; "
                  f"mean of {rounds} rounds",
            columns=("job", "events/s", "seconds", "deltas in the logs, users / items"),
            rows=(("flinkms: pull, learn, push, exactly once", round(ours), seconds,
                   f"{deltas['users']:,} / {deltas['items']:,}"),
                  (f"plain PyFlink ({forms}), net of its start", round(net), net_s, "thrown away"),
                  (f"plain PyFlink ({forms}), with its start", round(with_start), every_s, "thrown away")),
        ),),
        goals=(Goal(name="events a second", value=ours, bound=10_000, side="at least"),
               Goal(name="events a second / plain PyFlink net of its start", value=ours / net, bound=3, side="at least")),
        figures={
            "events_per_s": {"flinkms": ours, "pyflink_net": net, "pyflink_with_start": with_start},
            "ratios": {"over_pyflink_net": ours / net, "over_pyflink_with_start": ours / with_start},
            "rounds": [{"flinkms_s": one.seconds, "append_s": one.append_s, "pyflink_form": peer.form,
                        "pyflink_s": peer.every_s, "pyflink_few_s": peer.few_s, "pyflink_forms_events_per_s": peer.tried}
                       for one, peer in zip(learned, peers, strict=True)],
            "deltas": deltas, "lost_or_doubled": wrong,
        },
        notes=("The events are appended within the time measured. Each round, plain PyFlink's form is the one that was faster "
               f"over {scale.tried:,} events. Events a second by round, flinkms beside plain PyFlink net of its start: "
               + ", ".join(f"{scale.events / one.seconds:,.0f} beside {(scale.events - scale.few) / max(peer.every_s - peer.few_s, 1e-3):,.0f} "
                           f"({peer.form})" for one, peer in zip(learned, peers, strict=True))
               + ". The hash is of the events.",),
    )  # fmt: skip
