"""predict-against: point predictions by the frontend of this tree, beside that of another tree of the same project.

Each frontend is a process of its own that imports its tree's code; both hold the same random model in memory. pgbench asks
them in turns, and whose turn is first changes from round to round, because a machine's speed drifts. Without another tree
it is this one twice: then the figures say how far apart equal servers are.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import psycopg

from flinkms_sql.settings import DATABASE
from tests.bench import pgbench
from tests.bench.predict import Target
from tests.bench.report import Goal, Report, Table, hash_of
from tests.bench.statements import script
from tests.deployment import ROOT

SIDE = 1000
"""Users and items of the model that ``tests.serving`` holds."""

CHECKED_PAIRS = 1000
SEED = 1

SERVER = Path(__file__).with_name("tree_frontend.py")

PRESENT, FORMER = "present", "former"

PAIRS = "SELECT predict('rec', u, i) FROM unnest(%s::bigint[], %s::bigint[]) AS t(u, i)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    cases: tuple[tuple[str, int], ...] = (("prepared", 1), ("prepared", 32), ("simple", 1), ("simple", 32))
    rounds: int = 5
    seconds: int = 3


SMALL = Scale(cases=(("prepared", 4),), rounds=1, seconds=1)

Rounds = dict[tuple[str, str, int], list[tuple[pgbench.Run, float]]]
"""By (whose, protocol, clients): one run a round, and the server's processor time an answer in microseconds."""

SPREAD_MAX = 0.2
"""A machine on which equal runs differ by more shows nothing by their speed."""


def run(*, small: bool, against: Path = ROOT) -> Report:
    """Measure both. Raises ValueError when they do not predict the same."""
    scale = SMALL if small else Scale()
    with ExitStack() as stack:
        servers = [(name, *stack.enter_context(frontend_of(tree))) for name, tree in ((FORMER, against), (PRESENT, ROOT))]
        targets = {Target(name=name, script="pgbench_flinkms", port=port, user=DATABASE, database=DATABASE): process
                   for name, port, process in servers}  # fmt: skip
        former, present = (answers(target) for target in targets)
        if not np.array_equal(former, present):
            raise ValueError(f"{np.count_nonzero(former != present)} of {CHECKED_PAIRS} predictions differ between the trees")
        runs = measure(targets, scale)
    return report(scale, runs, commit_of(against), hash_of(present))


@contextmanager
def frontend_of(tree: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A frontend by the code of ``tree``: its port and its process. Raises ValueError when it is of another tree."""
    # Run as text, not as a file: the first place that modules are looked for in is the working directory then.
    command = [sys.executable, "-c", SERVER.read_text(encoding="utf-8")]
    with subprocess.Popen(command, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            port, _, place = server.stdout.readline().strip().partition(" ")
            if not place or not Path(place).resolve().is_relative_to(tree.resolve()):
                raise ValueError(f'"{tree}" is no tree of this project: its frontend did not start ({place or "no answer"})')
            yield int(port), psutil.Process(server.pid)
        finally:
            server.stdin.close()
            server.wait()


def answers(target: Target) -> np.ndarray:
    """float64: predictions of random pairs."""
    random = np.random.default_rng(SEED)
    users, items = (random.integers(0, SIDE, CHECKED_PAIRS).tolist() for _ in range(2))
    with psycopg.connect(host="127.0.0.1", port=target.port, user=target.user, dbname=target.database) as connection:
        return np.array(connection.execute(PAIRS, (users, items)).fetchall(), np.float64)[:, 0]


def measure(targets: Mapping[Target, psutil.Process], scale: Scale) -> Rounds:
    """All runs, round by round, so that the runs of one case are spread over the whole time."""
    runs: Rounds = {}
    for number in range(scale.rounds):
        for protocol, clients in scale.cases:
            for target in targets if number % 2 else reversed(targets):
                before = _cpu_s(targets[target])
                done = pgbench.run(script(target.script), port=target.port, user=target.user, database=target.database,
                                   clients=clients, protocol=protocol, seconds=scale.seconds, seed=SEED + number,
                                   variables={"users": SIDE - 1, "items": SIDE - 1})
                spent_us = (_cpu_s(targets[target]) - before) / max(done.done, 1) * 1e6
                runs.setdefault((target.name, protocol, clients), []).append((done, spent_us))
    return runs


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def commit_of(tree: Path) -> str:
    """The short id of the commit a tree is at."""
    done = subprocess.run(["git", "-C", tree, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def report(scale: Scale, runs: Rounds, commit: str, result_hash: str) -> Report:
    """Medians over rounds and their spread. Slower is what is slower by more than the former's own rounds differ."""
    rows, goals, figures = [], [], {}
    for protocol, clients in scale.cases:
        tps = {name: [run.tps for run, _ in runs[name, protocol, clients]] for name in (FORMER, PRESENT)}
        spent = {name: median(us for _, us in runs[name, protocol, clients]) for name in (FORMER, PRESENT)}
        ratio = median(now / then for now, then in zip(tps[PRESENT], tps[FORMER], strict=True))
        spread = (max(tps[FORMER]) - min(tps[FORMER])) / median(tps[FORMER])
        rows.append((protocol, clients, *(cell for name in (FORMER, PRESENT) for cell in (
            round(median(tps[name])), f"{min(tps[name]):,.0f} to {max(tps[name]):,.0f}")), ratio, spent[FORMER], spent[PRESENT]))
        goals.append(Goal(name=f"present / former, {protocol}, {clients} clients", value=ratio, bound=round(1 - min(spread, SPREAD_MAX), 3), side="at least"))
        figures[f"{protocol}_{clients}"] = {"tps": tps, "ratio": ratio, "spread": spread, "cpu_us": spent}
    return Report(
        name="predict-against", result_hash=result_hash, errors=sum(run.failed for found in runs.values() for run, _ in found),
        tables=(Table(title=f"pgbench, {SIDE:,} users and {SIDE:,} items, rank 50: answers a second, median and range of "
                            f"{scale.rounds} rounds of {scale.seconds} s in turns",
                      columns=("protocol", "clients", "former", "its rounds", "present", "its rounds", "present / former",
                               "former: CPU us", "present: CPU us"),
                      rows=tuple(rows)),),
        goals=tuple(goals), figures={"former": commit, "ratios": figures},
        notes=((f"The former is commit {commit}. The ratio is the median of the rounds' ratios; the goal is one less the spread of "
               f"the former's own rounds, (highest - lowest) / median, at most {SPREAD_MAX:g}. CPU us is the server's processor time an "
                "answer, which other work on the machine hardly changes; with one client it includes waiting for the next request."),),
    )  # fmt: skip
