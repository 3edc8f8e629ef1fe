"""Where on this machine a deployment may read, write and delete: its warehouse, and the roots that tables may name.

Every path that comes out of the registry or out of a statement passes here before anything is done with it. Must not
know what is at a path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.tableoptions import places_named

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def inside(root: Path, path: Path | str) -> Path:
    """The path, with links followed, when it is below ``root``; the root itself is not.

    Raises FlinkmsError 42501 for every other, whatever is or is not there.
    """
    found, base = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if not Path(path).is_absolute() or base not in found.parents:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'path "{path}" is outside of "{root}"')
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``warehouse``: models and streams. ``roots``: directories below which tables may name paths. ``closed``: files and
    directories that no table may name, nor be above of, wherever they are."""

    warehouse: Path
    roots: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()

    def version(self, path: str) -> Path:
        """The directory of a model's version. Raises 42501 when it is none."""
        return inside(self.warehouse / "models", path)

    def stream(self, path: str) -> Path:
        """The directory of a stream: one of the warehouse, or below a root. Raises 42501."""
        try:
            return inside(self.warehouse / "streams", path)
        except FlinkmsError:
            return self._below_a_root(path, path)

    def check_table(self, options: Mapping[str, str], position: int | None = None) -> None:
        """Raise 42501 when the options of a table name what it may not reach, 22023 for one that is not known."""
        try:
            self._check(options)
        except FlinkmsError as error:
            error.position = position
            raise

    def _check(self, options: Mapping[str, str]) -> None:
        for value in places_named(options):
            if options["connector"] == "flinkms":
                self.stream(_local(value))
            else:
                self._below_a_root(_local(value), value)

    def _below_a_root(self, path: str, shown: str) -> Path:
        found = Path(os.path.realpath(path))
        roots = [Path(os.path.realpath(root)) for root in (*self.roots, self.warehouse)]
        if not any(root in (found, *found.parents) for root in roots):
            raise FlinkmsError(
                errors.INSUFFICIENT_PRIVILEGE, f'path "{shown}" is outside of the directories that tables may name',
                detail=f"They are {', '.join(map(str, roots))}.",
                hint="flinkms up --data-roots DIR adds others." if len(roots) else None,
            )
        kept = (self.warehouse / "models", self.warehouse / "streams", *self.closed)
        for closed in (Path(os.path.realpath(one)) for one in kept):
            if found == closed or closed in found.parents or found in closed.parents:
                raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'path "{shown}" is the deployment\'s own',
                                   detail=f'"{closed}" is for no table to name.')
        return found


def _local(value: str) -> str:
    """The path that Flink makes of an option. Raises 42501 for what is not plainly a path of this machine.

    Flink takes away ".." before links are followed, the system after: such a path has two meanings.
    """
    matched = _SCHEME.fullmatch(value)
    path = value
    if matched is not None:
        scheme, path = matched.groups()
        if scheme.lower() != "file" or (path.startswith("//") and not path.startswith("///")):
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'path "{value}" is not of this machine',
                               hint="Write an absolute path.")
        path = "/" + path.lstrip("/") if path.startswith("/") else path
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path or "\\" in path:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'path "{value}" is not absolute',
                           hint='Write an absolute path without "..".')
    return path
