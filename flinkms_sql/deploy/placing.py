"""Where in a deployment file an error is: its name, line and column, the statement, and the line itself with a mark.

Must not know what went wrong, nor where a file comes from: it has a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.script import Place, ScriptStatement, place

HEAD_CHARACTERS = 60
"""Characters of a statement that tell which one it is: they hold what it names."""

LINE_CHARACTERS = 100
"""Characters of the file's line that are shown, around the place."""


@contextmanager
def in_file(file: str, text: str) -> Iterator[None]:
    """What is wrong in a file before its statements are known: errors of the body get the place of their position."""
    try:
        yield
    except FlinkmsError as error:
        raise placed(error, file, place(text, error.position or 1), "") from error


@contextmanager
def in_statement(file: str, entry: ScriptStatement) -> Iterator[None]:
    """What goes wrong with one statement of a file."""
    try:
        yield
    except FlinkmsError as error:
        head = " ".join(entry.text.split())
        shown = head if len(head) <= HEAD_CHARACTERS else f"{head[:HEAD_CHARACTERS]}…"
        raise placed(error, file, entry.place(error.position if error.query is None else None), shown) from error


def placed(error: FlinkmsError, file: str, where: Place, statement: str) -> FlinkmsError:
    """The error with its place for a detail, before what it says itself."""
    start = max(0, where.column - 1 - LINE_CHARACTERS // 2)
    shown = where.text[start : start + LINE_CHARACTERS]
    mark = " " * (where.column - 1 - start) + "^"
    told = f"{file}, {where}{f', in {statement}' if statement else ''}"
    detail = "\n".join(filter(None, (told, shown, mark, error.detail)))
    return FlinkmsError(error.sqlstate, error.message, detail=detail, hint=error.hint, position=error.position, query=error.query)
