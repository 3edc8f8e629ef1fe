"""A cursor over tokens: what the parsers of this package read with. Errors name the token as PostgreSQL does."""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, Token, name_value, string_value


class Cursor:
    """A place in the tokens of one statement. Methods that ``take`` raise 42601 when the token is not there."""

    def __init__(self, text: str, tokens: Sequence[Token], at: int = 0, end: int | None = None) -> None:
        self.text = text
        self.tokens = tokens
        self.at = at
        self.end = len(tokens) if end is None else end

    @property
    def token(self) -> Token | None:
        """The token here, or None at the end."""
        return self.tokens[self.at] if self.at < self.end else None

    @property
    def position(self) -> int:
        """1-based position of the token here, or of the end of the text."""
        token = self.token
        return token.position if token is not None else self._end_offset() + 1

    def _end_offset(self) -> int:
        return self.tokens[self.end - 1].end if self.end else len(self.text)

    def peek(self, ahead: int = 0) -> str:
        """``word`` of the token ``ahead`` of here, empty where it is no word or there is none."""
        at = self.at + ahead
        return self.tokens[at].word if at < self.end else ""

    def done(self) -> bool:
        return self.at >= self.end

    def accept(self, *words: str) -> bool:
        """Step over these words if all of them follow."""
        for ahead, word in enumerate(words):
            if self.peek(ahead) != word:
                return False
        self.at += len(words)
        return True

    def take(self, *words: str) -> None:
        """Step over these words, which must follow."""
        for word in words:
            if not self.accept(word):
                raise self.syntax_error(expected=word)

    def take_name(self, what: str = "a name") -> str:
        token = self.token
        name = name_value(token) if token is not None else None
        if name is None:
            raise self.syntax_error(expected=what)
        self.at += 1
        return name

    def take_string(self, what: str = "a quoted text") -> str:
        token = self.token
        value = string_value(token) if token is not None else None
        if value is None:
            raise self.syntax_error(expected=what)
        self.at += 1
        return value

    def take_integer(self, what: str = "a whole number") -> int:
        token = self.token
        if token is None or token.kind is not Kind.NUMBER or not token.text.isdigit():
            raise self.syntax_error(expected=what)
        self.at += 1
        return int(token.text)

    def take_end(self) -> None:
        if not self.done():
            raise self.syntax_error(expected="the end of the statement")

    def skip_parentheses(self) -> tuple[int, int]:
        """Step over a parenthesis that opens here; the token range between its marks."""
        self.take("(")
        start, depth = self.at, 1
        while depth:
            if self.done():
                raise self.syntax_error(expected=")")
            depth += (self.peek() == "(") - (self.peek() == ")")
            self.at += 1
        return start, self.at - 1

    def source(self, start: int, end: int) -> str:
        """Text of the tokens start <= i < end, blanks and comments between them included."""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end] if start < end else ""

    def syntax_error(self, expected: str | None = None) -> FlinkmsError:
        token = self.token
        message = f'syntax error at or near "{token.text}"' if token is not None else "syntax error at end of input"
        hint = f"Expected {expected}." if expected else None
        return FlinkmsError(errors.SYNTAX_ERROR, message, hint=hint, position=self.position)


def split_commas(tokens: Sequence[Token], start: int, end: int) -> list[tuple[int, int]]:
    """Token ranges between the commas of start <= i < end that stand in no parenthesis or bracket."""
    ranges: list[tuple[int, int]] = []
    depth, first = 0, start
    for at in range(start, end):
        word = tokens[at].word
        if word in ("(", "["):
            depth += 1
        elif word in (")", "]"):
            depth -= 1
        elif word == "," and depth == 0:
            ranges.append((first, at))
            first = at + 1
    return [*ranges, (first, end)] if start < end else []
