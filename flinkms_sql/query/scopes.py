"""The SELECTs of a statement, their clauses, the tables they name and the model calls in them, as token ranges.

Must not know the catalog or the meaning of an expression. This is no grammar of SQL: PostgreSQL and Flink have one
each, and whatever we hand on they parse themselves. It relies on one property of SQL: the words that start a clause
are reserved, so at one level of parentheses they cannot be names unless they follow AS or a dot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flinkms_sql.query.cursor import split_commas
from flinkms_sql.query.lexer import Kind, Token, name_value
from flinkms_sql.query.limits import DEPTH_MAX, too_deep

MODEL_FUNCTIONS = ("predict", "recommend", "similar")
SCHEMA = "flinkms"

_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR")
_AFTER_QUERY = ("UNION", "INTERSECT", "EXCEPT", "RETURNING")
_OPENS_TABLE = ("FROM", "JOIN", ",", "LATERAL", "ONLY", "(", "USING", "TABLE")
_DECLARES_TABLE = ("CREATE", "TEMP", "TEMPORARY", "UNLOGGED", "FOREIGN", "FOR")
"""Before TABLE: what follows is not read. Elsewhere TABLE name is short for SELECT * FROM name."""

_NO_CALL_AFTER = ("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE")
CHANGES_DATA = ("INSERT", "UPDATE", "DELETE", "MERGE")


@dataclass(slots=True, kw_only=True)
class Scope:
    """One SELECT: the tokens of each clause (first, end), by the clause's first word; ORDER and GROUP without BY.

    ``ctes`` are the token ranges of the WITH entries it can see, ``recursive`` whether a WITH RECURSIVE is among them.
    """

    start: int
    end: int = 0
    clauses: dict[str, tuple[int, int]] = field(default_factory=dict)
    ctes: tuple[tuple[int, int], ...] = ()
    recursive: bool = False
    set_operation: bool = False


@dataclass(slots=True, kw_only=True)
class Table:
    """A table named where a table can stand. ``qualified`` holds the schema, if one is written."""

    name: str
    qualified: str | None
    token: int


@dataclass(slots=True, kw_only=True)
class Call:
    """A model call: tokens start <= i < end, schema included; ``arguments`` are token ranges, the model first.

    ``scope`` is the SELECT it stands in and ``clause`` the clause; ``in_from`` is true where it stands as a table.
    ``outer`` is the call it is an argument of.
    """

    function: str
    start: int
    end: int
    arguments: list[tuple[int, int]]
    scope: Scope | None
    clause: str
    in_from: bool
    outer: Call | None


@dataclass(slots=True, kw_only=True)
class Structure:
    """What was found in one statement, in the order of the text."""

    scopes: list[Scope] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    cte_names: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Level:
    """One level of parentheses. ``own``: its scope is a SELECT of this very level, not one around it. ``tables``: a
    name after FROM, JOIN or a comma is a table here. ``cte_start``: where the WITH entry that is being read starts. ``…_above``: of all
    levels around it."""

    opened_at: int = -1
    scope: Scope | None = None
    clause: str = ""
    own: bool = False
    tables: bool = False
    ctes: list[tuple[int, int]] = field(default_factory=list)
    ctes_above: tuple[tuple[int, int], ...] = ()
    cte_start: int | None = None
    recursive: bool = False
    recursive_above: bool = False
    call: Call | None = None


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.found = Structure()
        self.levels = [_Level(tables=True)]
        self.reads_after = "USING" if self.word(0) == "MERGE" else "FROM"

    def word(self, at: int) -> str:
        return self.tokens[at].word if 0 <= at < len(self.tokens) else ""

    def read(self) -> Structure:
        for at, token in enumerate(self.tokens):
            word = token.word
            if word == "(":
                self._open(at)
            elif word == ")":
                self._close(at)
            elif token.kind is Kind.WORD and self._keyword(at, word):
                pass
            elif token.kind is Kind.WORD or token.kind is Kind.QUOTED:
                self._name(at)
        while self.levels:
            self._end_scope(self.levels.pop(), len(self.tokens))
        return self.found

    def _open(self, at: int) -> None:
        above = self.levels[-1]
        table = above.tables and above.clause in ("", "FROM") and self.word(at - 1) in _OPENS_TABLE
        level = _Level(
            opened_at=at, scope=above.scope, clause=above.clause, tables=table, call=above.call,
            ctes_above=(*above.ctes_above, *above.ctes) if above.ctes else above.ctes_above,
            recursive_above=above.recursive or above.recursive_above,
        )  # fmt: skip
        call = self._call_before(at, above)
        if call is not None:
            if len(self.levels) > DEPTH_MAX:
                deeper = self.levels[DEPTH_MAX + 1].opened_at if len(self.levels) > DEPTH_MAX + 1 else at
                raise too_deep(self.tokens[deeper])
            self.found.calls.append(call)
            level.call = call
        self.levels.append(level)

    def _close(self, at: int) -> None:
        if len(self.levels) == 1:
            return
        level = self.levels.pop()
        self._end_scope(level, at)
        if level.call is not None and level.call is not self.levels[-1].call:
            call = level.call
            call.end = at + 1
            call.arguments = split_commas(self.tokens, call.arguments[0][0], at)
        above = self.levels[-1]
        if above.cte_start is not None and self.word(level.opened_at - 1) in ("AS", "MATERIALIZED"):
            above.ctes.append((above.cte_start, at + 1))
            above.cte_start = at + 2 if self.word(at + 1) == "," else None

    def _call_before(self, at: int, above: _Level) -> Call | None:
        """The model call whose parenthesis opens at this token."""
        if at == 0 or name_value(self.tokens[at - 1]) not in MODEL_FUNCTIONS or at + 1 >= len(self.tokens):
            return None
        if self.tokens[at + 1].kind not in (Kind.STRING, Kind.PARAMETER):
            return None
        start = at - 1
        if self.word(start - 1) == ".":
            if start < 2 or name_value(self.tokens[start - 2]) != SCHEMA or self.word(start - 3) == ".":
                return None
            start -= 2
        before = self.word(start - 1)
        if before in _NO_CALL_AFTER:
            return None
        function = name_value(self.tokens[at - 1]) or ""
        return Call(
            function=function, start=start, end=len(self.tokens), arguments=[(at + 1, at + 1)], scope=above.scope,
            clause=above.clause, outer=above.call,
            in_from=above.tables and above.clause == "FROM" and before in _OPENS_TABLE,
        )  # fmt: skip

    def _keyword(self, at: int, word: str) -> bool:
        """Whether the word is a keyword that changes the level's state."""
        if self.word(at - 1) == "." or (self.word(at - 1) == "AS" and word not in ("SELECT", "WITH")):
            return False
        level = self.levels[-1]
        following = self.word(at + 1)
        if word == "SELECT":
            self._end_scope(level, at)
            self._begin_scope(level, at)
        elif word == "WITH" and not level.own and self._starts_ctes(at):
            level.recursive = following == "RECURSIVE"
            level.cte_start = at + (2 if level.recursive else 1)
            return True
        elif word in _AFTER_QUERY or (word == "ON" and following == "CONFLICT"):
            if level.own and level.scope is not None:
                level.scope.set_operation |= word != "RETURNING" and word != "ON"
            self._end_scope(level, at)
        elif word in _CLAUSES and level.own and self._starts_clause(at, word, level):
            self._end_clause(level, at)
            level.clause = word
            level.tables = word == "FROM"
            assert level.scope is not None
            level.scope.clauses[word] = (at + 1, at + 1)
        elif word == self.reads_after and level.scope is None and not level.own:
            level.clause, level.tables = "FROM", len(self.levels) == 1
        elif word in ("SET", "WHERE", "VALUES") and not level.own and level.clause == "FROM" and level.scope is None:
            level.clause, level.tables = "", False
        else:
            return word in ("JOIN", "LATERAL", "ONLY", "AS", "ON", "USING", "TABLE")
        return True

    def _starts_ctes(self, at: int) -> bool:
        at += 2 if self.word(at + 1) == "RECURSIVE" else 1
        if at >= len(self.tokens) or name_value(self.tokens[at]) is None:
            return False
        return self.word(at + 1) in ("AS", "(") and self.word(at) not in ("ORDINALITY", "TIME", "TIES", "HOLD", "DATA")

    def _starts_clause(self, at: int, word: str, level: _Level) -> bool:
        assert level.scope is not None
        if word in level.scope.clauses:
            return False
        if word == "FROM":
            return level.clause == "SELECT" and self.word(at - 1) != "DISTINCT"  # IS DISTINCT FROM
        if word in ("GROUP", "ORDER"):
            return self.word(at + 1) == "BY" and self.word(at - 1) != "WITHIN"
        if word == "FOR":
            return self.word(at + 1) in ("UPDATE", "SHARE", "NO", "KEY")
        return True

    def _begin_scope(self, level: _Level, at: int) -> None:
        scope = Scope(start=at, recursive=level.recursive or level.recursive_above)
        scope.ctes = (*level.ctes_above, *level.ctes)
        scope.set_operation = self.word(at - 1) in ("UNION", "INTERSECT", "EXCEPT", "ALL", "DISTINCT")
        scope.clauses["SELECT"] = (at + 1, at + 1)
        level.scope, level.clause, level.own, level.tables = scope, "SELECT", True, False
        self.found.scopes.append(scope)

    def _end_clause(self, level: _Level, at: int) -> None:
        if level.own and level.scope is not None and level.clause in level.scope.clauses:
            level.scope.clauses[level.clause] = (level.scope.clauses[level.clause][0], at)

    def _end_scope(self, level: _Level, at: int) -> None:
        if level.own and level.scope is not None:
            self._end_clause(level, at)
            level.scope.end = at
            level.scope, level.clause, level.own, level.tables = None, "", False, False

    def _name(self, at: int) -> None:
        level = self.levels[-1]
        if level.cte_start == at:
            self.found.cte_names.add(name_value(self.tokens[at]) or "")
        before = self.word(at - 1)
        named = level.clause == "FROM" and level.tables and before in _OPENS_TABLE
        if not named and (before != "TABLE" or self.word(at - 2) in _DECLARES_TABLE):
            return
        parts = [name_value(self.tokens[at])]
        while self.word(at + 1) == "." and at + 2 < len(self.tokens):
            at += 2
            parts.append(name_value(self.tokens[at]))
        if self.word(at + 1) != "(" and parts[-1] is not None:
            self.found.tables.append(Table(name=parts[-1], qualified=parts[-2] if len(parts) > 1 else None, token=at))


def read_structure(tokens: Sequence[Token]) -> Structure:
    """The SELECTs, tables and model calls of a statement's tokens. Raises 54001 for a call that is nested too deeply."""
    found = _Reader(tokens).read()
    found.tables = [table for table in found.tables if table.qualified or table.name not in found.cte_names]
    return found
