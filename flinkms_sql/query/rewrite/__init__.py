"""A relational statement with model calls -> steps that answer the calls, and a statement PostgreSQL can run.

One rule a file; a rule is a function of one call that gives a step and edits, or None where it does not apply. The
first rule that applies is taken. Folds come first, for they need no rows; then the lookups, in the order in which
their SELECTs end, for a SELECT only reads from those that end before it.
"""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.constants import Parameters, count_parameters
from flinkms_sql.query.lexer import Kind, Token, name_value
from flinkms_sql.query.limits import refuse_calls
from flinkms_sql.query.plan import Fold, Lookup, RewrittenPlan
from flinkms_sql.query.rewrite.context import Context
from flinkms_sql.query.rewrite.edits import apply_edits
from flinkms_sql.query.rewrite.fold_predict import fold_predict
from flinkms_sql.query.rewrite.fold_table import fold_table
from flinkms_sql.query.rewrite.lookup_predict import lookup_predict, replace_call
from flinkms_sql.query.scopes import Call, Structure
from flinkms_sql.query.signatures import CatalogView

FOLDS = (fold_table, fold_predict)
LOOKUPS = (lookup_predict,)
RULES = FOLDS + LOOKUPS


def plan_rewritten(
    text: str, tokens: list[Token], structure: Structure, catalog: CatalogView, parameters: Parameters
) -> RewrittenPlan:
    """The plan of a relational statement with model calls. Raises FlinkmsError, 0A000 for what cannot be rewritten."""
    _refuse_statement(tokens, structure)
    count = count_parameters(tokens, parameters.declared)
    context = Context(text=text, tokens=tokens, catalog=catalog, parameters=parameters, next_number=count + 1)
    steps: list[Fold | Lookup] = []
    over_rows: list[Call] = []
    for call in structure.calls:
        _refuse_place(call, context)
        folded = next((found for rule in FOLDS if (found := rule(call, context)) is not None), None)
        if folded is None:
            over_rows.append(call)
        else:
            steps.append(folded.step)
            context.edits += folded.edits
    refuse_calls([tokens[call.start] for call in over_rows])
    context.lookup_starts = {call.start for call in over_rows}
    steps += _look_up(over_rows, context)
    return RewrittenPlan(steps=tuple(steps), statement=apply_edits(text, context.edits).strip(),
                    parameter_types=parameters.types(count))  # fmt: skip


_VALUES = ("NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER")


def _look_up(calls: list[Call], context: Context) -> list[Lookup]:
    """Steps for calls over rows; the same call written twice in one SELECT is answered once."""
    steps: list[Lookup] = []
    known: dict[tuple[int, tuple[str, ...]], str] = {}
    for call in sorted(calls, key=lambda call: (call.scope.end if call.scope else 0, call.start)):
        key = (id(call.scope), tuple(token.text for token in context.tokens[call.start : call.end]))
        if key in known:
            context.edits.append(replace_call(call, known[key], context))
            continue
        _refuse_outer(call, context)
        found = next((found for rule in LOOKUPS if (found := rule(call, context)) is not None), None)
        if found is None or not isinstance(found.step, Lookup):
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                f"the arguments of {call.function} must be constants",
                hint="Write literals or parameters.",
                position=context.position(call.start),
            )
        known[key] = f"flinkms_lookup_{context.lookups}"
        steps.append(found.step)
        context.edits += found.edits
    return steps


def _refuse_outer(call: Call, context: Context) -> None:
    """A SELECT without FROM has no columns: names in a call in it are columns of one around it."""
    scope, tokens = call.scope, context.tokens
    if scope is None or scope.start == 0 or "FROM" in scope.clauses or call.in_from:
        return
    named = any(
        name_value(tokens[at]) is not None and tokens[at].word not in _VALUES
        and tokens[at + 1].word not in ("(", "[") and tokens[at + 1].kind is not Kind.STRING and tokens[at - 1].word not in ("::", "AS")
        for first, last in call.arguments[1:] for at in range(first, last)
    )  # fmt: skip
    if named:
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED, f"the arguments of {call.function} are columns of a SELECT around its own",
            hint="Call it in the SELECT whose FROM has them.", position=context.position(call.start),
        )


def _refuse_statement(tokens: list[Token], structure: Structure) -> None:
    """Statements that cannot carry parameters, or would outlive the prediction."""
    words = [token.word for token in tokens[:6]]
    position = tokens[structure.calls[0].start].position
    if words[0] == "CREATE" and ("VIEW" in words or "TABLE" not in words):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a model call cannot be stored in a view",
                           hint="CREATE TABLE … AS stores the predictions themselves.", position=position)  # fmt: skip
    if words[0] in ("COPY", "PREPARE"):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"a model call in {words[0]} is not supported",
                           hint="Prepare in the protocol, or run the query by itself.", position=position)  # fmt: skip


def _refuse_place(call: Call, context: Context) -> None:
    """Calls where neither a value nor a join can stand."""
    position = context.position(call.start)
    if call.outer is not None:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a model call as argument of another is not supported",
                           hint="Call the inner model in a subquery.", position=position)  # fmt: skip
    if call.function == "predict" and call.in_from:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "predict gives a value, not a table",
                           hint="Call it in the list of a SELECT.", position=position)  # fmt: skip
    if call.function != "predict" and not call.in_from:
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            f"{call.function} gives a table, not a value",
            hint=f"Call it in FROM: SELECT * FROM {call.function}(…).",
            position=position,
        )
