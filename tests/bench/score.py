"""score: one batch job that predicts five million pairs; beside plain PyFlink, on the same cluster.

Ours: INSERT INTO … SELECT predict(…) through psycopg; what crosses into Python are keys. Peer: the same pairs from the same
CSV file joined with the factors in tables, both vectors shipped into a pandas function, in the faster of two forms. Both
jobs have one task slot and throw their result away; before that, both write the scores of the same few thousand pairs
into files, which have to agree. Durations are of the statement at its client; net of the start means minus that of the
same statement over a hundred pairs.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.factors import Rows, generate, random_pairs
from tests.bench.peer_flink import FORMS, Form, run_peer, write_factors
from tests.bench.report import Goal, Report, Table, hash_of
from tests.bench.stage import stage
from tests.bench.statements import queries, script
from tests.deployment import Deployment

SEED = 5
TOLERANCE = 1e-4
"""Largest difference of two predictions of the same factors: float32 sums in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    users: int = 20_000
    items: int = 20_000
    rank: int = 50
    pairs: int = 5_000_000
    few: int = 100
    checked: int = 10_000
    tried: int = 200_000
    """Pairs over which the peer's forms are compared; 0: they are not, and the last one is taken."""
    rounds: int = 2
    warm_ups: int = 1
    """Jobs of the peer before each measured pair: a first one loads classes, which is not to count."""


SMALL = Scale(users=500, items=500, rank=8, pairs=20_000, checked=500, tried=0, rounds=1, warm_ups=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Durations of both jobs, one per round: over all pairs and over few."""

    ours: list[float]
    ours_few: list[float]
    peer: list[float]
    peer_few: list[float]


def run(*, small: bool, running: Deployment | None = None) -> Report:
    """Check, choose the peer's form, then measure both in turns."""
    scale = SMALL if small else Scale()
    with stage(running) as deployment, tempfile.TemporaryDirectory(prefix="flinkms-bench-") as name:
        folder = Path(name)
        # Flink's processes write here too.
        folder.chmod(0o777)
        factors = generate(deployment, users=scale.users, items=scale.items, factors=scale.rank)
        pairs = random_pairs(factors, scale.pairs, SEED)
        files = {count: write_pairs(folder / f"pairs_{count}.csv", pairs, count)
                 for count in (scale.pairs, scale.few, scale.checked, scale.tried)}
        write_factors(factors, folder)
        deployment.command("apply", str(script("score_tables")), "--set", f"PAIRS={files[scale.pairs]}",
                           "--set", f"FEW_PAIRS={files[scale.few]}", "--set", f"CHECKED_PAIRS={files[scale.checked]}",
                           "--set", f"CHECKED_SCORES={folder / 'ours'}")
        scores = check(deployment, folder, files[scale.checked], scale.checked)
        tried = {}
        for each in FORMS if scale.tried else ():
            few, some = peer_s(deployment, each, folder, [files[scale.few], files[scale.tried]], scale.warm_ups)
            tried[each] = _net(scale.tried - scale.few, some, few)
        form = max(tried, key=tried.__getitem__, default=FORMS[-1])
        seconds = measure(deployment, form, folder, [files[scale.few], files[scale.pairs]], scale)
    return report(scale, seconds, form, tried, hash_of(scores))


def write_pairs(file: Path, pairs: Rows, count: int) -> Path:
    """Lines user_id,item_id of the first ``count`` pairs."""
    users, items = (keys[:count].tolist() for keys in pairs)
    file.write_text("".join(f"{user},{item}\n" for user, item in zip(users, items, strict=True)))
    return file


def check(deployment: Deployment, folder: Path, pairs: Path, count: int) -> np.ndarray:
    """float64[count, 3]: the scores ours wrote, in order of pairs; the peer's agree, in every form. Raises ValueError."""
    deployment.execute(queries("ours")["score_checked"])
    run_peer(deployment, "score", folder, [(form, pairs) for form in FORMS], output=folder / "peer")
    ours = read_scores(folder / "ours")
    for form in FORMS:
        peer = read_scores(folder / "peer" / form)
        if ours.shape != (count, 3) or not np.allclose(ours, peer, rtol=0, atol=TOLERANCE):
            raise ValueError(f"{len(ours)} scores of ours and {len(peer)} of plain PyFlink ({form}) do not agree")
    return ours


def read_scores(folder: Path) -> np.ndarray:
    """float64[n, 3] rows user_id, item_id, rating of all files in a folder, sorted."""
    found = [np.loadtxt(file, delimiter=",", ndmin=2) for file in sorted(folder.rglob("*"))
             if file.is_file() and file.stat().st_size and not file.name.startswith((".", "_"))]
    rows = np.concatenate(found) if found else np.empty((0, 3))
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def measure(deployment: Deployment, form: Form, folder: Path, files: list[Path], scale: Scale) -> Seconds:
    """Both jobs in turns."""
    seconds = Seconds(ours=[], ours_few=[], peer=[], peer_few=[])
    for _ in range(scale.rounds):
        seconds.ours_few.append(_statement_s(deployment, "score_few"))
        seconds.ours.append(_statement_s(deployment, "score"))
        few, every = peer_s(deployment, form, folder, files, scale.warm_ups)
        seconds.peer_few.append(few)
        seconds.peer.append(every)
    return seconds


def peer_s(deployment: Deployment, form: Form, folder: Path, files: list[Path], warm_ups: int) -> tuple[float, float]:
    """Seconds of the peer over few pairs and over more."""
    few, more = files
    return tuple(run_peer(deployment, "score", folder, [(form, file) for file in [few] * warm_ups + [few, more]])[warm_ups:])


def _statement_s(deployment: Deployment, name: str) -> float:
    began = time.perf_counter()
    deployment.execute(queries("ours")[name])
    return time.perf_counter() - began


def _net(rows: int, every_s: float, few_s: float) -> float:
    """Rows a second without a job's start."""
    return rows / max(every_s - few_s, 1e-3)


def report(scale: Scale, seconds: Seconds, form: Form, tried: dict[str, float], result_hash: str) -> Report:
    """Means over rounds."""
    mean = {name: float(np.mean(getattr(seconds, name))) for name in ("ours", "ours_few", "peer", "peer_few")}
    with_start = {side: scale.pairs / mean[side] for side in ("ours", "peer")}
    net = {side: _net(scale.pairs - scale.few, mean[side], mean[f"{side}_few"]) for side in ("ours", "peer")}
    names = {"ours": "flinkms: keys into Python", "peer": f"plain PyFlink: vectors into Python ({form})"}
    return Report(
        name="score", result_hash=result_hash,
        tables=(Table(title=f"{scale.pairs:,} pairs, {scale.users:,} users and {scale.items:,} items, rank {scale.rank}, "
                            f"mean of {scale.rounds} rounds",
                      columns=("job", "seconds", "of these its start", "pairs/s", "pairs/s net of start"),
                      rows=tuple((names[side], mean[side], mean[f"{side}_few"], round(with_start[side]), round(net[side]))
                                 for side in names)),),
        goals=(Goal(name="pairs a second / plain PyFlink, with start", value=with_start["ours"] / with_start["peer"],
                    bound=4, side="at least"),
               Goal(name="pairs a second / plain PyFlink, net of start", value=net["ours"] / net["peer"], bound=4,
                    side="at least")),
        figures={"ratios": {"with_start": with_start["ours"] / with_start["peer"], "net": net["ours"] / net["peer"]},
                 "seconds": {"ours": seconds.ours, "ours_few": seconds.ours_few, "peer": seconds.peer,
                             "peer_few": seconds.peer_few},
                 "pairs_per_s": with_start, "pairs_per_s_net": net, "pyflink_forms_pairs_per_s": tried},
    )  # fmt: skip
