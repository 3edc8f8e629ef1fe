"""Model calls against the catalog: which model, which signature, and arguments converted to it.

Must not know how a call is run. A call that does not fit is an error that shows the signature; PostgreSQL's SQLSTATEs:
42704 no such model, 42883 no such number of arguments, or none of such types (as of any function of PostgreSQL).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flinkms_sql import errors
from flinkms_sql.catalog.address import parse_address
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.constants import Parameters, Written, coerce, natural_type, read_constant
from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.nodes import Constant, Model, OutputColumn, Parameter
from flinkms_sql.query.scopes import Call
from flinkms_sql.query.signatures import CatalogView, ModelSignature, Named
from flinkms_sql.query.values import distance, widens
from flinkms_sql.types import SqlType

ColumnType = Callable[[int, int], SqlType | None]
"""The type of the column that fills a range of tokens, as far as it is known."""

K_DEFAULT = 10
"""How many rows recommend and similar give when they are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCall:
    """A call whose model is known: ``inputs`` are the arguments it takes after the model, ``columns`` what it gives.

    ``name`` is the model for messages.
    """

    function: str
    model: Model
    name: str
    inputs: tuple[Named, ...]
    columns: tuple[OutputColumn, ...]
    position: int


def signature_text(function: str, name: str, inputs: tuple[Named, ...]) -> str:
    """How a call is written: ``predict('rec', user_id BIGINT, item_id BIGINT)``."""
    arguments = "".join(f", {column} {kind.value.flink}" for column, kind in inputs)
    rest = "" if function == "predict" else f" [, k BIGINT = {K_DEFAULT}]"
    return f"{function}('{name}'{arguments}{rest})"


def bind_call(
    call: Call, cursor: Cursor, catalog: CatalogView, parameters: Parameters,
    column_type: ColumnType = lambda _start, _end: None,
) -> BoundCall:  # fmt: skip
    """The model that a call names and the signature that the call has to keep.

    ``column_type`` helps to tell the models apart that a call could mean whose model is a parameter.
    """
    position = cursor.tokens[call.start].position
    written = read_constant(Cursor(cursor.text, cursor.tokens, *call.arguments[0]), parameters)
    if written is None or written.kind not in ("text", "parameter"):
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            f"the model of {call.function} must be a constant",
            hint="Write the model's name in quotes, or a parameter.",
            position=cursor.tokens[call.arguments[0][0]].position,
        )
    count = len(call.arguments) - 1
    if written.kind == "parameter":
        if not parameters.use(written.number, SqlType.STRING, written.position):
            raise FlinkmsError(errors.UNDEFINED_FUNCTION, f"the model of {call.function} must be a text",
                               position=written.position)  # fmt: skip
        model: Model = Parameter(number=written.number, type=SqlType.STRING, position=written.position)
        known = [_known_type(cursor, *argument, parameters, column_type) for argument in call.arguments[1:]]
        return _bind(call.function, model, _common(call.function, known, catalog, position), position)
    address = parse_address(str(written.value), position=written.position)
    signature = find_model(address.name, catalog, written.position)
    bound = _bind(call.function, address, signature, position)
    least = len(bound.inputs)
    most = least if call.function == "predict" else least + 1
    if not least <= count <= most:
        raise FlinkmsError(
            errors.UNDEFINED_FUNCTION,
            f'{call.function} of model "{signature.name}" takes {_count(least, most)} after the model, not {count}',
            hint=f"Its signature is {signature_text(call.function, signature.name, bound.inputs)}.",
            position=position,
        )
    return bound


def _count(least: int, most: int) -> str:
    if most > least:
        return f"{least} or {most} arguments"
    return f"{least} argument{'s' if least != 1 else ''}"


def find_model(name: str, catalog: CatalogView, position: int | None) -> ModelSignature:
    """The signature of the model of this name. Raises 42704 with the closest name."""
    signature = catalog.model(name)
    if signature is not None:
        return signature
    names = [model.name for model in catalog.models()]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f'Perhaps you meant the model "{close[0]}".' if close else None
    if not names:
        hint = "There are no models yet. CREATE MODEL makes one."
    raise FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" does not exist', hint=hint, position=position)


def _bind(function: str, model: Model, signature: ModelSignature, position: int) -> BoundCall:
    name = signature.name or str(model)
    if function == "predict":
        if len(signature.outputs) != 1:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f'model "{name}" has more than one output',
                               position=position)  # fmt: skip
        columns = (OutputColumn(name="predict", type=signature.outputs[0][1]),)
        inputs = signature.inputs
    else:
        if not signature.recommends or len(signature.inputs) != 2:
            raise FlinkmsError(
                errors.UNDEFINED_FUNCTION,
                f'model "{name}" has no {function}',
                hint=f"{function} is for models over pairs, such as als; {name} is {signature.algorithm}.",
                position=position,
            )
        item, kind = signature.inputs[1]
        columns = (OutputColumn(name=item, type=kind), OutputColumn(name="score", type=SqlType.DOUBLE))
        inputs = signature.inputs[:1] if function == "recommend" else signature.inputs[1:]
    return BoundCall(function=function, model=model, name=name, inputs=inputs, columns=columns, position=position)


def _known_type(
    cursor: Cursor, start: int, end: int, parameters: Parameters, column_type: ColumnType
) -> SqlType | None:
    """The type of an argument, before it is known what type it should have."""
    written = read_constant(Cursor(cursor.text, cursor.tokens, start, end), parameters)
    return column_type(start, end) if written is None else natural_type(written, parameters)


def _common(
    function: str, known: Sequence[SqlType | None], catalog: CatalogView, position: int
) -> ModelSignature:
    """What all models have in common that a call with these arguments could mean; its name is empty.

    The model's name is only known when the statement runs, its argument types have to be known before. Of models that
    differ, those come closest whose types the arguments already have, as with PostgreSQL's overloaded functions (its
    documentation, "Function Type Resolution").
    """
    models = [model for model in catalog.models() if _may_mean(function, known, model)]
    if not models:
        raise FlinkmsError(errors.UNDEFINED_FUNCTION, f"there is no model whose {function} takes {_described(known)}",
                           position=position)  # fmt: skip
    distances = [_distance(known, model) for model in models]
    models = [model for model, away in zip(models, distances, strict=True) if away == min(distances)]
    shapes = {(tuple(kind for _, kind in model.inputs), tuple(kind for _, kind in model.outputs)) for model in models}
    if len(shapes) > 1:
        raise FlinkmsError(
            errors.INDETERMINATE_DATATYPE,
            f"could not determine the argument types of {function}",
            hint="Models of different signatures fit this call: write the model's name instead of a parameter, "
                 "or cast its arguments.",
            position=position,
        )  # fmt: skip
    first = models[0]
    same = all(model.inputs == first.inputs for model in models)
    inputs = first.inputs if same else tuple((f"argument_{at}", kind) for at, (_, kind) in enumerate(first.inputs, 1))
    return replace(first, name="", inputs=inputs)


def _may_mean(function: str, known: Sequence[SqlType | None], model: ModelSignature) -> bool:
    if function == "predict":
        fits = len(model.inputs) == len(known) and len(model.outputs) == 1
    else:
        fits = model.recommends and len(model.inputs) == 2 and 1 <= len(known) <= 2
    return fits and all(kind is None or widens(kind, target) for kind, (_, target) in zip(known, model.inputs))


def _distance(known: Sequence[SqlType | None], model: ModelSignature) -> int:
    return sum(distance(kind, target) for kind, (_, target) in zip(known, model.inputs) if kind is not None)


def _described(known: Sequence[SqlType | None]) -> str:
    types = ", ".join("unknown" if kind is None else kind.value.postgres for kind in known)
    return f"{_count(len(known), len(known))} ({types})"


def bind_argument(written: Written, at: int, call: BoundCall, parameters: Parameters) -> Constant:
    """A constant argument (0-based ``at``, the model not counted) as the type of its input. Raises 42883."""
    target = call.inputs[at][1] if at < len(call.inputs) else SqlType.BIGINT
    found = coerce(written, target, parameters)
    if found is None:
        raise type_mismatch(call, at, written_type(written, parameters), written.position)
    return found


def written_type(written: Written, parameters: Parameters) -> str:
    """Name of a constant's type, for messages."""
    if written.kind == "parameter" and written.type is None:
        known = parameters.known(written.number, written.position)
        return known.value.postgres if known is not None else "unknown"
    return written.describe()


def type_mismatch(call: BoundCall, at: int, found: str, position: int) -> FlinkmsError:
    """The error for an argument whose type does not convert to that of its input."""
    name, target = call.inputs[at] if at < len(call.inputs) else ("k", SqlType.BIGINT)
    return FlinkmsError(
        errors.UNDEFINED_FUNCTION,
        f'argument {name} of model "{call.name}" is of type {target.value.postgres}, not {found}',
        hint=f"Its signature is {signature_text(call.function, call.name, call.inputs)}.",
        position=position,
    )
