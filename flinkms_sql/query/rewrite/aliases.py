"""By which names a FROM clause makes its tables known."""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.lexer import Kind, Token

_JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "CROSS", "OUTER", "JOIN")


def from_aliases(tokens: Sequence[Token], start: int, end: int) -> list[str] | None:
    """The names, as written, in the order of ``*``; None where ``*`` is not simply all columns of each of them."""
    aliases: list[str] = []
    for first, last in split_commas(tokens, start, end):
        depth, item = 0, first
        for at in range(first, last + 1):
            word = tokens[at].word if at < last else "JOIN"
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if depth == 0 and word in ("NATURAL", "USING"):
                return None
            if depth == 0 and word in _JOIN_WORDS and (at == last or tokens[at - 1].word not in (".", "AS")):
                alias = _alias(tokens, item, at) if item < at else ""
                if alias is None:
                    return None
                aliases += [alias] if alias else []
                item = at + 1
    return aliases or None


def _alias(tokens: Sequence[Token], start: int, end: int) -> str | None:
    """The name of the table that starts here; None when it has none."""
    cursor = Cursor("", tokens, start, end)
    _ = cursor.accept("LATERAL") or cursor.accept("ONLY")
    alias: str | None = None
    if cursor.peek() == "(":
        if cursor.peek(1) not in ("SELECT", "WITH", "VALUES"):
            return None
        cursor.skip_parentheses()
    else:
        while not cursor.done() and cursor.tokens[cursor.at].kind in (Kind.WORD, Kind.QUOTED):
            alias = cursor.tokens[cursor.at].text
            cursor.at += 1
            if not cursor.accept("."):
                break
        if cursor.peek() == "(":
            cursor.skip_parentheses()
    cursor.accept("*")
    cursor.accept("WITH", "ORDINALITY")
    explicit = cursor.accept("AS")
    token = cursor.token
    if token is not None and token.kind in (Kind.WORD, Kind.QUOTED) and (explicit or token.word not in ("ON", "TABLESAMPLE")):
        alias = token.text
    return alias
