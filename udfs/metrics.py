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
"""``metric(prediction, label)``: float64 columns of the same length; classes by their numbers (udfs/classes.py)."""


def rmse(prediction: Column, label: Column) -> Metric:
    """Root of the mean squared error."""
    return _metric("rmse", prediction, label, lambda p, y: float(np.sqrt(np.mean(np.square(p - y)))))


def mae(prediction: Column, label: Column) -> Metric:
    """Mean absolute error."""
    return _metric("mae", prediction, label, lambda p, y: float(np.mean(np.abs(p - y))))


def accuracy(prediction: Column, label: Column) -> Metric:
    """Share of rows whose predicted class is the label."""
    return _metric("accuracy", prediction, label, lambda p, y: float(np.mean(p == y)))


def f1(prediction: Column, label: Column) -> Metric:
    """Harmonic mean of precision and recall of each class that is predicted or a label, averaged over these classes."""
    return _metric("f1", prediction, label, _f1)


def log_loss(labels: np.ndarray) -> MetricFunction:
    """Mean negative log likelihood of two classes, ``labels``; the prediction is the probability of labels[1].

    A row whose label is none of the two has no likelihood: it is counted as failed.
    """

    def metric(prediction: Column, label: Column) -> Metric:
        values = np.where(np.isin(label.values, labels), label.values == labels[1], np.nan)
        return _metric("log_loss", prediction, Column(values, label.valid), _log_loss)

    return metric


def classified(labels: np.ndarray, boundary: float) -> MetricFunction:
    """Accuracy of the class that a decision value or a probability amounts to: above ``boundary``, labels[1]."""

    def metric(prediction: Column, label: Column) -> Metric:
        values = np.where(np.isnan(prediction.values), np.nan, labels[(prediction.values > boundary).astype(np.int64)])
        return accuracy(Column(values, prediction.valid), label)

    return metric


def _f1(prediction: np.ndarray, label: np.ndarray) -> float:
    size = len(label)
    classes, codes = np.unique(np.concatenate((prediction, label)), return_inverse=True)
    hits = np.bincount(codes[:size][codes[:size] == codes[size:]], minlength=len(classes))
    # Twice the hits over how often a class is predicted and how often it is the label.
    return float(np.mean(2.0 * hits / np.bincount(codes, minlength=len(classes))))


def _log_loss(probability: np.ndarray, higher: np.ndarray) -> float:
    likelihood = np.where(higher == 1.0, probability, 1.0 - probability)
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
