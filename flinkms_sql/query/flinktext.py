"""Whether Flink reads a text that is handed to it as the lexer here does: what is checked must be what runs.

Flink's comments do not nest, ``//`` begins one, and it knows neither dollar quotes nor escapes. Must not know any statement.
"""

from __future__ import annotations

import re

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, Token, scan

_HINT = re.compile(r"/\*\+(?:[\w\s(),=.]|'[^'/*\\-]*')*\*/")
"""A hint whose end is the same for one who reads a comment and for one who reads its words."""


def check_one_reading(text: str, position: int) -> None:
    """Raise FlinkmsError 0A000 at what Flink would take for something else; ``text`` starts at the 1-based ``position``."""
    for token in scan(text):
        what = _two_readings(token, text)
        if what is not None:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{what} is not supported in a text for Flink",
                               position=position + token.start)


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
