"""Runs a tree of nodes: vectorized, on the caller's thread, in steps that are short.

Must not know sessions, sockets or clocks: the time is an argument. Each node becomes whole columns; a model is asked
for STEP_ROWS rows of a Predict node at a time. Between two steps whoever drives them may do something else, or stop for
good: nothing has happened then. What cannot be cut into steps is handed to the driver to be run wherever it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timezone, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import numpy as np

from flinkms_sql import errors
from flinkms_sql.catalog.address import ModelAddress, parse_address
from flinkms_sql.engine import rows
from flinkms_sql.engine.columns import Value, column_of, convert, elements_column, pad, repeat, take
from flinkms_sql.engine.registry import LoadedVersion, Registry, effective
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.nodes import (
    ColumnRef,
    Constant,
    Filter,
    GenerateSeries,
    Limit,
    Literal,
    Model,
    Node,
    Now,
    OutputColumn,
    Parameter,
    Predict,
    Project,
    RecommendScan,
    Scalar,
    SimilarScan,
    Single,
    Sort,
    Unnest,
    ValuesList,
    Widened,
)
from flinkms_sql.query.plan import ModelPlan
from flinkms_sql.query.values import from_number
from flinkms_sql.types import SqlType
from udfs.answers import answered
from udfs.block import Column, concatenated
from udfs.model import ArgumentError

STEP_ROWS = 16_384
"""Rows that are predicted, or made of values, in one step: some milliseconds, in which nobody else is served."""

T = TypeVar("T")
Apart = Callable[[], Any]
"""Work on nothing but its own arguments, which may be done in another thread."""
Steps = Generator[Apart | None, Any, T]
"""Yields None between two steps, or work that is done apart, whose result is sent back."""

SERIES_ROWS_MAX = 10_000_000
"""Rows of one generate_series: 80 MB a column, some seconds of prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Rows of a plan, column by column; ``types`` are the types of the columns."""

    columns: tuple[Column, ...]
    types: tuple[SqlType, ...]
    row_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all nodes of one run share. A version is resolved once, so that a statement reads one version."""

    parameters: Sequence[Value]
    registry: Registry
    now: int
    zone: tzinfo
    as_of: int | None
    resolved: dict[ModelAddress, LoadedVersion]

    def value(self, constant: Constant) -> Value:
        match constant:
            case Literal():
                return constant.value  # type: ignore[return-value]  # nodes.Literal lists what it can be
            case Parameter():
                value = self.parameters[constant.number - 1]
                if isinstance(value, Decimal) and constant.type is not SqlType.STRING:
                    return from_number(value, constant.type, cast=True, position=constant.position)  # type: ignore[return-value]
                return value
            case Now():
                return self.now
            case Widened(constant=given, type=kind):
                value = self.value(given)
                converted = convert(column_of([value], given.type), given.type, kind, self.zone)
                return None if value is None else converted.values[0].item()

    def version(self, model: Model, types: Sequence[SqlType | None]) -> LoadedVersion | None:
        """The version a call means, whose inputs have ``types``; None for a NULL parameter."""
        address = model
        if isinstance(address, Parameter):
            text = self.value(address)
            if text is None:
                return None
            address = parse_address(str(text), position=address.position)
        address = effective(address, self.as_of)
        if address not in self.resolved:
            self.resolved[address] = self.registry.resolve(address)
        found = self.resolved[address]
        found.check(types, model.position if isinstance(model, Parameter) else None)
        return found


@dataclass(frozen=True, slots=True)
class _Rows:
    count: int
    columns: tuple[Column, ...]


def run(
    plan: ModelPlan, parameters: Sequence[Value], registry: Registry, *, now: int = 0, zone: tzinfo = timezone.utc,
    as_of: int | None = None,
) -> Result:  # fmt: skip
    """The rows of a plan, at once. ``parameters`` are the values of $1, $2, …; ``now`` and ``as_of`` are microseconds UTC;
    ``zone`` is meant where a timestamp has no offset.

    Raises FlinkmsError: 42704, 55000 for a model that cannot answer, 22023 for an argument it refuses.
    """
    return at_once(run_node(plan.root, parameters, registry, now=now, zone=zone, as_of=as_of))


def at_once(steps: Steps[T]) -> T:
    """What steps give, all done here and now."""
    result = None
    try:
        while True:
            apart = steps.send(result)
            result = None if apart is None else apart()
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # of the generator's own type


def run_node(
    node: Node, parameters: Sequence[Value], registry: Registry, *, now: int = 0, zone: tzinfo = timezone.utc,
    as_of: int | None = None,
) -> Steps[Result]:  # fmt: skip
    """The rows of a node: what a StreamInsertPlan appends, what a Fold's parameters carry."""
    shared = _Run(parameters=parameters, registry=registry, now=now, zone=zone, as_of=as_of, resolved={})
    found = yield from _run(node, shared)
    return Result(columns=found.columns, types=tuple(column.type for column in node.columns), row_count=found.count)


def predict_columns(
    model: Model, arguments: Sequence[Column], types: Sequence[SqlType], output: OutputColumn,
    parameters: Sequence[Value], registry: Registry, *, as_of: int | None = None,
) -> Steps[Column]:  # fmt: skip
    """One score for each row of the argument columns, which have ``types``, those of the model's inputs: a Lookup's."""
    shared = _Run(parameters=parameters, registry=registry, now=0, zone=timezone.utc, as_of=as_of, resolved={})
    version = shared.version(model, types)
    return (yield from _predict(version, arguments, output, len(arguments[0]) if arguments else 1, ()))


def _run(node: Node, shared: _Run) -> Steps[_Rows]:
    match node:
        case Single():
            return _Rows(1, ())
        case ValuesList():
            return (yield from _values(node, shared))
        case Unnest():
            return (yield from _unnest(node, shared))
        case GenerateSeries():
            return _series(node, shared)
        case RecommendScan() | SimilarScan():
            return _ranking(node, shared)
        case Predict():
            below = yield from _run(node.input, shared)
            arguments = yield from _scalars(node.arguments, node.input.columns, below, shared)
            positions = tuple(one.position for one in node.arguments)
            version = shared.version(node.model, [one.type for one in node.arguments])
            score = yield from _predict(version, arguments, node.column, below.count, positions)
            return _Rows(below.count, (*below.columns, score))
        case Filter():
            below = yield from _run(node.input, shared)
            kind = node.column.type
            operand = column_of([shared.value(node.operand)], kind)
            chosen = rows.matches(below.columns[node.column.index], node.operator, operand)
            return (yield from _take(below, np.flatnonzero(chosen)))
        case Sort():
            below = yield from _run(node.input, shared)
            keys = [(below.columns[key.column.index], key.descending, key.nulls_first) for key in node.keys]
            found = rows.order(keys) if below.count <= STEP_ROWS else (yield partial(rows.order, keys))
            return (yield from _take(below, found))
        case Limit():
            return (yield from _limit(node, shared))
        case Project():
            below = yield from _run(node.input, shared)
            return _Rows(below.count, (yield from _scalars(node.outputs, node.input.columns, below, shared)))


def _pause(count: int) -> Steps[None]:
    """The end of a step, when it had many rows."""
    if count > STEP_ROWS:
        yield None


def _take(below: _Rows, chosen: np.ndarray) -> Steps[_Rows]:
    columns = []
    for column in below.columns:
        yield from _pause(below.count)
        columns.append(take(column, chosen))
    return _Rows(len(chosen), tuple(columns))


def _scalars(
    scalars: Sequence[Scalar], columns: tuple[OutputColumn, ...], below: _Rows, shared: _Run
) -> Steps[tuple[Column, ...]]:
    found = []
    for scalar in scalars:
        yield from _pause(below.count)
        found.append(_scalar(scalar, columns, below, shared))
    return tuple(found)


def _scalar(scalar: Scalar, columns: tuple[OutputColumn, ...], below: _Rows, shared: _Run) -> Column:
    if isinstance(scalar, ColumnRef):
        return convert(below.columns[scalar.index], columns[scalar.index].type, scalar.type, shared.zone)
    return repeat(shared.value(scalar), scalar.type, below.count)


def _values(node: ValuesList, shared: _Run) -> Steps[_Rows]:
    columns = []
    for at, column in enumerate(node.columns):
        yield from _pause(len(node.rows))
        columns.append(column_of([shared.value(row[at]) for row in node.rows], column.type))
    return _Rows(len(node.rows), tuple(columns))


def _unnest(node: Unnest, shared: _Run) -> Steps[_Rows]:
    found = []
    for array, column in zip(node.arrays, node.columns):
        found.append(elements_column(shared.value(array), column.type))
        yield from _pause(len(found[-1]))
    count = max((len(column) for column in found), default=0)
    columns = tuple(pad(column, count) for column in found)
    if node.with_ordinality:
        columns += (Column(np.arange(1, count + 1, dtype=np.int64)),)
    return _Rows(count, columns)


def _series(node: GenerateSeries, shared: _Run) -> _Rows:
    kind = node.columns[0].type
    start, stop, step = (shared.value(one) for one in (node.start, node.stop, node.step))
    if not (isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)):  # one of them is NULL
        return _Rows(0, (column_of([], kind),))
    if step == 0:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "step size cannot equal zero", position=node.step.position)
    count = max(0, (stop - start) // step + 1)
    if count > SERIES_ROWS_MAX:
        raise FlinkmsError(errors.PROGRAM_LIMIT_EXCEEDED, f"generate_series of {count} rows is longer than {SERIES_ROWS_MAX}",
                           position=node.start.position)  # fmt: skip
    return _Rows(count, (Column((start + step * np.arange(count, dtype=np.int64)).astype(kind.value.dtype)),))


def _ranking(node: RecommendScan | SimilarScan, shared: _Run) -> _Rows:
    key, k = shared.value(node.key), shared.value(node.k)
    item = node.columns[0].type
    recommends = isinstance(node, RecommendScan)
    version = shared.version(node.model, (node.key.type, item) if recommends else (None, item))
    if version is None or key is None or k is None:
        return _Rows(0, (column_of([], item), column_of([], SqlType.DOUBLE)))
    what = "recommend" if recommends else "similar"
    if version.recommender is None:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f'model "{version.name}" has no {what}')
    if not isinstance(k, int) or k < 0:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"{what} of a negative number of rows",
                           position=node.k.position)  # fmt: skip
    try:
        if recommends:
            keys, scores = version.recommender.recommend(version.view, key, k)
        else:
            keys, scores = version.recommender.similar(version.view, key, k)
    except ArgumentError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=node.key.position) from error
    if item is not SqlType.STRING:
        keys = keys.astype(item.value.dtype, copy=False)
    return _Rows(len(keys), (Column(keys), Column(scores)))


def _predict(
    version: LoadedVersion | None, arguments: Sequence[Column], output: OutputColumn, count: int,
    positions: tuple[int, ...],
) -> Steps[Column]:  # fmt: skip
    if version is None:
        return repeat(None, output.type, count)
    if count == 0:
        return column_of([], output.type)
    if count <= STEP_ROWS:
        return _scores(version, arguments, output, positions)
    parts = []
    for start in range(0, count, STEP_ROWS):
        yield None
        parts.append(_scores(version, [column.part(start, start + STEP_ROWS) for column in arguments], output, positions))
    return concatenated(parts)


def _scores(
    version: LoadedVersion, arguments: Sequence[Column], output: OutputColumn, positions: tuple[int, ...]
) -> Column:
    try:
        scores = version.model.predict(version.view, arguments)
    except ArgumentError as error:
        at = error.argument
        position = positions[at] if at is not None and at < len(positions) else None
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=position) from error
    return answered(scores, output.type.name, version.view.classes)


def _limit(node: Limit, shared: _Run) -> Steps[_Rows]:
    below = yield from _run(node.input, shared)
    count = _count(node.count, shared, errors.INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative")
    offset = _count(node.offset, shared, errors.INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET must not be negative")
    end = below.count if count is None else min((offset or 0) + count, below.count)
    return (yield from _take(below, np.arange(min(offset or 0, below.count), end)))


def _count(constant: Constant | None, shared: _Run, sqlstate: str, message: str) -> int | None:
    value = None if constant is None else shared.value(constant)
    if constant is None or value is None:
        return None
    if not isinstance(value, int) or value < 0:
        raise FlinkmsError(sqlstate, message, position=constant.position)
    return value
