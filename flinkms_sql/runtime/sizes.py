"""How large a deployment is on disk, by what it keeps, for ``flinkms status``. Must not change anything, nor ask a server.

Sizes are of blocks on disk: a base is extended sparsely and would look larger than it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes. ``bases`` and ``logs`` are parts of ``models``; ``versions``: name of a model's directory -> versions there;
    ``each_stream``: name of a stream's directory -> bytes, the largest first. Streams elsewhere are not among them."""

    streams: int
    models: int
    bases: int
    logs: int
    checkpoints: int
    part_logs: int
    control_database: int
    versions: dict[str, int]
    each_stream: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUpkeep:
    """What upkeep did in its last rounds and could not do in its last one; ``at``: of the last one."""

    at: datetime
    took_s: float
    actions: tuple[str, ...]
    problems: tuple[str, ...]


def measure(data_dir: Path) -> Sizes:
    """Sizes now; what is deleted meanwhile counts or does not."""
    warehouse = data_dir / "warehouse"
    each_stream: dict[str, int] = {}
    for path, size in _files(warehouse / "streams"):
        each_stream[path.parts[0]] = each_stream.get(path.parts[0], 0) + size
    parts = {"models": 0, "bases": 0, "logs": 0}
    for path, size in _files(warehouse / "models"):
        parts["models"] += size
        if any(name.startswith("base-") for name in path.parts):
            parts["bases"] += size
        elif "log" in path.parts:
            parts["logs"] += size
    return Sizes(
        **parts, streams=sum(each_stream.values()),
        each_stream=dict(sorted(each_stream.items(), key=lambda one: (-one[1], one[0]))),
        checkpoints=_total(data_dir / "flink" / "checkpoints") + _total(data_dir / "flink" / "savepoints"),
        part_logs=_total(data_dir / "logs") + _total(data_dir / "flink" / "client-log"),
        control_database=_total(data_dir / "postgres"), versions=_versions(warehouse / "models"),
    )


def last_upkeep(report: Path) -> LastUpkeep | None:
    """What the report of upkeep says; None when there was no round yet."""
    try:
        found = json.loads(report.read_bytes())
        return LastUpkeep(at=datetime.fromtimestamp(found["at"], timezone.utc), took_s=found["took_s"],
                          actions=tuple(entry["action"] for entry in found["actions"]), problems=tuple(found["problems"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def human(size: int) -> str:
    """1.4 GB, 23.0 MB, 512 B: powers of 1000."""
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} B"


def _total(root: Path) -> int:
    return sum(size for _, size in _files(root))


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    """Files below a directory, by their path below it, with their bytes on disk; links are not followed."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                if not path.is_symlink():
                    yield path.relative_to(root), path.lstat().st_blocks * 512
            except OSError:
                continue


def _versions(models: Path) -> dict[str, int]:
    if not models.exists():
        return {}
    found = {}
    for model in sorted(models.iterdir()):
        try:
            found[model.name] = sum(1 for version in model.iterdir() if version.name.startswith("v"))
        except OSError:
            continue
    return found
