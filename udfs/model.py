"""What a model is: the protocol every algorithm keeps, and the values that pass through it.

Must not know about Flink, files, clocks or the network: arrays in, arrays out. Batches are the only size: one row is a
batch of one, and a batch gives the same bits as its rows one by one (a law in tests/test_model_laws.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from udfs.block import Column
from udfs.metrics import MetricFunction

Answer = Literal["number", "class", "score"]
"""``number``: one like the label. ``class``: one of the labels. ``score``: a decision value or probability of labels."""

Progress = Callable[[int, int, Mapping[str, float]], None]
"""``progress(iteration, iterations, metrics)``: called after each iteration of a fit."""


class OptionError(ValueError):
    """A model option is unknown or out of range; ``option`` names it."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


class ArgumentError(ValueError):
    """Arguments of a call do not fit the model; ``argument`` is the 0-based index or None."""

    def __init__(self, message: str, argument: int | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class NoneUsableError(ArgumentError):
    """No row can be trained on: of ``rows`` ones, ``failures`` says how many for which reason.

    ``first`` is the number, from 0, of the first row that each reason is about.
    """

    def __init__(self, rows: int, failures: Mapping[str, int], first: Mapping[str, int]) -> None:
        super().__init__(none_usable(rows, [f"{reason} in {count}" for reason, count in failures.items()]))
        self.rows = rows
        self.failures = failures
        self.first = first


def none_usable(rows: int, reasons: Sequence[str]) -> str:
    """The message for a training whose rows are all left out."""
    return f"no row of {rows} can be trained on: {'; '.join(reasons)}" if reasons else "no rows to train on"


class DivergedError(ArithmeticError):
    """Training met NaN, infinity or a growing loss; the message names the iteration and the quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of CREATE MODEL … WITH: its default and range (both ends included), as docs/algorithms.md lists it."""

    name: str
    default: str
    description: str
    kind: Literal["int", "float", "choice"] = "float"
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One table of a model: keyed rows of ``width`` float32 each.

    ``initial`` is the row to which the first delta of an unknown key is added; None means zeros. It is known once a
    version is fitted: ``Model.initial_rows`` gives it for the description that is published with the version.
    """

    name: str
    key: Literal["int64", "text"]
    width: int
    initial: tuple[float, ...] | None = None


class TableView(Protocol):
    """Read access to one table of one version; ``matrix[find(keys)]`` are the rows."""

    @property
    def keys(self) -> np.ndarray:
        """Keys by row number: int64[n] or object[n] of str; deleted rows are excluded by ``live``."""

    @property
    def live(self) -> np.ndarray | None:
        """bool[n], or None when every row is live."""

    @property
    def matrix(self) -> np.ndarray:
        """float32[n, width], C-contiguous, row number as in ``keys``. Not to be written to."""

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64[len(keys)]: row number of each key, -1 where the key is unknown."""

    @property
    def find_one(self) -> Callable[[int | str], int]:
        """``find_one(key)``: the row number of one key, -1 where it is unknown, without arrays."""


class ModelView(Protocol):
    """All tables of one version of a model, as of one moment."""

    @property
    def tables(self) -> Mapping[str, TableView]: ...

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """Float64 arrays fixed with the version: means, cold-start vectors, class labels."""

    @property
    def classes(self) -> np.ndarray | None:
        """The classes that labels are numbers of, ascending (udfs/classes.py); None where labels are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The outcome of a fit: rows of every table (keys, float32[n, width]), constants, and what is to be recorded.

    ``classes``: as in ModelView. ``failures``: reason -> rows that were left out for it.
    """

    rows: Mapping[str, tuple[np.ndarray, np.ndarray]]
    constants: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]
    rows_read: int
    rows_failed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    classes: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Deltas for one table: unique keys[m], how many deltas are summed in each (int32[m]), float32[m, width]."""

    table: str
    keys: np.ndarray
    counts: np.ndarray
    deltas: np.ndarray


class Pushes(list[Push]):
    """What some observations add to a model's tables; ``failures``: reason -> how many of them were left out for it."""

    def __init__(self, pushes: Iterable[Push] = (), failures: Mapping[str, int] | None = None) -> None:
        super().__init__(pushes)
        self.failures = dict(failures or {})


class Model(Protocol):
    """One configured model. Instances are immutable; all state is in the tables."""

    algorithm: str

    @property
    def answer(self) -> Answer:
        """What the number is that ``predict`` gives."""

    @classmethod
    def options(cls) -> Sequence[Option]:
        """The options this algorithm understands."""

    @classmethod
    def from_options(cls, options: Mapping[str, str], input_types: Sequence[str]) -> Model:
        """Validate option texts and declared input types (names of flinkms_sql.types.SqlType). Raises OptionError."""

    def tables(self) -> tuple[TableSpec, ...]:
        """The tables of a version."""

    def initial_rows(self, constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """float32[width] for each table whose unknown keys do not start from zeros; see TableSpec.initial."""

    def fit(self, columns: Sequence[Column], progress: Progress) -> Fitted:
        """Train from scratch; the last column is the label: a number, or where ``answer`` is not "number" any class.

        Rows with NULL or non-finite values are counted as failed. Raises DivergedError, ArgumentError.
        """

    def predict(self, view: ModelView, args: Sequence[Column]) -> Column:
        """One float64 per row, see udfs/answers.py; NULL in, or an unknown key under ``cold_start = null``, gives NULL.

        Raises ArgumentError.
        """

    def unknown(self, view: ModelView, args: Sequence[Column]) -> np.ndarray:
        """bool[n]: rows that name a key the model has no row of; NULL is no key."""

    def metrics(self, view: ModelView) -> Sequence[MetricFunction]:
        """The metrics that its kind of answer calls for, over what ``predict`` of ``measured`` gives and labels."""

    def measured(self, view: ModelView) -> Model:
        """The model whose predictions its metrics are of: itself, or one that answers what a label can be compared with."""

    def learn(self, view: ModelView, args: Sequence[Column], label: Column) -> Pushes:
        """Deltas that one step of stochastic gradient descent adds for these observations; bad rows are left out, and
        counted unless all in them is NULL."""


class Pointwise(Model, Protocol):
    """A model with a shorter way to one prediction over scalar arguments: what a lone request takes."""

    def predict_one(self, view: ModelView, args: Sequence[int | float | str]) -> float | None:
        """The bits that ``predict`` gives for these values; None where only ``predict`` has the answer (cold start)."""


class Recommender(Model, Protocol):
    """A model over pairs that can also rank one side for a key of the other."""

    def recommend(self, view: ModelView, key: object, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best item keys and their scores (float64, the bits ``predict`` gives), best first, ties by key."""

    def similar(self, view: ModelView, key: object, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k items whose vectors have the highest cosine similarity to that of item ``key``, itself left out."""
