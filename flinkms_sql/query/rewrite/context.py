"""What every rule is given: the statement, the catalog, and numbers for the parameters it adds."""

from __future__ import annotations

from dataclasses import dataclass, field

from flinkms_sql.query.bind import BoundCall, bind_argument, bind_call
from flinkms_sql.query.constants import Parameters, Written, read_constant
from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.lexer import Token
from flinkms_sql.query.nodes import Constant
from flinkms_sql.query.plan import Fold, Lookup, ResultParameter
from flinkms_sql.query.rewrite.edits import Edit, apply_edits
from flinkms_sql.query.scopes import Call
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.types import SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What a rule makes of one call: a step that computes it, and edits that put its result in its place."""

    step: Fold | Lookup
    edits: tuple[Edit, ...]


@dataclass(slots=True, kw_only=True)
class Context:
    """A statement that is being rewritten. ``edits`` are those of the rules that were applied before."""

    text: str
    tokens: list[Token]
    catalog: CatalogView
    parameters: Parameters
    next_number: int
    edits: list[Edit] = field(default_factory=list)
    lookups: int = 0
    lookup_starts: set[int] = field(default_factory=set)

    def bind(self, call: Call) -> BoundCall:
        return bind_call(call, Cursor(self.text, self.tokens, call.start, call.end), self.catalog, self.parameters)

    def constants(self, call: Call) -> list[Written | None]:
        """The arguments after the model; None for one that is no constant."""
        return [
            read_constant(Cursor(self.text, self.tokens, first, last), self.parameters)
            for first, last in call.arguments[1:]
        ]

    def bind_constants(self, call: Call, bound: BoundCall) -> tuple[Constant, ...] | None:
        """The arguments as constants of the model's types, or None when one of them is an expression."""
        found = self.constants(call)
        known = [written for written in found if written is not None]
        if len(known) < len(found):
            return None
        return tuple(bind_argument(written, at, bound, self.parameters) for at, written in enumerate(known))

    def add_parameters(self, types: list[SqlType], *, many: bool) -> tuple[ResultParameter, ...]:
        first = self.next_number
        self.next_number += len(types)
        return tuple(ResultParameter(number=first + at, type=kind, many=many) for at, kind in enumerate(types))

    def source(self, start: int, end: int) -> str:
        """Text of the tokens start <= i < end, with the edits made so far."""
        if start >= end:
            return ""
        return apply_edits(self.text, self.edits, self.tokens[start].start, self.tokens[end - 1].end)

    def position(self, at: int) -> int:
        return self.tokens[at].position
