"""version.json: what a version of a model is, for whoever opens its directory.

Must not know about the registry, the log or kernels. Floats are written as Python's shortest text that reads back to
the same bits, so that a prediction has the same bits wherever the file was read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import Fsync, corrupted, read_json, write_json

FILE = "version.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of a version: keyed rows of ``width`` float32 each.

    initial: float32[width], the row that ``merge = add`` starts from for a key it does not know; None: zeros.
    """

    name: str
    key: Literal["int64", "text"]
    width: int
    initial: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Contents of version.json.

    options: every option of the algorithm as text. input_types: names of flinkms_sql.types.SqlType members.
    constants: float64 arrays of any shape, finite. partitions: of each table's log, p0 … p<partitions - 1>.
    classes: object[c] of str or int64[c], ascending, at least 2: what labels are numbers of; None: labels are numbers.
    """

    algorithm: str
    options: Mapping[str, str]
    input_types: tuple[str, ...]
    tables: tuple[Table, ...]
    partitions: int
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: np.ndarray | None = None


def write_version(path: Path, version: Version, fsync: Fsync = os.fsync) -> None:
    """Write or atomically replace version.json in a version's directory.

    Raises FlinkmsError 22000 when a constant is not finite, 53100, 58030.
    """
    tables = []
    for table in version.tables:
        entry: dict[str, object] = {"name": table.name, "key": table.key, "width": table.width}
        if table.initial is not None:
            entry["initial"] = _numbers(table.name, table.initial)
        tables.append(entry)
    constants = {name: _numbers(name, array) for name, array in version.constants.items()}
    value: dict[str, object] = {
        "format": 1,
        "algorithm": version.algorithm,
        "options": dict(version.options),
        "input_types": list(version.input_types),
        "tables": tables,
        "partitions": version.partitions,
        "constants": constants,
    }
    if version.classes is not None:
        value["classes"] = version.classes.tolist()
    write_json(path / FILE, value, fsync)


def read_version(path: Path) -> Version:
    """Read version.json of a version's directory. Raises FlinkmsError 58030 when missing, XX001 when damaged."""
    file = path / FILE
    value = read_json(file)
    match value:
        case {
            "format": 1,
            "algorithm": str(algorithm),
            "options": dict(options),
            "input_types": list(input_types),
            "tables": list(entries),
            "partitions": int(partitions),
            "constants": dict(constants),
        } if partitions >= 1:
            pass
        case _:
            raise corrupted(file, "not a version of format 1")
    return Version(
        algorithm=algorithm,
        options={str(name): str(text) for name, text in options.items()},
        input_types=tuple(str(name) for name in input_types),
        tables=tuple(_table(file, entry) for entry in entries),
        partitions=partitions,
        constants={name: _array(file, value, np.float64) for name, value in constants.items()},
        classes=_classes(file, value["classes"]) if "classes" in value else None,
    )


def _table(file: Path, entry: object) -> Table:
    match entry:
        case {"name": str(name), "key": "int64" | "text" as key, "width": int(width)} if width >= 1:
            initial = _array(file, entry["initial"], np.float32) if "initial" in entry else None
            if initial is not None and initial.shape != (width,):
                raise corrupted(file, f'the initial row of table "{name}" has shape {initial.shape}, not {width}')
            return Table(name=name, key=key, width=width, initial=initial)
    raise corrupted(file, "a table has no name, key and width")


def _classes(file: Path, value: object) -> np.ndarray:
    try:
        return classes_of(value)
    except ValueError as error:
        raise corrupted(file, str(error)) from None


def classes_of(value: object) -> np.ndarray:
    """Classes as they are in version.json and fit.json. Raises ValueError when they are none."""
    if not isinstance(value, list) or {type(one) for one in value} not in ({str}, {int}):
        raise ValueError("classes are neither texts nor whole numbers")
    if len(value) < 2 or any(one >= other for one, other in pairwise(value)):
        raise ValueError("classes are fewer than 2, or do not ascend")
    try:
        classes = np.array(value, object if isinstance(value[0], str) else np.int64)
    except OverflowError:
        raise ValueError("a class is no BIGINT") from None
    classes.flags.writeable = False
    return classes


def _numbers(name: str, array: np.ndarray) -> object:
    """Nested lists of the numbers as float64, which holds every float32 exactly."""
    wide = np.asarray(array, np.float64)
    if not np.isfinite(wide).all():
        raise FlinkmsError(errors.DATA_EXCEPTION, f'constant "{name}" is not finite')
    return wide.tolist()


def _array(file: Path, value: object, dtype: type) -> np.ndarray:
    try:
        array = np.array(value, dtype)
    except (TypeError, ValueError) as error:
        raise corrupted(file, f"not an array of numbers: {error}") from error
    array.flags.writeable = False
    return array
