"""Send a statement at a fixed rate, whatever the server does, and show latencies and errors.

Open loop: a latency counts from the moment a request was due, so that a stall shows in all requests it held up.
"""

from __future__ import annotations

import argparse
import json
import os

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flinkms_sql import errors
from flinkms_sql.commands.load_client import Load, Outcome, Range, run_load
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server.exposure import is_loopback
from flinkms_sql.settings import DATABASE, Settings

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))

CONNECTIONS_MAX = 512
"""Connections of one client: select(), which the client waits with, knows 1024 files."""

SECONDS_MAX = 3600.0
"""Longest run: a load that was forgotten should end by itself."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``load``."""
    parser.add_argument("statement", help="SQL with parameters $1, $2, …, e.g. \"SELECT predict('rec', $1, $2)\"")
    parser.add_argument("--parameter", type=_range, action="append", default=[], metavar="LOW:HIGH", dest="parameters",
                        help="values of the next parameter, uniform; whole numbers when both ends are")
    parser.add_argument("--rate", type=_positive, default=1000.0, metavar="PER_S", help="requests a second; default 1000")
    parser.add_argument("--seconds", type=_positive, default=10.0, metavar="S", help="default 10")
    parser.add_argument("--connections", type=int, default=8, metavar="N", help="default 8")
    parser.add_argument("--arrivals", choices=("poisson", "fixed"), default="poisson",
                        help="random as from many users (default), or evenly spaced")
    parser.add_argument("--seed", type=int, default=0, help="of times and values; default 0")
    parser.add_argument("--user", default=DATABASE, help=f"role; default {DATABASE}. Its password: PGPASSWORD")
    parser.add_argument("--any-host", action="store_true", help="allow another host than this machine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every request was answered without an error."""
    load = _load(arguments, settings)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("load", total=None, note="")
        outcome = run_load(load, lambda now: progress.update(task, total=now.requests, completed=now.answered,
                                                             note=_note(now)))
    found = summary(load, outcome)
    print(json.dumps(found) if arguments.json else as_text(found))
    return 1 if outcome.failed else 0


def summary(load: Load, outcome: Outcome) -> dict[str, object]:
    """Figures of a run: rates per second, percentiles in microseconds (None when nothing was answered)."""
    return {
        "requests": outcome.requests, "answered": len(outcome.latencies_us), "errors": dict(outcome.failed),
        "rate_asked": load.rate, "rate_answered": len(outcome.latencies_us) / max(outcome.elapsed_s, 1e-9),
        "latency_us": _percentiles(outcome.latencies_us), "service_us": _percentiles(outcome.service_us),
        "lag_us": _percentiles(outcome.lag_us), "elapsed_s": outcome.elapsed_s,
    }  # fmt: skip


def as_text(found: dict[str, object]) -> str:
    """The figures as a table."""
    rows = (("from when it was due", "latency_us"), ("from when it was sent", "service_us"),
            ("the client's own lag", "lag_us"))
    lines = [f"{found['answered']:,} of {found['requests']:,} requests answered in {found['elapsed_s']:.1f} s",
             f"{found['rate_answered']:,.0f} a second, asked for {found['rate_asked']:,.0f}",
             f"{'microseconds':24}" + "".join(f"{name:>12}" for name, _ in QUANTILES)]
    for label, key in rows:
        values = found[key] or {}
        lines.append(f"{label:24}" + "".join(f"{values[name]:12,.0f}" if values else f"{'-':>12}" for name, _ in QUANTILES))
    lines += [f"error {sqlstate}: {count:,}" for sqlstate, count in sorted(found["errors"].items())]
    return "\n".join(lines)


def _percentiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = np.quantile(np.array(values), [quantile for _, quantile in QUANTILES])
    return {name: float(value) for (name, _), value in zip(QUANTILES, found, strict=True)}


def _note(outcome: Outcome) -> str:
    recent = outcome.latencies_us[-1000:]
    shown = f"p50 {np.median(recent):,.0f} us" if recent else "no answer yet"
    return shown + (f", {outcome.failed.total():,} errors" if outcome.failed else "")


def _load(arguments: argparse.Namespace, settings: Settings) -> Load:
    """The load the arguments mean. Raises FlinkmsError 22023, 42501."""
    if arguments.seconds > SECONDS_MAX:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"a run of more than {SECONDS_MAX:.0f} seconds is refused")
    if not 1 <= arguments.connections <= CONNECTIONS_MAX:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"connections are 1 to {CONNECTIONS_MAX}")
    if not arguments.any_host and not is_loopback(settings.host):
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f"{settings.host} is another machine",
                           hint="Give --any-host if it is yours to load.")
    return Load(host=settings.host, port=settings.port, user=arguments.user, database=DATABASE,
                password=os.environ.get("PGPASSWORD"), statement=arguments.statement,
                parameters=tuple(arguments.parameters), rate=arguments.rate, seconds=arguments.seconds,
                connections=arguments.connections, arrivals=arguments.arrivals, seed=arguments.seed)


def _range(text: str) -> Range:
    low, colon, high = text.partition(":")
    for kind in (int, float):
        try:
            found = Range(low=kind(low), high=kind(high))
        except ValueError:
            continue
        if colon and found.low <= found.high:
            return found
    raise argparse.ArgumentTypeError("a range is LOW:HIGH")


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number
