"""Model calls inside relational statements: PostgreSQL runs them, and we prepare them.

Must not know how such a statement was rewritten. The steps of a RewrittenPlan are run in order: the engine computes
what is constant (Fold) or what belongs to rows that PostgreSQL collects (Lookup); both travel back as array parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flinkms_sql import errors
from flinkms_sql.engine.execute import predict_columns
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import oids, server_messages
from flinkms_sql.pgwire.columns import encode_array, encode_column
from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.rows import decode_rows
from flinkms_sql.query.plan import LOOKUP_ROWS_MAX, Fold, Lookup, ResultParameter, RewrittenPlan
from flinkms_sql.server import relay
from flinkms_sql.server.context import Context
from flinkms_sql.server.link import Link
from flinkms_sql.server.names import Described, Portal
from flinkms_sql.server.run.evaluation import columns_of, finished
from flinkms_sql.types import SqlType
from udfs.block import Column

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_ARRAY_OIDS = {element: array for array, element in oids.ELEMENTS.items()}


async def describe(context: Context, plan: RewrittenPlan, declared: Sequence[int]) -> Described:
    """Have PostgreSQL describe the rewritten statement. Raises FlinkmsError."""
    link = await context.transaction.connect()
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
        match server_messages.decode(frame):
            case m.ParameterDescription(oids=found):
                parameters = found
            case m.RowDescription(fields=found):
                fields = found
    return Described(oids=parameters, fields=fields)


def parameter_types(plan: RewrittenPlan, declared: Sequence[int]) -> tuple[int, ...]:
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


async def run(context: Context, plan: RewrittenPlan, portal: Portal, row_limit: int) -> None:
    """Run the steps, then the statement, whose rows go to the client. Raises FlinkmsError."""
    link = await context.transaction.connect()
    if portal.suspended is not None:
        await relay.go_on(link, portal.suspended, row_limit)
        return
    described = portal.prepared.described
    assert described is not None
    context.transaction.ran()  # functions of the client's may be run
    # All collects and the statement must see the same rows.
    owns = link.status == "idle" and not link.series_open
    if owns:
        await relay.begin_hidden(context.transaction, _BEGIN)
    try:
        bind = await _steps(context, link, plan, portal, described)
        portal.suspended = await relay.run_statement(
            link, text=plan.statement, oids=described.oids, bind=bind, row_limit=row_limit, fields=described.fields
        )
    except BaseException as error:
        if owns and not isinstance(error, GeneratorExit):
            await relay.end_series(link)
            await relay.end_hidden(context.transaction, commits=False)
        raise
    if owns and portal.suspended is None:  # else the client's Sync ends it
        await relay.end_series(link)
        await relay.end_hidden(context.transaction, commits=True)


async def _steps(context: Context, link: Link, plan: RewrittenPlan, portal: Portal, described: Described) -> m.Bind:
    """The Bind of the statement: the client's values as they came, then one value a computed column."""
    raw = portal.raw
    count = len(plan.parameter_types)
    codes = [*(raw.formats if len(raw.formats) == count else (raw.formats or (0,))[:1] * count)]
    values = list(raw.values)
    for step in plan.steps:
        columns = await _step(
            context, link, step, portal, described, m.Bind(formats=tuple(codes), values=tuple(values))
        )
        for parameter, column in zip(step.parameters, columns, strict=True):
            values.append(encode_parameter(parameter, column))
            codes.append(1)
    return m.Bind(formats=tuple(codes), values=tuple(values), result_formats=portal.result_formats)


async def _step(
    context: Context, link: Link, step: Fold | Lookup, portal: Portal, described: Described, bind: m.Bind
) -> Sequence[Column]:
    if isinstance(step, Fold):
        return await finished(context, columns_of(context, step.source, portal.values))
    arguments = await _collect(link, step, described, bind)
    scores = predict_columns(step.model, arguments, [one.type for one in step.arguments], step.output,
                             portal.values, context.services.registry, as_of=context.transaction.as_of)  # fmt: skip
    return [*arguments, await finished(context, scores)]


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
            errors.PROGRAM_LIMIT_EXCEEDED,
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
