"""What runs over a data directory and how large it is, as ``flinkms status`` prints it. Must not change anything."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flinkms_sql.runtime import processes, state
from flinkms_sql.runtime.sizes import LastUpkeep, Sizes, human

STREAMS_SHOWN = 10
"""Largest streams that are shown one by one; ``--json`` has all."""

ACTIONS_SHOWN = 5
"""Last things upkeep did that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part now. ``uptime_s`` is of its process; ``memory_mb`` is resident, with the processes below it."""

    part: str
    state: str
    pid: int | None
    uptime_s: int | None
    memory_mb: int | None
    restarts: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledJob:
    """A job that is started anew again and again, or should run and does not: ``attempts`` without progress, and why."""

    job: int
    what: str
    state: str
    attempts: int
    error: str


def read(data_dir: Path) -> list[PartStatus]:
    """All parts, as last recorded; those whose process is gone are shown as stopped. Empty when nothing runs."""
    last = state.read(data_dir / "run")
    if last is None:
        return []
    supervised = state.is_held(data_dir / "run")
    found = []
    for part in last.parts:
        process = part.process if part.process is not None and part.process.alive else None
        phase = part.phase if supervised and (process is not None or part.process is None) else "stopped"
        if process is not None and not supervised:
            phase = "left over"
        found.append(PartStatus(
            part=part.name, state=phase, address=part.address, restarts=part.restarts,
            pid=process.pid if process else None,
            uptime_s=int(time.time() - process.started_at) if process else None,
            memory_mb=round(processes.resident_mb(process.pid)) if process else None))
    return found


def as_json(parts: list[PartStatus], sizes: Sizes, upkeep: LastUpkeep | None, jobs: Sequence[TroubledJob] = ()) -> str:
    """The same for programs: {"parts": […], "sizes": {…}, "upkeep": {…} or null, "jobs": […]}; bytes, times in ISO 8601."""
    done = None if upkeep is None else {**asdict(upkeep), "at": upkeep.at.isoformat()}
    return json.dumps({"parts": [asdict(part) for part in parts], "sizes": asdict(sizes), "upkeep": done,
                       "jobs": [asdict(job) for job in jobs]}, indent=1)


def jobs_as_text(jobs: Sequence[TroubledJob]) -> str:
    """A line for each job that does not get on."""
    return "\n".join(f"job {job.job} ({job.what}) is {job.state}, {job.attempts} attempts: {job.error}" for job in jobs)


def sizes_as_text(sizes: Sizes, upkeep: LastUpkeep | None) -> str:
    """What is kept, and what upkeep did last."""
    versions = f"{sum(sizes.versions.values())} versions of {len(sizes.versions)} models"
    lines = [
        f"streams           {human(sizes.streams)}",
        *(f"  {name}  {human(size)}" for name, size in list(sizes.each_stream.items())[:STREAMS_SHOWN]),
        f"models            {human(sizes.models)}: bases {human(sizes.bases)}, logs {human(sizes.logs)}; {versions}",
        f"checkpoints       {human(sizes.checkpoints)}",
        f"logs of parts     {human(sizes.part_logs)}",
        f"control database  {human(sizes.control_database)}",
    ]
    if upkeep is not None:
        lines.append(f"upkeep            {upkeep.at:%Y-%m-%d %H:%M:%S} UTC, {upkeep.took_s:.1f} s")
        lines += [f"  {action}" for action in upkeep.actions[-ACTIONS_SHOWN:]]
        lines += [f"  not done: {problem}" for problem in upkeep.problems]
    return "\n".join(lines)


def as_text(parts: list[PartStatus]) -> str:
    """An aligned table."""
    header = ("part", "state", "pid", "uptime", "memory", "restarts", "address")
    lines = [header, *(
        (part.part, part.state, str(part.pid or ""), "" if part.uptime_s is None else _duration(part.uptime_s),
         "" if part.memory_mb is None else f"{part.memory_mb} MB", str(part.restarts), part.address)
        for part in parts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)


def _duration(seconds: int) -> str:
    """1 h 02 min, 3 min 20 s, 12 s."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
