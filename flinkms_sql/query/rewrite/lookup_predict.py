"""predict over rows of PostgreSQL's -> a join with the predictions of the distinct arguments, made beforehand."""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.bind import bind_argument
from flinkms_sql.query.cursor import split_commas
from flinkms_sql.query.lexer import name_value
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import Lookup
from flinkms_sql.query.rewrite import fragments
from flinkms_sql.query.rewrite.aliases import from_aliases
from flinkms_sql.query.rewrite.context import Context, Rewritten
from flinkms_sql.query.rewrite.edits import Edit
from flinkms_sql.query.scopes import CHANGES_DATA, Call, Scope


def lookup_predict(call: Call, context: Context) -> Rewritten | None:
    """``predict('rec', 42, item_id)`` becomes ``flinkms_lookup_1.predict``, joined at the end of its FROM clause."""
    if call.function != "predict":
        return None
    scope = _scope(call, context)
    bound = context.bind(call)
    for at, written in enumerate(context.constants(call)):
        if written is not None:
            bind_argument(written, at, bound, context.parameters)
    columns = tuple(OutputColumn(name=name, type=kind) for name, kind in bound.inputs)
    arguments = [context.source(first, last) for first, last in call.arguments[1:]]
    collect = fragments.collect(_ctes(scope, call, context), arguments, columns, _from(scope, context),
                                _kept_conditions(scope, context))  # fmt: skip
    output = bound.columns[0]
    context.lookups += 1
    alias = f"flinkms_lookup_{context.lookups}"
    parameters = context.add_parameters([*(column.type for column in columns), output.type], many=True)
    step = Lookup(model=bound.model, arguments=columns, output=output, collect=collect, parameters=parameters)
    join = fragments.lookup(alias, parameters, arguments, columns, output, score_name(context))
    return Rewritten(step=step, edits=(replace_call(call, alias, context), _join_edit(scope, join, context),
                                       *_star_edits(scope, context)))  # fmt: skip


def replace_call(call: Call, alias: str, context: Context) -> Edit:
    """The edit that reads a call's result from the lookup ``alias``."""
    name = score_name(context)
    label = " AS predict" if name != "predict" and _is_whole_output(call, context) else ""
    return Edit(context.tokens[call.start].start, context.tokens[call.end - 1].end, f"{alias}.{name}{label}")


def score_name(context: Context) -> str:
    """What the score's column is called: predict, so that PostgreSQL names outputs as for a function of that name;
    another name where the statement speaks of a column that is called predict."""
    tokens = context.tokens
    following = [*(token.word for token in tokens[1:]), ""]
    named = any(name_value(token) == "predict" and after != "(" for token, after in zip(tokens, following, strict=True))
    return "flinkms_predict" if named else "predict"


def _is_whole_output(call: Call, context: Context) -> bool:
    """Whether the call is an output by itself, without a name."""
    scope = call.scope
    outputs = split_commas(context.tokens, *scope.clauses["SELECT"]) if scope is not None else []
    return (call.start, call.end) in outputs


def _scope(call: Call, context: Context) -> Scope:
    """The SELECT whose rows the call is made for. Raises 0A000 where there is none."""
    position = context.position(call.start)
    if call.scope is None:
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            "predict over columns is only supported in a SELECT",
            hint="Select the rows with their predictions first, in a subquery or a temporary table.",
            position=position,
        )
    if call.clause == "FROM":
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            "predict over columns is not supported in FROM",
            hint="Move the condition from ON to WHERE, or call predict in a subquery.",
            position=position,
        )
    return call.scope


def _ctes(scope: Scope, call: Call, context: Context) -> str:
    """The WITH clause that the collecting statement needs."""
    for start, end in scope.ctes:
        if any(token.word in CHANGES_DATA for token in context.tokens[start:end]):
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                "predict over columns is not supported beside a WITH that changes data",
                hint="Make the change in a statement of its own.",
                position=context.position(call.start),
            )
    if not scope.ctes:
        return ""
    entries = ", ".join(context.source(start, end) for start, end in scope.ctes)
    return f"WITH {'RECURSIVE ' if scope.recursive else ''}{entries} "


def _from(scope: Scope, context: Context) -> str:
    start, end = scope.clauses.get("FROM", (0, 0))
    return f" FROM {context.source(start, end)}" if start < end else ""


def _kept_conditions(scope: Scope, context: Context) -> list[str]:
    """The conditions of WHERE that do not depend on a prediction: fewer conditions only mean more predictions."""
    start, end = scope.clauses.get("WHERE", (0, 0))
    parts = split_conjunction([token.word for token in context.tokens[start:end]])
    kept = []
    for first, last in parts:
        if not any(start + first <= at < start + last for at in context.lookup_starts):
            kept.append(context.source(start + first, start + last))
    return kept


def split_conjunction(words: list[str]) -> list[tuple[int, int]]:
    """Ranges between the ANDs of a condition; the whole of it when an OR stands beside them."""
    parts: list[tuple[int, int]] = []
    first = depth = betweens = 0
    for at, word in enumerate(words):
        depth += (word in ("(", "[", "CASE")) - (word in (")", "]", "END"))
        if depth:
            continue
        if word == "OR":
            return [(0, len(words))]
        if word == "BETWEEN":
            betweens += 1
        elif word == "AND" and betweens:
            betweens -= 1
        elif word == "AND":
            parts.append((first, at))
            first = at + 1
    return [*parts, (first, len(words))] if words else []


def _join_edit(scope: Scope, join: str, context: Context) -> Edit:
    clause = scope.clauses.get("FROM")
    if clause is None:
        end = context.tokens[scope.clauses["SELECT"][1] - 1].end
        join = " FROM (SELECT 1) AS flinkms_one" + join
    else:
        end = context.tokens[clause[1] - 1].end
    return Edit(end, end, join)


def _star_edits(scope: Scope, context: Context) -> list[Edit]:
    """``*`` must not show the joined lookups: it becomes the columns of each table that the user named."""
    edits = []
    for first, last in split_commas(context.tokens, *scope.clauses["SELECT"]):
        first += context.tokens[first].word in ("DISTINCT", "ALL")
        token = context.tokens[first]
        if last - first != 1 or token.word != "*" or any(edit.start == token.start for edit in context.edits):
            continue
        aliases = from_aliases(context.tokens, *scope.clauses.get("FROM", (0, 0)))
        if aliases is None:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED,
                "* beside predict over columns is not supported for this FROM clause",
                hint="Write the columns, or give every table an alias and write its alias.*.",
                position=token.position,
            )
        edits.append(Edit(token.start, token.end, ", ".join(f"{alias}.*" for alias in aliases)))
    return edits
