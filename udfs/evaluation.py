"""Evaluating a model as it is served: the metrics that its kind of answer calls for, over all rows of a data set.

Must not know where the rows or the view come from. Rows with an unknown key are predicted as they would be for a user
(cold start) and count; they are also counted apart. Rows without a prediction or label have no error and are counted as
failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from udfs.als import SIDES, Als
from udfs.block import Column
from udfs.linear import Linear
from udfs.metrics import Metric, accuracy, log_loss, mae, rmse
from udfs.model import Model, ModelView
from udfs.observations import key_values

Batch = tuple[Sequence[Column], Column]
"""Argument columns and the label column of some rows."""


def evaluate(model: Model, view: ModelView, batches: Iterable[Batch]) -> tuple[list[Metric], int]:
    """Metrics over all rows of all batches, and how many rows named an unknown key. No row: metrics are NaN."""
    predictions, labels, unknown = [], [], 0
    for args, label in batches:
        predictions.append(model.predict(view, args))
        labels.append(label)
        unknown += unknown_rows(model, view, args)
    prediction, label = _joined(predictions), _joined(labels)
    return [metric(prediction, label) for metric in metrics_of(model, view)], unknown


def metrics_of(model: Model, view: ModelView) -> list[Callable[[Column, Column], Metric]]:
    """A classifier's metrics follow from what it answers; everything else predicts a number."""
    if isinstance(model, Linear) and model.algorithm != "ridge":
        labels = view.constants["labels"]
        if model.output == "class":
            return [accuracy]
        if len(labels) == 2:
            boundary = 0.5 if model.output == "probability" else model.threshold
            classified = _classified(labels, boundary)
            return [classified, log_loss] if model.output == "probability" else [classified]
    return [rmse, mae]


def unknown_rows(model: Model, view: ModelView, args: Sequence[Column]) -> int:
    """How many rows name a user or item the model has no row of; 0 for models without keys."""
    if not isinstance(model, Als):
        return 0
    missing = np.zeros(len(args[0]), bool)
    for side, name in enumerate(SIDES):
        found = view.tables[name].find(key_values(args[side], model.kinds[side], side)) < 0
        missing |= found if args[side].valid is None else found & args[side].valid
    return int(np.count_nonzero(missing))


def _classified(labels: np.ndarray, boundary: float) -> Callable[[Column, Column], Metric]:
    """Accuracy of the class that a decision value or probability amounts to."""

    def metric(prediction: Column, label: Column) -> Metric:
        classes = np.where(prediction.values > boundary, labels[1], labels[0])
        return accuracy(replace(prediction, values=classes), label)

    return metric


def _joined(parts: Sequence[Column]) -> Column:
    if not parts:
        return Column(np.empty(0))
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([np.ones(len(part), bool) if part.valid is None else part.valid for part in parts])
    return Column(np.concatenate([part.values for part in parts]), valid)
