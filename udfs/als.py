"""``als``: matrix factorisation with biases, trained by alternating least squares, updated by gradient descent.

A row of table ``users`` is [f1 … fk, bias, 1], one of ``items`` [f1 … fk, 1, bias], so that one dot product holds the
biases too: score = mean + scale · (user row · item row). Rows are in units of the label's standard deviation (scale),
so options mean the same whatever the label's unit. A score reads two rows and rounds as that pair alone rounds: the
same bits in every batch. Bits depend on the BLAS kernel of the processor: serve and score on processors of one kind.

Must not know about Flink, files or SQL. Constants of a version: ``mean``, ``scale`` [1]; ``label_range`` [2], the
lowest and highest label of training; ``users``, ``items`` [k + 2], the mean rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from udfs.als_fit import Settings, fit_factors
from udfs.block import Column
from udfs.deltas import Groups, clipped, damped
from udfs.metrics import MetricFunction, mae, rmse
from udfs.model import (
    Answer,
    ArgumentError,
    Fitted,
    ModelView,
    Option,
    OptionError,
    Progress,
    Push,
    Pushes,
    TableSpec,
    TableView,
)
from udfs.observations import (
    check_usable,
    empty_rows,
    factorize,
    key_values,
    label_values,
    moments,
    present,
    usable_rows,
)
from udfs.options import parse_options
from udfs.ranking import top_places

KEY_KINDS = {"SMALLINT": "int64", "INT": "int64", "BIGINT": "int64", "STRING": "text"}
SIDES = ("users", "items")
SCAN_ROWS_MAX = 32
"""Up to this many row numbers are scanned for unknown keys as a list, which is faster than a reduction's set-up."""

_OPTIONS = (
    Option(name="factors", default="32", kind="int", low=1, high=1024, description="Factors per user and item."),
    Option(name="regularization", default="1.0", low=1e-6, high=1e6,
           description="Penalty on factors in training; grows with a row's number of observations."),
    Option(name="bias_regularization", default="3.0", low=0, high=1e6,
           description="Penalty on biases in training: as many further observations of an average label."),
    Option(name="iterations", default="10", kind="int", low=1, high=1000,
           description="Training iterations, each over users and items."),
    Option(name="seed", default="0", kind="int", low=0, high=2**31 - 1, description="Seed of the first item factors."),
    Option(name="cold_start", default="mean", kind="choice", choices=("mean", "null", "error"),
           description="What an unknown user or item is answered with: its side's mean row, NULL, or an error."),
    Option(name="user_learning_rate", default="0.05", low=0, high=10, description="Step of a user's row in learning."),
    Option(name="item_learning_rate", default="0.05", low=0, high=10, description="Step of an item's row in learning."),
    Option(name="user_regularization", default="0.01", low=0, high=100,
           description="Shrinkage of a user's row per learned observation, times the step."),
    Option(name="item_regularization", default="0.01", low=0, high=100,
           description="Shrinkage of an item's row per learned observation, times the step."),
    Option(name="gradient_clip", default="1.0", low=1e-6, high=1e6,
           description="Longest change of one row by one batch of observations, in label deviations."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Als:
    """One configured matrix factorisation; ``kinds`` are the key kinds of users and items."""

    algorithm = "als"

    kinds: tuple[str, str]
    settings: Settings
    cold_start: str
    learning_rates: tuple[float, float]
    shrinkages: tuple[float, float]
    gradient_clip: float

    @property
    def answer(self) -> Answer:
        """A number like the label."""
        return "number"

    @classmethod
    def options(cls) -> Sequence[Option]:
        """The options of CREATE MODEL … WITH ('algorithm' = 'als')."""
        return _OPTIONS

    @classmethod
    def from_options(cls, options: Mapping[str, str], input_types: Sequence[str]) -> Als:
        """Two inputs, a user and an item key, each an integer or a text. Raises OptionError."""
        values = parse_options("als", _OPTIONS, options)
        if len(input_types) != 2 or any(kind not in KEY_KINDS for kind in input_types):
            raise OptionError("algorithm", 'algorithm "als" takes two inputs, a user and an item, each SMALLINT, INT, '
                              f"BIGINT or STRING, not ({', '.join(input_types)})")  # fmt: skip
        names = ("factors", "iterations", "regularization", "bias_regularization", "seed")
        return cls(
            kinds=(KEY_KINDS[input_types[0]], KEY_KINDS[input_types[1]]),
            settings=Settings(**{name: values[name] for name in names}),
            cold_start=values["cold_start"],
            learning_rates=(values["user_learning_rate"], values["item_learning_rate"]),
            shrinkages=(values["user_regularization"], values["item_regularization"]),
            gradient_clip=values["gradient_clip"],
        )

    def tables(self) -> tuple[TableSpec, ...]:
        """``users`` and ``items``, keyed as the inputs are, factors + 2 wide."""
        width = self.settings.factors + 2
        return tuple(TableSpec(name=side, key=kind, width=width) for side, kind in zip(SIDES, self.kinds, strict=True))

    def initial_rows(self, constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The mean rows: where learning starts for a new user or item."""
        return {side: constants[side].astype(np.float32) for side in SIDES}

    def fit(self, columns: Sequence[Column], progress: Progress) -> Fitted:
        """Train on columns (user, item, label). A pair observed twice counts twice; the order of rows is of no matter.

        Raises DivergedError, ArgumentError.
        """
        users, items, label = _exactly(columns, 3)
        values = label_values(label)
        usable, failures = usable_rows((users, items), label, values)
        check_usable(usable, failures)
        user_keys, user = factorize(key_values(users, self.kinds[0], 0)[usable])
        item_keys, item = factorize(key_values(items, self.kinds[1], 1)[usable])
        values = values[usable]
        order = np.lexsort((values, item, user))
        user, item, values = user[order], item[order], values[order]
        mean, scale = moments(values)
        found = fit_factors(
            user, item, (values - mean) / scale, (len(user_keys), len(item_keys)), self.settings,
            lambda done, total, metrics: progress(done, total, {"rmse": metrics["rmse"] * scale}),
        )  # fmt: skip
        user_rows = _rows(found.users, found.user_bias, bias_place=-2)
        item_rows = _rows(found.items, found.item_bias, bias_place=-1)
        return Fitted(
            rows={"users": (user_keys, user_rows), "items": (item_keys, item_rows)},
            constants={
                "mean": np.array([mean]),
                "scale": np.array([scale]),
                "label_range": np.array([values.min(), values.max()]),
                "users": user_rows.mean(0, np.float64),
                "items": item_rows.mean(0, np.float64),
            },
            metrics={"rmse": found.rmse * scale},
            rows_read=len(usable),
            rows_failed=len(usable) - len(values),
            failures=failures,
        )

    def predict(self, view: ModelView, args: Sequence[Column]) -> Column:
        """DOUBLE score per (user, item); NULL for a NULL key; an unknown key as ``cold_start`` says."""
        users, items = _exactly(args, 2)
        constants, tables = view.constants, view.tables
        valid = None if users.valid is None and items.valid is None else present(args)
        user_rows, new_users = _gather(tables["users"], key_values(users, self.kinds[0], 0), constants["users"])
        item_rows, new_items = _gather(tables["items"], key_values(items, self.kinds[1], 1), constants["items"])
        scores = score_rows(user_rows, item_rows, constants)
        if self.cold_start != "mean":
            if new_users is not None:
                valid = self._without(new_users, valid, users, "user")
            if new_items is not None:
                valid = self._without(new_items, valid, items, "item")
        return Column(scores) if valid is None else Column(np.where(valid, scores, 0.0), valid)

    def unknown(self, view: ModelView, args: Sequence[Column]) -> np.ndarray:
        """bool[n]: rows of a user or an item without a row of its own."""
        columns = _exactly(args, 2)
        found = np.zeros(len(columns[0]), bool)
        for side, name in enumerate(SIDES):
            keys = columns[side]
            new = view.tables[name].find(key_values(keys, self.kinds[side], side)) < 0
            found |= new if keys.valid is None else new & keys.valid
        return found

    def metrics(self, view: ModelView) -> Sequence[MetricFunction]:
        """Root mean squared and mean absolute error."""
        return rmse, mae

    def measured(self, view: ModelView) -> Als:
        """Itself: a score is compared with the label."""
        return self

    def predict_one(self, view: ModelView, args: Sequence[int | float | str]) -> float | None:
        """See Pointwise: two scalar look-ups and one dot product, a fifth of what a batch of one costs."""
        users, items, constants = view.tables["users"], view.tables["items"], view.constants
        user, item = users.find_one(args[0]), items.find_one(args[1])
        if user < 0 or item < 0:
            return None
        dot = float(np.vecdot(users.matrix[user], items.matrix[item]))
        return dot * float(constants["scale"][0]) + float(constants["mean"][0])

    def _without(self, new: np.ndarray, valid: np.ndarray | None, keys: Column, noun: str) -> np.ndarray:
        """Validity with rows of unknown keys made NULL; raises ArgumentError instead under ``cold_start = error``."""
        if self.cold_start == "error":
            named = new if keys.valid is None else new & keys.valid
            if named.any():
                raise _unknown(noun, keys.values[int(np.argmax(named))])
        return ~new if valid is None else valid & ~new

    def learn(self, view: ModelView, args: Sequence[Column], label: Column) -> Pushes:
        """One step of gradient descent on the squared error, over both rows of each observation at once.

        An error is held within the width of the training labels' range. A key's summed step is damped by its summed
        curvature, so that any number of observations on one stale row cannot overshoot, then clipped to
        ``gradient_clip``. An unknown key's delta is meant for the mean row.
        """
        columns = _exactly(args, 2)
        values = label_values(label)
        usable, failures = usable_rows(columns, label, values)
        failures.forget(empty_rows(columns, label))
        constants = view.constants
        keys = [key_values(columns[side], self.kinds[side], side)[usable] for side in (0, 1)]
        user_rows, item_rows = (
            _gather(view.tables[name], keys[side], constants[name])[0] for side, name in enumerate(SIDES)
        )
        low, high = constants["label_range"]
        scale = float(constants["scale"][0])
        reach = max((high - low) / scale, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            error = (values[usable] - score_rows(user_rows, item_rows, constants)) / scale
        error = np.clip(error, -reach, reach)
        return Pushes([
            self._push(side, keys[side], own, other, error)
            for side, (own, other) in enumerate(((user_rows, item_rows), (item_rows, user_rows)))
        ], failures)  # fmt: skip

    def _push(self, side: int, keys: np.ndarray, own: np.ndarray, other: np.ndarray, error: np.ndarray) -> Push:
        """Deltas of one side: ``own`` rows (float32[n, width]) observed with ``other`` ones and an ``error`` each."""
        groups, shrinkage, constant_one = Groups(keys), self.shrinkages[side], own.shape[1] - 1 - side
        other, counts = other.astype(np.float64), groups.counts[:, None]
        # A key's own row is the same in all of its observations.
        sums = groups.sums(error, other)
        sums -= shrinkage * counts * own[groups.first]
        sums[:, constant_one] = 0.0
        curvature = groups.sums(np.vecdot(other, other), np.ones((len(keys), 1))) + shrinkage * counts
        with np.errstate(over="ignore", invalid="ignore"):
            steps = damped(sums, curvature, self.learning_rates[side])
            deltas = clipped(steps, self.gradient_clip).astype(np.float32)
        if np.isfinite(deltas).all():
            return Push(table=SIDES[side], keys=groups.unique, counts=groups.counts, deltas=deltas)
        kept = np.isfinite(deltas).all(1)
        return Push(table=SIDES[side], keys=groups.unique[kept], counts=groups.counts[kept], deltas=deltas[kept])

    def recommend(self, view: ModelView, key: object, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k items with the highest scores for user ``key``; see Recommender.recommend."""
        users, items, constants = view.tables["users"], view.tables["items"], view.constants
        row, new = _gather(users, _one_key(key, self.kinds[0]), constants["users"])
        if new is not None and self.cold_start == "error":
            raise _unknown("user", key)
        if new is not None and self.cold_start == "null":
            k = 0
        chosen = top_places(_with_live(np.vecdot(row, items.matrix), items), items.keys, k)
        return items.keys[chosen], score_rows(row, items.matrix[chosen], constants)

    def similar(self, view: ModelView, key: object, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k items whose factors have the highest cosine with those of item ``key``; see Recommender.similar.

        An unknown item has no neighbours: none, or an error under ``cold_start = error``.
        """
        items = view.tables["items"]
        found = int(items.find(_one_key(key, self.kinds[1]))[0])
        if found < 0:
            if self.cold_start == "error":
                raise _unknown("item", key)
            return items.keys[:0], np.empty(0)
        factors = items.matrix[:, : self.settings.factors]
        cosines = _with_live(_cosines(factors[found : found + 1], factors), items)
        cosines[found] = -np.inf
        chosen = top_places(cosines, items.keys, k)
        return items.keys[chosen], cosines[chosen].astype(np.float64)


def score_rows(user_rows: np.ndarray, item_rows: np.ndarray, constants: Mapping[str, np.ndarray]) -> np.ndarray:
    """float64[n] scores of float32[n, width] rows (either side may have one row for all): the one kernel of ``als``."""
    return np.vecdot(user_rows, item_rows) * constants["scale"] + constants["mean"]


def _exactly(columns: Sequence[Column], count: int) -> Sequence[Column]:
    if len(columns) != count:
        raise ArgumentError(f"{len(columns)} arguments, expected {count}")
    return columns


def _rows(factors: np.ndarray, bias: np.ndarray, bias_place: int) -> np.ndarray:
    """float32[n, k + 2]: factors, and the bias at ``bias_place``, and 1 at the other of the last two places."""
    rows = np.ones((len(factors), factors.shape[1] + 2), np.float32)
    rows[:, :-2] = factors
    rows[:, bias_place] = bias
    return rows


def _gather(table: TableView, keys: np.ndarray, fallback: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(rows of the keys, bool[n] of unknown ones or None); an unknown key's row is ``fallback``."""
    found = table.find(keys)
    known = min(found.tolist(), default=0) >= 0 if len(found) <= SCAN_ROWS_MAX else found.min() >= 0
    if known:
        return table.matrix.take(found, axis=0), None
    unknown = found < 0
    rows = np.empty((len(found), len(fallback)), np.float32)
    rows[unknown] = fallback
    rows[~unknown] = table.matrix[found[~unknown]]
    return rows, unknown


def _one_key(key: object, kind: str) -> np.ndarray:
    """The key as an array of one. Raises ArgumentError when it is of another kind."""
    if kind == "text" and isinstance(key, str):
        return np.array([key], object)
    if kind == "int64" and isinstance(key, int | np.integer) and -(2**63) <= key < 2**63:
        return np.array([key], np.int64)
    raise ArgumentError(f"key {key!r} is no {kind}", 0)


def _unknown(noun: str, key: object) -> ArgumentError:
    return ArgumentError(f"{noun} {key} is unknown to the model", 0 if noun == "user" else 1)


def _with_live(scores: np.ndarray, table: TableView) -> np.ndarray:
    """The scores, those of deleted rows overwritten by -inf."""
    if table.live is not None:
        scores[~table.live] = -np.inf
    return scores


def _cosines(vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float32[n]: cosine of the vector [1, k] with each row, 0 where either has no length."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.vecdot(vector, rows) / (np.sqrt(np.vecdot(vector, vector)) * np.sqrt(np.vecdot(rows, rows)))
    cosines[~np.isfinite(cosines)] = 0.0
    return cosines
