"""Where on this machine a deployment may read, write and delete: its warehouse, and the roots that tables may name.

Every path that comes out of the registry or out of a statement passes here before anything is done with it: what a row
says is a ``Claim``, which no function of files takes, and only ``Places`` makes a path of one. Must not know what is at a
path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.tableoptions import places_named

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


_FLINK_JOB_ID = re.compile(r"[0-9a-f]{32}")
"""How Flink writes a job's id; a directory is named after it."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """Where a row of the registry says that something is. It is not a path: ``Path`` and ``open`` refuse it."""

    text: str

    def __str__(self) -> str:
        return self.text


def inside(root: Path, path: Path | str, depth: int | None = None) -> Path:
    """The path when it is, with links followed, below ``root``: ``depth`` levels, any number if None; the root is not.

    It is given back with links followed: positions in streams are kept by that name. Raises FlinkmsError 42501 for every
    other, whatever is or is not there.
    """
    place = Path(path)
    plain = place.is_absolute() and ".." not in place.parts and "\0" not in str(path)
    found, base = Path(os.path.realpath(place if plain else root)), Path(os.path.realpath(root))
    if base not in (found.parents if depth is None else found.parents[depth - 1:depth]):
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'path "{path}" is outside of "{root}"')
    return found


def job_checkpoints(checkpoints: Path, flink_job_id: str) -> Path:
    """The directory of a Flink job's checkpoints. Raises 42501 for what is no id of one."""
    if not _FLINK_JOB_ID.fullmatch(flink_job_id):
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'"{flink_job_id}" is no id of a Flink job')
    return inside(checkpoints, checkpoints / flink_job_id, 1)


def restorable(checkpoints: Path, uri: str | None) -> str | None:
    """The URI of a checkpoint to start from, or None. Raises 42501 for one that is not a Flink job's of ours: reading a
    checkpoint runs what its bytes say."""
    return None if uri is None else inside(checkpoints, unquote(_local(uri))).as_uri()


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``warehouse``: models and streams. ``roots``: directories below which tables may name paths. ``closed``: files and
    directories that no table may name, nor be above of, wherever they are."""

    warehouse: Path
    roots: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()

    def version(self, claim: Claim) -> Path:
        """The directory of a model's version. Raises 42501 when it is none."""
        return inside(self.warehouse / "models", claim.text, 2)

    def stream(self, claim: Claim | None) -> Path:
        """The directory of a stream: one of the warehouse, or below a root. Raises 42501."""
        return self._stream("" if claim is None else claim.text)

    def _stream(self, path: str) -> Path:
        try:
            return inside(self.warehouse / "streams", path, 1)
        except FlinkmsError:
            return self._below_a_root(_local(path), path)

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
                self._stream(_local(value))
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
