"""Constant expressions, read from tokens: what a literal, a parameter or a cast of one says, not yet of any type.

Must not know where a constant is used: what a literal without a cast becomes depends on that (``coerce``).
Whatever is not recognised here is not an error: it is an expression, for PostgreSQL to evaluate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Literal as Choice

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.lexer import Kind, Token, string_value
from flinkms_sql.query.nodes import Constant, Literal, Now, Parameter, Widened
from flinkms_sql.query.values import LocalTime, array_type, element_type, from_number, from_text, widen, widens
from flinkms_sql.types import BY_OID, SqlType, parse_type

_UNKNOWN_OIDS = (0, 705)
_TEXT_OIDS = (1042, 1043, 19)
"""char(n), varchar and name: their values are texts."""

_NUMERIC = ("NUMERIC", "DECIMAL", "DEC")
_TYPED_LITERALS = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "BIGINT", "BOOLEAN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A constant as it was written: ``kind`` says what ``value`` is; ``type`` is set by a cast or a typed literal."""

    kind: Choice["null", "boolean", "number", "text", "array", "parameter", "now"]
    value: object
    type: SqlType | None
    position: int

    @property
    def number(self) -> int:
        """The number of a parameter."""
        assert self.kind == "parameter"
        assert isinstance(self.value, int)
        return self.value

    def describe(self) -> str:
        """Its type, as PostgreSQL would name it in a message."""
        if self.type is not None:
            return self.type.value.postgres
        if self.kind == "number":
            return "numeric" if isinstance(self.value, Decimal) else "integer"
        return {"array": "integer[]", "text": "unknown", "now": "timestamptz"}.get(self.kind, self.kind)


@dataclass(slots=True)
class Parameters:
    """Types of the parameters of a statement: those the client declared, and those their use decides."""

    declared: Sequence[int] = ()
    used: dict[int, SqlType] = field(default_factory=dict)

    def declared_type(self, number: int, position: int) -> SqlType | None:
        """The type the client declared; raises 0A000 for one that no argument can have."""
        oid = self.declared[number - 1] if number <= len(self.declared) else 0
        if oid in _UNKNOWN_OIDS:
            return None
        if oid in _TEXT_OIDS:
            return SqlType.STRING
        if oid not in BY_OID:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                f"parameter ${number} is declared with a type that a model argument cannot have (oid {oid})",
                hint="Declare it as bigint, double precision or text, or leave its type open.",
                position=position,
            )
        return BY_OID[oid]

    def use(self, number: int, target: SqlType, position: int) -> bool:
        """Note a use as ``target``; false when the parameter's type does not convert to it."""
        known = self.declared_type(number, position) or self.used.get(number)
        if known is None:
            self.used[number] = target
            return True
        self.used[number] = known
        return widens(known, target)

    def known(self, number: int, position: int) -> SqlType | None:
        """The type as far as it is known by now."""
        return self.declared_type(number, position) or self.used.get(number)

    def types(self, count: int) -> tuple[SqlType | None, ...]:
        """Types of parameters 1 … count; None where neither client nor use said one."""
        return tuple(
            self.used.get(number) or (BY_OID.get(self.declared[number - 1]) if number <= len(self.declared) else None)
            for number in range(1, count + 1)
        )


def count_parameters(tokens: Sequence[Token], declared: Sequence[int]) -> int:
    """How many parameters a statement has: the highest number used or declared."""
    numbers = [int(token.text[1:]) for token in tokens if token.kind is Kind.PARAMETER]
    return max([len(declared), *numbers])


def read_constant(cursor: Cursor, parameters: Parameters) -> Written | None:
    """The constant that fills the cursor's whole range, or None when something else stands there."""
    try:
        found = _read(cursor, parameters)
    except FlinkmsError as error:
        # A type that is none of ours may be one of PostgreSQL's.
        if error.sqlstate in (errors.SYNTAX_ERROR, errors.UNDEFINED_OBJECT):
            return None
        raise
    return found if cursor.done() else None


def _read(cursor: Cursor, parameters: Parameters) -> Written | None:
    position = cursor.position
    if cursor.peek() in ("+", "-"):  # binds weaker than a cast: -1::text is -(1::text)
        negative = cursor.peek() == "-"
        cursor.at += 1
        if cursor.token is None or cursor.token.kind is not Kind.NUMBER:
            return None
        unsigned = _read(cursor, parameters)
        if unsigned is None or not isinstance(unsigned.value, (int, float, Decimal)):
            return None
        value = -unsigned.value if negative else unsigned.value
        return Written(kind="number", value=value, type=unsigned.type, position=position)
    found = _read_primary(cursor, parameters)
    while found is not None and cursor.accept("::"):
        found = _cast_here(found, cursor, parameters)
    return found


def _read_primary(cursor: Cursor, parameters: Parameters) -> Written | None:
    token, position = cursor.token, cursor.position
    if token is None:
        return None
    if token.kind is Kind.NUMBER:
        cursor.at += 1
        return Written(kind="number", value=_number(token.text), type=None, position=position)
    if token.kind is Kind.STRING:
        value = string_value(token)
        cursor.at += 1
        return None if value is None else Written(kind="text", value=value, type=None, position=position)
    if token.kind is Kind.PARAMETER:
        cursor.at += 1
        return Written(kind="parameter", value=int(token.text[1:]), type=None, position=position)
    return _read_word(cursor, parameters, position)


def _read_word(cursor: Cursor, parameters: Parameters, position: int) -> Written | None:
    match cursor.peek():
        case "NULL":
            cursor.at += 1
            return Written(kind="null", value=None, type=None, position=position)
        case "TRUE" | "FALSE" as word:
            cursor.at += 1
            return Written(kind="boolean", value=word == "TRUE", type=SqlType.BOOLEAN, position=position)
        case "CURRENT_TIMESTAMP":
            cursor.at += 1
            return Written(kind="now", value=None, type=SqlType.TIMESTAMP_LTZ, position=position)
        case "NOW":
            cursor.take("NOW", "(", ")")
            return Written(kind="now", value=None, type=SqlType.TIMESTAMP_LTZ, position=position)
        case "CAST":
            return _read_cast(cursor, parameters)
        case "ARRAY":
            return _read_array(cursor, parameters, position)
        case "(":
            start, end = cursor.skip_parentheses()
            return read_constant(Cursor(cursor.text, cursor.tokens, start, end), parameters)
        case word if word in _TYPED_LITERALS:
            target = _take_type(cursor)
            value = cursor.take_string()
            return Written(kind="text", value=from_text(value, target, position=position), type=target,
                           position=position)  # fmt: skip
    return None


def _number(text: str) -> int | Decimal:
    digits = text.replace("_", "").lower()
    if digits[:2] in ("0x", "0o", "0b"):
        return int(digits, 0)
    return int(digits) if digits.isdigit() else Decimal(digits)


def _take_type(cursor: Cursor) -> SqlType:
    """A type name as PostgreSQL writes it: words, a precision, brackets."""
    start = cursor.at
    first = cursor.take_name("a type").upper()
    if first == "DOUBLE":
        cursor.take("PRECISION")
    if cursor.peek() == "(":
        cursor.skip_parentheses()
    if first == "TIMESTAMP" and cursor.peek() in ("WITH", "WITHOUT"):
        zoned = cursor.peek() == "WITH"
        cursor.at += 1
        cursor.take("TIME", "ZONE")
        return SqlType.TIMESTAMP_LTZ if zoned else SqlType.TIMESTAMP
    while cursor.accept("["):
        cursor.take("]")
    return parse_type(cursor.source(start, cursor.at), position=cursor.tokens[start].position)


def _read_cast(cursor: Cursor, parameters: Parameters) -> Written | None:
    cursor.take("CAST", "(")
    found = _read(cursor, parameters)
    if found is None or not cursor.accept("AS"):
        return None
    found = _cast_here(found, cursor, parameters)
    cursor.take(")")
    return found


def _read_array(cursor: Cursor, parameters: Parameters, position: int) -> Written | None:
    cursor.take("ARRAY", "[")
    start, depth = cursor.at, 1
    while depth:
        depth += (cursor.peek() == "[") - (cursor.peek() == "]")
        if cursor.done():
            return None
        cursor.at += 1
    items = []
    for first, last in split_commas(cursor.tokens, start, cursor.at - 1):
        item = read_constant(Cursor(cursor.text, cursor.tokens, first, last), parameters)
        if item is None or item.kind not in ("number", "null"):
            return None
        items.append(item.value)
    return Written(kind="array", value=tuple(items), type=None, position=position)


def _cast_here(written: Written, cursor: Cursor, parameters: Parameters) -> Written | None:
    """The constant under a cast to the type that is named here; None where PostgreSQL has to do it."""
    if cursor.peek() not in _NUMERIC:
        return _cast(written, _take_type(cursor), parameters)
    cursor.at += 1
    # No column is numeric, but a literal can be: pgjdbc writes a BigDecimal as ('4.5'::numeric) into a simple query.
    if cursor.peek() in ("(", "[") or written.type is not None or not isinstance(written.value, (str, int, Decimal)) \
            or written.kind == "parameter":
        return None
    try:
        number = Decimal(str(written.value).strip())
    except InvalidOperation:
        raise FlinkmsError(errors.INVALID_TEXT_REPRESENTATION, f'invalid input syntax for type numeric: "{written.value}"',
                           position=written.position) from None
    return Written(kind="number", value=number, type=None, position=written.position)


def _cast(written: Written, target: SqlType, parameters: Parameters) -> Written | None:
    """The constant under an explicit cast; None where PostgreSQL has to do it."""
    position = written.position
    value: object | None = written.value
    match written.kind:
        case "parameter":
            known = parameters.known(written.number, position)
            if known is not None and not widens(known, target):
                return None
            parameters.use(written.number, target, position)
        case "null":
            pass
        case "now" | "boolean":
            if written.type is not target:
                return None
        case "text":
            if written.type is None:
                value = from_text(str(value), target, position=position)
            elif written.type is not target:
                return None
        case "number":
            number = Decimal(str(value)) if isinstance(value, float) else _as_number(value)
            value = from_number(number, target, cast=True, position=position)
        case "array":
            value = _array_value(written, target, cast=True)
    if value is None and written.kind in ("number", "array"):
        return None
    kind = "text" if written.kind == "number" and target is SqlType.STRING else written.kind
    return Written(kind=kind, value=value, type=target, position=position)


def _array_value(written: Written, target: SqlType, *, cast: bool) -> tuple[object, ...] | None:
    if not target.is_array or not isinstance(written.value, tuple):
        return None
    element = element_type(target)
    numbers = tuple(
        None if item is None else from_number(item, element, cast=cast, position=written.position)
        for item in written.value
    )
    lost = any(number is None and item is not None for number, item in zip(numbers, written.value, strict=True))
    return None if lost else numbers


def natural_type(written: Written, parameters: Parameters) -> SqlType | None:
    """The type PostgreSQL gives the constant by itself; None for a NULL, an untyped text or an open parameter."""
    if written.type is not None:
        return written.type
    match written.kind:
        case "number":
            if isinstance(written.value, Decimal):
                return SqlType.DOUBLE
            return SqlType.INT if -(2**31) <= _as_number(written.value) < 2**31 else SqlType.BIGINT
        case "array" if isinstance(written.value, tuple):
            kinds = [natural_type(Written(kind="number", value=item, type=None, position=0), parameters)
                     for item in written.value if item is not None]  # fmt: skip
            widest = max((kind for kind in kinds if kind), key=lambda kind: kind.value.code, default=SqlType.INT)
            return array_type(widest)
        case "parameter":
            return parameters.known(written.number, written.position)
    return None


def coerce(written: Written, target: SqlType, parameters: Parameters) -> Constant | None:
    """The constant as ``target``, by the conversions PostgreSQL applies unasked; None when there is none."""
    position = written.position
    match written.kind:
        case "null":
            return Literal(value=None, type=target, position=position)
        case "parameter":
            if written.type is not None and not widens(written.type, target):
                return None
            fits = parameters.use(written.number, target, position)
            return _parameter(written.number, parameters.known(written.number, position), target, position) if fits else None
        case "now":
            return Now(position=position) if target is SqlType.TIMESTAMP_LTZ else None
        case "text" if written.type is None:
            return _literal(from_text(str(written.value), target, position=position), target, position)
    value = written.value
    if written.type is not None:
        fits = widens(written.type, target)
        return _literal(widen(value, written.type, target), target, position) if fits else None
    if isinstance(value, tuple):
        value = _array_value(written, target, cast=False)
    else:
        value = from_number(_as_number(value), target, cast=False, position=position)
    return None if value is None else Literal(value=value, type=target, position=position)


def _literal(value: object, target: SqlType, position: int) -> Literal | Widened:
    if not isinstance(value, LocalTime):
        return Literal(value=value, type=target, position=position)
    shown = Literal(value=value.microseconds, type=SqlType.TIMESTAMP, position=position)
    return Widened(constant=shown, type=target, position=position)


def _parameter(number: int, known: SqlType | None, target: SqlType, position: int) -> Parameter | Widened:
    if known not in (SqlType.DATE, SqlType.TIMESTAMP) or known is target:
        return Parameter(number=number, type=target, position=position)
    given = Parameter(number=number, type=known, position=position)
    return Widened(constant=given, type=target, position=position)


def _as_number(value: object) -> int | Decimal:
    assert isinstance(value, (int, Decimal))
    return value
