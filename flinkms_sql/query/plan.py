"""Plans: what is to be done for one statement, as a value that prints as a tree.

Must not know who carries a plan out. Every plan has ``columns`` (of its result), ``parameter_types`` (by number; None
where only PostgreSQL can tell), ``route`` and ``format()``, whose text is EXPLAIN's and the golden tests'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flinkms_sql.query.nodes import (
    Annotate,
    Literal,
    Model,
    Node,
    OutputColumn,
    Parameter,
    format_tree,
    model_text,
    no_annotation,
)
from flinkms_sql.query.statements.describe import describe
from flinkms_sql.query.statements.statement import Deploying, SessionStatement, Show
from flinkms_sql.types import SqlType

ParameterTypes = tuple[SqlType | None, ...]
METRIC_COLUMNS = (
    OutputColumn(name="metric", type=SqlType.STRING),
    OutputColumn(name="value", type=SqlType.DOUBLE),
    OutputColumn(name="rows", type=SqlType.BIGINT),
    OutputColumn(name="unknown_rows", type=SqlType.BIGINT),
    OutputColumn(name="failed_rows", type=SqlType.BIGINT),
)
"""What EVALUATE MODEL answers: one row a metric, with the counts of flinkms.model_metrics."""
LOOKUP_ROWS_MAX = 1_000_000
"""Distinct argument rows of one Lookup: they travel to PostgreSQL as arrays, of which a message holds 1 GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPlan:
    """PostgreSQL's: the statement goes to the session's backend as it is. Only PostgreSQL knows its columns."""

    route = "relational"
    columns: tuple[OutputColumn, ...] = ()
    parameter_types: ParameterTypes = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        return "Relay to PostgreSQL\n  route: relational"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlan:
    """Transaction control and session settings: answered by the session, replayed when a backend is opened."""

    route = "session"
    statement: SessionStatement
    columns: tuple[OutputColumn, ...] = ()
    parameter_types: ParameterTypes = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        return f"Session: {self.statement}\n  route: session"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlan:
    """``SELECT predict(model, a, b, …) [AS name]`` over constants: the hot path.

    ``arguments`` are Literal or Parameter, each converted to ``input_types`` of its place. Where ``model`` is a
    Parameter, ``input_types`` hold for every model that the parameter may name, or the statement was refused.
    """

    route = "model"
    model: Model
    arguments: tuple[Literal | Parameter, ...]
    input_names: tuple[str, ...]
    column: OutputColumn
    parameter_types: ParameterTypes

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return (self.column,)

    def format(self, annotate: Annotate = no_annotation) -> str:
        model = model_text(self.model, annotate)
        names = self.input_names or ("",) * len(self.arguments)
        pairs = zip(names, self.arguments, strict=True)
        arguments = ", ".join(f"{name} = {argument}" if name else str(argument) for name, argument in pairs)
        return f"Point {model}({arguments}) -> {self.column}\n  route: model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """A tree the engine answers by itself."""

    route = "model"
    root: Node
    parameter_types: ParameterTypes

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.root.columns

    def format(self, annotate: Annotate = no_annotation) -> str:
        return "\n".join([*format_tree(self.root, annotate=annotate), "  route: model"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultParameter:
    """A parameter ``$number`` that carries a computed column to PostgreSQL.

    ``many``: an array with one element a row, NULLs included, else the one value. ``type`` is that of an element; an
    element of an array type travels as its text (``{1,2}``) in a text array, for PostgreSQL has no arrays of arrays.
    """

    number: int
    type: SqlType
    many: bool

    @property
    def postgres_type(self) -> str:
        if not self.many:
            return self.type.value.postgres
        return "text[]" if self.type.is_array else f"{self.type.value.postgres}[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Model calls over constants: the engine computes ``source``, one parameter for each of its columns."""

    source: Node
    parameters: tuple[ResultParameter, ...]

    def format(self, annotate: Annotate = no_annotation) -> list[str]:
        numbers = ", ".join(f"${parameter.number}" for parameter in self.parameters)
        return [f"Fold into {numbers}", *format_tree(self.source, indent=2, annotate=annotate)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Model calls over rows of PostgreSQL's.

    Run ``collect`` on the backend (in the transaction of the statement): its rows are the distinct arguments, none of
    them NULL, one column for each of ``arguments``. Predict them in one call. Then ``parameters`` carry the argument
    columns, in order, and last the scores. A collect of more than ``LOOKUP_ROWS_MAX`` rows is an error (54000).
    """

    model: Model
    arguments: tuple[OutputColumn, ...]
    output: OutputColumn
    collect: str
    parameters: tuple[ResultParameter, ...]

    def format(self, annotate: Annotate = no_annotation) -> list[str]:
        numbers = ", ".join(f"${parameter.number}" for parameter in self.parameters)
        model = model_text(self.model, annotate)
        names = ", ".join(argument.name for argument in self.arguments)
        return [f"Lookup into {numbers}", f"  Predict {model}({names}) -> {self.output}", f"    Collect: {self.collect}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenPlan:
    """A relational statement with model calls: run the steps in order, then ``statement`` on the backend.

    ``statement`` and every ``collect`` use the client's parameters under their numbers and those of the steps
    (numbered after the client's). Parse ``statement`` first: with the client's declared types, ``parameter_types``
    where set, and the steps' ``postgres_type``s; the ParameterDescription's first ``len(parameter_types)`` entries
    answer Describe, and all of them are the types to parse a ``collect`` with. Outside of a transaction block, run
    collects and statement in one REPEATABLE READ transaction.
    """

    route = "model + relational"
    steps: tuple[Fold | Lookup, ...]
    statement: str
    parameter_types: ParameterTypes
    columns: tuple[OutputColumn, ...] = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        lines = [f"Relational: {self.statement}"]
        for step in self.steps:
            lines += ["  " + line for line in step.format(annotate)]
        return "\n".join([*lines, "  route: model + relational"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInsertPlan:
    """INSERT INTO a stream: append the rows of ``source``, whose columns are the stream's in declared order."""

    route = "stream"
    table: str
    source: Node
    parameter_types: ParameterTypes
    columns: tuple[OutputColumn, ...] = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        lines = [f"Append to {self.table}", *format_tree(self.source, indent=2, annotate=annotate)]
        return "\n".join([*lines, "  route: stream"])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """A statement that changes what is deployed; its answer is a command tag and notices, or a metrics row set."""

    route = "deploy"
    statement: Deploying
    text: str
    columns: tuple[OutputColumn, ...] = ()
    parameter_types: ParameterTypes = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        return f"Deploy: {describe(self.statement)}\n  route: deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPlan:
    """SHOW MODELS and its like: run sql/<query>.sql on the control database with ``arguments`` as text parameters.

    Needs no backend of the session's own, but may use it. All columns are text, bigint or double precision as listed.
    """

    route = "catalog"
    statement: Show
    query: str
    arguments: tuple[str, ...]
    columns: tuple[OutputColumn, ...]
    parameter_types: ParameterTypes = ()

    def format(self, annotate: Annotate = no_annotation) -> str:
        return f"Show {self.statement.what}{f' {self.statement.name}' if self.statement.name else ''}\n  route: catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainPlan:
    """EXPLAIN of a statement that is not relayed as a whole. ``analyze``: it is run and its rows are discarded."""

    route = "explain"
    inner: Plan
    analyze: bool
    options: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[OutputColumn, ...] = (OutputColumn(name="QUERY PLAN", type=SqlType.STRING),)

    @property
    def parameter_types(self) -> ParameterTypes:
        return self.inner.parameter_types

    def format(self, annotate: Annotate = no_annotation) -> str:
        return self.inner.format(annotate)


Plan = (
    RelayPlan
    | LocalPlan
    | PointPlan
    | ModelPlan
    | RewrittenPlan
    | StreamInsertPlan
    | DeployPlan
    | ShowPlan
    | ExplainPlan
)
