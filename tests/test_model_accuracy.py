"""How well models predict, beside references measured in the same run or known by construction."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.model_cases import ignore_progress
from udfs.algorithms import configure
from udfs.block import Column
from udfs.generate import PlantedRatings
from udfs.metrics import accuracy, rmse
from udfs.model import Model
from udfs.views import ArrayView

SPLIT_SEEDS = (0, 1, 2, 3, 4)
HELD_OUT_RMSE_MAX = 0.875
SCORE_TOLERANCE = 0.005


def held_out_rmse(model: Model, columns: list[np.ndarray], seed: int) -> float:
    """RMSE over a random fifth of the observations, all of them, after training on the others."""
    order = np.random.default_rng(seed).permutation(len(columns[0]))
    test, train = np.split(order, [len(order) // 5])
    view = ArrayView(model, model.fit([Column(column[train]) for column in columns], ignore_progress))
    *args, label = (Column(column[test]) for column in columns)
    metric = rmse(model.predict(view, args), label)
    assert metric.row_count == len(test)
    return metric.value


def test_als_comes_close_to_the_noise_of_a_planted_stream():
    model = configure("als", {"factors": "8"}, ("BIGINT", "BIGINT"))
    columns = PlantedRatings(users=300, items=200, rank=4, noise=0.5, popularity=0.5, seed=1).ratings(40_000)
    found = held_out_rmse(model, list(columns), seed=0)
    assert 0.5 * 0.97 < found < 0.5 * 1.12


@pytest.mark.integration  # needs no JVM, but five fits take longer than all unit tests together
@pytest.mark.skipif("FLINKMS_DATA" not in os.environ, reason="FLINKMS_DATA does not name the folder of ml-latest-small")
def test_als_on_movielens_with_default_options():
    data = np.loadtxt(Path(os.environ["FLINKMS_DATA"]) / "ratings.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2))
    columns = [data[:, 0].astype(np.int64), data[:, 1].astype(np.int64), data[:, 2].copy()]
    model = configure("als", {}, ("BIGINT", "BIGINT"))
    found = [held_out_rmse(model, columns, seed) for seed in SPLIT_SEEDS]
    assert np.mean(found) <= HELD_OUT_RMSE_MAX, found


@pytest.mark.parametrize(
    ("data", "algorithm", "peer"),
    [
        ("breast_cancer", "svm", "LinearSVC"),
        ("breast_cancer", "logistic", "LogisticRegression"),
        ("digits", "svm", "LinearSVC"),
        ("digits", "logistic", "LogisticRegression"),
        ("diabetes", "ridge", "Ridge"),
    ],
)
@pytest.mark.integration  # needs no JVM, but scikit-learn takes longer to import than all unit tests take
def test_linear_models_score_as_those_of_scikit_learn(data: str, algorithm: str, peer: str):
    from sklearn import datasets, linear_model, svm
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, label = getattr(datasets, f"load_{data}")(return_X_y=True)
    made = {
        "LinearSVC": svm.LinearSVC(max_iter=20_000, random_state=0),
        "LogisticRegression": linear_model.LogisticRegression(max_iter=2000),
        "Ridge": linear_model.Ridge(),
    }[peer]
    parts = train_test_split(features, label.astype(np.float64), test_size=0.25, random_state=0)
    train, test, train_label, test_label = parts
    reference = make_pipeline(StandardScaler(), made).fit(train, train_label).score(test, test_label)

    model = configure(algorithm, {}, ("DOUBLE",) * features.shape[1])
    columns = [Column(np.ascontiguousarray(column)) for column in train.T]
    view = ArrayView(model, model.fit([*columns, Column(train_label)], ignore_progress))
    predicted = model.predict(view, [Column(np.ascontiguousarray(column)) for column in test.T])
    if algorithm == "ridge":
        error = rmse(predicted, Column(test_label)).value
        score = 1.0 - error**2 / np.var(test_label)
    else:
        score = accuracy(predicted, Column(test_label)).value
    assert abs(score - reference) <= SCORE_TOLERANCE
