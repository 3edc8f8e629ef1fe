"""Loader of the benchmarks' own SQL, tests/bench/sql/: named statements, and scripts for pgbench as files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


def queries(name: str) -> dict[str, str]:
    """The named statements of tests/bench/sql/<name>.sql: each starts at a line ``-- name: <word>``."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in script(name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-- name:"):
            current = found.setdefault(line.removeprefix("-- name:").strip(), [])
        else:
            current.append(line)
    return {key: "\n".join(lines).strip() for key, lines in found.items()}


def script(name: str) -> Path:
    """The file tests/bench/sql/<name>.sql."""
    return FOLDER / f"{name}.sql"
