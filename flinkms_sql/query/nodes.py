"""The tree a model plan is made of: scalars, sources of rows, and what is done to rows. A tree prints itself.

Must not know how a node is run (engine) nor how it was written (bind, enginequery). Every node knows its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal as Choice

from flinkms_sql.catalog.address import ModelAddress
from flinkms_sql.types import SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column of a result: its name and type."""

    name: str
    type: SqlType

    def __str__(self) -> str:
        return f"{self.name} {self.type.value.flink}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A constant of the statement, already converted to ``type``.

    ``value`` is None (NULL), bool, int, float, str, bytes, or a tuple of numbers for an array. Dates are days and
    timestamps microseconds since 1970-01-01. ``position`` is 1-based in the statement.
    """

    value: object
    type: SqlType
    position: int

    def __str__(self) -> str:
        match self.value:
            case None:
                return "NULL"
            case str():
                return "'" + self.value.replace("'", "''") + "'"
            case bool():
                return "TRUE" if self.value else "FALSE"
            case tuple():
                return "{" + ",".join(str(value) for value in self.value) + "}"
        return str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter ``$number`` (1-based) whose value is converted to ``type`` before use."""

    number: int
    type: SqlType
    position: int

    def __str__(self) -> str:
        return f"${self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The moment the statement is run: now(), CURRENT_TIMESTAMP. The engine is told the time."""

    type: SqlType = SqlType.TIMESTAMP_LTZ
    position: int

    def __str__(self) -> str:
        return "now()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened:
    """A constant that is converted to ``type`` when the statement is run: a date or a timestamp whose moment the
    session's time zone decides, or a parameter that is one, or a number that a column of another type is to hold. The
    engine is told the zone."""

    constant: Literal | Parameter
    type: SqlType
    position: int

    def __str__(self) -> str:
        return f"{self.constant}::{self.type.value.postgres}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRef:
    """The column number ``index`` (0-based) of the node below; ``type`` is what it is converted to before use."""

    index: int
    name: str
    type: SqlType
    position: int

    def __str__(self) -> str:
        return self.name


Constant = Literal | Parameter | Now | Widened
Scalar = Constant | ColumnRef
Model = ModelAddress | Parameter
"""What a call names: an address, or a text parameter that holds one."""

Annotate = Callable[[ModelAddress], str]
"""What EXPLAIN adds to a line that names a model: its version and log position, or an empty text."""


def no_annotation(_address: ModelAddress) -> str:
    """Adds nothing: a plan by itself, without what a running engine knows."""
    return ""


def model_text(model: Model, annotate: Annotate) -> str:
    """How a line of a tree names a model."""
    return str(model) if isinstance(model, Parameter) else f"{model}{annotate(model)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One row without columns: a SELECT without FROM."""

    columns: tuple[OutputColumn, ...] = ()

    def label(self, annotate: Annotate = no_annotation) -> str:
        return "Single row"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesList:
    """VALUES: rows of constants, each already of its column's type."""

    rows: tuple[tuple[Constant, ...], ...]
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Values: {len(self.rows)} row{'s' if len(self.rows) != 1 else ''} ({_columns(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnest:
    """unnest(array, …): as many rows as the longest array has elements, the shorter padded with NULL.

    With ``with_ordinality`` a BIGINT column counts the rows from 1.
    """

    arrays: tuple[Constant, ...]
    with_ordinality: bool
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        ordinality = " with ordinality" if self.with_ordinality else ""
        return f"Unnest {', '.join(map(str, self.arrays))}{ordinality} ({_columns(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSeries:
    """generate_series(start, stop[, step]) over integers; no rows when one of them is NULL."""

    start: Constant
    stop: Constant
    step: Constant
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Generate series {self.start} to {self.stop} step {self.step} ({_columns(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendScan:
    """recommend(model, key, k): the k best items of a key, best first; columns (item key, score DOUBLE)."""

    model: Model
    key: Constant
    k: Constant
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Recommend {model_text(self.model, annotate)}: {self.k} for {self.key} ({_columns(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarScan:
    """similar(model, key, k): the k items most like an item, most alike first; columns (item key, score DOUBLE)."""

    model: Model
    key: Constant
    k: Constant
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Similar {model_text(self.model, annotate)}: {self.k} to {self.key} ({_columns(self.columns)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict:
    """One vectorized prediction over all rows of ``input``; its ``column`` is appended to them."""

    input: Node
    model: Model
    arguments: tuple[Scalar, ...]
    column: OutputColumn

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return (*self.input.columns, self.column)

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Predict {model_text(self.model, annotate)}({', '.join(map(str, self.arguments))}) -> {self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The rows for which ``column operator operand`` is true; NULL is not true."""

    input: Node
    column: ColumnRef
    operator: Choice["=", "<>", "<", "<=", ">", ">="]
    operand: Constant

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.input.columns

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Filter {self.column} {self.operator} {self.operand}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """One key of a sort; ``nulls_first`` is resolved (PostgreSQL: NULLs are the largest values)."""

    column: ColumnRef
    descending: bool
    nulls_first: bool

    def __str__(self) -> str:
        usual = self.descending == self.nulls_first
        nulls = "" if usual else (" nulls first" if self.nulls_first else " nulls last")
        return f"{self.column}{' desc' if self.descending else ''}{nulls}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Rows in the order of ``keys``; rows that compare equal stay in the order they had."""

    input: Node
    keys: tuple[SortKey, ...]

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.input.columns

    def label(self, annotate: Annotate = no_annotation) -> str:
        return f"Sort {', '.join(map(str, self.keys))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``count`` rows after the first ``offset``; None or NULL means no limit."""

    input: Node
    count: Constant | None
    offset: Constant | None

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.input.columns

    def label(self, annotate: Annotate = no_annotation) -> str:
        count = "all" if self.count is None else str(self.count)
        return f"Limit {count}" + (f" offset {self.offset}" if self.offset is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``outputs`` computed for each row of ``input``; each output has the type of its column."""

    input: Node
    outputs: tuple[Scalar, ...]
    columns: tuple[OutputColumn, ...]

    def label(self, annotate: Annotate = no_annotation) -> str:
        pairs = zip(self.outputs, self.columns, strict=True)
        return "Project " + ", ".join(
            column.name if str(output) == column.name else f"{output} as {column.name}" for output, column in pairs
        )


Source = Single | ValuesList | Unnest | GenerateSeries | RecommendScan | SimilarScan
Node = Source | Predict | Filter | Sort | Limit | Project


def _columns(columns: tuple[OutputColumn, ...]) -> str:
    return ", ".join(map(str, columns))


def format_tree(node: Node, *, indent: int = 0, annotate: Annotate = no_annotation) -> list[str]:
    """Lines of the tree, the last step first, each input two columns further in."""
    lines = [" " * indent + node.label(annotate)]
    match node:
        case Predict() | Filter() | Sort() | Limit() | Project():
            lines += format_tree(node.input, indent=indent + 2, annotate=annotate)
    return lines
