"""Parameters: their types when a statement is parsed, their values and result formats when one is bound.

Must not know how a plan is run, nor who keeps the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import oids, parameters
from flinkms_sql.pgwire.messages import Bind
from flinkms_sql.pgwire.parameters import Value
from flinkms_sql.query.nodes import ValuesList
from flinkms_sql.query.plan import Plan, RelayPlan, RewrittenPlan, StreamInsertPlan
from flinkms_sql.server.names import Prepared
from flinkms_sql.types import SqlType


def parameter_oids(plan: Plan, declared: Sequence[int]) -> tuple[int, ...]:
    """The types to describe and decode parameters by: what the client declared, else what the plan found.

    Raises FlinkmsError 42P18 when neither says.
    """
    count = max(len(plan.parameter_types), len(declared))
    found: list[int] = []
    for number in range(count):
        oid = declared[number] if number < len(declared) else oids.UNSPECIFIED
        if oid in (oids.UNSPECIFIED, oids.UNKNOWN):
            kind = plan.parameter_types[number] if number < len(plan.parameter_types) else None
            if kind is None:
                raise FlinkmsError(errors.INDETERMINATE_DATATYPE, f"could not determine data type of parameter ${number + 1}")
            oid = kind.value.oid
        found.append(oid)
    return tuple(found)


_WIDENED: dict[int, tuple[SqlType, ...]] = {
    oids.NUMERIC: (SqlType.FLOAT, SqlType.DOUBLE),
    1231: (SqlType.FLOAT_ARRAY, SqlType.DOUBLE_ARRAY),
    1005: (SqlType.INT_ARRAY, SqlType.BIGINT_ARRAY, SqlType.FLOAT_ARRAY, SqlType.DOUBLE_ARRAY),
}
"""Types that are no column's, but that PostgreSQL converts by itself: psycopg sends short lists as smallint[]."""


_STORED = (SqlType.SMALLINT, SqlType.INT, SqlType.BIGINT)
"""Types of columns that numeric is not converted to unasked, but when it is stored."""


def planned_oids(declared: tuple[int, ...]) -> tuple[int, ...]:
    """The types a statement is planned with."""
    return tuple(oids.UNSPECIFIED if oid in _WIDENED else oid for oid in declared)


def planned(plan_with: Callable[[tuple[int, ...]], Plan], declared: tuple[int, ...]) -> Plan:
    """The plan for the declared types; those that only convert to a column's type are left for the plan to decide.

    Raises FlinkmsError when it has decided for a type they do not convert to: 42804 where they are stored, 42883 where
    they are an argument.
    """
    widened = [number for number, oid in enumerate(declared) if oid in _WIDENED]
    plan = plan_with(planned_oids(declared))
    if not widened:
        return plan
    if isinstance(plan, RewrittenPlan | RelayPlan):
        return plan
    stores = isinstance(plan, StreamInsertPlan) and isinstance(plan.source, ValuesList)
    for number in widened:
        kind = plan.parameter_types[number] if number < len(plan.parameter_types) else None
        if stores and declared[number] == oids.NUMERIC and kind in _STORED:
            continue
        if kind is not None and kind not in _WIDENED[declared[number]]:
            raise FlinkmsError(
                errors.DATATYPE_MISMATCH if stores else errors.UNDEFINED_FUNCTION,
                f"parameter ${number + 1} must be of type {kind.value.postgres}, not {oids.type_name(declared[number])}",
            )
    return plan


def bound_values(prepared: Prepared, bind: Bind, zone: tzinfo) -> tuple[Value, ...]:
    """The values of a Bind, by the statement's types. Raises FlinkmsError."""
    if len(bind.values) != len(prepared.oids):
        raise FlinkmsError(
            errors.PROTOCOL_VIOLATION,
            f"bind message supplies {len(bind.values)} parameters, "
            f'but prepared statement "{prepared.name}" requires {len(prepared.oids)}',
        )
    codes = spread(bind.formats, len(bind.values))
    return tuple(
        parameters.decode(value, code, oid, zone)
        for value, code, oid in zip(bind.values, codes, prepared.oids, strict=True)
    )


def spread(formats: Sequence[int], count: int) -> tuple[int, ...]:
    """One format code a value: none means text for all, one stands for all."""
    if len(formats) == count:
        return tuple(formats)
    return (formats[0] if formats else 0,) * count


def result_formats(bind: Bind, count: int) -> tuple[int, ...]:
    """One format code a result column. Raises FlinkmsError 08P01 when the message does not fit."""
    if len(bind.result_formats) > 1 and len(bind.result_formats) != count:
        raise FlinkmsError(
            errors.PROTOCOL_VIOLATION,
            f"bind message has {len(bind.result_formats)} result formats but query has {count} columns",
        )
    return spread(bind.result_formats, count)
