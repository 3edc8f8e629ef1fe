"""Deployment files: their statements, with variables put in.

Must not know where a file or a variable comes from: text and mapping in, statements out. A variable ``${NAME}`` stands
within a quoted text only, and whatever its value, it stays within it: quotes in the value are doubled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, Token, scan, split
from flinkms_sql.query.rewrite.edits import Edit, apply_edits, written_at

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptStatement:
    """One statement of a file: ``text`` with its variables put in, the 1-based ``line`` on which it starts.

    source: the file's text, in which the statement is what starts at ``offset`` and these edits make ``text`` of.
    """

    text: str
    line: int
    source: str
    offset: int
    edits: tuple[Edit, ...] = ()

    def place(self, position: int | None) -> Place:
        """Where in the file a 1-based position in ``text`` is; the statement's beginning when there is none."""
        return place(self.source, self.offset + (1 if position is None else written_at(self.edits, position)))


class Place(NamedTuple):
    """A 1-based line of a file, with its text, and a column of it."""

    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def place(source: str, position: int) -> Place:
    """The place of a 1-based position in a text."""
    start = source.rfind("\n", 0, position - 1) + 1
    end = source.find("\n", start)
    return Place(_line(source, position - 1), position - start, source[start:] if end < 0 else source[start:end])


def read_script(text: str, variables: Mapping[str, str]) -> list[ScriptStatement]:
    """The statements of a file, in order.

    Raises FlinkmsError 42601 and 42704 (an undefined variable), with the 1-based character position in the file.
    """
    edits = _substitutions(text, variables)
    found = []
    statements = split(text)
    for statement in statements:
        end = statement.offset + len(statement.text)
        own = tuple(Edit(edit.start - statement.offset, edit.end - statement.offset, edit.replacement)
                    for edit in edits if statement.offset <= edit.start < end)  # fmt: skip
        found.append(ScriptStatement(text=apply_edits(text, edits, statement.offset, end), edits=own, source=text,
                                     offset=statement.offset, line=_line(text, statement.offset)))  # fmt: skip
    return found


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _substitutions(text: str, variables: Mapping[str, str]) -> list[Edit]:
    edits = []
    for token in scan(text):
        if token.kind is Kind.STRING and "${" in token.text:
            edits += [_substitution(token, found, variables) for found in _VARIABLE.finditer(token.text)]
        elif token.word == "$" and text.startswith("${", token.start):
            raise FlinkmsError(errors.SYNTAX_ERROR, "a variable must stand in a quoted text",
                               hint="Write '${NAME}' in quotes.", position=token.position)  # fmt: skip
    return edits


def _substitution(token: Token, found: re.Match[str], variables: Mapping[str, str]) -> Edit:
    start = token.start + found.start()
    name = found.group(1)
    if not _NAME.fullmatch(name):
        raise FlinkmsError(errors.SYNTAX_ERROR, f'"{name}" is not a variable name', position=start + 1)
    if token.text[0] != "'":
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a variable in an escape or dollar-quoted text is not supported",
                           hint="Use plain single quotes.", position=start + 1)  # fmt: skip
    if name not in variables:
        raise FlinkmsError(errors.UNDEFINED_OBJECT, f"variable {name} is not defined",
                           hint=f"Set {name} in the environment, or give it on the command line.",
                           position=start + 1)  # fmt: skip
    return Edit(start, token.start + found.end(), variables[name].replace("'", "''"))
