"""A SELECT that the engine answers by itself -> a tree of nodes: model calls over constants and sources of constants.

Must not know other statements. What is not of this shape raises NeedsPostgres and is PostgreSQL's to evaluate, with its
own types and error messages; so this file is free to understand little, but what it understands it must answer as
PostgreSQL would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flinkms_sql.query.bind import BoundCall, bind_argument, bind_call, type_mismatch
from flinkms_sql.query.constants import Parameters, Written, coerce, count_parameters, natural_type, read_constant
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.lexer import Kind, Token, name_value
from flinkms_sql.query.nodes import (
    ColumnRef,
    Constant,
    Filter,
    Limit,
    Literal,
    Node,
    OutputColumn,
    Parameter,
    Predict,
    Project,
    Scalar,
    Single,
    Sort,
    SortKey,
)
from flinkms_sql.query.plan import ModelPlan, PointPlan
from flinkms_sql.query.scopes import Call, Structure
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.query.sources import NeedsPostgres, OpenSource, close_source, read_source
from flinkms_sql.query.values import widens
from flinkms_sql.types import SqlType

_UNDERSTOOD = {"SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "OFFSET"}
_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NOT_AN_ALIAS = ("AND", "OR", "IS", "IN", "NOT", "LIKE", "COLLATE", "AT", "OVER", "FILTER", "BETWEEN", "ISNULL")


@dataclass(slots=True)
class _Output:
    """One output: the column number ``index`` below, or a constant."""

    name: str
    index: int | None
    constant: Constant | None = None


@dataclass(slots=True)
class _Prediction:
    """One predict: arguments are column numbers of the source or constants, with the type each has to have."""

    call: BoundCall
    arguments: list[tuple[int | Constant, SqlType, int]]
    texts: tuple[str, ...]


class _Select:
    def __init__(
        self,
        text: str,
        tokens: list[Token],
        structure: Structure,
        catalog: CatalogView,
        parameters: Parameters,
        targets: Sequence[SqlType],
    ) -> None:
        self.text, self.tokens, self.structure = text, tokens, structure
        self.catalog, self.parameters, self.targets = catalog, parameters, targets
        self.calls = {call.start: call for call in structure.calls}
        self.scope = structure.scopes[0]
        self.source: OpenSource | None = None
        self.predictions: list[_Prediction] = []
        self.outputs: list[_Output] = []

    def cursor(self, start: int, end: int) -> Cursor:
        return Cursor(self.text, self.tokens, start, end)

    def read(self) -> PointPlan | ModelPlan:
        clauses = self.scope.clauses
        if "FROM" in clauses:
            self.source = self.read_from(*clauses["FROM"])
        for first, last in split_commas(self.tokens, *clauses["SELECT"]):
            self.read_output(first, last)
        for output, target in zip(self.outputs, self.targets):  # the rest is checked by who gave the targets
            if output.index is not None and self.source is not None and output.index < self.source_width():
                column = self.source.columns[output.index]
                column.type = column.type or target
        filters = self.read_where(*clauses["WHERE"]) if "WHERE" in clauses else []
        keys = self.read_order(*clauses["ORDER"]) if "ORDER" in clauses else []
        count = self.read_count(*clauses["LIMIT"]) if "LIMIT" in clauses else None
        offset = self.read_count(*clauses["OFFSET"]) if "OFFSET" in clauses else None
        node: Node = close_source(self.source, self.parameters)
        for prediction in self.predictions:
            arguments = tuple(self.close_argument(*argument) for argument in prediction.arguments)
            node = Predict(input=node, model=prediction.call.model, arguments=arguments,
                           column=prediction.call.columns[0])  # fmt: skip
        columns = node.columns
        for index, operator, operand, position in filters:
            column = _reference(columns, index, position)
            node = Filter(input=node, column=column, operator=operator, operand=operand)
        if keys:
            sort = tuple(SortKey(column=_reference(columns, index, position), descending=down, nulls_first=first)
                         for index, down, first, position in keys)  # fmt: skip
            node = Sort(input=node, keys=sort)
        if count is not None or offset is not None:
            node = Limit(input=node, count=count, offset=offset)
        return self.project(node)

    def project(self, node: Node) -> PointPlan | ModelPlan:
        types = self.parameters.types(count_parameters(self.tokens, self.parameters.declared))
        outputs: list[Scalar] = []
        columns: list[OutputColumn] = []
        for output in self.outputs:
            if output.index is None:
                assert output.constant is not None
                scalar: Scalar = output.constant
            else:
                scalar = _reference(node.columns, output.index, self.tokens[0].position)
            outputs.append(scalar)
            columns.append(OutputColumn(name=output.name, type=scalar.type))
        if isinstance(node, Predict) and isinstance(node.input, Single) and len(outputs) == 1 and self.predictions:
            arguments = [one for one in node.arguments if isinstance(one, (Literal, Parameter))]
            if len(arguments) == len(node.arguments) and self.outputs[0].index == 0:
                names = tuple(name for name, _ in self.predictions[0].call.inputs)
                return PointPlan(model=node.model, arguments=tuple(arguments), input_names=names, column=columns[0],
                                 parameter_types=types)  # fmt: skip
        if not (tuple(columns) == node.columns and [output.index for output in self.outputs] == [*range(len(columns))]):
            node = Project(input=node, outputs=tuple(outputs), columns=tuple(columns))
        return ModelPlan(root=node, parameter_types=types)

    def read_from(self, start: int, end: int) -> OpenSource:
        first = start + (self.tokens[start].word == "LATERAL")
        call = self.calls.get(first)
        if call is None:
            return read_source(self.cursor(start, end), None, 0, self.parameters)
        if call.function == "predict":
            raise NeedsPostgres
        bound = bind_call(call, self.cursor(start, end), self.catalog, self.parameters)
        return read_source(self.cursor(start, end), bound, call.end - call.start, self.parameters)

    def read_output(self, start: int, end: int) -> None:
        if start == end:
            raise NeedsPostgres
        if self.tokens[end - 1].word == "*":
            self.read_star(start, end)
            return
        alias = None
        if end - start > 2 and self.tokens[end - 2].word == "AS":
            alias, end = name_value(self.tokens[end - 1]), end - 2
        elif end - start > 1 and self.has_bare_alias(start, end):
            alias, end = name_value(self.tokens[end - 1]), end - 1
        index = self.find_column(start, end)
        if index is not None:
            name = alias or ("predict" if index >= self.source_width() else name_value(self.tokens[end - 1]) or "")
            self.outputs.append(_Output(name, index))
            return
        written = read_constant(self.cursor(start, end), self.parameters)
        if written is None or (alias is None and written.type is not None):
            raise NeedsPostgres
        self.outputs.append(_Output(alias or "?column?", None, self.output_constant(written)))

    def output_constant(self, written: Written) -> Constant:
        """A constant output, of the type of its target if it has one, else of the type PostgreSQL would give it."""
        target = self.targets[len(self.outputs)] if len(self.outputs) < len(self.targets) else None
        natural = natural_type(written, self.parameters)
        if target is None and natural is SqlType.DOUBLE and written.type is None and written.kind == "number":
            raise NeedsPostgres  # it would be numeric
        found = coerce(written, target, self.parameters) if target is not None else None
        found = found or coerce(written, natural or SqlType.STRING, self.parameters)
        if found is None:
            raise NeedsPostgres
        return found

    def has_bare_alias(self, start: int, end: int) -> bool:
        last, before = self.tokens[end - 1], self.tokens[end - 2]
        if last.kind not in (Kind.WORD, Kind.QUOTED) or last.word in _NOT_AN_ALIAS:
            return False
        return before.word != "." and before.word != "::" and before.word not in _NOT_AN_ALIAS and start < end - 1

    def read_star(self, start: int, end: int) -> None:
        if self.source is None:
            raise NeedsPostgres
        qualified = end - start == 3 and self.tokens[start + 1].word == "."
        if not (end - start == 1 or (qualified and name_value(self.tokens[start]) == self.source.alias)):
            raise NeedsPostgres
        self.outputs += [_Output(column.name, index) for index, column in enumerate(self.source.columns)]

    def source_width(self) -> int:
        return len(self.source.columns) if self.source is not None else 0

    def find_column(self, start: int, end: int) -> int | None:
        """Number of the column that an expression is: a column of the source or a prediction. None for anything else.

        Raises NeedsPostgres for a name that is not the source's.
        """
        call = self.calls.get(start)
        if call is not None and call.end == end:
            return self.source_width() + self.add_prediction(call)
        names = [name_value(token) for token in self.tokens[start:end:2]]
        dots = all(token.word == "." for token in self.tokens[start + 1 : end : 2])
        if not dots or len(names) > 2 or None in names or (end - start) % 2 == 0:
            return None
        if self.tokens[start].word in ("NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP"):
            return None
        if self.source is None or (len(names) == 2 and names[0] != self.source.alias):
            raise NeedsPostgres
        found = [index for index, column in enumerate(self.source.columns) if column.name == names[-1]]
        if len(found) != 1:
            raise NeedsPostgres
        return found[0]

    def column_type(self, start: int, end: int) -> SqlType | None:
        """Type of the source's column that fills a range, as far as it is known."""
        if start in self.calls:
            return None
        index = self.find_column(start, end)
        return None if index is None or self.source is None else self.source.columns[index].type

    def add_prediction(self, call: Call) -> int:
        """Number of the prediction a call asks for; two calls of the same text are one."""
        texts = tuple(token.text for token in self.tokens[call.start : call.end])
        for index, known in enumerate(self.predictions):
            if known.texts == texts:
                return index
        if call.function != "predict":
            raise NeedsPostgres
        cursor = self.cursor(call.start, call.end)
        bound = bind_call(call, cursor, self.catalog, self.parameters, self.column_type)
        prediction = _Prediction(bound, [], texts)
        for at, (first, last) in enumerate(call.arguments[1:]):
            prediction.arguments.append(self.bind_argument(bound, at, first, last))
        self.predictions.append(prediction)
        return len(self.predictions) - 1

    def bind_argument(self, call: BoundCall, at: int, start: int, end: int) -> tuple[int | Constant, SqlType, int]:
        position = self.tokens[start].position
        target = call.inputs[at][1]
        written = read_constant(self.cursor(start, end), self.parameters)
        if written is not None:
            return bind_argument(written, at, call, self.parameters), target, position
        if start in self.calls:
            raise NeedsPostgres
        index = self.find_column(start, end)
        if index is None or self.source is None:
            raise NeedsPostgres
        column = self.source.columns[index]
        if column.type is None:
            column.type = target
        if not widens(column.type, target):
            raise type_mismatch(call, at, column.type.value.postgres, position)
        return index, target, position

    def close_argument(self, argument: int | Constant, target: SqlType, position: int) -> Scalar:
        if not isinstance(argument, int):
            return argument
        assert self.source is not None
        return ColumnRef(index=argument, name=self.source.columns[argument].name, type=target, position=position)

    def read_where(self, start: int, end: int) -> list[tuple[int, str, Constant, int]]:
        filters = []
        first = start
        for at in range(start, end + 1):
            if at == end or self.tokens[at].word == "AND":
                filters.append(self.read_comparison(first, at))
                first = at + 1
        return filters

    def read_comparison(self, start: int, end: int) -> tuple[int, str, Constant, int]:
        places = [at for at in range(start, end) if self.tokens[at].word in _COMPARISONS]
        if len(places) != 1:
            raise NeedsPostgres
        operator = _COMPARISONS[self.tokens[places[0]].word]
        index = self.find_column(start, places[0])
        written = read_constant(self.cursor(places[0] + 1, end), self.parameters)
        if index is None or written is None:
            raise NeedsPostgres
        kind = self.type_of(index)
        operand = coerce(written, kind, self.parameters) if kind is not None and not kind.is_array else None
        if operand is None or (kind is SqlType.STRING and operator not in ("=", "<>")):
            raise NeedsPostgres  # the order of texts is a collation's
        return index, operator, operand, self.tokens[start].position

    def type_of(self, index: int) -> SqlType | None:
        width = self.source_width()
        if self.source is not None and index < width:
            return self.source.columns[index].type
        return self.predictions[index - width].call.columns[0].type

    def read_order(self, start: int, end: int) -> list[tuple[int, bool, bool, int]]:
        keys = []
        for first, last in split_commas(self.tokens, start + 1, end):
            position = self.tokens[first].position
            nulls = None
            if last - first > 2 and self.tokens[last - 2].word == "NULLS":
                nulls, last = self.tokens[last - 1].word == "FIRST", last - 2
            down = self.tokens[last - 1].word == "DESC"
            last -= down or self.tokens[last - 1].word == "ASC"
            index = self.order_column(first, last)
            if index is not None and self.type_of(index) in (None, SqlType.STRING, SqlType.BYTES):
                raise NeedsPostgres  # the order of texts is a collation's
            if index is not None:
                keys.append((index, down, down if nulls is None else nulls, position))
        return keys

    def order_column(self, start: int, end: int) -> int | None:
        """Column to sort by: the number or name of an output, or an expression; None for a constant output."""
        token = self.tokens[start]
        if end - start == 1 and token.kind is Kind.NUMBER:
            place = int(token.text) if token.text.isdigit() else 0
            if not 1 <= place <= len(self.outputs):
                raise NeedsPostgres
            return self.outputs[place - 1].index
        if end - start == 1 and name_value(token) is not None:
            named = [output for output in self.outputs if output.name == name_value(token)]
            if named:
                if len({output.index for output in named}) != 1:
                    raise NeedsPostgres
                return named[0].index
        index = self.find_column(start, end)
        if index is None:
            raise NeedsPostgres
        return index

    def read_count(self, start: int, end: int) -> Constant | None:
        if self.tokens[end - 1].word in ("ROW", "ROWS"):
            end -= 1
        if end - start == 1 and self.tokens[start].word == "ALL":
            return None
        written = read_constant(self.cursor(start, end), self.parameters)
        count = coerce(written, SqlType.BIGINT, self.parameters) if written is not None else None
        if count is None:
            raise NeedsPostgres
        return count


def _reference(columns: tuple[OutputColumn, ...], index: int, position: int) -> ColumnRef:
    return ColumnRef(index=index, name=columns[index].name, type=columns[index].type, position=position)


def plan_engine_query(
    text: str, tokens: list[Token], structure: Structure, catalog: CatalogView, parameters: Parameters,
    targets: Sequence[SqlType] = (),
) -> PointPlan | ModelPlan:  # fmt: skip
    """The tree for a SELECT the engine can answer by itself. Raises NeedsPostgres, or FlinkmsError for a wrong call.

    ``targets`` are the types that outputs of open type take: those of the columns they are inserted into.
    """
    if len(structure.scopes) != 1 or structure.scopes[0].start != 0 or structure.scopes[0].end != len(tokens):
        raise NeedsPostgres
    scope = structure.scopes[0]
    if scope.set_operation or not set(scope.clauses) <= _UNDERSTOOD or tokens[1].word in ("DISTINCT", "ALL"):
        raise NeedsPostgres
    return _Select(text, tokens, structure, catalog, parameters, targets).read()
