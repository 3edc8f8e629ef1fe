"""Metrics: values known by hand, and what happens to rows without a number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from udfs.block import Column
from udfs.metrics import accuracy, classified, f1, log_loss, mae, rmse

METRICS = {"rmse": rmse, "mae": mae, "accuracy": accuracy, "f1": f1, "log_loss": log_loss(np.array([0.0, 1.0]))}


def column(*values: float | None) -> Column:
    present = np.array([value is not None for value in values], bool)
    return Column(np.array([0.0 if value is None else value for value in values]), None if present.all() else present)


def test_values_known_by_hand():
    assert rmse(column(1, 2, 3), column(1, 4, 3)).value == pytest.approx(math.sqrt(4 / 3))
    assert mae(column(1, 2, 3), column(1, 4, 2)).value == 1.0
    assert accuracy(column(1, 2, 2, 1), column(1, 2, 1, 1)).value == 0.75
    assert f1(column(1, 1, 2, 2), column(1, 2, 2, 3)).value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_log_loss_is_that_of_the_version_s_two_labels_whichever_are_among_the_rows():
    both = -(math.log(0.9) + math.log(0.8)) / 2
    assert log_loss(np.array([0.0, 1.0]))(column(0.9, 0.2), column(1, 0)).value == pytest.approx(both)
    loss = log_loss(np.array([1.0, 2.0]))
    assert loss(column(0.9, 0.2), column(2, 1)).value == pytest.approx(both)
    assert loss(column(0.2), column(1)).value == pytest.approx(-math.log(0.8)), "the lower label alone"
    assert math.isfinite(loss(column(0.0, 0.0), column(2, 1)).value)
    other = loss(column(0.9, 0.5), column(2, 7))
    assert (other.value, other.row_count, other.failed_rows) == (pytest.approx(-math.log(0.9)), 1, 1)


def test_decision_values_are_classified_before_they_are_compared():
    found = classified(np.array([-1.0, 4.0]), 0.5)(column(0.4, 0.6, 0.6, math.nan, None), column(-1, 4, -1, 4, 4))
    assert (found.value, found.row_count, found.failed_rows) == (pytest.approx(2 / 3), 3, 2)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_rows_without_a_prediction_or_label_are_counted_and_left_out(name: str):
    prediction = column(1, None, math.nan, 0, 1, 0)
    label = column(1, 1, 1, None, math.inf, 0)
    found = METRICS[name](prediction, label)
    assert (found.name, found.row_count, found.failed_rows) == (name, 2, 4)
    assert found.value == METRICS[name](column(1, 0), column(1, 0)).value


@pytest.mark.parametrize("name", sorted(METRICS))
def test_no_row_left_has_no_value_and_unequal_lengths_are_an_error(name: str):
    found = METRICS[name](column(None), column(1))
    assert math.isnan(found.value) and (found.row_count, found.failed_rows) == (0, 1)
    with pytest.raises(ValueError, match="2 predictions for 1 labels"):
        METRICS[name](column(1, 2), column(1))
