"""recommend and similar over constants -> arrays that hold their rows, as a table."""

from __future__ import annotations

from flinkms_sql.query.bind import K_DEFAULT
from flinkms_sql.query.lexer import Kind
from flinkms_sql.query.nodes import Literal, RecommendScan, SimilarScan
from flinkms_sql.query.plan import Fold
from flinkms_sql.query.rewrite import fragments
from flinkms_sql.query.rewrite.context import Context, Rewritten
from flinkms_sql.query.rewrite.edits import Edit
from flinkms_sql.query.scopes import Call
from flinkms_sql.types import SqlType

_NOT_AN_ALIAS = (
    "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "WHERE", "GROUP", "ORDER", "LIMIT", "ON", "USING",
    "HAVING", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "FETCH", "OFFSET", "FOR", "RETURNING", "TABLESAMPLE",
)  # fmt: skip


def fold_table(call: Call, context: Context) -> Rewritten | None:
    """``recommend('rec', 42, 10) r`` becomes a subquery over ``unnest($1, $2)``, named r as before."""
    if call.function == "predict" or not call.in_from:
        return None
    bound = context.bind(call)
    arguments = context.bind_constants(call, bound)
    if arguments is None:
        return None
    default = Literal(value=K_DEFAULT, type=SqlType.BIGINT, position=bound.position)
    key, k = (*arguments, default)[:2]
    node = RecommendScan if call.function == "recommend" else SimilarScan
    source = node(model=bound.model, key=key, k=k, columns=bound.columns)
    parameters = context.add_parameters([column.type for column in bound.columns], many=True)
    tokens, end = context.tokens, call.end
    words = [token.word for token in tokens[end : end + 2]]
    ordinality = words == ["WITH", "ORDINALITY"]
    end += 2 if ordinality else 0
    table = fragments.rows(parameters, bound.columns, ordinality=ordinality)
    if not _has_alias(context, end):
        table += f" AS {call.function}"
    edit = Edit(tokens[call.start].start, tokens[end - 1].end, table)
    return Rewritten(step=Fold(source=source, parameters=parameters), edits=(edit,))


def _has_alias(context: Context, at: int) -> bool:
    if at >= len(context.tokens):
        return False
    token = context.tokens[at]
    return token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.word not in _NOT_AN_ALIAS)
