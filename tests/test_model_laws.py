"""Laws of udfs/model.py, held for every algorithm: each test is one law over all cases of tests/model_cases.py."""

from __future__ import annotations

import numpy as np
import pytest

from tests.model_cases import CASES, TRAINING_ROWS, Case, fresh_view, ignore_progress, rows, with_nulls
from udfs.algorithms import ALGORITHMS
from udfs.block import Column
from udfs.evaluation import evaluate
from udfs.model import ArgumentError, DivergedError, OptionError, Push
from udfs.observations import NOT_FINITE_LABEL, NULL_LABEL, null_input

HALVES = (slice(0, 250), slice(250, 500))
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_algorithm = pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))


def test_every_algorithm_has_a_case():
    assert {case.algorithm for case in CASES} == set(ALGORITHMS)


@every_case
def test_a_batch_is_its_rows_one_by_one_bit_for_bit(case: Case):
    model, view = case.model(), fresh_view(case)
    args = case.columns(10_000, 5)[:-1]
    whole = model.predict(view, args).values
    assert len(whole) == 10_000 and whole.dtype == np.float64
    for size, upto in ((1, 300), (7, 1_400), (512, 10_000)):
        parts = [model.predict(view, rows(args, slice(at, min(at + size, upto)))).values for at in range(0, upto, size)]
        assert np.concatenate(parts).tobytes() == whole[:upto].tobytes(), size


@pytest.mark.parametrize("case", [case for case in CASES if hasattr(case.model(), "predict_one")], ids=lambda case: case.name)
def test_one_prediction_has_the_bits_of_a_batch(case: Case):
    model, view = case.model(), fresh_view(case)
    args = case.columns(2_000, 5)[:-1]
    batch = model.predict(view, args).values
    alone = [model.predict_one(view, row) for row in zip(*(column.values.tolist() for column in args), strict=True)]
    known = np.array([value is not None for value in alone])
    assert known.sum() > 1_000
    assert np.array([value for value in alone if value is not None]).tobytes() == batch[known].tobytes()
    unknown = [-1 if column.values.dtype != object else "nobody" for column in args]
    assert model.predict_one(view, unknown) is None


@every_case
def test_a_null_input_predicts_null_and_leaves_the_others_alone(case: Case):
    model, view = case.model(), fresh_view(case)
    args = case.columns(50, 5)[:-1]
    null = np.arange(50) % 3 == 0
    expected = model.predict(view, args).values
    found = model.predict(view, with_nulls(args, null))
    assert np.array_equal(found.valid, ~null)
    assert np.array_equal(found.values[~null], expected[~null])


@every_case
def test_no_rows_predict_no_rows_and_teach_nothing(case: Case):
    model, view = case.model(), fresh_view(case)
    *args, label = case.columns(0, 5)
    assert len(model.predict(view, args)) == 0
    assert all(len(push.keys) == 0 for push in model.learn(view, args, label))


@every_case
def test_a_fit_does_not_depend_on_the_order_of_rows(case: Case):
    columns = case.columns(500, 3)
    order = np.random.default_rng(0).permutation(500)
    one, other = (case.model().fit(given, ignore_progress) for given in (columns, rows(columns, order)))
    for table in one.rows:
        for mine, theirs in zip(one.rows[table], other.rows[table], strict=True):
            assert np.array_equal(mine, theirs)
    assert {name: array.tobytes() for name, array in one.constants.items()} == {
        name: array.tobytes() for name, array in other.constants.items()
    }


@every_case
def test_a_fit_counts_rows_it_cannot_use_by_reason_and_is_the_fit_of_the_rest(case: Case):
    columns = case.columns(600, 3)
    label = columns[-1].values.copy()
    label[:5] = np.nan
    label[5:7] = np.inf
    valid = np.ones(600, bool)
    valid[7:10] = False
    null = np.zeros(600, bool)
    null[9:13] = True
    broken = [*with_nulls(columns[:-1], null), Column(label, valid)]
    fitted = case.model().fit(broken, ignore_progress)
    assert (fitted.rows_read, fitted.rows_failed) == (600, 13)
    assert fitted.failures == {null_input(len(columns) - 2): 4, NULL_LABEL: 2, NOT_FINITE_LABEL: 7}
    clean = case.model().fit(rows(columns, slice(13, None)), ignore_progress)
    for table in clean.rows:
        assert np.array_equal(fitted.rows[table][1], clean.rows[table][1])


@every_case
def test_a_fit_reports_progress_up_to_its_last_iteration_and_is_finite(case: Case):
    seen: list[tuple[int, int]] = []
    columns = case.columns(TRAINING_ROWS, 0)
    fitted = case.model().fit(columns, lambda done, total, metrics: seen.append((done, total)))
    assert seen == [(step + 1, seen[0][1]) for step in range(len(seen))] and 0 < len(seen) <= seen[0][1]
    specs = {spec.name: spec for spec in case.model().tables()}
    assert set(fitted.rows) == set(specs)
    for table, (keys, matrix) in fitted.rows.items():
        assert matrix.dtype == np.float32 and matrix.shape == (len(keys), specs[table].width)
        assert np.isfinite(matrix).all() and len(set(keys.tolist())) == len(keys)
    assert all(np.isfinite(array).all() and array.dtype == np.float64 for array in fitted.constants.values())
    initial = case.model().initial_rows(fitted.constants)
    assert all(row.shape == (specs[table].width,) and row.dtype == np.float32 for table, row in initial.items())


@every_case
def test_a_fit_without_a_usable_row_is_refused(case: Case):
    columns = case.columns(3, 3)
    with pytest.raises(ArgumentError, match="no row of 3"):
        case.model().fit([*columns[:-1], Column(np.full(3, np.nan))], ignore_progress)


@every_case
def test_observations_that_overflow_are_named_as_divergence(case: Case):
    *inputs, label = case.columns(200, 3)
    if case.algorithm in ("svm", "logistic"):
        *others, last = inputs
        huge = np.where(np.arange(len(last.values)) % 2, 1e308, -1e308)
        inputs = [*others, Column(huge, last.valid, last.offsets)]
    else:
        label = Column(np.where(np.arange(200) % 2, 1e308, -1e308))
    with pytest.raises(DivergedError, match="training diverged"):
        case.model().fit([*inputs, label], ignore_progress)


@every_case
def test_learning_an_observation_again_and_again_moves_its_prediction_to_the_label(case: Case):
    view, classes = fresh_view(case), fresh_view(case).constants.get("labels", np.empty(0))
    args = rows(case.columns(50, 7)[:-1], slice(20, 21))
    if len(classes):  # of two labels the decision value has to rise, of more the label has to be chosen
        model, label = case.model(output="decision" if len(classes) == 2 else "class"), float(classes[-1])
    else:
        model = case.model()
        label = float(model.predict(view, args).values[0]) + 1.0
    before = float(model.predict(view, args).values[0])
    for _ in range(100):
        pushes = model.learn(view, args, Column(np.array([label])))
        assert all((push.counts == 1).all() for push in pushes)
        view.apply(pushes)
    after = float(model.predict(view, args).values[0])
    if len(classes) == 2:
        assert after > max(before, 0.9 if case.algorithm == "svm" else 0.0) - 1e-6
    else:
        assert abs(after - label) < 0.5 * abs(before - label) or after == label


@every_case
def test_learning_leaves_bad_rows_out(case: Case):
    model, view = case.model(), fresh_view(case)
    *args, label = case.columns(30, 7)
    bad = label.values.copy()
    bad[::2] = np.nan
    expected = model.learn(view, rows(args, slice(1, None, 2)), rows([label], slice(1, None, 2))[0])
    learned = model.learn(view, args, Column(bad))
    _assert_same_pushes(learned, expected)
    assert sum(learned.failures.values()) == 15 and not expected.failures


@every_case
def test_what_learning_leaves_out_is_counted_but_for_rows_of_nulls(case: Case):
    model, view = case.model(), fresh_view(case)
    *args, label = case.columns(6, 7)
    null = np.array([True, True, False, False, False, False])
    only = np.array([True, False, True, False, False, False])
    given = [Column(one.values, ~null, one.offsets) for one in args]
    assert model.learn(view, given, Column(label.values, ~only)).failures == {"input 1 is null": 1, "label is null": 1}
    assert model.learn(view, args, label).failures == {}
    none = [Column(one.values, np.zeros(6, bool), one.offsets) for one in (*args, label)]
    assert model.learn(view, none[:-1], none[-1]).failures == {}
    if label.values.dtype.kind == "f":
        assert model.learn(view, none[:-1], Column(np.full(6, np.nan))).failures == {}


@every_case
def test_keys_of_a_push_are_unique_and_counts_are_observations(case: Case):
    model, view = case.model(), fresh_view(case)
    *args, label = case.columns(300, 7)
    for push in model.learn(view, args, label):
        assert len(set(push.keys.tolist())) == len(push.keys) == len(push.counts) == len(push.deltas)
        assert push.deltas.dtype == np.float32 and 1 <= push.counts.min() and push.counts.max() <= 300
        if case.algorithm == "als":
            assert push.counts.sum() == 300


@every_case
def test_nothing_that_is_learned_makes_a_model_diverge(case: Case):
    """10,000 observations of one row at once, at absurd labels, with stale rows, again and again; then sane again."""
    model, view = case.model(), fresh_view(case)
    one = rows(case.columns(50, 7), slice(3, 4))
    classes = view.constants.get("labels", np.empty(0))
    many = rows(one, np.zeros(10_000, np.int64))
    for step in range(6):
        label = classes[step % len(classes)] if len(classes) else (1e6, -1e6, 1e300)[step % 3]
        pushes = model.learn(view, many[:-1], Column(np.full(10_000, label)))
        view.apply(pushes)
        view.apply(pushes)
    *args, label = case.columns(1000, 8)
    for _ in range(3):
        view.apply(model.learn(view, args, label))
    for table in view.tables.values():
        assert np.isfinite(table.matrix).all() and np.abs(table.matrix).max() < 1e6
    predicted = model.predict(view, args)
    assert predicted.valid is None and np.isfinite(predicted.values).all()


@every_case
def test_metrics_are_of_all_rows_and_unknown_keys_are_counted(case: Case):
    view = fresh_view(case)
    *args, label = case.columns(500, 9)
    metrics, unknown = evaluate(case.model(), view, [(rows(args, part), rows([label], part)[0]) for part in HALVES])
    assert metrics and all(metric.row_count == 500 and np.isfinite(metric.value) for metric in metrics)
    expected = np.zeros(500, bool)
    if case.algorithm == "als":
        for table, column in zip(("users", "items"), args, strict=True):
            expected |= view.tables[table].find(column.values) < 0
    assert unknown == np.count_nonzero(expected)
    assert np.isnan(evaluate(case.model(), view, [])[0][0].value)


@every_case
def test_arguments_that_do_not_fit_are_refused(case: Case):
    model, view = case.model(), fresh_view(case)
    with pytest.raises(ArgumentError):
        model.predict(view, [])
    with pytest.raises(ArgumentError):
        model.predict(view, [Column(np.array([b"x"], "S1"))] * len(case.input_types))


@every_algorithm
def test_every_option_states_a_range_and_refuses_what_is_outside(algorithm: str):
    found = ALGORITHMS[algorithm]
    types = next(case.input_types for case in CASES if case.algorithm == algorithm)
    found.from_options({option.name: option.default for option in found.options()}, types)
    for option in found.options():
        assert option.description.endswith(".")
        bad = ["", "x", "nan", "inf"]
        bad += [] if option.low is None else [repr(option.low - 1)]
        bad += [] if option.high is None else [repr(option.high * 2)]
        for text in bad:
            with pytest.raises(OptionError, match=f'"{option.name}"') as caught:
                found.from_options({option.name: text}, types)
            assert caught.value.option == option.name


@every_algorithm
def test_an_unknown_option_and_unfit_input_types_are_refused(algorithm: str):
    types = next(case.input_types for case in CASES if case.algorithm == algorithm)
    name = ALGORITHMS[algorithm].options()[0].name
    with pytest.raises(OptionError, match=f'did you mean "{name}"') as caught:
        ALGORITHMS[algorithm].from_options({name + "s": "1"}, types)
    assert caught.value.option == name + "s"
    for unfit in ((), ("BYTES",), ("BYTES", "BYTES", "BYTES")):
        with pytest.raises(OptionError, match="takes"):
            ALGORITHMS[algorithm].from_options({}, unfit)


def _assert_same_pushes(found: list[Push], expected: list[Push]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.table == other.table and np.array_equal(one.keys, other.keys)
        assert np.array_equal(one.counts, other.counts) and np.array_equal(one.deltas, other.deltas)
