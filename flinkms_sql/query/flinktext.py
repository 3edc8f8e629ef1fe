"""Whether Flink reads a text that is handed to it as the lexer here does, hints too: what is checked must be what runs.

Flink's comments do not nest, ``//`` begins one, it knows neither dollar quotes nor escapes, and it cuts no name. Must not
know any statement.
"""

from __future__ import annotations

import re

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, Token, is_too_long, name_too_long, scan

_HINT = re.compile(r"/\*\+(?:[\w\s(),=.]|'[^'/*\\-]*')*\*/")
"""A hint whose end is the same for one who reads a comment and for one who reads its words."""

HINTS = ("BROADCAST", "LOOKUP", "MULTI_JOIN", "NEST_LOOP", "SHUFFLE_HASH", "SHUFFLE_MERGE", "STATE_TTL")
"""What a query may ask of Flink's planner. OPTIONS is not among them: what a table is read with was checked when it was
made, and a job says itself from where to where it reads."""

_HINT_NAMES = re.compile(r"'[^']*'|\([^()]*\)|(\w+)")


def check_one_reading(text: str, position: int) -> None:
    """Raise FlinkmsError 0A000 at what Flink would take for something else, 42622 at a name that PostgreSQL would cut;
    ``text`` starts at the 1-based ``position``."""
    for token in scan(text):
        if token.kind is Kind.COMMENT and token.text.startswith("/*+"):
            _check_hint(token, position)
        if is_too_long(token):
            raise name_too_long(token, position + token.start)
        what = _two_readings(token, text)
        if what is not None:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{what} is not supported in a text for Flink",
                               position=position + token.start)


def refuse_hints(text: str, position: int) -> None:
    """Raise FlinkmsError 0A000 at a hint beside a text for Flink: it would be left behind without a word."""
    for token in scan(text):
        if token.kind is Kind.COMMENT and token.text.startswith("/*+"):
            _check_hint(token, position)
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a hint before or after a query is not supported",
                               hint="Hints stand after the SELECT that they are for.", position=position + token.start)


def _check_hint(token: Token, position: int) -> None:
    """Raise FlinkmsError 0A000 for a hint that is none of HINTS."""
    for name in filter(None, _HINT_NAMES.findall(token.text[3:-2])):
        if name.upper() not in HINTS:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, f'hint "{name}" is not supported',
                hint="Options of a table stand in its CREATE TABLE … WITH (…)." if name.upper() == "OPTIONS"
                else f"Hints are {', '.join(HINTS)}.", position=position + token.start,
            )


def _two_readings(token: Token, text: str) -> str | None:
    if token.kind is Kind.COMMENT and token.text.startswith("/*+"):
        return None if _HINT.fullmatch(token.text) else "a comment in a hint"
    if token.kind is Kind.COMMENT and token.text.startswith("/*"):
        return "a comment within a comment" if "/*" in token.text[2:] else None
    if token.kind is Kind.OPERATOR and "//" in text[token.start : token.end + 1]:
        return 'the operator "//"'
    if token.kind is Kind.STRING and (token.text[0] == "$" or (token.text[0] in "eE" and "\\" in token.text)):
        return "a string that is not in plain quotes"
    return None
