"""Whose statement is it? Decided from tokens alone, before anything is parsed.

Must not know how a statement of a class is planned. Whatever is not recognised here is PostgreSQL's and is relayed
as it is, so a mistake in this file must err on that side: PostgreSQL's stubs of our functions and tables then say
what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from itertools import islice

from flinkms_sql.query.lexer import Kind, Token, name_value, scan
from flinkms_sql.query.scopes import CHANGES_DATA, Call, Structure, Table, read_structure
from flinkms_sql.query.signatures import CatalogView


class Owner(Enum):
    """What a statement is, from the point of view of who answers it."""

    EMPTY = "empty"
    SESSION = "session"
    SHOW = "show"
    DEPLOY = "deploy"
    INSERT = "insert into a Flink table"
    EXPLAIN = "explain"
    MODEL = "model call"
    FLINK = "names a Flink table"
    RELAY = "relay"


_CAN_CALL = ("SELECT", "WITH", "VALUES", "(", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DECLARE", "COPY",
             "PREPARE")  # fmt: skip
_NOT_A_MODEL = ("SELECT", "VALUES", "AS", "DEFAULT", "OVERRIDING", "WITH", "TABLE")
_TARGETS = {
    ("UPDATE",): 1, ("UPDATE", "ONLY"): 2, ("TRUNCATE",): 1, ("TRUNCATE", "TABLE"): 2, ("ALTER", "TABLE"): 2,
    ("ALTER", "TABLE", "IF", "EXISTS"): 4, ("COPY",): 1, ("TABLE",): 1, ("MERGE", "INTO"): 2, ("LOCK", "TABLE"): 2,
    ("DELETE", "FROM"): 2, ("DELETE", "FROM", "ONLY"): 3,
}  # fmt: skip
"""Statements that name a table after these words."""


def classify(tokens: Sequence[Token], catalog: CatalogView) -> Owner:
    """Who answers the statement of these tokens."""
    words = [token.word for token in tokens[:6]] + [""] * 6
    first, second = words[0], words[1]
    if not tokens:
        return Owner.EMPTY
    if first in ("EXPLAIN", "DESCRIBE", "DESC"):
        return Owner.EXPLAIN if first == "EXPLAIN" else Owner.SHOW
    if _is_show(words, len(tokens)):
        return Owner.SHOW
    if is_session(tokens):
        return Owner.SESSION
    if first == "INSERT" and _is_learn(tokens):
        return Owner.DEPLOY
    if insert_target(tokens, catalog) is not None:
        return Owner.INSERT
    if _is_deploying(tokens, first, second, catalog):
        return Owner.DEPLOY
    if target_table(tokens, catalog) is not None or written_after_with(tokens, catalog) is not None:
        return Owner.FLINK
    if first not in _CAN_CALL:
        return Owner.RELAY
    structure = read_structure(tokens)
    if flink_tables(structure, catalog):
        return Owner.FLINK
    if not structure.calls or not _may_call(tokens):
        return Owner.RELAY
    foreign = foreign_calls(tokens, structure, catalog)
    return Owner.RELAY if len(foreign) == len(structure.calls) else Owner.MODEL


def foreign_calls(tokens: Sequence[Token], structure: Structure, catalog: CatalogView) -> list[Call]:
    """Calls that PostgreSQL might take for those of other functions: which, is its to say."""
    hidden = catalog.hidden_functions
    return [call for call in structure.calls
            if call.function in hidden and name_value(tokens[call.start]) == call.function] if hidden else []  # fmt: skip


LOAD_TEXT_MIN = 4096
"""Characters from which it pays to recognise a load of data without reading all of its tokens."""

_READS = re.compile(r"\b(?:select|from|table|predict|recommend|similar)\b", re.IGNORECASE)


def is_load(text: str, catalog: CatalogView) -> bool:
    """Whether a long text is an INSERT of values into a table of PostgreSQL's, as dumps have them."""
    if len(text) < LOAD_TEXT_MIN or _READS.search(text):
        return False
    counted = (token for token in scan(text) if token.kind not in (Kind.BLANK, Kind.COMMENT))
    tokens = list(islice(counted, 6))
    return tokens[0].word == "INSERT" and insert_target(tokens, catalog) is None and not _is_learn(tokens)


def flink_tables(structure: Structure, catalog: CatalogView) -> list[Table]:
    """The Flink tables that a statement reads."""
    return [table for table in structure.tables if catalog.named(table.name, table.qualified)]


def target_table(tokens: Sequence[Token], catalog: CatalogView) -> int | None:
    """Token that names the Flink table which a statement of PostgreSQL's would change, lock or copy."""
    words = tuple(token.word for token in tokens[:4])
    for size in (4, 3, 2, 1):
        at = _TARGETS.get(words[:size])
        if at is not None and at < len(tokens):
            return _flink_table(tokens, at, catalog)
    return None


def insert_target(tokens: Sequence[Token], catalog: CatalogView) -> int | None:
    """Token that names the Flink table of an INSERT, or None when it is no INSERT into one."""
    if len(tokens) < 3 or tokens[0].word != "INSERT" or tokens[1].word not in ("INTO", "OVERWRITE"):
        return None
    return _flink_table(tokens, 2, catalog)


def written_after_with(tokens: Sequence[Token], catalog: CatalogView) -> int | None:
    """Token that names the Flink table which a statement behind a WITH clause would write, if it is one."""
    if not tokens or tokens[0].word != "WITH":
        return None
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word in CHANGES_DATA and at and tokens[at - 1].word != "AS":
            found = insert_target(tokens[at : at + 6], catalog)
            found = target_table(tokens[at : at + 6], catalog) if found is None else found
            return None if found is None else at + found
    return None


def _flink_table(tokens: Sequence[Token], at: int, catalog: CatalogView) -> int | None:
    """Last token of the name that starts here, when it is that of a Flink table."""
    last, schema = at, None
    if at + 2 < len(tokens) and tokens[at + 1].word == ".":
        last, schema = at + 2, name_value(tokens[at])
    if last + 1 < len(tokens) and tokens[last + 1].word == ".":
        return None
    return last if catalog.named(name_value(tokens[last]) or "", schema) else None


def is_session(tokens: Sequence[Token]) -> bool:
    """Whether the statement is transaction control, a setting, or resets the session."""
    words = [token.word for token in tokens[:4]] + [""] * 4
    match words[0]:
        case "BEGIN" | "END" | "ABORT" | "SAVEPOINT" | "RELEASE":
            return True
        case "START":
            return words[1] == "TRANSACTION"
        case "COMMIT" | "ROLLBACK":
            return words[1] != "PREPARED"
        case "PREPARE":
            return words[1] == "TRANSACTION"
        case "SET":
            return words[1] not in ("TRANSACTION", "CONSTRAINTS", "ROLE") and words[1:3] not in (
                ["SESSION", "AUTHORIZATION"], ["SESSION", "CHARACTERISTICS"], ["LOCAL", "ROLE"], ["SESSION", "ROLE"],
                ["LOCAL", "SESSION"],
            )  # fmt: skip
        case "RESET":
            return words[1] not in ("ROLE", "SESSION")
        case "SHOW":
            return words[1] != "ALL" and words[1:3] != ["SESSION", "AUTHORIZATION"]
        case "DISCARD":
            return words[1] == "ALL"
        case "CLOSE" | "DEALLOCATE":
            return words[1] == "ALL" or words[1:3] == ["PREPARE", "ALL"]
        case "UNLISTEN":
            return words[1] == "*"
    return False


def _is_show(words: Sequence[str], size: int) -> bool:
    match words[:2]:
        case ["SHOW", "MODELS" | "TABLES"]:
            return size == 2
        case ["SHOW", "VERSIONS" | "METRICS" | "JOBS"]:
            return words[2] != "."
    return False


def _is_learn(tokens: Sequence[Token]) -> bool:
    """INSERT INTO MODEL name …, and not INSERT INTO a table that is called model."""
    if len(tokens) < 4 or [token.word for token in tokens[1:3]] != ["INTO", "MODEL"]:
        return False
    return name_value(tokens[3]) is not None and tokens[3].word not in _NOT_A_MODEL


def _is_deploying(tokens: Sequence[Token], first: str, second: str, catalog: CatalogView) -> bool:
    match first, second:
        case ("CREATE" | "REFRESH" | "ALTER" | "DROP" | "EVALUATE", "MODEL"):
            return True
        case ("STOP", "JOB"):
            return True
        case ("CREATE", "OR"):
            return len(tokens) > 3 and tokens[3].word == "MODEL"
        case ("CREATE", "TABLE" | "TEMPORARY" | "TEMP"):
            return _has_connector_options(tokens)
        case ("DROP", "TABLE"):
            return any(_is_table(tokens, at, catalog) for at in range(2, len(tokens)))
    return False


def _is_table(tokens: Sequence[Token], at: int, catalog: CatalogView) -> bool:
    """Whether the token names a Flink table, in no schema or in public."""
    schema = name_value(tokens[at - 2]) if tokens[at - 1].word == "." else None
    return catalog.named(name_value(tokens[at]) or "", schema) is not None


def _has_connector_options(tokens: Sequence[Token]) -> bool:
    """WITH ('option' = …) is Flink's; PostgreSQL's storage parameters are not in quotes."""
    return any(
        token.word == "WITH" and tokens[at + 1].word == "(" and tokens[at + 2].kind is Kind.STRING
        for at, token in enumerate(tokens[:-2])
    )


def _may_call(tokens: Sequence[Token]) -> bool:
    """CREATE is planned only as CREATE TABLE … AS; views and functions that call a model are refused later."""
    if tokens[0].word != "CREATE":
        return True
    words = {token.word for token in tokens[1:6]}
    return bool(words & {"TABLE", "VIEW"}) and "AS" in {token.word for token in tokens}
