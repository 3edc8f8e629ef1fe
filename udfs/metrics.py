"""Metrics of predictions against labels, with how many rows they are of.

Must not know models or SQL. A row whose prediction or label is NULL, NaN or infinite has no error to count: it is left
out of the value and counted in ``failed_rows``. No row left makes the value NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from udfs.block import Column

PROBABILITY_MIN = 1e-15
"""Probabilities are held this far from 0 and 1, so that one certain mistake does not make log loss infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric's value, the rows it is over, and the rows that had no prediction or no label."""

    name: str
    value: float
    row_count: int
    failed_rows: int


MetricFunction = Callable[[Column, Column], Metric]
"""``metric(prediction, label)``: DOUBLE columns of the same length."""


def rmse(prediction: Column, label: Column) -> Metric:
    """Root of the mean squared error."""
    return _metric("rmse", prediction, label, lambda p, y: float(np.sqrt(np.mean(np.square(p - y)))))


def mae(prediction: Column, label: Column) -> Metric:
    """Mean absolute error."""
    return _metric("mae", prediction, label, lambda p, y: float(np.mean(np.abs(p - y))))


def accuracy(prediction: Column, label: Column) -> Metric:
    """Share of rows whose predicted class is the label."""
    return _metric("accuracy", prediction, label, lambda p, y: float(np.mean(p == y)))


def log_loss(prediction: Column, label: Column) -> Metric:
    """Mean negative log likelihood of two classes.

    ``prediction`` is the probability of the higher label. Of the labels here the higher one counts as that class; a
    column of one distinct label counts as the higher one when it is positive.
    """
    return _metric("log_loss", prediction, label, _log_loss)


def classified(labels: np.ndarray, boundary: float) -> MetricFunction:
    """Accuracy of the class that a decision value or a probability amounts to: above ``boundary``, labels[1]."""

    def metric(prediction: Column, label: Column) -> Metric:
        values = np.where(np.isnan(prediction.values), np.nan, labels[(prediction.values > boundary).astype(np.int64)])
        return accuracy(Column(values, prediction.valid), label)

    return metric


METRICS: dict[str, MetricFunction] = {
    "rmse": rmse, "mae": mae, "accuracy": accuracy, "log_loss": log_loss,
}  # fmt: skip


def _log_loss(probability: np.ndarray, label: np.ndarray) -> float:
    higher = label == label.max() if label.min() < label.max() else label > 0
    likelihood = np.where(higher, probability, 1.0 - probability)
    return float(-np.mean(np.log(np.clip(likelihood, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))))


def _metric(name: str, prediction: Column, label: Column, value: Callable[[np.ndarray, np.ndarray], float]) -> Metric:
    """The metric over rows where both are finite. Raises ValueError when the columns differ in length."""
    if len(prediction) != len(label):
        raise ValueError(f"{len(prediction)} predictions for {len(label)} labels")
    usable = np.ones(len(label), bool)
    for column in (prediction, label):
        usable &= np.isfinite(column.values)
        if column.valid is not None:
            usable &= column.valid
    count = int(np.count_nonzero(usable))
    predictions = prediction.values[usable].astype(np.float64)
    labels = label.values[usable].astype(np.float64)
    return Metric(name=name, value=value(predictions, labels) if count else float("nan"), row_count=count,
                  failed_rows=len(label) - count)  # fmt: skip
