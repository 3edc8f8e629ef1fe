"""Names of directories in the warehouse. Must not touch any file.

A directory's name begins with the object's name, for people; what tells it from every other one is its incarnation. So a
stream or model that is dropped and created again never finds what the former one left, and no name, however it is
written, leads out of its folder.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

READABLE_MAX = 48
"""Characters of an object's name that its directory shows: names are not limited, file names are, to 255 bytes."""

_UNREADABLE = re.compile(r"[^A-Za-z0-9_-]")


def new_incarnation() -> str:
    """Twelve letters and digits that nothing else has."""
    return secrets.token_hex(6)


def directory_name(name: str, incarnation: str) -> str:
    """What the directory of an object is called: no dot and no slash."""
    return f"{_UNREADABLE.sub('_', name)[:READABLE_MAX]}-{incarnation}"


def model_directory(warehouse: Path, name: str, incarnation: str) -> Path:
    """Where the versions of a model are."""
    return warehouse / "models" / directory_name(name, incarnation)


def stream_directory(warehouse: Path, name: str, incarnation: str) -> Path:
    """Where a stream is."""
    return warehouse / "streams" / directory_name(name, incarnation)
