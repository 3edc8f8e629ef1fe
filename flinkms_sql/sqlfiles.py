"""Loader of the SQL this project owns: ``load("catalog/0001_registry")`` is the text of sql/catalog/0001_registry.sql.

Statements live as text under sql/; Python never joins strings into a statement.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def load(name: str) -> str:
    """Text of the file sql/<name>.sql. Raises FileNotFoundError when there is none."""
    return resources.files("sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def names(folder: str) -> list[str]:
    """Sorted names, ready for ``load``, of the files in sql/<folder>/."""
    entries = resources.files("sql").joinpath(folder).iterdir()
    return sorted(f"{folder}/{entry.name.removesuffix('.sql')}" for entry in entries if entry.name.endswith(".sql"))


@cache
def queries(name: str) -> dict[str, str]:
    """The named statements of sql/<name>.sql: each starts at a line ``-- name: <word>`` and runs to the next."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in load(name).splitlines():
        if line.startswith("-- name:"):
            current = found.setdefault(line.removeprefix("-- name:").strip(), [])
        elif current is not None:
            current.append(line)
    return {key: "\n".join(lines).strip() for key, lines in found.items()}
