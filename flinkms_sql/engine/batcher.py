"""Point predictions of concurrent requests, answered together: what arrives in one turn of the event loop is one
vectorized call for each version.

Must not know sockets or sessions. It adds no wait: the flush runs as soon as the loop has read what has arrived.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from flinkms_sql import errors
from flinkms_sql.catalog.address import ModelAddress, parse_address
from flinkms_sql.engine.columns import Value, column_of
from flinkms_sql.engine.registry import LoadedVersion, Registry, effective
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.nodes import Literal, Parameter
from flinkms_sql.query.plan import PointPlan
from flinkms_sql.types import SqlType
from udfs.answers import answered
from udfs.block import Column
from udfs.model import ArgumentError

BATCH_ROWS_MAX = 1024
"""Rows of one vectorized call: about a millisecond, for which the event loop is held."""

LAYOUTS_MAX = 1024
"""Different lists of argument types that are remembered: as many as there are signatures of models."""

Done = Callable[[Value, Exception | None], None]
"""``done(value, None)`` or ``done(None, error)``; an error that is no FlinkmsError is a bug of a kernel's."""


class Layout:
    """The argument types of a call. Equal ones are one object, so that requests are grouped by identity.

    ``dtypes`` holds None for arrays and texts, which take the long way.
    """

    __slots__ = ("dtypes", "types")

    def __init__(self, types: tuple[SqlType, ...]) -> None:
        self.types = types
        plain = [kind.value.dtype != "O" and not kind.is_array for kind in types]
        self.dtypes = tuple(np.dtype(kind.value.dtype) if ok else None for kind, ok in zip(types, plain, strict=True))

    def columns(self, rows: list[Sequence[Value]]) -> list[Column]:
        """Rows of arguments as columns."""
        if len(rows) == 1:
            by_column: list[Sequence[Value]] = [(value,) for value in rows[0]]
        else:
            by_column = list(zip(*rows, strict=True))
        return [
            Column(np.array(values, dtype)) if dtype is not None and None not in values else column_of(values, kind)
            for values, dtype, kind in zip(by_column, self.dtypes, self.types, strict=True)
        ]


_layout = lru_cache(maxsize=LAYOUTS_MAX)(Layout)


class PreparedPoint:
    """A point plan made ready for many calls, under one setting of ``flinkms.as_of``.

    It remembers which version its address meant until the registry changes.
    """

    __slots__ = ("address", "double", "generation", "layout", "model_parameter", "places", "plan", "position",
                 "version")  # fmt: skip

    def __init__(self, plan: PointPlan, as_of: int | None = None) -> None:
        self.plan = plan
        self.layout = _layout(tuple(argument.type for argument in plan.arguments))
        self.double = plan.column.type is SqlType.DOUBLE
        self.generation = -1
        self.version: LoadedVersion | None = None
        self.model_parameter: int | None = None
        self.address: ModelAddress | None = None
        self.position = plan.model.position if isinstance(plan.model, Parameter) else None
        if isinstance(plan.model, Parameter):
            self.model_parameter = plan.model.number - 1
        else:
            self.address = effective(plan.model, as_of)
        places = [argument.number for argument in plan.arguments if isinstance(argument, Parameter)]
        straight = places == list(range(1, len(plan.arguments) + 1)) and self.model_parameter is None
        self.places = None if straight and len(places) == len(plan.parameter_types) else plan.arguments

    def arguments(self, parameters: Sequence[Value]) -> Sequence[Value]:
        """The values of the model's inputs; the parameters themselves where these are $1, $2, … in order."""
        if self.places is None:
            return parameters
        return tuple(
            parameters[place.number - 1] if isinstance(place, Parameter) else place.value  # type: ignore[misc]
            for place in self.places
        )

    def argument_position(self, at: int | None) -> int | None:
        """Position of an argument in the statement."""
        if at is None or at >= len(self.plan.arguments):
            return None
        argument = self.plan.arguments[at]
        return argument.position if isinstance(argument, (Literal, Parameter)) else None


_Request = tuple[PreparedPoint, Sequence[Value], Done, Value]
"""Point, arguments, whom to tell, and the model where it is a parameter. A plain tuple: one is made per request."""


class Batcher:
    """Collects requests and answers them in ``flush``, which ``call_soon`` (the event loop's) is asked to call."""

    def __init__(self, registry: Registry, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._registry = registry
        self._call_soon = call_soon
        self._waiting: list[_Request] = []

    def submit(self, point: PreparedPoint, parameters: Sequence[Value], done: Done) -> None:
        """Ask for one prediction; ``parameters`` are the values of $1, $2, …; ``done`` is called by ``flush``."""
        if not self._waiting:
            self._call_soon(self.flush)
        model = None if point.model_parameter is None else parameters[point.model_parameter]
        arguments = parameters if point.places is None else point.arguments(parameters)
        self._waiting.append((point, arguments, done, model))

    def flush(self) -> None:
        """Answer what has been submitted, at most ``BATCH_ROWS_MAX`` requests; the rest follows in the next turn."""
        requests, self._waiting = self._waiting, []
        if len(requests) > BATCH_ROWS_MAX:
            self._waiting = requests[BATCH_ROWS_MAX:]
            del requests[BATCH_ROWS_MAX:]
            self._call_soon(self.flush)
        generation = self._registry.generation
        groups: dict[tuple[LoadedVersion, Layout], list[_Request]] = {}
        for request in requests:
            point = request[0]
            version = point.version
            if point.generation != generation or version is None:
                version = self._resolve(request, generation)
                if version is None:
                    continue
            key = (version, point.layout)
            group = groups.get(key)
            if group is None:
                groups[key] = [request]
            else:
                group.append(request)
        for (version, layout), group in groups.items():
            _answer(version, layout, group)

    def _resolve(self, request: _Request, generation: int) -> LoadedVersion | None:
        """The version a request means; when it means none, the request is answered."""
        point, _arguments, done, model = request
        try:
            if point.address is not None:
                # The model may have become another since the statement was read.
                version = self._registry.resolve(point.address)
                version.check(point.layout.types, point.position)
                point.version, point.generation = version, generation
                return version
            if model is None:  # a NULL model predicts NULL
                done(None, None)
                return None
            version = self._registry.resolve(parse_address(str(model), position=point.position))
            version.check([argument.type for argument in point.plan.arguments], point.position)
            return version
        except FlinkmsError as error:
            done(None, error)
            return None


def _answer(version: LoadedVersion, layout: Layout, group: list[_Request]) -> None:
    """One prediction for a group; when it fails, each request by itself, so that one cannot fail the others."""
    try:
        values = _predict(version, layout, group)
    except Exception as error:  # noqa: BLE001 - whatever a kernel raises belongs to the request that caused it
        if len(group) == 1:
            point, _arguments, done, _model = group[0]
            done(None, _described(error, point))
            return
        for request in group:
            _answer(version, layout, [request])
        return
    for request, value in zip(group, values, strict=True):
        request[2](value, None)


def _predict(version: LoadedVersion, layout: Layout, group: list[_Request]) -> list[Value]:
    """One value a request. A lone request takes the model's shorter way, if it has one: the same bits."""
    point, arguments = group[0][:2]
    if len(group) == 1 and version.pointwise is not None and point.double and None not in arguments:
        value = version.pointwise.predict_one(version.view, arguments)  # type: ignore[arg-type]
        if value is not None:
            return [None if math.isnan(value) else value]  # as udfs.answers has it
    columns = layout.columns([request[1] for request in group])
    kind = point.plan.column.type.name
    scores = answered(version.model.predict(version.view, columns), kind, version.view.classes)
    values = scores.values.tolist()
    if scores.valid is not None:
        return [value if valid else None for value, valid in zip(values, scores.valid.tolist(), strict=True)]
    return values


def _described(error: Exception, point: PreparedPoint) -> Exception:
    if not isinstance(error, ArgumentError):
        return error
    return FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=point.argument_position(error.argument))
