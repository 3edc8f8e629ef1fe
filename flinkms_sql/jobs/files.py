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
from flinkms_sql.catalog.records import Column, TableRecord
from flinkms_sql.encoding import undecodable
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.tableoptions import SKIP_HEADER
from flinkms_sql.types import SqlType

WHOLE_JSON = "flinkms-json"
"""The connector's form of Flink's format json: it loses no line."""

HEADER_CSV = "flinkms-csv"
"""The connector's form of Flink's format csv: it leaves out the first line of each file."""

_NUMBERS = (SqlType.SMALLINT, SqlType.INT, SqlType.BIGINT, SqlType.FLOAT, SqlType.DOUBLE)

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")

LINES_LOOKED_AT_MAX = 20
"""Lines of a CSV file that are compared with its table's columns: a few malformed ones are no reason to stop."""

BYTES_AT_ONCE = 1 << 20
"""Bytes of a file that are looked at together when it is searched for what is no UTF-8."""

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
        case "csv" if has_header(options):
            return {**_moved(options, "csv", HEADER_CSV), f"{HEADER_CSV}.skip-header": None}
        case "csv":
            return {"csv.ignore-parse-errors": "true", SKIP_HEADER: None}
        case "json":
            return _moved(options, "json", WHOLE_JSON)
    return {}


def has_header(options: Mapping[str, str]) -> bool:
    """Whether a table says that the first line of each of its files is a header."""
    return options.get(SKIP_HEADER) == "true"


def _moved(options: Mapping[str, str], format_name: str, other: str) -> dict[str, str | None]:
    """The options of a format as those of another one in its place."""
    own = {name: text for name, text in options.items() if name.startswith(f"{format_name}.")}
    moved = {name.replace(format_name, other, 1): text for name, text in own.items()}
    return {**dict.fromkeys(own), **moved, "format": other, f"{other}.ignore-parse-errors": "true"}


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
            # A delimiter at the end of a line begins no column.
            found = min((len(row) - (row[-1] == "") for row in _first_rows(file, table.options)), default=0)
            if found > len(table.columns):
                raise FlinkmsError(
                    errors.DATATYPE_MISMATCH, f'file "{file}" of table "{name}" has {found} columns, the table has '
                    f"{len(table.columns)}", hint="Declare all columns of the file; a query need not use them.",
                )


def headers(tables: Mapping[str, TableRecord], names: Sequence[str]) -> list[str]:
    """What to tell of CSV files whose first line looks like a header, and is read as a row."""
    found = []
    for name in names:
        table = tables.get(name)
        path = local_path(table)
        if table is None or path is None or table.options.get("format") != "csv" or has_header(table.options):
            continue
        for file in islice(_files(path), FILES_LOOKED_AT_MAX):
            rows = _first_rows(file, table.options)
            if len(rows) > 1 and _looks_like_header(rows[0], rows[1:], table.columns):
                found.append(f'line 1 of file "{file}" looks like a header, and was read as a row: add '
                             f"'{SKIP_HEADER}' = 'true' to the options of table \"{name}\" to leave it out")
                break
    return found


def _looks_like_header(first: Sequence[str], others: Sequence[Sequence[str]], columns: Sequence[Column]) -> bool:
    """Whether the first line names columns: by the names they have, or as the only line with texts where numbers stand."""
    names = [column.name.lower() for column in columns]
    if [text.strip().lower() for text in first[: len(names)]] == names:
        return True
    numbers = [at for at, column in enumerate(columns) if column.type in _NUMBERS and at < len(first)]
    return bool(numbers) and not any(_is_number(first[at]) or not first[at].strip() for at in numbers) and all(
        any(at < len(row) and _is_number(row[at]) for row in others) for at in numbers)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def not_utf8(tables: Mapping[str, TableRecord], names: Sequence[str]) -> FlinkmsError | None:
    """The error that says which file of these tables is no UTF-8, and where; None when all are."""
    for name in names:
        path = local_path(tables.get(name))
        for file in () if path is None else islice(_files(path), FILES_LOOKED_AT_MAX):
            try:
                with file.open("rb") as data:
                    place = undecodable(iter(lambda data=data: data.read(BYTES_AT_ONCE), b""))
            except OSError:
                continue
            if place is not None:
                return FlinkmsError(errors.CHARACTER_NOT_IN_REPERTOIRE, f'file "{file}" of table "{name}" is not in UTF-8: {place}',
                                    hint="Convert it, with iconv for one.")
    return None


def _first_rows(file: Path, options: Mapping[str, str]) -> list[list[str]]:
    """The fields of a CSV file's first lines; nothing when they cannot be told apart here."""
    quote = options.get("csv.quote-character", '"')
    plain = options.get("csv.disable-quote-character") == "true" or len(quote) != 1
    delimiter = options.get("csv.field-delimiter", ",").replace("\\t", "\t")
    if len(delimiter) != 1 or "csv.escape-character" in options:
        return []
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=None if plain else quote,
                            quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL)  # fmt: skip
        try:
            return [row for row in islice(reader, LINES_LOOKED_AT_MAX) if row]
        except csv.Error:
            return []


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
