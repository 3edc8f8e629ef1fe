"""Answers and classes: numbers of kernels as values of every output type, labels of every type as numbers and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import datasets, linear_model, svm
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flinkms_sql.jobs.labels import served_label, training_label
from flinkms_sql.modellog.version import Version
from flinkms_sql.types import SqlType
from tests.model_cases import ignore_progress, scalars
from udfs.algorithms import configure
from udfs.answers import NUMBERS, OUTPUT_TYPES, answered, compared
from udfs.block import DOUBLE, STRING, Column, decode_bundle, encode_block
from udfs.classes import NO_CLASS, known_numbers, named, numbered, used
from udfs.evaluation import evaluate
from udfs.model import ArgumentError
from udfs.training import TrainConfig, train
from udfs.views import ArrayView

SCORES = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.50001, 40_000.4, -40_000.4, 3e9, -3e9, 2.0**63, -(2.0**63), 1e300,
          -1e300, np.inf, -np.inf, np.nan, 0.1]  # fmt: skip
SCORE_TOLERANCE = 0.03
"""Share of the held-out rows by which our accuracy may be away from scikit-learn's, which has other penalties."""


def texts(*values: str | None) -> Column:
    array = np.empty(len(values), object)
    array[:] = ["" if value is None else value for value in values]
    return Column(array, None if None not in values else np.array([value is not None for value in values]))


def listed(column: Column) -> list[object]:
    found = column.values.tolist()
    return found if column.valid is None else [v if ok else None for v, ok in zip(found, column.valid, strict=True)]


def whole(value: float, bits: int) -> int | None:
    """A half to even, then held within the type; None for NaN."""
    if np.isnan(value):
        return None
    high = 2 ** (bits - 1) - 1
    return high if value == np.inf else -high - 1 if value == -np.inf else max(-high - 1, min(round(value), high))


@pytest.mark.parametrize(("kind", "bits"), [("SMALLINT", 16), ("INT", 32), ("BIGINT", 64)])
def test_integers_are_rounded_half_to_even_and_never_wrap(kind: str, bits: int):
    found = answered(Column(np.array(SCORES)), kind)
    assert listed(found) == [whole(value, bits) for value in SCORES]
    assert found.values.dtype == np.dtype(SqlType[kind].value.dtype)


def test_other_types():
    scores = Column(np.array(SCORES), np.array([True] * (len(SCORES) - 1) + [False]))
    assert listed(answered(scores, "BOOLEAN"))[:8] == [False, False, False, True, True, False, False, True]
    assert listed(answered(scores, "BOOLEAN"))[-2:] == [None, None]
    assert answered(scores, "FLOAT").values[8] == np.float32(40_000.4) and answered(scores, "FLOAT").values[14] == np.inf
    assert listed(answered(scores, "DOUBLE")) == [*SCORES[:-2], None, None]
    plain = Column(np.array([1.25]))
    assert answered(plain, "DOUBLE") is plain
    for kind in ("STRING", "DATE"):
        with pytest.raises(ValueError, match=f"no {kind}"):
            answered(plain, kind)


@pytest.mark.parametrize("kind", [kind for kind in OUTPUT_TYPES if kind != "STRING"])
def test_a_batch_answers_what_its_rows_answer_one_by_one(kind: str):
    scores = Column(np.array(SCORES))
    one_by_one = [listed(answered(Column(scores.values[at : at + 1]), kind))[0] for at in range(len(SCORES))]
    assert repr(one_by_one) == repr(listed(answered(scores, kind)))
    numbers = compared(scores, kind)
    assert numbers.values.dtype == np.float64 and (kind in NUMBERS or set(numbers.values.tolist()) == {0.0, 1.0})


def test_classes_are_answered_by_name_and_nan_is_null():
    classes = texts("a", "b").values
    found = answered(Column(np.array([1.0, np.nan, 0.0]), np.array([True, True, False])), "STRING", classes)
    assert listed(found) == ["b", None, None] and found.values.tolist() == ["b", "", ""]
    big = np.array([2**53 + 1, 2**53 + 3])
    assert listed(answered(Column(np.array([0.0, 1.0])), "BIGINT", big)) == big.tolist()
    assert answered(Column(np.array([0.25])), "DOUBLE", classes).values.tolist() == [0.25], "a probability of a class"


def test_labels_become_numbers_and_only_used_classes_are_kept():
    values, classes = numbered(texts("b", None, "ä", "b"))
    assert classes.tolist() == ["", "b", "ä"] and values.tolist() == [1, 0, 2, 1]
    values, classes = used(values[[0, 2, 3]], classes)
    assert (values.tolist(), classes.tolist()) == ([0, 1, 0], ["b", "ä"])
    assert known_numbers(texts("ä", "z", "b"), classes).tolist() == [1, NO_CLASS, 0]
    values, classes = numbered(Column(np.array([2**53 + 1, 7])))
    assert (values.tolist(), classes.tolist()) == ([1, 0], [7, 2**53 + 1])
    for plain in (np.array([True, False]), np.array([3, 1]), np.array([3, 1], np.int16), np.array([0.1, 2.0])):
        values, classes = numbered(Column(plain))
        assert classes is None and values.tolist() == plain.astype(float).tolist()
    with pytest.raises(ArgumentError, match="another type"):
        known_numbers(Column(np.array([1.0])), texts("a", "b").values)
    assert named([1.0], texts("a", "b").values) == ["'b'"] and named([0.5], None) == ["0.5"]


PEERS = {"logistic": linear_model.LogisticRegression(max_iter=2000), "svm": svm.LinearSVC(max_iter=20_000, random_state=0)}


@pytest.mark.parametrize("algorithm", sorted(PEERS))
@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_digits, datasets.load_breast_cancer],
                         ids=lambda load: load.__name__)  # fmt: skip
def test_named_classes_are_told_apart_as_scikit_learn_does(algorithm: str, load):
    data = load()
    names = np.array([f"class {name}" for name in data.target_names.tolist()], object)[data.target]
    train_rows, rows, train_names, expected = train_test_split(data.data, names, random_state=0, test_size=0.25)
    reference = make_pipeline(StandardScaler(), PEERS[algorithm]).fit(train_rows, train_names).score(rows, expected)
    model = configure(algorithm, {}, ("DOUBLE",) * rows.shape[1])
    columns = [Column(np.ascontiguousarray(column)) for column in train_rows.T]
    view = ArrayView(model, model.fit([*columns, Column(train_names)], ignore_progress))
    assert view.classes.tolist() == sorted(set(names.tolist()))
    args = [Column(np.ascontiguousarray(column)) for column in rows.T]
    found = answered(model.predict(view, args), "STRING", view.classes).values
    metrics, _ = evaluate(model, view, [(args, Column(expected))], "STRING")
    measured = {metric.name: metric.value for metric in metrics}
    assert measured["accuracy"] == pytest.approx(np.mean(found == expected))
    assert measured["f1"] == pytest.approx(f1_score(expected.tolist(), found.tolist(), average="macro"))
    assert abs(measured["accuracy"] - reference) <= SCORE_TOLERANCE


def named_scalars(n: int, seed: int, classes: int) -> list[Column]:
    *args, label = scalars(n, seed, classes)
    return [*args, texts(*(f"kind {value:g}" for value in label.values))]


@pytest.mark.parametrize("classes", [2, 4])
def test_names_are_the_same_model_as_their_numbers_and_learn_alike(classes: int):
    model = configure("logistic", {}, ("DOUBLE",) * 6)
    views = [ArrayView(model, model.fit(make(500, 1, classes), ignore_progress)) for make in (scalars, named_scalars)]
    (*args, label), names = scalars(200, 2, classes), named_scalars(200, 2, classes)[-1]
    learned = model.learn(views[1], args, texts(*names.values[:-1], "nobody"))
    assert learned.failures == {"label is none of the classes": 1}
    views[1].apply(learned)
    views[0].apply(model.learn(views[0], [Column(arg.values[:-1]) for arg in args], Column(label.values[:-1])))
    numbers = [model.predict(view, args).values for view in views]
    assert np.array_equal(numbers[0], numbers[1] + 1.0), "an unknown name is left out of learning, like a row that is not there"
    wrong = evaluate(model, views[1], [(args, texts(*(["nobody"] * 200)))], "STRING")[0][0]
    assert (wrong.value, wrong.row_count) == (0.0, 200), "a label of no class is a mistake"


def test_labels_are_refused_by_name():
    model = configure("svm", {}, ("DOUBLE",))
    one = [Column(np.arange(3.0)), texts("setosa", "setosa", None)]
    with pytest.raises(ArgumentError, match="the label is 'setosa' in every row that can be trained on; .* 2 to 1000 classes"):
        model.fit(one, ignore_progress)
    many = [Column(np.arange(1001.0)), texts(*map(str, range(1001)))]
    with pytest.raises(ArgumentError, match="the label has 1001 distinct values"):
        model.fit(many, ignore_progress)
    with pytest.raises(ArgumentError, match="label is not a number"):
        configure("ridge", {}, ("DOUBLE",)).fit([Column(np.arange(2.0)), texts("a", "b")], ignore_progress)


def test_a_training_names_columns_rows_and_classes():
    config = TrainConfig(algorithm="logistic", options={}, input_types=("DOUBLE", "STRING_X"), names=("age", "x", "kind"),
                         label_type="STRING")
    assert config.worded() == {
        "input 1 is null": "age is null or no DOUBLE", "input 1 is not finite": "age is not finite",
        "input 2 is null": "x is null or no STRING_X", "input 2 is not finite": "x is not finite",
        "label is null": "kind is null", "label is not finite": "kind is not finite",
    }  # fmt: skip
    config = TrainConfig(algorithm="logistic", options={}, input_types=("DOUBLE",), names=("age", "kind"), label_type="STRING")

    def run(ages: Column, kinds: Column) -> dict:
        bundles = train([encode_block([(DOUBLE, ages), (STRING, kinds)])], config, progress=ignore_progress,
                        clock=lambda: 0.0, code_hash="")
        return json.loads(bytes(decode_bundle(bundles[-1])[0][1]))

    ages = Column(np.array([1.0, np.inf, 3.0, 4.0]), np.array([True, True, True, False]))
    described = run(ages, texts("b", "a", "a", "a"))
    assert described["classes"] == ["a", "b"] and described["constants"]["labels"] == [0.0, 1.0]
    assert described["failures"] == {"age is null or no DOUBLE": 1, "age is not finite": 1}
    with pytest.raises(ArgumentError, match="no row of 4 can be trained on: age is null or no DOUBLE in 1, first in row 4; "
                                            "kind is null in 3, first in row 1"):
        run(ages, texts(None, None, None, None))


def test_what_is_measured_is_what_is_answered():
    model = configure("ridge", {}, ("DOUBLE",))
    x = Column(np.linspace(-3.0, 3.0, 61))
    view = ArrayView(model, model.fit([x, x], ignore_progress))
    scores = model.predict(view, [x])
    for kind in ("DOUBLE", "SMALLINT", "BOOLEAN"):
        answers = answered(scores, kind).values.astype(float)
        found = {metric.name: metric.value for metric in evaluate(model, view, [([x], x)], kind)[0]}
        assert found["mae"] == pytest.approx(np.mean(np.abs(answers - x.values)))


@pytest.mark.parametrize("output", ["class", "probability", "decision"])
def test_scores_of_many_classes_are_measured_by_the_class_they_are_of(output: str):
    model = configure("logistic", {"output": output}, ("DOUBLE",) * 6)
    view = ArrayView(model, model.fit(named_scalars(500, 1, 4), ignore_progress))
    *args, label = named_scalars(300, 2, 4)
    found = {metric.name: metric.value for metric in evaluate(model, view, [(args, label)], "DOUBLE")[0]}
    chosen = configure("logistic", {}, ("DOUBLE",) * 6).predict(view, args)
    assert found["accuracy"] == np.mean(answered(chosen, "STRING", view.classes).values == label.values) > 0.8
    assert set(found) == {"accuracy", "f1"}


def test_probabilities_of_a_name_are_measured_with_names():
    model = configure("logistic", {"output": "probability"}, ("DOUBLE",) * 6)
    view = ArrayView(model, model.fit(named_scalars(500, 1, 2), ignore_progress))
    *args, label = named_scalars(300, 2, 2)
    probability = model.predict(view, args).values
    likelihood = np.where(label.values == "kind 2", probability, 1.0 - probability)
    found = {metric.name: metric.value for metric in evaluate(model, view, [(args, label)], "DOUBLE")[0]}
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(likelihood))) and found["accuracy"] > 0.8


@pytest.mark.parametrize(("algorithm", "options", "output", "of_texts", "of_numbers"), [
    ("svm", {}, "STRING", "STRING", "STRING"), ("svm", {}, "INT", "INT", "INT"), ("svm", {}, "BOOLEAN", "BOOLEAN", "BOOLEAN"),
    ("svm", {}, "FLOAT", "DOUBLE", "DOUBLE"), ("logistic", {"output": "probability"}, "FLOAT", "STRING", "DOUBLE"),
    ("ridge", {}, "INT", "DOUBLE", "DOUBLE"),
])  # fmt: skip
def test_a_label_is_read_alike_when_a_version_is_trained_and_afterwards(algorithm, options, output, of_texts, of_numbers):
    model = configure(algorithm, options, ("DOUBLE",))
    for is_text, expected in ((True, of_texts), (False, of_numbers)):
        assert training_label(model, SqlType[output], is_text=is_text) is SqlType[expected]
        version = Version(algorithm=algorithm, options=options, input_types=("DOUBLE",), tables=(), partitions=1,
                          classes=texts("a", "b").values if expected == "STRING" else None)  # fmt: skip
        assert served_label(version, SqlType[output]) is SqlType[expected]


def test_classes_that_a_type_rounds_are_measured_exactly():
    model = configure("svm", {}, ("DOUBLE",))
    x, label = Column(np.linspace(-1.0, 1.0, 40)), Column(np.where(np.linspace(-1.0, 1.0, 40) > 0, 0.1, 0.7))
    view = ArrayView(model, model.fit([x, label], ignore_progress))
    assert evaluate(model, view, [([x], label)], "FLOAT")[0][0].value == 1.0
