"""Deleting what upkeep may delete, and nothing else: directories that lie where this deployment itself puts such things.

Must not know why something goes. Whatever a row of the registry says, nothing outside of ``root`` is touched, nothing
that something still needed lies in, and nothing through a symbolic link. A directory is hidden under a dot-name first,
so that nobody sees half of it and a crash between the two steps is finished by the next round.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import delete_directory


def remove_directory(path: Path, root: Path, *, depth: int, needed: Iterable[Path] = ()) -> bool:
    """Delete the directory ``path``, ``depth`` levels below ``root``; whether it was there.

    needed: paths that stay: neither one of them nor a directory above or below one is deleted.
    Raises FlinkmsError 42501 when it is not a directory of ours to delete, 58030.
    """
    _check(path, root, depth, needed)
    was_there = delete_directory(path, path.with_name(f".{path.name}"))
    _prune(path.parent, root)
    return was_there


def _check(path: Path, root: Path, depth: int, needed: Iterable[Path]) -> None:
    inside = root.resolve()
    # The parent is resolved and not the path: a link is no directory of ours, wherever it leads.
    place = path.parent.resolve() / path.name
    if not path.is_absolute() or path.name in ("", "..") or path.name.startswith(".") or path.is_symlink() \
            or len(place.parents) < depth or place.parents[depth - 1] != inside:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'"{path}" is not deleted: it is no directory {depth} below "{root}"')
    for other in (kept.parent.resolve() / kept.name for kept in needed):
        if other == place or place in other.parents or other in place.parents:
            raise FlinkmsError(errors.OBJECT_IN_USE, f'"{path}" is not deleted: "{other}" is still needed')


def _prune(parent: Path, root: Path) -> None:
    """Delete the directory of a model whose versions are all gone."""
    if parent.resolve() != root.resolve():
        try:
            parent.rmdir()
        except OSError:
            pass  # not empty
