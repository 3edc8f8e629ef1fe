"""The pieces of SQL that stand in for a model call.

Built of fixed words, names that this file makes or quotes, parameter numbers, type names from ``types``, and verbatim
slices of the user's statement; never of a value: values travel as parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql.query.lexer import quote_name
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import ResultParameter


def scalar(parameter: ResultParameter, name: str) -> str:
    """One computed value; a scalar subquery, so that the output column is named after the function."""
    return f"(SELECT CAST(${parameter.number} AS {parameter.postgres_type}) AS {quote_name(name)})"


def rows(parameters: Sequence[ResultParameter], columns: Sequence[OutputColumn], *, ordinality: bool) -> str:
    """Computed rows as a table in FROM, in their order."""
    names = [quote_name(column.name) for column in columns]
    shown = ", ".join(f"r.{name}" for name in names) + (", r.flinkms_row AS ordinality" if ordinality else "")
    return (
        f"(SELECT {shown} FROM unnest({_arrays(parameters)}) WITH ORDINALITY AS r({', '.join(names)}, flinkms_row)"
        " ORDER BY r.flinkms_row)"
    )


def _arrays(parameters: Sequence[ResultParameter]) -> str:
    return ", ".join(f"CAST(${parameter.number} AS {parameter.postgres_type})" for parameter in parameters)


def converted(argument: str, column: OutputColumn) -> str:
    """An argument of a call, of the type the model declares."""
    return f"CAST({argument} AS {column.type.value.postgres})"


def collect(ctes: str, arguments: Sequence[str], columns: Sequence[OutputColumn], source: str, where: Sequence[str]) -> str:
    """The distinct arguments of a call over the rows it would be called for; rows with a NULL need no prediction."""
    values = [converted(argument, column) for argument, column in zip(arguments, columns, strict=True)]
    shown = ", ".join(f"{value} AS {quote_name(column.name)}" for value, column in zip(values, columns, strict=True))
    conditions = [f"({condition})" for condition in where] + [f"{value} IS NOT NULL" for value in values]
    return f"{ctes}SELECT DISTINCT {shown}{source} WHERE {' AND '.join(conditions)}"


def lookup(
    alias: str, parameters: Sequence[ResultParameter], arguments: Sequence[str], columns: Sequence[OutputColumn],
    output: OutputColumn, score: str,
) -> str:  # fmt: skip
    """The joins that find a call's score by its arguments; it is ``alias.score``, with the name given as ``score``.

    The first join may find nothing: then an argument is NULL and so is the score, or the rows are not those that were
    collected (they changed meanwhile, or are chosen at random), which is an error and never a wrong answer.
    """
    names = [f"flinkms_{place}" for place in range(1, len(columns) + 1)]
    values = [converted(argument, column) for argument, column in zip(arguments, columns, strict=True)]
    matches = " AND ".join(
        f"{converted(f'l.{name}', column) if column.type.is_array else f'l.{name}'} = {value}"
        for name, value, column in zip(names, values, columns, strict=True)
    )
    nulls = " OR ".join(f"{value} IS NULL" for value in values)
    # Through text, because a double precision is not cast to every type that an answer can have.
    missing = f"CAST(CAST(flinkms.missing_prediction() AS text) AS {output.type.value.postgres})"
    return (
        f" LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest({_arrays(parameters)})"
        f" AS l({', '.join(names)}, flinkms_score) WHERE {matches}) AS {alias}_row ON true"
        f" CROSS JOIN LATERAL (SELECT CASE WHEN {alias}_row.flinkms_1 IS NOT NULL OR {nulls}"
        f" THEN {alias}_row.flinkms_score ELSE {missing} END AS {score}) AS {alias}"
    )
