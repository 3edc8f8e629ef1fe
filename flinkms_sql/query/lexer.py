"""SQL text -> tokens with positions, by PostgreSQL's lexical rules (src/backend/parser/scan.l).

Must not know any statement. One addition to PostgreSQL's rules: a name in backticks is a quoted identifier, as Flink
writes them. ``standard_conforming_strings`` is taken to be on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted identifier"
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter"
    OPERATOR = "operator"
    BLANK = "blank"
    COMMENT = "comment"


class Token(NamedTuple):
    """``text`` is ``statement[start:end]``, 0-based; ``word`` is an unquoted word in upper case, a punctuation mark or
    an operator, and empty for every other kind, so that comparing it never mistakes a string for a keyword."""

    kind: Kind
    text: str
    start: int
    word: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def position(self) -> int:
        """1-based, as errors report it."""
        return self.start + 1


class StatementText(NamedTuple):
    """One statement of a text: ``text`` starts at the 0-based ``offset``; comments after it belong to it, its semicolon
    does not."""

    text: str
    offset: int


_WORD_START = r"[a-zA-Z_\x80-\U0010ffff]"
_TAG = rf"(?:{_WORD_START}[\w\x80-\U0010ffff]*)?"
OPERATOR_RUN_MAX = 128
"""Operator characters that are looked at together: PostgreSQL knows no operator of more than 63, and a run of any length
must not be looked at again for each of its characters."""

# A repeated group, (?:a|b)*, keeps 200 bytes for each time that it matches: none may run over a client's text.
_TOKEN = re.compile(
    rf"""
      (?P<BLANK>[ \t\n\r\f\v]+)
    | (?P<COMMENT>--[^\n\r]*)
    | (?P<NESTED>/\*)
    | (?P<STRING>(?:[eEbBxXnN]|[uU]&)?')
    | (?P<DOLLAR>\$(?P<tag>{_TAG})\$.*?\$(?P=tag)\$)
    | (?P<PARAMETER>\$\d+)
    | (?P<QUOTED>(?:[uU]&)?"|`(?=[^`]*`))
    | (?P<UNTERMINATED>\${_TAG}\$)
    | (?P<WORD>{_WORD_START}[\w\x80-\U0010ffff$]*)
    | (?P<NUMBER>0[xX][0-9a-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+
        | (?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    | (?P<PUNCTUATION>::|:=|\.\.|[,()\[\].;:])
    | (?P<OPERATOR>[-+*/<>=~!@#%^&|`?]{{1,{OPERATOR_RUN_MAX}}})
    | (?P<OTHER>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "BLANK": Kind.BLANK,
    "COMMENT": Kind.COMMENT,
    "STRING": Kind.STRING,
    "DOLLAR": Kind.STRING,
    "PARAMETER": Kind.PARAMETER,
    "QUOTED": Kind.QUOTED,
    "NUMBER": Kind.NUMBER,
}
_UNTERMINATED = {"'": "quoted string", '"': "quoted identifier", "`": "quoted identifier"}
_RUN_OF = {mark: re.compile(f"{mark}+") for mark in _UNTERMINATED}
_COMMENT_MARK = re.compile(r"/\*|\*/")
_TRAILING_SIGN_ALLOWED = re.compile(r"[~!@#%^&|`?]")


def scan(text: str) -> Iterator[Token]:
    """All tokens, blanks and comments included: their texts joined are the text. Raises FlinkmsError 42601."""
    at, size = 0, len(text)
    match_at = _TOKEN.match
    while at < size:
        found = match_at(text, at)
        assert found is not None  # OTHER matches any character
        group, piece = found.lastgroup, found.group()
        kind = _KINDS.get(group or "")
        if group == "STRING" or group == "QUOTED":
            piece = text[at : _quoted_end(text, at, found.end())]
        if kind is not None:
            token = Token(kind, piece, at, "")
        elif group == "WORD" or group == "PUNCTUATION" or group == "OTHER":
            token = Token(Kind.WORD if group == "WORD" else Kind.OPERATOR, piece, at, piece.upper())
        elif group == "OPERATOR":
            piece = _operator(piece)
            token = Token(Kind.OPERATOR, piece, at, piece)
        elif group == "NESTED":
            piece = text[at : _comment_end(text, at)]
            token = Token(Kind.COMMENT, piece, at, "")
        else:
            raise _unterminated("dollar-quoted string", text, at)
        yield token
        at += len(piece)


def _quoted_end(text: str, begin: int, start: int) -> int:
    """The end of the quotation that begins at ``begin`` and whose text at ``start``. A mark that is doubled is part of it."""
    mark = text[start - 1]
    escapes = text[begin] in "eE" and start - begin > 1
    at, marks = start, None
    while True:
        if marks is None or marks.start() < at:
            marks = _RUN_OF[mark].search(text, at)
            if marks is None:
                raise _unterminated(_UNTERMINATED[mark], text, begin)
        if escapes and (escape := text.find("\\", at, marks.start())) != -1:
            at = escape + 2
        elif (marks.end() - marks.start()) % 2:
            return marks.end()
        else:
            at = marks.end()


def _operator(run: str) -> str:
    """The operator that starts a run of operator characters; scan.l, rule {operator}."""
    for mark in ("--", "/*"):
        if (cut := run.find(mark)) > 0:
            run = run[:cut]
    if len(run) > 1 and not _TRAILING_SIGN_ALLOWED.search(run):
        run = run.rstrip("+-") or run[0]
    return run


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise _unterminated("/* comment", text, start)


def _unterminated(what: str, text: str, at: int) -> FlinkmsError:
    return FlinkmsError(errors.SYNTAX_ERROR, f'unterminated {what} at or near "{text[at:]}"', position=at + 1)


def tokenize(text: str) -> list[Token]:
    """The tokens that count: no blanks, no comments."""
    return [token for token in scan(text) if token.kind is not Kind.BLANK and token.kind is not Kind.COMMENT]


STATEMENTS_MAX = 5000
"""Statements of one text: all are planned before the first is run, in 0.15 ms each, and nobody else is answered meanwhile."""


def split(text: str) -> list[StatementText]:
    """The statements of a text, in order; empty ones are left out.

    Raises FlinkmsError 42601 for a text that does not end, unless it is plainly one statement: then its tokens are
    not read here, for it may be a load of data; 54000 for more than STATEMENTS_MAX.
    """
    if text.find(";") in (-1, len(text.rstrip()) - 1):
        return _only_statement(text)
    statements: list[StatementText] = []
    current: list[Token] = []
    depth = 0
    body = _Body()
    for token in tokenize(text):
        if token.word == ";" and depth <= 0 and not body.open:
            if current:
                statements.append(_statement(text, current[0].start, token.start))
                _refuse_more(statements)
            current, depth, body = [], 0, _Body()
            continue
        depth += (token.word == "(") - (token.word == ")")
        current.append(token)
        body.add(token)
    if current:
        statements.append(_statement(text, current[0].start, len(text)))
        _refuse_more(statements)
    return statements


def _refuse_more(statements: Sequence[StatementText]) -> None:
    if len(statements) > STATEMENTS_MAX:
        raise FlinkmsError(errors.PROGRAM_LIMIT_EXCEEDED, f"more than {STATEMENTS_MAX} statements in one text",
                           hint="Send them one by one, as psql does with a file.", position=statements[-1].offset + 1)


def _only_statement(text: str) -> list[StatementText]:
    first = next((token for token in scan(text) if token.kind not in (Kind.BLANK, Kind.COMMENT)), None)
    if first is None or first.word == ";":
        return []
    end = len(text.rstrip())
    return [_statement(text, first.start, end - text.endswith(";", 0, end))]


def _statement(text: str, start: int, end: int) -> StatementText:
    return StatementText(text[start:end].rstrip(), start)


_HEAD_TOKENS = 4
"""CREATE OR REPLACE FUNCTION: by then it is known whether a statement makes a function."""


class _Body:
    """Whether the tokens so far end within BEGIN ATOMIC … END of a function: its semicolons do not end the statement."""

    __slots__ = ("_depth", "_head", "_makes_function")

    def __init__(self) -> None:
        self._head: list[str] = []
        self._makes_function = False
        self._depth = 0

    @property
    def open(self) -> bool:
        return self._makes_function and self._depth > 0

    def add(self, token: Token) -> None:
        if len(self._head) < _HEAD_TOKENS:
            self._head.append(token.word)
            self._makes_function = self._head[0] == "CREATE" and not {"FUNCTION", "PROCEDURE"}.isdisjoint(self._head)
        if token.word == "BEGIN" or (token.word == "CASE" and self._depth):
            self._depth += 1
        elif token.word == "END" and self._depth:
            self._depth -= 1


def string_value(token: Token) -> str | None:
    """The characters a STRING token stands for; None for any other token, bit strings, and escapes not read here."""
    text = token.text
    if token.kind is not Kind.STRING:
        return None
    if text[0] == "$":
        tag = text.index("$", 1) + 1
        return text[tag:-tag]
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text[0] in "eE":
        return _unescape(text[2:-1])
    return text[2:-1].replace("''", "'") if text[0] in "nN" else None


_ESCAPE = re.compile(
    r"''|\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_NAMED_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(body: str) -> str | None:
    def replace(found: re.Match[str]) -> str:
        octal, byte, short, long, plain = found.groups()
        if plain is not None:
            return _NAMED_ESCAPES.get(plain, plain)
        digits = byte or short or long
        if octal is None and digits is None:
            return "'"
        code = int(octal, 8) & 0xFF if octal is not None else int(digits or "0", 16)
        if code == 0 or code > 0x10FFFF or (code > 0x7F and (octal or byte)):
            raise ValueError("bytes of a multi-byte character are not read here")
        return chr(code)

    try:
        return _ESCAPE.sub(replace, body)
    except ValueError:
        return None


NAME_BYTES_MAX = 63
"""Bytes of a name in PostgreSQL (NAMEDATALEN - 1), which cuts longer ones."""

_FOLDED = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""Only these are folded where characters can have several bytes: src/backend/parser/scansup.c, downcase_identifier."""


def name_value(token: Token) -> str | None:
    """The name an identifier token stands for to PostgreSQL, folded to lower case when unquoted and cut when too long;
    None for any other token."""
    if token.kind is Kind.WORD:
        return cut_name(fold_name(token.text))
    if token.kind is not Kind.QUOTED or token.text[0] in "uU":
        return None
    quote = token.text[0]
    return cut_name(token.text[1:-1].replace(quote * 2, quote))


def fold_name(name: str) -> str:
    """A name that is not quoted, as PostgreSQL keeps it."""
    return name.lower() if name.isascii() else name.translate(_FOLDED)


def cut_name(name: str) -> str:
    """A name as PostgreSQL keeps it: of the characters that fit whole."""
    if len(name) * 4 <= NAME_BYTES_MAX or (len(name) <= NAME_BYTES_MAX and name.isascii()):
        return name
    return name.encode()[:NAME_BYTES_MAX].decode(errors="ignore")


def is_too_long(token: Token) -> bool:
    """Whether a token is an identifier that PostgreSQL would cut."""
    if len(token.text) * 4 <= NAME_BYTES_MAX or token.kind not in (Kind.WORD, Kind.QUOTED):
        return False
    quote = token.text[0]
    name = token.text if token.kind is Kind.WORD else token.text[1:-1].replace(quote * 2, quote)
    return len(name.encode()) > NAME_BYTES_MAX


def name_too_long(token: Token, position: int) -> FlinkmsError:
    """The error for a name that two systems would not know by the same one."""
    return FlinkmsError(errors.NAME_TOO_LONG, f"identifier {token.text} is too long",
                        detail=f"A name has {NAME_BYTES_MAX} bytes at most: PostgreSQL cuts longer ones, and Flink does not.",
                        position=position)  # fmt: skip


def quote_name(name: str) -> str:
    """The name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


_POINT = re.compile(
    r"\s*select\s+(?:flinkms\.)?predict\s*\(\s*'[\w@-]+'((?:\s*,\s*[+-]?(?:\d+(?:\.\d+)?|\.\d+))+)\s*\)"
    r"(?:\s+as\s+[a-z_]\w*)?\s*;?\s*",
    re.IGNORECASE | re.ASCII,
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)")


def normalize(text: str) -> tuple[str, tuple[str, ...]]:
    """A key for the plan cache and the constants taken out of the text.

    ``SELECT predict('rec', 42, 7)`` gives ``SELECT predict('rec', $1, $2)`` and ``('42', '7')``, so that a client that
    writes its keys into the text is planned once; any other text is its own key.
    """
    found = _POINT.fullmatch(text)
    if found is None:
        return text, ()
    arguments = found.group(1)
    numbers = tuple(_NUMBER.findall(arguments))
    places = ", ".join(f"${number}" for number in range(1, len(numbers) + 1))
    return f"{text[: found.start(1)]}, {places}{text[found.end(1) :]}", numbers
