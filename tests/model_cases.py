"""One case or more per algorithm: what tests/test_model_laws.py needs to hold the laws of udfs/model.py to it.

A new algorithm adds its case here; the laws then apply to it without a further line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from udfs.algorithms import configure
from udfs.block import Column
from udfs.generate import PlantedRatings
from udfs.model import Fitted, Model
from udfs.views import ArrayView


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``columns(n, seed)`` are n observations: input columns and, last, the label."""

    name: str
    algorithm: str
    input_types: tuple[str, ...]
    columns: Callable[[int, int], list[Column]]
    options: Mapping[str, str] = field(default_factory=dict)

    def model(self, **options: str) -> Model:
        return configure(self.algorithm, {**self.options, **options}, self.input_types)


def ratings(n: int, seed: int) -> list[Column]:
    user, item, rating = _stream(seed)
    return [Column(user[:n]), Column(item[:n]), Column(rating[:n])]


@cache
def _stream(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return PlantedRatings(users=200, items=100, seed=1).ratings(10_000, first_block=seed)


def text_ratings(n: int, seed: int) -> list[Column]:
    user, item, rating = ratings(n, seed)
    names = np.array([f"ü{key}" for key in user.values.tolist()], object)
    return [Column(names), item, rating]


def scalars(n: int, seed: int, classes: int = 2) -> list[Column]:
    """Six features of unlike scale and, with classes, a label 1 … classes; without (0), a real label."""
    random = np.random.default_rng(seed)
    values = random.normal(0.0, 1.0, (n, 6)) * 10.0 ** np.arange(-2, 4) + 5.0
    truth = np.random.default_rng(99).normal(0.0, 1.0, (6, max(classes, 2)))
    scores = (values - 5.0) / 10.0 ** np.arange(-2, 4) @ truth + random.normal(0.0, 0.3, (n, max(classes, 2)))
    label = 100.0 * scores[:, 0] + 7.0 if classes == 0 else scores.argmax(axis=1) + 1.0
    return [*(Column(np.ascontiguousarray(column)) for column in values.T), Column(label)]


def arrays(n: int, seed: int) -> list[Column]:
    *features, label = scalars(n, seed)
    flat = np.stack([feature.values for feature in features], axis=1).astype(np.float32)
    return [Column(flat.reshape(-1), None, np.arange(0, flat.size + 1, 6)), label]


def sparse(n: int, seed: int) -> list[Column]:
    """0 to 9 of 600 features a row, over several ranges of weights; a real label."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 10, n)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    indices = random.integers(0, 600, offsets[-1]).astype(np.int32)
    values = random.normal(0.0, 1.0, offsets[-1])
    truth = np.random.default_rng(99).normal(0.0, 1.0, 600)
    products = np.concatenate((values * truth[indices], [0.0]))
    label = np.add.reduceat(products, offsets[:-1]) * (lengths > 0) + random.normal(0.0, 0.1, n)
    return [Column(indices, None, offsets), Column(values, None, offsets), Column(label)]


def sparse_classes(n: int, seed: int) -> list[Column]:
    indices, values, label = sparse(n, seed)
    return [indices, values, Column(np.where(label.values > 0, 1.0, -1.0))]


_SCALARS = ("DOUBLE",) * 6
CASES = (
    Case(name="als", algorithm="als", input_types=("BIGINT", "BIGINT"), columns=ratings, options={"factors": "8"}),
    Case(name="als by text", algorithm="als", input_types=("STRING", "BIGINT"), columns=text_ratings,
         options={"factors": "16", "iterations": "3"}),
    Case(name="svm", algorithm="svm", input_types=_SCALARS, columns=scalars),
    Case(name="svm, hinge, arrays", algorithm="svm", input_types=("FLOAT_ARRAY",), columns=arrays,
         options={"loss": "hinge", "output": "decision"}),
    Case(name="svm, sparse", algorithm="svm", input_types=("INT_ARRAY", "DOUBLE_ARRAY"), columns=sparse_classes,
         options={"iterations": "60"}),
    Case(name="logistic", algorithm="logistic", input_types=_SCALARS, columns=scalars,
         options={"output": "probability"}),
    Case(name="logistic, four classes", algorithm="logistic", input_types=_SCALARS,
         columns=lambda n, seed: scalars(n, seed, classes=4), options={"output": "probability"}),
    Case(name="ridge", algorithm="ridge", input_types=_SCALARS, columns=lambda n, seed: scalars(n, seed, classes=0)),
    Case(name="ridge, sparse", algorithm="ridge", input_types=("INT_ARRAY", "DOUBLE_ARRAY"), columns=sparse),
)  # fmt: skip
TRAINING_ROWS = 1000


@cache
def _fitted(number: int) -> Fitted:
    return CASES[number].model().fit(CASES[number].columns(TRAINING_ROWS, 0), ignore_progress)


def fresh_view(case: Case) -> ArrayView:
    """A view of the case's fit, to be changed at will."""
    return ArrayView(case.model(), _fitted(CASES.index(case)))


def ignore_progress(done: int, total: int, metrics: Mapping[str, float]) -> None:
    """A Progress nobody reads."""


def rows(columns: list[Column], places: slice | np.ndarray) -> list[Column]:
    """Some rows of columns, in the order of ``places``."""
    taken = np.arange(len(columns[0]))[places]
    return [_rows(column, taken) for column in columns]


def _rows(column: Column, taken: np.ndarray) -> Column:
    valid = None if column.valid is None else column.valid[taken]
    if column.offsets is None:
        return Column(column.values[taken], valid)
    lengths = np.diff(column.offsets)[taken]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    places = np.arange(offsets[-1]) + np.repeat(column.offsets[taken] - offsets[:-1], lengths)
    return Column(column.values[places], valid, offsets)


def with_nulls(columns: list[Column], null: np.ndarray) -> list[Column]:
    """The columns, rows where ``null`` made NULL in the last of them as a decoded block has it: zero, "", or empty."""
    *others, last = columns
    if last.offsets is None:
        empty = "" if last.values.dtype == object else last.values.dtype.type(0)
        return [*others, Column(np.where(null, empty, last.values), ~null)]
    lengths = np.diff(last.offsets)
    kept = np.repeat(~null, lengths)
    offsets = np.concatenate(([0], np.cumsum(np.where(null, 0, lengths))))
    return [*others, Column(last.values[kept], ~null, offsets)]
