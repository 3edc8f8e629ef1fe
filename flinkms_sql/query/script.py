"""Deployment files: their statements, with variables put in.

Must not know where a file or a variable comes from: text and mapping in, statements out. A variable ``${NAME}`` stands
within a quoted text only, and whatever its value, it stays within it: quotes in the value are doubled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, Token, scan, split
from flinkms_sql.query.rewrite.edits import Edit, apply_edits

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptStatement:
    """One statement of a file: ``text`` with its variables put in, the 1-based ``line`` on which it starts."""

    text: str
    line: int


def read_script(text: str, variables: Mapping[str, str]) -> list[ScriptStatement]:
    """The statements of a file, in order.

    Raises FlinkmsError 42601 and 42704 (an undefined variable), with the 1-based character position in the file and,
    in the detail, its line.
    """
    try:
        edits = _substitutions(text, variables)
        statements = split(text)
    except FlinkmsError as error:
        if error.position is None:
            raise
        raise FlinkmsError(error.sqlstate, error.message, detail=f"In line {_line(text, error.position - 1)}.",
                           hint=error.hint, position=error.position) from None  # fmt: skip
    found = []
    for statement in statements:
        end = statement.offset + len(statement.text)
        found.append(ScriptStatement(text=apply_edits(text, edits, statement.offset, end),
                                     line=_line(text, statement.offset)))  # fmt: skip
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
