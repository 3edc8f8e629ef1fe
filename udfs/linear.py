"""``svm``, ``logistic`` and ``ridge``: linear models over dense or sparse features.

The weights of a class are one vector, w[0] the intercept and w[j + 1] of feature j, stored in table ``weights`` in
ranges (udfs/weights.py). A prediction gathers the weights of all (row, feature) pairs of a batch at once and sums each
row on its own in float64, so that a row has the same bits in every batch.

Must not know about Flink, files or SQL. Constants of a version: ``labels`` [c], the classes' numbers, ascending (empty: ridge);
``label_center``, ``label_scale`` [1] (0 and 1 for classes); ``centers``, ``scales`` [features], by which learning
standardises (empty: sparse input).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from udfs.block import Column
from udfs.classes import known_numbers, named, numbered, used
from udfs.deltas import clipped, damped
from udfs.features import (
    DENSE_FEATURES_MAX,
    Features,
    Shape,
    finite_inputs,
    input_shape,
    read_features,
    row_digests,
)
from udfs.linear_fit import CURVATURES, LOSSES, minimise, sigmoid
from udfs.metrics import MetricFunction, accuracy, classified, f1, log_loss, mae, rmse
from udfs.model import (
    Answer,
    ArgumentError,
    DivergedError,
    Fitted,
    ModelView,
    Option,
    OptionError,
    Progress,
    Push,
    Pushes,
    TableSpec,
)
from udfs.observations import (
    UNKNOWN_CLASS,
    Failures,
    check_usable,
    empty_rows,
    exclude,
    label_values,
    moments,
    not_finite_input,
    present,
    usable_rows,
)
from udfs.options import parse_options
from udfs.weights import RANGE, class_keys, to_ranges, weights_of

CLASSES_MAX = 1000
"""Most distinct labels of a classifier; more is a number to regress on, not a class."""

_COMMON = (
    Option(name="regularization", default="1.0", low=1e-9, high=1e9,
           description="Penalty on the squared weights; scikit-learn's alpha, and the inverse of its C."),
    Option(name="iterations", default="500", kind="int", low=1, high=100_000,
           description="Most iterations of the minimiser; it stops earlier when it has converged."),
    Option(name="standardize", default="true", kind="choice", choices=("true", "false"),
           description="Whether features are centered and scaled to deviation 1 for training (sparse: scaled only)."),
    Option(name="learning_rate", default="0.02", low=0, high=10, description="Step of the weights in learning."),
    Option(name="gradient_clip", default="1.0", low=1e-6, high=1e6,
           description="Longest change of a range of weights by one batch, in deviations of feature and label."),
)  # fmt: skip


def _output(*choices: str) -> Option:
    return Option(name="output", default="class", kind="choice", choices=choices,
                  description="What predict answers: the label, the decision value, or its probability.")  # fmt: skip


_THRESHOLD = Option(name="threshold", default="0",
                    description="Decision value above which a row is of the higher of two labels.")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One configured linear model; the subclasses differ in their options and losses."""

    algorithm: ClassVar[str]
    _declared: ClassVar[tuple[Option, ...]]

    shape: Shape
    width: int | None
    loss: str
    output: str
    threshold: float
    regularization: float
    iterations: int
    standardize: bool
    learning_rate: float
    gradient_clip: float

    @property
    def answer(self) -> Answer:
        """A number of ridge; else the label or, as ``output`` says, a score of it."""
        if self.algorithm == "ridge":
            return "number"
        return "class" if self.output == "class" else "score"

    @classmethod
    def options(cls) -> Sequence[Option]:
        """The options of CREATE MODEL … WITH for this algorithm."""
        return cls._declared

    @classmethod
    def from_options(cls, options: Mapping[str, str], input_types: Sequence[str]) -> Linear:
        """Inputs as features.input_shape takes them. Raises OptionError."""
        values = {"output": "decision", "threshold": 0.0, "loss": cls.algorithm.replace("ridge", "squared")}
        values |= parse_options(cls.algorithm, cls._declared, options)
        shape = input_shape(cls.algorithm, input_types)
        if shape == "columns" and len(input_types) > DENSE_FEATURES_MAX:
            raise OptionError("algorithm", f"{len(input_types)} inputs; at most {DENSE_FEATURES_MAX} are possible")
        values["standardize"] = values["standardize"] == "true"
        return cls(shape=shape, width=len(input_types) if shape == "columns" else None, **values)

    def tables(self) -> tuple[TableSpec, ...]:
        """``weights``, ranges of 256."""
        return (TableSpec(name="weights", key="int64", width=RANGE),)

    def initial_rows(self, constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """None: an unknown range starts from zeros."""
        return {}

    def fit(self, columns: Sequence[Column], progress: Progress) -> Fitted:
        """Train on the input columns and, last, the label; the order of rows is of no matter.

        Raises DivergedError, ArgumentError.
        """
        inputs, label = self._inputs(columns[:-1]), columns[-1]
        values, classes = (label_values(label), None) if self.answer == "number" else numbered(label)
        kept, failures = usable_rows(inputs, label, values)
        for number, finite in enumerate(finite_inputs(inputs)):
            exclude(kept, finite, not_finite_input(number), failures)
        features = read_features(self.shape, inputs, self.width, kept, failures)
        check_usable(kept, failures)
        values, classes = used(values[kept], classes)
        if self.answer != "number":
            _check_classes(values, classes)
        order = np.argsort(row_digests(features, values), kind="stable")
        features, values = features.take(order), values[order]
        rows, metrics, constants = self._train(features, values, progress)
        return Fitted(rows={"weights": rows}, constants=constants, metrics=metrics, rows_read=len(kept),
                      rows_failed=len(kept) - len(values), failures=failures, classes=classes)  # fmt: skip

    def _train(
        self, features: Features, label: np.ndarray, progress: Progress
    ) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, float], dict[str, np.ndarray]]:
        """((keys, rows), metrics, constants) of usable observations."""
        classes = None if self.answer == "number" else np.unique(label)
        label_center, label_scale = moments(label) if classes is None else (0.0, 1.0)
        targets = (label[:, None] - label_center) / label_scale if classes is None else _targets(label, classes)
        design, positions, centers, scales = _design(features, self.standardize)
        found = minimise(design, targets, self.loss, self.regularization, self.iterations, progress)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = found.weights * label_scale / scales[:, None]
            weights[0] += label_center - centers @ weights
            keys, rows = to_ranges(positions, weights)
        if not np.isfinite(rows).all():
            raise DivergedError(f"training diverged in iteration {found.iterations}: a weight overflows float32")
        metrics = {"objective": found.objective, "iterations": float(found.iterations)}
        metrics["converged"] = float(found.converged)
        scores = np.asarray(design @ found.weights)
        if classes is None:
            metrics["rmse"] = label_scale * float(np.sqrt(np.mean(np.square(scores - targets))))
        else:
            metrics["accuracy"] = float(np.mean(_pick(scores, classes, 0.0) == label))
        dense = features.positions is None
        constants = {
            "labels": np.empty(0) if classes is None else classes,
            "label_center": np.array([label_center]),
            "label_scale": np.array([label_scale]),
            "centers": centers[1:] if dense else np.empty(0),
            "scales": scales[1:] if dense else np.empty(0),
        }
        return (keys, rows), metrics, constants

    def predict(self, view: ModelView, args: Sequence[Column]) -> Column:
        """float64 per row as ``output`` says; NULL for a NULL input and where a feature (so the decision) is not finite.

        Raises ArgumentError for arrays that do not fit the model.
        """
        kept = _kept(args)
        features = self._read(view, self._inputs(args), kept)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._scores(view, features)
            answers = self._answers(scores, view.constants["labels"])
        finite = np.isfinite(scores).all(axis=1)
        if len(finite) == len(kept) and finite.all():
            return Column(answers)
        kept[kept] = finite
        values = np.zeros(len(kept))
        values[kept] = answers[finite]
        return Column(values, kept)

    def unknown(self, view: ModelView, args: Sequence[Column]) -> np.ndarray:
        """bool[n]: none; a feature that was never seen weighs nothing, it is no key."""
        return np.zeros(len(args[0]), bool)

    def metrics(self, view: ModelView) -> Sequence[MetricFunction]:
        """Of a classifier accuracy, f1 of its classes, log loss of a probability of two; else errors of a number."""
        labels = view.constants["labels"]
        if not len(labels):
            return rmse, mae
        if self.output == "class" or len(labels) > 2:
            return accuracy, f1
        if self.output == "probability":
            return classified(labels, float(sigmoid(np.float64(self.threshold)))), log_loss(labels)
        return (classified(labels, self.threshold),)

    def measured(self, view: ModelView) -> Linear:
        """Itself; of scores of more than two classes, which do not say whose they are, the model that answers the class."""
        return replace(self, output="class") if len(view.constants["labels"]) > 2 else self

    def _answers(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """float64[n] of the decision values [n, c]."""
        if self.output == "class":
            return _pick(scores, labels, self.threshold)
        if scores.shape[1] == 1:
            return sigmoid(scores[:, 0]) if self.output == "probability" else scores[:, 0]
        highest = scores.max(axis=1)
        if self.output == "decision":
            return highest
        return 1.0 / np.exp(scores - highest[:, None]).sum(axis=1)

    def learn(self, view: ModelView, args: Sequence[Column], label: Column) -> Pushes:
        """One step of gradient descent in standardised features; steps are damped and clipped, see udfs/deltas.py."""
        inputs, constants = self._inputs(args), view.constants
        labels, values = constants["labels"], known_numbers(label, view.classes)
        kept, failures = usable_rows(inputs, label, values)
        if len(labels):
            exclude(kept, np.isin(values, labels), UNKNOWN_CLASS, failures)
        failures.forget(empty_rows(inputs, label))
        features = read_features(self.shape, inputs, _width(constants), kept, failures)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._scores(view, features)
            good = np.isfinite(scores).all(axis=1)
            features, scores, values = features.take(good), scores[good], values[kept][good]
            if len(values) == 0:
                return Pushes(failures=failures)
            label_center, label_scale = float(constants["label_center"][0]), float(constants["label_scale"][0])
            targets = _targets(values, labels) if len(labels) else (values[:, None] - label_center) / label_scale
            scores = scores if len(labels) else (scores - label_center) / label_scale
            _, slopes = LOSSES[self.loss](scores, targets)
            keys, counts, deltas = self._deltas(features, slopes, constants, label_scale)
            deltas = deltas.astype(np.float32)
        usable = np.isfinite(deltas).all(axis=1)
        return Pushes([Push(table="weights", keys=keys[usable], counts=counts[usable], deltas=deltas[usable])], failures)

    def _deltas(
        self, features: Features, slopes: np.ndarray, constants: Mapping[str, np.ndarray], label_scale: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(keys[m], int32 counts[m], float64[m, 256] deltas) of all classes and touched ranges."""
        dense = features.positions is None
        values, positions = features.values, features.positions
        centers, scales = np.append(0.0, constants["centers"]), np.append(1.0, constants["scales"])
        if dense:
            values = ((features.matrix() - centers) / scales).reshape(-1)
            positions = np.tile(np.arange(len(centers)), len(features))
        rows = features.row_numbers()
        ranges, codes = np.unique(positions // RANGE, return_inverse=True)
        places = codes * RANGE + positions % RANGE
        counts = np.bincount(np.unique(codes * len(features) + rows) // len(features), minlength=len(ranges))
        sizes = np.add.reduceat(np.abs(values), features.starts)
        size = len(ranges) * RANGE
        keys, deltas = [], []
        for number in range(slopes.shape[1]):
            active = CURVATURES[self.loss] * (slopes[:, number] != 0)
            gradient = np.bincount(places, values * slopes[rows, number], size)
            curvature = np.bincount(places, np.abs(values) * (sizes * active)[rows], size)
            steps = damped(-gradient, curvature, self.learning_rate).reshape(-1, RANGE)
            steps = clipped(steps, self.gradient_clip).reshape(-1) * label_scale
            if dense:
                steps[: len(scales)] /= scales
                steps[0] -= steps[: len(scales)] @ centers
            keys.append(class_keys(number, ranges))
            deltas.append(steps.reshape(-1, RANGE))
        return np.concatenate(keys), np.tile(counts, len(keys)).astype(np.int32), np.concatenate(deltas)

    def _inputs(self, columns: Sequence[Column]) -> Sequence[Column]:
        expected = {"array": 1, "sparse": 2}.get(self.shape, self.width)
        if len(columns) != expected:
            raise ArgumentError(f"{len(columns)} arguments, expected {expected}")
        return columns

    def _read(self, view: ModelView, inputs: Sequence[Column], kept: np.ndarray) -> Features:
        """Features of the rows that are ``kept``. Raises ArgumentError when one of them is malformed."""
        failures = Failures()
        features = read_features(self.shape, inputs, _width(view.constants), kept, failures)
        if failures:
            raise ArgumentError("; ".join(f"{reason} in {count} of the rows" for reason, count in failures.items()))
        return features

    def _scores(self, view: ModelView, features: Features) -> np.ndarray:
        """float64[n, c] decision values; c is 1 for ridge and for two classes."""
        table, classes = view.tables["weights"], len(view.constants["labels"])
        columns = classes if classes > 2 else 1
        scores = np.empty((len(features), columns))
        if len(features):
            for number in range(columns):
                weights = weights_of(table, features, number)
                scores[:, number] = np.add.reduceat(weights * features.values, features.starts)
        return scores


class Svm(Linear):
    """Support vector machine: a linear classifier with a margin."""

    __slots__ = ()
    algorithm = "svm"
    _declared = (
        *_COMMON, _output("class", "decision"), _THRESHOLD,
        Option(name="loss", default="squared_hinge", kind="choice", choices=("squared_hinge", "hinge"),
               description="What a row inside of the margin costs: the square of what is missing, or just that."),
    )  # fmt: skip


class Logistic(Linear):
    """Logistic regression, of two classes or (softmax) more."""

    __slots__ = ()
    algorithm = "logistic"
    _declared = (*_COMMON, _output("class", "decision", "probability"), _THRESHOLD)


class Ridge(Linear):
    """Least squares with a penalty on squared weights; predicts the label itself."""

    __slots__ = ()
    algorithm = "ridge"
    _declared = _COMMON


def _kept(args: Sequence[Column]) -> np.ndarray:
    """bool[n], writable: rows without NULL."""
    found = present(args)
    return np.ones(len(args[0]) if args else 0, bool) if found is None else found.copy()


def _width(constants: Mapping[str, np.ndarray]) -> int:
    return len(constants["centers"])


def _check_classes(label: np.ndarray, classes: np.ndarray | None) -> None:
    """Raise ArgumentError unless there are 2 to CLASSES_MAX distinct labels."""
    found = np.unique(label)
    if len(found) == 1:
        raise ArgumentError(f"the label is {named(found, classes)[0]} in every row that can be trained on; "
                            f"a classifier takes 2 to {CLASSES_MAX} classes")  # fmt: skip
    if len(found) > CLASSES_MAX:
        raise ArgumentError(f"the label has {len(found)} distinct values; a classifier takes 2 to {CLASSES_MAX} classes")


def _targets(label: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """float64[n, c] of ±1: +1 at the label's class; one column, +1 for the higher label, when there are two."""
    hit = label[:, None] == (classes[1:] if len(classes) == 2 else classes)
    return np.where(hit, 1.0, -1.0)


def _pick(scores: np.ndarray, labels: np.ndarray, threshold: float) -> np.ndarray:
    """float64[n]: the label that the decision values [n, c] choose."""
    return labels[(scores[:, 0] > threshold).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)]


def _design(features: Features, standardize: bool) -> tuple[object, np.ndarray, np.ndarray, np.ndarray]:
    """(design matrix, weight position of each of its columns, centers, scales), the first column the ones."""
    dense = features.positions is None
    with np.errstate(over="ignore", invalid="ignore"):
        if dense:
            matrix = features.matrix()
            positions = np.arange(matrix.shape[1])
            centers, scales = matrix.mean(axis=0), matrix.std(axis=0)
        else:
            positions, codes = np.unique(features.positions, return_inverse=True)
            squares = np.bincount(codes, np.square(features.values))
            centers, scales = np.zeros(len(positions)), np.sqrt(squares / len(features))
    if not standardize:
        centers, scales = np.zeros(len(positions)), np.ones(len(positions))
    if not np.isfinite(scales).all():
        raise DivergedError("training diverged before iteration 1: the variance of a feature overflows")
    centers[0], scales[0], scales[scales == 0] = 0.0, 1.0, 1.0
    if dense:
        return (matrix - centers) / scales, positions, centers, scales
    from scipy.sparse import csr_array  # only training on sparse rows needs scipy.sparse

    values, starts = features.values / scales[codes], np.append(features.starts, len(features.values))
    return csr_array((values, codes, starts), shape=(len(features), len(positions))), positions, centers, scales
