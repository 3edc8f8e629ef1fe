"""Model calls inside relational statements, and SHOW: statements that PostgreSQL runs and we prepare.

Must not know how such a statement was rewritten. The steps of a JoinPlan are run in order: the engine computes what is
constant (Fold) or what belongs to rows that PostgreSQL collects (Lookup); both travel back as array parameters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from flinkms_sql import sqlfiles
from flinkms_sql.engine.execute import predict_columns
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import backend, oids
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.columns import encode_array, encode_column
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.rows import decode_rows
from flinkms_sql.query.plan import LOOKUP_ROWS_MAX, Fold, JoinPlan, Lookup, ResultParameter, ShowPlan
from flinkms_sql.server import relay
from flinkms_sql.server.evaluation import as_of, run_node
from flinkms_sql.server.link import Link
from flinkms_sql.types import SqlType
from udfs.block import Column

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session
    from flinkms_sql.server.statements import Portal

PROGRAM_LIMIT_EXCEEDED = "54000"
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_ARRAY_OIDS = {element: array for array, element in oids.ELEMENTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What PostgreSQL says of a rewritten statement: all its parameter types, and its columns."""

    oids: tuple[int, ...]
    fields: tuple[m.Field, ...]


def with_formats(fields: Sequence[m.Field], codes: Sequence[int]) -> tuple[m.Field, ...]:
    """The columns in the formats asked for."""
    return tuple(replace(field, format=code) for field, code in zip(fields, codes, strict=True))


async def describe_join(session: Session, plan: JoinPlan, declared: Sequence[int]) -> Described:
    """Have PostgreSQL describe the rewritten statement. Raises FlinkmsError."""
    link = await relay.ensure_link(session)
    name = link.new_name()
    frames = await link.call(
        [
            m.Parse(statement=name, text=plan.statement, oids=parameter_types(plan, declared)),
            m.Describe(target="statement", name=name),
            m.Close(target="statement", name=name),
        ],
        sync=not link.series_open,
    )
    return _described(frames)


def _described(frames: Sequence[Frame]) -> Described:
    parameters: tuple[int, ...] = ()
    fields: tuple[m.Field, ...] = ()
    for frame in frames:
        if frame.kind not in (b"t", b"T"):
            continue
        match backend.decode(frame):
            case m.ParameterDescription(oids=found):
                parameters = found
            case m.RowDescription(fields=found):
                fields = found
    return Described(oids=parameters, fields=fields)


def parameter_types(plan: JoinPlan, declared: Sequence[int]) -> tuple[int, ...]:
    """Types to parse the statement with: the client's, then those of what is computed."""
    client = []
    for number, kind in enumerate(plan.parameter_types):
        oid = declared[number] if number < len(declared) else oids.UNSPECIFIED
        client.append(oid if oid != oids.UNSPECIFIED or kind is None else kind.value.oid)
    return (*client, *(_result_oid(parameter) for step in plan.steps for parameter in step.parameters))


def _result_oid(parameter: ResultParameter) -> int:
    if not parameter.many:
        return parameter.type.value.oid
    return _ARRAY_OIDS[oids.TEXT if parameter.type.is_array else parameter.type.value.oid]


async def run_join(session: Session, plan: JoinPlan, portal: Portal, row_limit: int) -> None:
    """Run the steps, then the statement, whose rows go to the client. Raises FlinkmsError."""
    link = await relay.ensure_link(session)
    if portal.suspended is not None:
        await relay.go_on(link, portal.suspended, row_limit)
        return
    described = portal.prepared.described
    assert described is not None
    # All collects and the statement must see the same rows.
    owns = link.status == "idle" and not link.series_open
    if owns:
        await relay.run_quietly(link, _BEGIN)
    try:
        bind = await _steps(session, link, plan, portal, described)
        portal.suspended = await relay.run_statement(
            link, text=plan.statement, oids=described.oids, bind=bind, row_limit=row_limit, fields=described.fields
        )
    except BaseException as error:
        if owns and not isinstance(error, GeneratorExit):
            await _roll_back(link)
        raise
    if owns:
        await link.call([], sync=True)
        await relay.run_quietly(link, "COMMIT")


async def _roll_back(link: Link) -> None:
    if link.series_open:
        await link.call([], sync=True)
    if link.status != "idle":
        await relay.run_quietly(link, "ROLLBACK")


async def _steps(session: Session, link: Link, plan: JoinPlan, portal: Portal, described: Described) -> m.Bind:
    """The Bind of the statement: the client's values as they came, then one value a computed column."""
    raw = portal.raw
    count = len(plan.parameter_types)
    codes = [*(raw.formats if len(raw.formats) == count else (raw.formats or (0,))[:1] * count)]
    values = list(raw.values)
    for step in plan.steps:
        columns = await _step(
            session, link, step, portal, described, m.Bind(formats=tuple(codes), values=tuple(values))
        )
        for parameter, column in zip(step.parameters, columns, strict=True):
            values.append(encode_parameter(parameter, column))
            codes.append(1)
    return m.Bind(formats=tuple(codes), values=tuple(values), result_formats=portal.result_formats)


async def _step(
    session: Session, link: Link, step: Fold | Lookup, portal: Portal, described: Described, bind: m.Bind
) -> Sequence[Column]:
    if isinstance(step, Fold):
        return run_node(session, step.source, portal.values)
    arguments = await _collect(link, step, described, bind)
    registry = session.frontend.services.registry
    scores = predict_columns(step.model, arguments, [one.type for one in step.arguments], step.output, portal.values,
                             registry, as_of=as_of(session))  # fmt: skip
    return [*arguments, scores]


async def _collect(link: Link, step: Lookup, described: Described, bind: m.Bind) -> list[Column]:
    """The distinct argument rows of a Lookup."""
    name = link.new_name()
    used = len(bind.values)
    frames = await link.call(
        [
            m.Parse(statement=name, text=step.collect, oids=described.oids[:used]),
            replace(bind, portal=name, statement=name, result_formats=(1,)),
            # One more than allowed shows that there are too many, and no more of them travel.
            m.Execute(portal=name, row_limit=LOOKUP_ROWS_MAX + 1),
            m.Close(target="statement", name=name),
        ],
        sync=False,
    )
    columns = decode_rows([frame.raw for frame in frames if frame.kind == b"D"], [c.type for c in step.arguments])
    if columns and len(columns[0]) > LOOKUP_ROWS_MAX:
        raise FlinkmsError(
            PROGRAM_LIMIT_EXCEEDED,
            f"the model is called with more than {LOOKUP_ROWS_MAX} different rows",
            hint="Restrict the rows with WHERE, or score the table with a job: INSERT INTO … SELECT predict(…).",
        )
    return columns


def encode_parameter(parameter: ResultParameter, column: Column) -> bytes | None:
    """A computed column as the binary value of its parameter."""
    if not parameter.many:
        return encode_column(column, parameter.type, 1)[0]
    if parameter.type.is_array:
        texts = np.empty(len(column), dtype=object)
        texts[:] = [None if text is None else text.decode() for text in encode_column(column, parameter.type, 0)]
        return encode_array(Column(texts, column.valid), SqlType.STRING)
    return encode_array(column, parameter.type)


def run_show(session: Session, plan: ShowPlan, portal: Portal, row_limit: int) -> Awaitable[None]:
    """Run a query of ours on the control database; its rows go to the client."""
    return _run_show(session, plan, portal, row_limit)


async def _run_show(session: Session, plan: ShowPlan, portal: Portal, row_limit: int) -> None:
    link = await relay.ensure_link(session)
    if portal.suspended is not None:
        await relay.go_on(link, portal.suspended, row_limit)
        return
    owns = link.status == "idle" and not link.series_open
    values = tuple(argument.encode() for argument in plan.arguments)
    portal.suspended = await relay.run_statement(
        link,
        text=sqlfiles.load(plan.query),
        oids=(oids.TEXT,) * len(values),
        bind=m.Bind(values=values, result_formats=portal.result_formats),
        row_limit=row_limit,
    )
    if owns and portal.suspended is None:
        await link.call([], sync=True)
