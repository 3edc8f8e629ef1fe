"""The files that a bounded job reads, looked at before it is submitted: Flink would find out seconds later.

Checks are of local paths of tables of the connector filesystem, and only where the cluster is on this machine and sees
the same files. Must not know what a job computes.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import TableRecord
from flinkms_sql.errors import FlinkmsError

WHOLE_JSON = "flinkms-json"
"""The connector's form of Flink's format json: it loses no line."""

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")

LINES_LOOKED_AT_MAX = 20
"""Lines of a CSV file that are compared with its table's columns: a few malformed ones are no reason to stop."""

FILES_LOOKED_AT_MAX = 1000
"""Files of one table: some milliseconds; in a directory of more, nearly all empty, the job itself finds out."""


def is_local(address: str) -> bool:
    """Whether the cluster at host:port runs on this machine."""
    return address.rpartition(":")[0] in LOCAL_HOSTS


def check_files(tables: Mapping[str, TableRecord], names: Sequence[str]) -> None:
    """Raise FlinkmsError 58P01 or 42501 when a table's file is missing or cannot be read."""
    for name in names:
        path = local_path(tables.get(name))
        if path is None:
            continue
        try:
            path.stat()
        except PermissionError:
            raise _unreadable(path, name) from None
        except OSError:
            raise FlinkmsError(errors.UNDEFINED_FILE, f'file "{path}" of table "{name}" does not exist') from None
        for number, file in enumerate(_files(path)):
            if number >= FILES_LOOKED_AT_MAX:
                break
            if not os.access(file, os.R_OK):
                raise _unreadable(file, name)


def check_rows(tables: Mapping[str, TableRecord], names: Sequence[str]) -> None:
    """Raise FlinkmsError 22000 when all tables are of files, and there is not a byte in any of them."""
    empty = [(name, path) for name in names if (path := local_path(tables.get(name))) is not None and _is_empty(path)]
    if empty and len(empty) == len(names):
        name, path = empty[0]
        noun = "directory" if path.is_dir() else "file"
        raise FlinkmsError(errors.DATA_EXCEPTION, f'no rows to train on: {noun} "{path}" of table "{name}" is empty')


def reading_options(options: Mapping[str, str]) -> dict[str, str | None]:
    """Options over a table's own (None: taken away), by which malformed rows are a job's to count, not a reason to fail."""
    match options.get("format"):
        case "csv":
            return {"csv.ignore-parse-errors": "true"}
        case "json":
            own = {name: text for name, text in options.items() if name.startswith("json.")}
            moved = {name.replace("json.", f"{WHOLE_JSON}.", 1): text for name, text in own.items()}
            return {**dict.fromkeys(own), **moved, "format": WHOLE_JSON, f"{WHOLE_JSON}.ignore-parse-errors": "true"}
    return {}


def _unreadable(file: Path, table: str) -> FlinkmsError:
    return FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'file "{file}" of table "{table}" cannot be read')


def check_columns(tables: Mapping[str, TableRecord], names: Sequence[str]) -> None:
    """Raise FlinkmsError 42804 when a CSV file has more columns than its table: Flink would skip each of its lines."""
    for name in names:
        table = tables.get(name)
        path = local_path(table)
        if table is None or path is None or table.options.get("format") != "csv":
            continue
        for file in islice(_files(path), 1):
            found = _least_fields(file, table.options)
            if found is not None and found > len(table.columns):
                raise FlinkmsError(
                    errors.DATATYPE_MISMATCH, f'file "{file}" of table "{name}" has {found} columns, the table has '
                    f"{len(table.columns)}", hint="Declare all columns of the file; a query need not use them.",
                )


def _least_fields(file: Path, options: Mapping[str, str]) -> int | None:
    """The smallest number of fields that one of a CSV file's first lines has; None when it has no line."""
    quote = options.get("csv.quote-character", '"')
    plain = options.get("csv.disable-quote-character") == "true" or len(quote) != 1
    delimiter = options.get("csv.field-delimiter", ",").replace("\\t", "\t")
    if len(delimiter) != 1 or "csv.escape-character" in options:
        return None
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=None if plain else quote,
                            quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL)  # fmt: skip
        try:
            # A delimiter at the end of a line begins no column.
            return min((len(row) - (row[-1] == "") for row in islice(reader, LINES_LOOKED_AT_MAX) if row), default=None)
        except csv.Error:
            return None


def local_path(table: TableRecord | None) -> Path | None:
    """Where a table of the connector filesystem has its files, if that is a path of this machine."""
    if table is None or table.options.get("connector") != "filesystem":
        return None
    path = table.options.get("path", "").removeprefix("file://")
    path = path.removeprefix("file:")
    return Path(path) if path.startswith("/") else None


def _is_empty(path: Path) -> bool:
    return not any(number >= FILES_LOOKED_AT_MAX or os.path.getsize(file) for number, file in enumerate(_files(path)))


def _files(path: Path) -> Iterator[Path]:
    """The files that Flink reads: hidden ones, and those whose name starts with an underscore, it leaves out."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = [one for one in folders if one[0] not in "._"]
        yield from (Path(folder, one) for one in files if one[0] not in "._")
