"""Opening a version to predict with it: its tables, its model, and one prediction that shows they fit.

One way for all who load: the frontend that is going to serve a version and the job that is about to publish it, so that
what the one published the other can load. Must not know the registry, nor who asks. Whatever goes wrong is a
FlinkmsError with the reason: a damaged file, a missing directory, an algorithm this code does not have, no memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.base import open_current, verify_base
from flinkms_sql.modellog.files import reason_of
from flinkms_sql.modellog.frame import Position
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.block import Column
from udfs.model import ArgumentError, Model, OptionError

CATCH_UP_S_MAX = 30.0
"""Seconds without a new record after which a log counts as not reaching the positions it should: they were written
before the version was published, so only a file that is missing or cut off keeps a reader from them."""

CATCH_UP_PAUSE_S = 0.05
"""Seconds between two looks at a log that does not reach them yet: that of a listing of its directory."""

Positions = Mapping[str, Mapping[str, Position]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A version whose tables are in memory, every page touched, and its configured model."""

    replica: VersionReplica
    model: Model
    inputs: tuple[SqlType, ...]


def open_version(path: Path, positions: Positions | None = None) -> Opened:
    """Open a version's directory, apply its log at least up to ``positions``, and predict once.

    Raises FlinkmsError: 58030 and XX001 for files, 22023 for an algorithm or option this code does not know, 53200
    for memory, 55000 when the log does not reach the positions, XX000 for whatever else the version makes us raise.
    """
    try:
        replica = VersionReplica(path)
        try:
            return _opened(replica, positions or {})
        except BaseException:
            replica.close()
            raise
    except OptionError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'"{path}" cannot be served: {error}',
                           hint="Another release has written it.") from error
    except Exception as error:  # a version comes from outside: whatever it makes us raise is its reason
        raise reason_of(error, path) from error


def verify_loads(path: Path) -> None:
    """Load a version as a frontend will, and check every byte of its bases. Raises FlinkmsError as ``open_version``."""
    opened = open_version(path)
    try:
        for table in opened.replica.version.tables:
            base, _ = open_current(path / table.name)
            verify_base(base)
    finally:
        opened.replica.close()


def _opened(replica: VersionReplica, positions: Positions) -> Opened:
    version = replica.version
    _catch_up(replica, positions)
    replica.warm()
    unknown = [name for name in version.input_types if name not in SqlType.__members__]
    if unknown:
        raise OptionError("input", f"its inputs have unknown types {', '.join(unknown)}")
    opened = Opened(
        replica=replica, model=configure(version.algorithm, version.options, version.input_types),
        inputs=tuple(SqlType[name] for name in version.input_types),
    )
    try:
        opened.model.predict(replica, [_zero(kind) for kind in opened.inputs])
    except ArgumentError:
        pass  # zeros need not be arguments that fit (an array has a length of its own): the model was asked, and it says so
    return opened


def _catch_up(replica: VersionReplica, positions: Positions) -> None:
    deadline = time.monotonic() + CATCH_UP_S_MAX
    while (applied := replica.poll()) or not replica.reached(positions):
        if applied:
            deadline = time.monotonic() + CATCH_UP_S_MAX
        elif time.monotonic() > deadline:
            raise FlinkmsError(
                errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'the log of version "{replica.path}" ends too early',
                detail=f"It reaches {replica.positions}, not {dict(positions)}.",
                hint="Restore the missing files, or train a new version of the model.",
            )  # fmt: skip
        else:
            time.sleep(CATCH_UP_PAUSE_S)


def _zero(kind: SqlType) -> Column:
    """One row of the type: zero, an empty text, or an array of one zero."""
    if kind.is_array:
        return Column(np.zeros(1, kind.value.dtype), None, np.array([0, 1], np.int64))
    if kind.value.dtype == "O":
        empty = np.empty(1, object)
        empty[0] = b"" if kind is SqlType.BYTES else ""
        return Column(empty)
    return Column(np.zeros(1, kind.value.dtype))
