"""Linear models beyond the laws of all models: shapes of input, answers, ranges of weights, learning."""

from __future__ import annotations

import numpy as np
import pytest

from tests.model_cases import CASES, Case, fresh_view, ignore_progress, rows, scalars, sparse
from udfs.algorithms import configure
from udfs.block import Column
from udfs.features import BAD_INDEX, UNPAIRED, WRONG_LENGTH
from udfs.generate import random_weights, weight_constants
from udfs.model import ArgumentError, Fitted
from udfs.observations import UNKNOWN_CLASS, not_finite_input
from udfs.views import ArrayView
from udfs.weights import CLASS_SHIFT, RANGE

BY_NAME = {case.name: case for case in CASES}


def lists(items: list[list[float]], dtype: str) -> Column:
    offsets = np.concatenate(([0], np.cumsum([len(item) for item in items])))
    return Column(np.array([value for item in items for value in item], dtype), None, offsets)


def fit(case: Case, columns: list[Column], **options: str) -> tuple[ArrayView, Fitted]:
    model = case.model(**options)
    fitted = model.fit(columns, ignore_progress)
    return ArrayView(model, fitted), fitted


def test_a_prediction_is_the_weights_times_the_features():
    case = BY_NAME["ridge"]
    args = case.columns(100, 9)[:-1]
    view = fresh_view(case)
    weights = view.tables["weights"].matrix[0].astype(np.float64)
    expected = weights[0] + np.stack([column.values for column in args], axis=1) @ weights[1:7]
    assert np.allclose(case.model().predict(view, args).values, expected, rtol=1e-12)


def test_a_hundred_thousand_sparse_features_are_one_prediction():
    model = configure("ridge", {}, ("BIGINT_ARRAY", "FLOAT_ARRAY"))
    keys, matrices = zip(*[(keys, matrix) for _, keys, matrix in random_weights(300_000)], strict=True)
    rows_of = {"weights": (np.concatenate(keys), np.concatenate(matrices))}
    fitted = Fitted(rows=rows_of, constants=weight_constants(()), metrics={}, rows_read=0, rows_failed=0)
    random = np.random.default_rng(0)
    indices = np.sort(random.choice(300_000, 100_000, replace=False))
    values = random.normal(size=100_000).astype(np.float32)
    args = [Column(indices, None, np.array([0, 100_000])), Column(values, None, np.array([0, 100_000]))]
    flat = rows_of["weights"][1].reshape(-1).astype(np.float64)
    found = model.predict(ArrayView(model, fitted), args).values[0]
    assert found == pytest.approx(flat[0] + flat[indices + 1] @ values, rel=1e-9)
    assert (flat[300_001:] == 0).all() and len(flat) % RANGE == 0


def test_dense_columns_arrays_and_sparse_rows_of_the_same_numbers_are_the_same_model():
    *columns, label = scalars(300, 2, classes=0)
    matrix = np.stack([column.values for column in columns], axis=1)
    offsets = np.arange(0, matrix.size + 1, 6)
    array = Column(matrix.reshape(-1), None, offsets)
    indices = Column(np.tile(np.arange(6, dtype=np.int64), 300), None, offsets)
    given = {("DOUBLE",) * 6: columns, ("DOUBLE_ARRAY",): [array], ("BIGINT_ARRAY", "DOUBLE_ARRAY"): [indices, array]}
    predicted = []
    for types, args in given.items():
        model = configure("ridge", {"standardize": "false"}, types)
        view = ArrayView(model, model.fit([*args, label], ignore_progress))
        predicted.append(model.predict(view, args).values)
    assert predicted[0].tobytes() == predicted[1].tobytes()
    assert np.allclose(predicted[0], predicted[2], rtol=1e-3, atol=1e-2)


def test_an_unknown_feature_weighs_nothing_and_an_empty_row_is_the_intercept():
    case = BY_NAME["ridge, sparse"]
    view, model = fresh_view(case), case.model()
    intercept = float(view.tables["weights"].matrix[view.tables["weights"].find(np.array([0]))[0], 0])
    args = [lists([[], [2**40], [599, 2**46]], "i8"), lists([[], [3.0], [0.0, -1.0]], "f8")]
    assert model.predict(view, args).values.tolist() == [intercept] * 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_predicts_null_and_is_not_trained_on_or_learned(bad: float):
    case = BY_NAME["svm"]
    view, model = fresh_view(case), case.model()
    columns = case.columns(20, 6)
    columns[2].values[4] = bad
    assert np.flatnonzero(~model.predict(view, columns[:-1]).valid).tolist() == [4]
    _, fitted = fit(case, columns)
    assert fitted.failures == {not_finite_input(2): 1}
    kept = np.delete(np.arange(20), 4)
    learned, expected = (model.learn(view, given[:-1], given[-1])[0] for given in (columns, rows(columns, kept)))
    assert np.array_equal(learned.deltas, expected.deltas) and learned.counts.tolist() == [19]


def test_malformed_arrays_are_counted_in_training_and_refused_in_a_prediction():
    case = BY_NAME["ridge, sparse"]
    bad = [lists([[1, 2], [1], [-1], [5]], "i4"), lists([[1.0], [1.0], [1.0], [1.0]], "f8")]
    good = sparse(50, 1)
    joined = [
        Column(np.concatenate((a.values, b.values)), None, np.concatenate((a.offsets, b.offsets[1:] + a.offsets[-1])))
        for a, b in zip(good[:2], bad, strict=True)
    ]
    _, fitted = fit(case, [*joined, Column(np.concatenate((good[2].values, np.ones(4))))])
    assert fitted.failures == {UNPAIRED: 1, BAD_INDEX: 1}
    with pytest.raises(ArgumentError, match=f"{UNPAIRED} in 1 of the rows; {BAD_INDEX} in 1"):
        case.model().predict(fresh_view(case), bad)
    arrays = BY_NAME["svm, hinge, arrays"]
    with pytest.raises(ArgumentError, match=WRONG_LENGTH):
        arrays.model().predict(fresh_view(arrays), [lists([[1.0] * 6, [1.0]], "f4")])
    three = [lists([[1.0, 2.0], [2.0, 1.0], [1.0]], "f4"), Column(np.array([0.0, 1.0, 1.0]))]
    assert fit(arrays, three)[1].failures == {WRONG_LENGTH: 1}


def test_answers_are_labels_decision_values_or_probabilities():
    case = BY_NAME["logistic"]
    args, view = case.columns(200, 4)[:-1], fresh_view(case)
    outputs = ("class", "decision", "probability")
    answers = {output: case.model(output=output).predict(view, args).values for output in outputs}
    assert np.array_equal(answers["class"], np.where(answers["decision"] > 0, 2.0, 1.0))
    assert np.allclose(answers["probability"], 1 / (1 + np.exp(-answers["decision"])))
    threshold = float(np.median(answers["decision"]))
    shifted = case.model(output="class", threshold=repr(threshold)).predict(view, args).values
    assert np.array_equal(shifted, np.where(answers["decision"] > threshold, 2.0, 1.0))


def test_more_than_two_labels_are_told_apart():
    case = BY_NAME["logistic, four classes"]
    *args, label = case.columns(1000, 4)
    view = fresh_view(case)
    chosen = case.model(output="class").predict(view, args).values
    assert np.mean(chosen == label.values) > 0.85 and set(chosen.tolist()) == {1.0, 2.0, 3.0, 4.0}
    assert (view.tables["weights"].keys >> CLASS_SHIFT).tolist() == [0, 1, 2, 3]
    outputs = ("probability", "decision")
    probability, decision = (case.model(output=output).predict(view, args).values for output in outputs)
    assert probability.min() >= 0.25 and probability.max() <= 1.0 and np.isfinite(decision).all()


def test_labels_that_are_no_classes_are_refused():
    case = BY_NAME["svm"]
    inputs = case.columns(1200, 4)[:-1]
    with pytest.raises(ArgumentError, match="the label is 1 in every row that can be trained on"):
        fit(case, [*inputs, Column(np.ones(1200))])
    with pytest.raises(ArgumentError, match="1200 distinct values"):
        fit(case, [*inputs, Column(np.arange(1200.0))])
    view = fresh_view(case)
    learned = case.model().learn(view, inputs, Column(np.full(1200, 17.0)))
    assert learned == [] and learned.failures == {UNKNOWN_CLASS: 1200}


def test_standardising_is_folded_back_into_the_weights():
    """Ridge with a negligible penalty is least squares either way."""
    case = BY_NAME["ridge"]
    columns = case.columns(300, 4)
    options = {"regularization": "1e-8", "iterations": "5000"}
    views = [fit(case, columns, standardize=flag, **options)[0] for flag in ("true", "false")]
    predicted = [case.model().predict(view, columns[:-1]) for view in views]
    spread = np.std(columns[-1].values)
    assert np.abs(predicted[0].values - predicted[1].values).max() < 0.02 * spread


@pytest.mark.parametrize("name", ["ridge", "ridge, sparse", "svm", "logistic", "logistic, four classes", "svm, sparse"])
def test_learning_from_a_stream_approaches_what_training_on_it_gives(name: str):
    """A model trained on little learns the rest from a stream and predicts held-out rows better than before."""
    case = BY_NAME[name]
    options = {} if case.algorithm == "ridge" else {"output": "class"}
    model = case.model(**options)
    view, _ = fit(case, case.columns(40, 1), **options)
    *held, label = case.columns(2000, 2)

    def error() -> float:
        found = model.predict(view, held).values
        wrong = np.square(found - label.values) if case.algorithm == "ridge" else found != label.values
        return float(np.mean(wrong))

    before = error()
    for seed in range(100, 160):
        *args, observed = case.columns(100, seed)
        view.apply(model.learn(view, args, observed))
    assert error() < 0.9 * before
