"""predict over constants -> a parameter that holds the prediction."""

from __future__ import annotations

from flinkms_sql.query.nodes import Predict, Single
from flinkms_sql.query.plan import Fold
from flinkms_sql.query.rewrite import fragments
from flinkms_sql.query.rewrite.context import Context, Rewritten
from flinkms_sql.query.rewrite.edits import Edit
from flinkms_sql.query.scopes import Call


def fold_predict(call: Call, context: Context) -> Rewritten | None:
    """``predict('rec', 42, 7)`` becomes ``(SELECT CAST($1 AS double precision) AS "predict")``."""
    if call.function != "predict" or call.in_from:
        return None
    bound = context.bind(call)
    arguments = context.bind_constants(call, bound)
    if arguments is None:
        return None
    output = bound.columns[0]
    source = Predict(input=Single(), model=bound.model, arguments=arguments, column=output)
    parameters = context.add_parameters([output.type], many=False)
    tokens = context.tokens
    edit = Edit(tokens[call.start].start, tokens[call.end - 1].end, fragments.scalar(parameters[0], output.name))
    return Rewritten(step=Fold(source=source, parameters=parameters), edits=(edit,))
