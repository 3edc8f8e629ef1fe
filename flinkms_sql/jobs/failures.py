"""What Flink says when something failed, in the words of whoever wrote the SQL, and whether another attempt could end better.

Must not know jobs or pyflink: messages and Java stack traces in, texts out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

MESSAGE_CHARACTERS_MAX = 400
DETAIL_CHARACTERS_MAX = 4000
"""What of Flink's exceptions reaches a session: a planner's can be megabytes."""

_CLASS_NAME = re.compile(r"\b(?:[a-z_]\w*\.){2,}(?:\w+\.)*([A-Z][\w$]*)")
_LEADING_CLASS = re.compile(r"^(?:[\w$]+\.)*[\w$]*(?:Exception|Error)(?::\s*|$)")
_PLACE = re.compile(r"\b(?:From|At|at) line (\d+), column (\d+)(?: to line \d+, column \d+)?(?::\s*|\.?\s*)")
_CATALOG = re.compile(r"`?default_catalog`?\.`?default_database`?\.")

_SQLSTATES = (
    (re.compile("SQL parse failed"), errors.SYNTAX_ERROR),
    (re.compile(r"Column '.*' not found"), errors.UNDEFINED_COLUMN),
    (re.compile("No match found for function signature"), errors.UNDEFINED_FUNCTION),
    (re.compile("not found"), errors.UNDEFINED_TABLE),
)

_FILE_ERRORS = ("FileNotFoundException", "NoSuchFileException", "AccessDeniedException")
_HOPELESS = frozenset({
    *_FILE_ERRORS, "CorruptLogException", "FormatException", "NumberFormatException", "ArithmeticException",
    "DateTimeException", "DateTimeParseException", "ParseException", "JsonParseException", "MalformedInputException", "ClassCastException", "TableRuntimeException",
    "CharConversionException", "SqlParserException", "UnsupportedTemporalTypeException", "IndexOutOfBoundsException",
    "StringIndexOutOfBoundsException",
})  # fmt: skip
"""Java's exceptions about what is read and how: the same rows and the same query raise them again."""

_ENCODING = ("CharConversionException", "MalformedInputException")
_ENCODING_MESSAGE = re.compile(r"Invalid UTF-8")

_HOPELESS_IN_PYTHON = frozenset({
    "ArgumentError", "ArithmeticError", "AttributeError", "DivergedError", "FloatingPointError", "IndexError", "KeyError",
    "NoneUsableError", "OptionError", "OverflowError", "TypeError", "UnicodeDecodeError", "ValueError",
    "ZeroDivisionError",
})  # fmt: skip
"""Python's; not among them are those of a worker that is cut off from files, memory or its task manager."""


def cannot_get_better(stacktrace: str) -> bool:
    """Whether a job that failed so fails again, because the reason is in its data or its query."""
    name = _raised(stacktrace)
    return name in (_HOPELESS_IN_PYTHON if _python_lines(stacktrace) else _HOPELESS)


def is_encoding(stacktrace: str) -> bool:
    """Whether a job failed because bytes it read are no text."""
    return _raised(stacktrace) in _ENCODING or _ENCODING_MESSAGE.search(_innermost(stacktrace)) is not None


def root_cause(stacktrace: str) -> str:
    """The innermost reason of a Java stack trace in one line, without names of classes; of a Python failure, its last line."""
    line, name = _innermost(stacktrace), _raised(stacktrace)
    text = readable(line)
    if name in _FILE_ERRORS:
        text = re.sub(r"\b(?:File )?file:(?:/{3})?(?=/)", "file ", text)
    return text[:MESSAGE_CHARACTERS_MAX] or name


def readable(text: str) -> str:
    """The text without what is Java's, or Flink's own: names of packages, of leading exceptions, of the default catalog."""
    text = _CATALOG.sub("", text.strip())
    while (shorter := _LEADING_CLASS.sub("", text, count=1)) != text:
        text = shorter
    return _CLASS_NAME.sub(r"\1", text).strip()


def rejected(messages: Sequence[str], query: str = "") -> FlinkmsError:
    """Flink's refusal of a statement, whose exceptions have these messages, outermost first.

    The innermost one is the message. The position is that in ``query``, when Flink names one.
    """
    texts = [readable(message) for message in messages]
    sqlstate = next((state for pattern, state in _SQLSTATES for text in texts if pattern.search(text)),
                    errors.INVALID_PARAMETER_VALUE)
    found = next((found for text in texts if (found := _PLACE.search(text))), None)
    message = next((line for text in reversed(texts) for line in text.splitlines() if line.strip()), None)
    message = _PLACE.sub("", message) if message else "the statement was rejected"
    # Reasons that a message does not hold itself: which table, which options.
    detail = "\n".join(dict.fromkeys(texts)).strip()[:DETAIL_CHARACTERS_MAX]
    return FlinkmsError(
        sqlstate, f"Flink: {message[:MESSAGE_CHARACTERS_MAX]}", detail=detail or None,
        position=_position(query, int(found[1]), int(found[2])) if found and query else None,
    )


def _position(query: str, line: int, column: int) -> int | None:
    """1-based place of a 1-based line and column; None of what Flink has made itself, which it says is in line 0."""
    lines = query.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + column if 1 <= line <= len(lines) and column else None


def _innermost(stacktrace: str) -> str:
    python = _python_lines(stacktrace)
    if python:
        return python[-1]
    lines = stacktrace.splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")] or lines[:1]
    return causes[-1].strip() if causes else ""


def _python_lines(stacktrace: str) -> list[str]:
    """Of a Python failure the lines that name exceptions, else nothing."""
    if "Traceback (most recent call last)" not in stacktrace:
        return []
    after = stacktrace.split("Traceback (most recent call last)", 1)[1].splitlines()[1:]
    skipped = ("\t", " ", "Caused by", "Traceback", "During handling", "The above exception", "...")
    return [line for line in after if line.strip() and not line.startswith(skipped)]


def _raised(stacktrace: str) -> str:
    """Name of the innermost exception's class, without its package."""
    return _innermost(stacktrace).split(":", 1)[0].strip().split(".")[-1].split("$")[-1]
