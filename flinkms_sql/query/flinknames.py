"""A text for Flink with every name quoted, in the letters in which it was declared.

A name that PostgreSQL takes may be a reserved word of Flink's (``at``, ``value``, ``user``), quotes are backticks there,
and unquoted names are not folded: what CREATE TABLE has accepted would fail when a job first reads it. So names are
quoted where they stand as names, by their neighbours; there is no list of Flink's words that the next release adds to.
Types that only PostgreSQL spells so are written as Flink does. Must not know what a statement does, nor Flink.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.lexer import Kind, Token, name_value, tokenize
from flinkms_sql.query.rewrite.edits import Edit, apply_edits, written_at
from flinkms_sql.query.statements.statement import Column
from flinkms_sql.query.statements.tables import parse_create_table
from flinkms_sql.types import SqlType

_BEFORE = frozenset((
    "SELECT", "DISTINCT", "ALL", "WHERE", "AND", "OR", "NOT", "BY", "ON", "WHEN", "THEN", "ELSE", "CASE", "HAVING",
    "IN", "BETWEEN", "LIKE", "FROM", "JOIN", "INTO", "TABLE", "FOR", "AS", "OFFSET", "LIMIT", ",", "(", "[",
))
"""What a name can follow, with operators."""

_AFTER = frozenset((
    "FROM", "AS", "AND", "OR", "IS", "IN", "NOT", "BETWEEN", "LIKE", "SIMILAR", "THEN", "WHEN", "ELSE", "END",
    "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "ASC", "DESC",
    "NULLS", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING", "TO", "FOR", "ROWS",
    "RANGE", "WINDOW", "ESCAPE", "SELECT", "VALUES", "WITH", ",", ")", "[", "]", ".", ";",
))
"""What can follow a name, with operators and the end of the text."""

_KEYWORDS = _BEFORE | _AFTER | frozenset((
    "CAST", "TRY_CAST", "EXISTS", "INTERVAL", "DATE", "TIME", "TIMESTAMP", "ROW", "ARRAY", "MAP", "MULTISET",
    "PERIOD", "UNIQUE", "LATERAL", "OUTER", "SET", "SOME", "ANY",
))
"""Words that are no name before another word: that one would be an alias."""

_LITERALS = frozenset(("NULL", "TRUE", "FALSE", "UNKNOWN"))
_UNIT_FIRST = frozenset(("EXTRACT", "TIMESTAMPADD", "TIMESTAMPDIFF", "TRIM", "DATE_PART", "DATEADD", "DATEDIFF"))
"""Functions whose first argument is a word of the grammar."""

_CASTS = ("CAST", "TRY_CAST")
_FLINK_TYPES = re.compile(
    r"(?:BOOLEAN|SMALLINT|INT|INTEGER|BIGINT|FLOAT|DOUBLE|DOUBLE PRECISION|STRING|BYTES|DATE|VAR(?:CHAR|BINARY) ?\( ?\d+ ?\)"
    r"|TIMESTAMP(?:_LTZ)?(?: ?\( ?\d+ ?\))?|TIMESTAMP(?: ?\( ?\d+ ?\))? WITH LOCAL TIME ZONE)"
)
_PRECISION = re.compile(r"\(\s*(\d+)\s*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkText:
    """A text as Flink is given it, and how it came of the one that was written."""

    text: str
    edits: tuple[Edit, ...] = ()

    def written_at(self, position: int) -> int:
        """The 1-based place in what was written of a place in ``text``; within a replacement, that of its beginning."""
        return written_at(self.edits, position)


def definition_for_flink(definition: str) -> str:
    """A CREATE TABLE statement that was accepted, as Flink reads it. Raises FlinkmsError 42601."""
    tokens = tokenize(definition)
    declared = parse_create_table(Cursor(definition, tokens))
    at = {token.start: index for index, token in enumerate(tokens)}
    heads = [(tokens[at[column.position - 1]], column) for column in declared.columns]
    edits = {edit.start: edit for edit in _renamed(tokens, _spellings(_spelled(token) for token, _ in heads))}
    # A name at the head of an entry has a type behind it, which no name in a query has.
    for token, column in heads:
        edits[token.start] = Edit(token.start, token.end, _quoted(_spelled(token)))
        first = at[token.start] + 1
        start, end = tokens[first].start, _type_end(tokens, first)
        edits[start] = Edit(start, end, _flink_type(column, definition[start:end]))
    table = tokens[at[declared.position - 1]]
    edits[table.start] = Edit(table.start, table.end, _quoted(declared.name))
    return apply_edits(definition, edits.values())


def query_for_flink(text: str, names: Iterable[str]) -> FlinkText:
    """A query, or an INSERT of one, as Flink reads it; ``names`` are those of the tables that it names and of their
    columns, as Flink has them. What is written in other letters means them, unless two differ in nothing else."""
    tokens = tokenize(text)
    aliases = [_spelled(tokens[at]) for at in range(len(tokens)) if _is_alias(tokens, at)]
    edits = tuple(_renamed(tokens, _spellings([*names, *aliases])))
    return FlinkText(text=apply_edits(text, edits), edits=edits)


def _spelled(token: Token) -> str:
    """A name in the letters it was written in: they are the keys of a JSON file."""
    return token.text if token.kind is Kind.WORD else name_value(token) or ""


def _spellings(names: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(name.lower(), set()).add(name)
    return found


def _renamed(tokens: Sequence[Token], spellings: Mapping[str, Collection[str]]) -> Iterator[Edit]:
    name_at = -2
    for at, token in enumerate(tokens):
        name = name_value(token)
        if name is None:
            continue
        if token.kind is Kind.WORD:
            known = spellings.get(name, ())
            # No name follows a name, whatever words both are.
            if not known or name_at == at - 1 or not _is_name(tokens, at):
                continue
            name = next(iter(known)) if len(known) == 1 else token.text
            name_at = at
        if token.text != (quoted := _quoted(name)):
            yield Edit(token.start, token.end, quoted)


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    """Whether an unquoted word that is a name of the query's stands as one here, and not as a word of Flink's grammar."""
    word, before, after = tokens[at].word, _word(tokens, at - 1), _word(tokens, at + 1)
    if before == ".":
        return True
    if word in _LITERALS or after == "(" and before != "INTO":
        return False
    if not at or not (before in _BEFORE or _is_operator(tokens[at - 1])):
        return False
    calls = before == "(" and _word(tokens, at - 2) in _UNIT_FIRST and _word(tokens, at - 3) != "INTO"
    if calls and after in ("FROM", ","):
        return False
    if before == "AS":
        return _is_alias(tokens, at)
    if word == "CASE" and after == "WHEN" or word == "NOT" and after == "IN":
        return False
    if at + 1 == len(tokens) or after in _AFTER or before == "INTO" or _is_operator(tokens[at + 1]):
        return True
    return tokens[at + 1].kind in (Kind.WORD, Kind.QUOTED) and word not in _KEYWORDS


def _is_alias(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word names what stands before it: AS name, but not the type of a CAST, nor the AS OF of a table."""
    if tokens[at].kind is not Kind.WORD:
        return False
    if _word(tokens, at - 1) != "AS":
        return _names_column(tokens, at)
    follows = at + 1 == len(tokens) or _word(tokens, at + 1) in _AFTER or _is_operator(tokens[at + 1])
    return follows and not _in_cast(tokens, at)


def _names_column(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word stands in the parenthesis of ``AS alias (name, …)``."""
    opened = at
    while _word(tokens, opened - 1) == "," and tokens[opened - 2].kind in (Kind.WORD, Kind.QUOTED):
        opened -= 2
    return (_word(tokens, opened - 1) == "(" and _word(tokens, opened - 3) == "AS" and _word(tokens, at + 1) in (",", ")"))


def _in_cast(tokens: Sequence[Token], at: int) -> bool:
    """Whether the innermost parenthesis around a token is a cast's."""
    depth = 0
    for index in range(at - 1, -1, -1):
        word = tokens[index].word
        depth += (word == ")") - (word == "(")
        if depth < 0:
            return _word(tokens, index - 1) in _CASTS
    return False


def _word(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].word if 0 <= at < len(tokens) else ""


def _is_operator(token: Token) -> bool:
    return token.kind is Kind.OPERATOR and token.word not in (")", "]", ".", ";", "(", "[")


def _type_end(tokens: Sequence[Token], first: int) -> int:
    """Where the type that begins at a token ends, as ``take_type`` reads it."""
    depth, last = 0, first
    for index in range(first, len(tokens)):
        word = tokens[index].word
        if depth == 0 and (word in (",", ")") or word in ("NOT", "NULL", "PRIMARY", "COMMENT", "METADATA")):
            break
        depth += (word == "(") - (word == ")")
        last = index
    return tokens[last].end


def _flink_type(column: Column, written: str) -> str:
    """A column's type in Flink's words: those that were written when Flink knows them."""
    text = " ".join(written.upper().split())
    if _FLINK_TYPES.fullmatch(text) or re.fullmatch(r"ARRAY ?< ?(?:BIGINT|SMALLINT|INT|INTEGER|FLOAT|DOUBLE) ?>", text):
        return written
    name = column.type.value.flink
    given = _PRECISION.search(written)
    if given is not None and column.type in (SqlType.TIMESTAMP, SqlType.TIMESTAMP_LTZ):
        return _PRECISION.sub(f"({given[1]})", name)
    return name


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
