"""Matrix factorisation beyond the laws of all models: cold starts, ranking, neighbours, learning, keys."""

from __future__ import annotations

import numpy as np
import pytest

from tests.model_cases import CASES, fresh_view, ignore_progress, ratings
from udfs.als import Als
from udfs.block import Column
from udfs.generate import PlantedRatings, factor_constants, random_factors
from udfs.metrics import rmse
from udfs.model import ArgumentError, Fitted
from udfs.views import ArrayView

CASE = CASES[0]
NOBODY = 10**12


def random_view(users: int = 50, items: int = 300, factors: int = 16) -> tuple[Als, ArrayView]:
    nothing = np.empty(0, np.int64), np.empty((0, factors + 2), np.float32)
    rows = {"users": nothing, "items": nothing}
    for table, keys, matrix in random_factors(users, items, factors, seed=3):
        rows[table] = (keys, matrix)
    model = Als.from_options({"factors": str(factors)}, ("BIGINT", "BIGINT"))
    fitted = Fitted(rows=rows, constants=factor_constants(factors), metrics={}, rows_read=0, rows_failed=0)
    return model, ArrayView(model, fitted)


def pairs(users: object, items: object) -> list[Column]:
    return [Column(np.array(users, np.int64)), Column(np.array(items, np.int64))]


def test_an_unknown_side_is_answered_with_the_mean_row():
    model, view = CASE.model(), fresh_view(CASE)
    item_keys = view.tables["items"].keys
    found = model.predict(view, pairs([NOBODY] * len(item_keys), item_keys)).values
    users = view.tables["users"].matrix.mean(axis=0, dtype=np.float64).astype(np.float32)
    expected = view.tables["items"].matrix @ users * view.constants["scale"] + view.constants["mean"]
    assert np.allclose(found, expected, atol=1e-5)
    assert np.isfinite(model.predict(view, pairs([NOBODY], [NOBODY])).values).all()


def test_an_unknown_side_is_null_or_an_error_when_the_model_says_so():
    view = fresh_view(CASE)
    known = int(view.tables["users"].keys[0]), int(view.tables["items"].keys[0])
    args = pairs([known[0], NOBODY, known[0]], [known[1], known[1], NOBODY])
    found = CASE.model(cold_start="null").predict(view, args)
    assert found.valid.tolist() == [True, False, False]
    assert found.values[0] == CASE.model().predict(view, args).values[0]
    with pytest.raises(ArgumentError, match=f"user {NOBODY} is unknown") as caught:
        CASE.model(cold_start="error").predict(view, args)
    assert caught.value.argument == 0
    null = [Column(args[0].values, np.array([True, False, True])), args[1]]
    with pytest.raises(ArgumentError, match=f"item {NOBODY} is unknown"):
        CASE.model(cold_start="error").predict(view, null)


def test_an_empty_table_is_a_cold_start_too():
    model, view = random_view(users=0)
    assert np.allclose(model.predict(view, pairs([1, 2], [3, 4])).values - 3.5, view.tables["items"].matrix[3:5, -1])


@pytest.mark.parametrize("k", [0, 1, 10, 299, 300, 5000])
def test_recommend_is_the_order_of_predict_bit_for_bit(k: int):
    model, view = random_view()
    keys = view.tables["items"].keys
    for user in (0, 7, NOBODY):
        scores = model.predict(view, pairs([user] * 300, keys)).values
        order = np.lexsort((keys, -scores))[:k]
        found_keys, found_scores = model.recommend(view, user, k)
        assert np.array_equal(found_keys, keys[order])
        assert found_scores.tobytes() == scores[order].tobytes()


def test_recommend_breaks_ties_by_key_and_leaves_deleted_and_broken_rows_out():
    model, view = random_view(items=1000)
    items = view.tables["items"]
    items.matrix[:] = items.matrix[0]
    items.matrix[5] = np.nan
    items.delete(np.array([0, 2, 10_000]))
    assert model.recommend(view, 1, 5)[0].tolist() == [1, 3, 4, 6, 7]
    assert len(model.recommend(view, 1, 2000)[0]) == 997


def test_recommend_to_an_unknown_user_is_as_cold_start_says():
    view = fresh_view(CASE)
    assert len(CASE.model().recommend(view, NOBODY, 3)[0]) == 3
    assert len(CASE.model(cold_start="null").recommend(view, NOBODY, 3)[0]) == 0
    with pytest.raises(ArgumentError, match="is unknown"):
        CASE.model(cold_start="error").recommend(view, NOBODY, 3)
    for key in ("7", 1.5, None, 2**63):
        with pytest.raises(ArgumentError, match="is no int64"):
            CASE.model().recommend(view, key, 3)


def test_similar_is_the_order_of_cosines_without_the_item_itself():
    model, view = random_view()
    factors = view.tables["items"].matrix[:, :16].astype(np.float64)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosines = unit @ unit[42]
    keys, scores = model.similar(view, 42, 10)
    expected = [key for key in np.argsort(-cosines).tolist() if key != 42][:10]
    assert keys.tolist() == expected and np.allclose(scores, cosines[keys], atol=1e-6)
    view.tables["items"].delete(keys[:1])
    assert model.similar(view, 42, 3)[0].tolist() == expected[1:4]
    view.tables["items"].matrix[7] = 0.0
    assert 0.0 in model.similar(view, 42, 300)[1] and len(model.similar(view, NOBODY, 3)[0]) == 0


def test_text_keys_work_on_both_sides():
    user, item, rating = ratings(500, 0)
    names = [
        np.array([f"{side}{key}" for key in keys.values.tolist()], object) for side, keys in (("u", user), ("i", item))
    ]
    by_number = Als.from_options({"factors": "4"}, ("BIGINT", "INT")).fit([user, item, rating], ignore_progress)
    model = Als.from_options({"factors": "4"}, ("STRING", "STRING"))
    by_text = model.fit([*map(Column, names), rating], ignore_progress)
    assert by_text.rows["users"][0].tolist() == sorted(set(names[0].tolist()))
    assert by_text.metrics["rmse"] == pytest.approx(by_number.metrics["rmse"], rel=1e-2)
    assert len(model.recommend(ArrayView(model, by_text), "u3", 4)[0]) == 4
    with pytest.raises(ArgumentError, match="keys are text"):
        model.predict(ArrayView(model, by_text), [user, item])
    with pytest.raises(ArgumentError, match="argument 2 is an array"):
        CASE.model().predict(fresh_view(CASE), [user, Column(item.values, None, np.arange(501))])


def test_a_pair_observed_twice_counts_twice():
    columns = ratings(400, 0)
    doubled = [Column(np.concatenate((column.values, column.values[:100]))) for column in columns]
    plain, heavier = (CASE.model().fit(given, ignore_progress) for given in (columns, doubled))
    assert heavier.rows_read == 500 and not np.array_equal(plain.rows["users"][1], heavier.rows["users"][1])


def test_the_unit_of_the_label_does_not_matter():
    user, item, rating = ratings(500, 0)
    plain = CASE.model().fit([user, item, rating], ignore_progress)
    larger = CASE.model().fit([user, item, Column(rating.values * 1024.0)], ignore_progress)
    assert np.array_equal(plain.rows["users"][1], larger.rows["users"][1])
    assert larger.metrics["rmse"] == 1024.0 * plain.metrics["rmse"]


def test_learning_keeps_the_constant_coordinates_and_starts_a_new_key_from_the_mean_row():
    model, view = CASE.model(), fresh_view(CASE)
    mean = view.constants["users"].astype(np.float32)
    pushes = model.learn(view, pairs([NOBODY, NOBODY], [0, 1]), Column(np.array([5.0, 4.0])))
    assert [push.keys.tolist() for push in pushes] == [[NOBODY], [0, 1]] and pushes[0].counts.tolist() == [2]
    view.apply(pushes)
    users = view.tables["users"]
    assert np.array_equal(users.matrix[users.find(np.array([NOBODY]))[0]], mean + pushes[0].deltas[0])
    assert (users.matrix[:, -1] == 1.0).all() and (view.tables["items"].matrix[:, -2] == 1.0).all()


def test_no_row_moves_further_than_gradient_clip_at_once():
    view = fresh_view(CASE)
    args, label = pairs(np.arange(100) % 200, np.arange(100)), Column(np.full(100, 1e9))
    for clip in (0.01, 0.5):
        for push in CASE.model(gradient_clip=str(clip)).learn(view, args, label):
            assert np.linalg.norm(push.deltas, axis=1).max() <= clip * (1 + 1e-6)


def test_ten_ratings_change_a_users_top_ten():
    model, view = CASE.model(), fresh_view(CASE)
    before = set(model.recommend(view, 11, 10)[0].tolist())
    disliked = np.array(sorted(before))
    view.apply(model.learn(view, pairs([11] * 10, disliked), Column(np.full(10, view.constants["label_range"][0]))))
    assert 2 <= len(before - set(model.recommend(view, 11, 10)[0].tolist())) <= 10


def test_learning_from_a_stream_predicts_it_better_than_not_learning():
    """Prequential: each batch is predicted before it is learned. The stream has users that training has not seen."""
    stream = PlantedRatings(users=600, items=200, noise=0.3, seed=5)
    user, item, rating = stream.ratings(24_000)
    old = user < 400
    model = Als.from_options({"factors": "8"}, ("BIGINT", "BIGINT"))
    trained = [Column(values[old][:6000]) for values in (user, item, rating)]
    static = ArrayView(model, model.fit(trained, ignore_progress))
    learning = ArrayView(model, model.fit(trained, ignore_progress))
    label, predicted = rating[12_000:], []
    for at in range(12_000, 24_000, 200):
        args = pairs(user[at : at + 200], item[at : at + 200])
        predicted.append(model.predict(learning, args).values)
        learning.apply(model.learn(learning, args, Column(rating[at : at + 200])))
    without = rmse(model.predict(static, pairs(user[12_000:], item[12_000:])), Column(label)).value
    assert rmse(Column(np.concatenate(predicted)), Column(label)).value < 0.93 * without
