"""What CREATE TABLE does for a stream: its options checked, its directory made or attached.

Must not know the registry. A stream without the option 'path' gets a directory that is new, whatever was dropped before;
one that the user named is the user's, and is taken up again only when the statement says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.naming import new_incarnation, stream_directory
from flinkms_sql.modellog.retention import parse_duration
from flinkms_sql.modellog.stream import Stream, StreamColumn
from flinkms_sql.query.statements import statement as ast


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stream's directory; ``made``: this statement made it, so that it may take it away again."""

    path: Path
    made: bool


def place_stream(statement: ast.CreateTable, warehouse: Path) -> Place:
    """Make or attach the directory of a stream.

    Raises FlinkmsError 0A000 for a primary key, 22023 for an invalid option, 42P07 for a path that holds a stream
    already, 53100, 58030.
    """
    options, position = statement.options, statement.position
    if statement.primary_key:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f'stream "{statement.name}" cannot have a primary key',
                           detail="A stream keeps every row that is inserted, also several with one key.",
                           hint="Leave out PRIMARY KEY; a query can take the newest row of each key.", position=position)
    if "retention" in options:
        _checked_retention(options["retention"], position)
    if options.get("attach", "false") not in ("true", "false"):
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "option \"attach\" is 'true' or 'false'", position=position)
    columns = tuple(StreamColumn(name=column.name, type=column.type) for column in statement.columns)
    path = Path(options.get("path") or stream_directory(warehouse, statement.name, new_incarnation()))
    if not (path / "stream.json").exists():
        Stream.create(path, columns)
        return Place(path=path, made=True)
    if options.get("attach") != "true":
        raise FlinkmsError(errors.DUPLICATE_TABLE, f'there is a stream in "{path}" already',
                           hint="Add 'attach' = 'true' to go on with its rows, or name another path.", position=position)
    if Stream.open(path).columns != columns:
        raise FlinkmsError(errors.DUPLICATE_TABLE, f'the stream in "{path}" has other columns',
                           hint="Declare its columns, or name another path.", position=position)
    return Place(path=path, made=False)


def kept_rows(snapshot: Snapshot, names: Iterable[str]) -> list[str]:
    """What to tell of tables that are dropped: whose rows stay where the user had them."""
    dropped = [record for name in names if (record := snapshot.tables.get(name)) is not None and record.kind == "stream"]
    return [f'the rows of stream "{record.name}" stay in "{record.path}", the path that was given for them'
            for record in dropped if "path" in record.options]


def _checked_retention(text: str, position: int) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"option \"retention\" is a duration, not \"{text}\"",
                           detail=f"{error}.", hint="Write 'retention' = '30 d', with a unit of s, min, h or d.",
                           position=position) from error
