"""The shapes of point predictions as bytes: what a request looks like but for its values, and what its answer does.

Must not know sessions or event loops. A driver sends the same bytes again and again; where only values differ, a
request is recognised by what is constant in it and never parsed, and its answer is a template with one value in it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import timezone

import numpy as np

from flinkms_sql.engine.batcher import PreparedPoint
from flinkms_sql.pgwire import client_messages as client
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import oids, parameters, server_messages
from flinkms_sql.pgwire.columns import describe, encode_column
from flinkms_sql.pgwire.floats import format_float8
from flinkms_sql.pgwire.frames import Frame, Splitter
from flinkms_sql.query.lexer import normalize
from flinkms_sql.query.plan import PointPlan
from flinkms_sql.server.binding import spread
from flinkms_sql.server.names import Prepared
from flinkms_sql.types import SqlType
from udfs.block import Column

from_bytes = int.from_bytes
SYNC = client.encode(m.Sync())
VALUES_MAX = 64
"""Parameters of a recognised request: with more of them, looking at each costs more than parsing saves."""

_TEXT_HEAD = struct.Struct(">cIHi")
_FLOAT8_ROW = struct.Struct(">cIHid")
_NULL_LENGTH = b"\xff\xff\xff\xff"
_NULL_ROW = server_messages.encode(m.DataRow(values=(None,)))
_COMPLETE = server_messages.encode(m.CommandComplete(tag="SELECT 1"))
_READY = {
    status: _COMPLETE + server_messages.encode(m.ReadyForQuery(status=status)) for status in ("idle", "transaction")
}


class Template:
    """The answer to a point prediction, all but its value; ``render`` puts it in."""

    __slots__ = ("_before", "_code", "_kind")

    def __init__(self, before: Sequence[m.ServerMessage], kind: SqlType, code: int) -> None:
        self._before = b"".join(map(server_messages.encode, before))
        self._kind = kind
        self._code = code

    def render(self, value: object, status: m.TransactionStatus) -> bytes:
        """The whole answer, with the status of the transaction at its end."""
        if value is None:
            return self._before + _NULL_ROW + _READY[status]
        if self._kind is not SqlType.DOUBLE:
            array = np.empty(1, dtype=self._kind.value.dtype)
            array[0] = value
            text = encode_column(Column(array), self._kind, self._code, timezone.utc)[0] or b""
        elif self._code:
            return self._before + _FLOAT8_ROW.pack(b"D", 18, 1, 8, value) + _READY[status]
        else:
            text = format_float8(value).encode()  # type: ignore[arg-type]
        return self._before + _TEXT_HEAD.pack(b"D", len(text) + 10, 1, len(text)) + text + _READY[status]


def _integer_text(limit: int) -> Callable[[bytes], int]:
    def decode(raw: bytes) -> int:
        # isdigit: int() would also take blanks and underscores, which PostgreSQL does not.
        if len(raw) < limit and (raw.isdigit() or (raw[:1] == b"-" and raw[1:].isdigit())):
            return int(raw)
        raise ValueError(raw)

    return decode


def _integer_binary(size: int) -> Callable[[bytes], int]:
    def decode(raw: bytes) -> int:
        if len(raw) != size:
            raise ValueError(raw)
        return int.from_bytes(raw, "big", signed=True)

    return decode


_TEXT_DECODERS = {oids.INT8: _integer_text(19), oids.INT4: _integer_text(10), oids.INT2: _integer_text(5)}
_BINARY_DECODERS = {oids.INT8: _integer_binary(8), oids.INT4: _integer_binary(4), oids.INT2: _integer_binary(2)}


def _decoder(oid: int, code: int) -> Callable[[bytes], object]:
    """Reads one value; an error of any kind means that the request is to be handled the usual way."""
    found = (_BINARY_DECODERS if code else _TEXT_DECODERS).get(oid)
    if found is not None:
        return found
    return lambda raw: parameters.decode(raw, code, oid)


class BoundShape:
    """[Parse] Bind [Describe] Execute Sync of one statement.

    ``head`` is the Parse message; ``prefix`` what a Bind has before its values, ``tail`` what it has after them and
    every message behind it; ``behind`` is the length of those messages.
    """

    __slots__ = ("_around", "_bind", "_decoders", "head", "point", "prefix", "prepared", "tail", "template")

    def __init__(self, *, head: bytes, prefix: bytes, tail: bytes, behind: int, prepared: Prepared,
                 decoders: Sequence[Callable[[bytes], object]], point: PreparedPoint, template: Template) -> None:  # fmt: skip
        self.head, self.prefix, self.tail = head, prefix, tail
        self._bind, self._around = len(head), len(head) + 1 + behind
        self.prepared, self.point, self.template = prepared, point, template
        self._decoders = tuple(decoders)

    def values(self, data: bytes) -> list[object] | None:
        """The parameter values in a request of this shape, or None when it is of another."""
        bind = self._bind
        start = bind + 5
        if not (data.startswith(self.prefix, start) and data.endswith(self.tail)):
            return None
        if from_bytes(data[bind + 1 : start], "big") != len(data) - self._around or data[bind] != 0x42:
            return None
        if bind and not data.startswith(self.head):
            return None
        at, found = start + len(self.prefix), []
        try:
            for decode in self._decoders:
                first = at + 4
                at = first + from_bytes(data[at:first], "big")
                # A length of -1 is NULL; read as unsigned it leads far behind the end.
                if at > len(data):
                    if data[first - 4 : first] != _NULL_LENGTH:
                        return None
                    at = first
                    found.append(None)
                else:
                    found.append(decode(data[first:at]))
        except Exception:  # noqa: BLE001 - whatever is wrong with a value is reported by the usual way
            return None
        return found if at == len(data) - len(self.tail) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The messages of a request that could become a BoundShape."""

    parse: m.Parse | None
    bind: m.Bind
    described: bool
    head: bytes
    raw_bind: bytes
    behind: int


def read_series(data: bytes) -> Series | None:
    """The request in ``data``, when it is a whole [Parse] Bind [Describe] Execute Sync over unnamed portals."""
    splitter = Splitter(startup=False)
    splitter.feed(data)
    frames: list[Frame] = []
    while len(frames) < 6 and (frame := splitter.next_frame()) is not None:
        frames.append(frame)
    kinds = b"".join(frame.kind for frame in frames)
    if splitter.buffered or kinds not in (b"BES", b"BDES", b"PBES", b"PBDES"):
        return None
    parse = client.decode(frames.pop(0)) if kinds[:1] == b"P" else None
    bind, *rest = [client.decode(frame) for frame in frames]
    assert isinstance(bind, m.Bind) and isinstance(parse, m.Parse | None)
    if bind.portal or m.Execute() not in rest or not set(rest) <= {m.Describe(target="portal"), m.Execute(), m.Sync()}:
        return None
    if parse is not None and (parse.statement or bind.statement):
        return None
    behind = sum(len(frame.raw) for frame in frames[1:])
    return Series(
        parse=parse,
        bind=bind,
        described=len(rest) == 3,
        head=data[: len(data) - behind - len(frames[0].raw)],
        raw_bind=frames[0].raw,
        behind=behind,
    )


def bound_shape(
    data: bytes, series: Series, prepared: Prepared, plan: PointPlan, point: PreparedPoint
) -> BoundShape | None:
    """The shape of a request for a point plan; None when it does not fit the statement."""
    bind, count = series.bind, len(prepared.oids)
    if len(bind.values) != count or len(bind.result_formats) > 1 or count > VALUES_MAX:
        return None
    values_bytes = sum(4 + len(value or b"") for value in bind.values)
    tail_of_bind = 2 + 2 * len(bind.result_formats)
    end_of_values = len(series.raw_bind) - tail_of_bind
    codes, code = spread(bind.formats, count), (bind.result_formats or (0,))[0]
    if any(oid == oids.TIMESTAMPTZ and not one for oid, one in zip(prepared.oids, codes, strict=True)):
        return None  # such a text is read in the session's time zone
    before: list[m.ServerMessage] = [m.ParseComplete()] if series.parse is not None else []
    before.append(m.BindComplete())
    if series.described:
        before.append(m.RowDescription(fields=(describe(plan.column.name, plan.column.type, code),)))
    return BoundShape(
        head=series.head,
        prefix=series.raw_bind[5 : end_of_values - values_bytes],
        tail=data[len(series.head) + end_of_values :],
        behind=series.behind,
        prepared=prepared,
        decoders=[_decoder(oid, one) for oid, one in zip(prepared.oids, codes, strict=True)],
        point=point,
        template=Template(before, plan.column.type, code),
    )


_LITERALS: dict[SqlType, tuple[bytes, Callable[[bytes], object]]] = {
    SqlType.SMALLINT: (rb"(-?\d{1,4})", int),
    SqlType.INT: (rb"(-?\d{1,9})", int),
    SqlType.BIGINT: (rb"(-?\d{1,18})", int),
    SqlType.FLOAT: (rb"(-?\d{1,15}(?:\.\d{1,15})?)", float),
    SqlType.DOUBLE: (rb"(-?\d{1,15}(?:\.\d{1,15})?)", float),
}
"""Literals that are read by their look -> how; others make a text none of a shape's."""


class TextShape:
    """A Query whose text is a point prediction over number literals."""

    __slots__ = ("_decoders", "_pattern", "key", "point", "template")

    def __init__(self, pattern: re.Pattern[bytes], decoders: Sequence[Callable[[bytes], object]],
                 point: PreparedPoint, template: Template, key: Hashable) -> None:  # fmt: skip
        self._pattern, self._decoders = pattern, tuple(decoders)
        self.point, self.template, self.key = point, template, key
        """Who may ask this."""

    def values(self, data: bytes) -> list[object] | None:
        """The literals of a Query message of this shape, or None when it is of another."""
        match = self._pattern.fullmatch(data, 5, len(data) - 1)
        if match is None:
            return None
        return [decode(literal) for decode, literal in zip(self._decoders, match.groups())]


def text_key(data: bytes) -> bytes:
    """What texts of one shape have in common: all up to the end of the model's name."""
    first = data.find(b"'", 5)
    return data[5 : data.find(b"'", first + 1)]


def text_shape(text: str, plan: PointPlan, key: Hashable) -> TextShape | None:
    """The shape of a statement whose constants were taken out of its text; None where it has none."""
    pattern, constants = normalize(text)
    if not constants or len(constants) != len(plan.parameter_types):
        return None
    literals = [_LITERALS.get(kind) if kind is not None else None for kind in plan.parameter_types]
    at, parts = pattern.index("$1") - 2, [re.escape(text[: pattern.index("$1") - 2].encode())]
    decoders = []
    for constant, literal in zip(constants, literals, strict=True):
        if literal is None:
            return None
        start = text.index(constant, at)
        parts += [re.escape(text[at:start].encode()), literal[0]]
        decoders.append(literal[1])
        at = start + len(constant)
    parts.append(re.escape(text[at:].encode()))
    column = plan.column
    template = Template([m.RowDescription(fields=(describe(column.name, column.type),))], column.type, 0)
    return TextShape(re.compile(b"".join(parts)), decoders, PreparedPoint(plan), template, key)
