"""What a benchmark found: tables, figures, goals and the hash of its result; printed, and written to the documents.

Must not know what is measured. Latencies are microseconds; the last line printed is one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}

Cell = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of results; numbers are formatted to be read, the figures hold them in full."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure that is to stay on one side of a bound."""

    name: str
    value: float
    bound: float
    side: Literal["at least", "at most"]

    @property
    def met(self) -> bool:
        """Whether it does; a value that is not a number does not."""
        return self.value >= self.bound if self.side == "at least" else self.value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of one benchmark. ``errors``: requests or rows that failed, in ours and in the peers."""

    name: str
    tables: tuple[Table, ...]
    goals: tuple[Goal, ...]
    figures: Mapping[str, object]
    result_hash: str
    errors: int = 0
    notes: tuple[str, ...] = field(default=())


def percentiles(latencies_us: np.ndarray | Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and max of latencies in microseconds; NaN of none. Linear interpolation, as numpy's default."""
    values = np.asarray(latencies_us, np.float64)
    if not len(values):
        return dict.fromkeys(QUANTILES, float("nan"))
    return dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values())).tolist(), strict=True))


def hash_of(*arrays: np.ndarray) -> str:
    """The first 16 hexadecimal digits of SHA-256 over dtype, shape and bytes of arrays: equal results, equal hash."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def busy_cores(seconds: float) -> float:
    """How many cores others keep busy, on average over some seconds; NaN where the system does not tell.

    Figures of a busy machine mean little, and not even ratios hold: a server of 32 processes gets a larger share of
    contended cores than one of a single process.
    """
    try:
        (idle, total), _, (idle_after, total_after) = _cpu_times(), time.sleep(seconds), _cpu_times()
    except OSError:
        return float("nan")
    return (os.cpu_count() or 1) * (1 - (idle_after - idle) / max(total_after - total, 1))


def _cpu_times() -> tuple[int, int]:
    """(idle, all) ticks of all cores since the start (proc(5), /proc/stat: idle and iowait are fields 4 and 5)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def machine(busy: float) -> dict[str, str]:
    """Where it was measured: processor, cores, how many others kept busy before, memory, versions."""
    return {
        "busy_cores_before": f"{busy:.1f}",
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory_gib": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "jdk": _jdk_version(),
    }


def text(report: Report, *, command: str, where: Mapping[str, str], at: datetime) -> str:
    """The report as Markdown, which is also what is printed."""
    cores = f"{where['cores']} cores ({where['busy_cores_before']} busy before)"
    hardware = f"{where['cpu']}, {cores}, {where['memory_gib']} GiB, {where['system']}"
    versions = f"Python {where['python']}, numpy {where['numpy']}, JDK {where['jdk']}"
    lines = [f"`{command}`, {at:%Y-%m-%d}, on {hardware}, {versions}. Result {report.result_hash}, errors {report.errors}."]
    for table in report.tables:
        lines += ["", f"**{table.title}**", "", *_markdown(table.columns, table.rows)]
    if report.goals:
        rows = tuple((goal.name, _shown(goal.value), f"{goal.side} {goal.bound:g}", "yes" if goal.met else "**no**")
                     for goal in report.goals)
        lines += ["", *_markdown(("figure", "measured", "goal", "met"), rows)]
    lines += [line for note in report.notes for line in ("", note)]
    return "\n".join(lines)


def last_line(report: Report, *, command: str, where: Mapping[str, str], at: datetime) -> str:
    """The report as one JSON object on one line. Raises ValueError when a figure is not finite."""
    goals = {goal.name: {"value": goal.value, "bound": goal.bound, "side": goal.side, "met": goal.met}
             for goal in report.goals}
    return json.dumps({
        "bench": report.name, "command": command, "at": at.isoformat(timespec="seconds"), "machine": dict(where),
        "result_hash": report.result_hash, "errors": report.errors, "goals": goals, **report.figures,
    }, allow_nan=False)


def publish(report: Report, *, command: str, busy: float, document: Path | None) -> None:
    """Print the report, its JSON line last; with a document, put it there between the marks of its name."""
    facts = {"command": command, "where": machine(busy), "at": datetime.now(timezone.utc)}
    shown = text(report, **facts)
    if document is not None:
        _write(document, report.name, shown)
    print(shown, "", last_line(report, **facts), sep="\n", flush=True)


def _write(document: Path, name: str, shown: str) -> None:
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before = document.read_text(encoding="utf-8") if document.exists() else "# Performance\n"
    block = f"{begin}\n{shown}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    after = pattern.sub(lambda _: block, before) if pattern.search(before) else f"{before}\n## {name}\n{block}\n"
    document.write_text(after, encoding="utf-8")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    cells = [list(columns), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _jdk_version() -> str:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return "none"
    found = re.search(r'version "([^"]+)"', shown)
    return found[1] if found else "unknown"
