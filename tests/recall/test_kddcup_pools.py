"""Pools of KDD Cup files by hand: what counts as right, which five are best, how a blend is fitted."""

import numpy as np
import pandas as pd
import pytest

from data.kddcup import Products
from data.pools import Pools
from pretrain.kddcup import cut_queries, held_out_products
from recall.kddcup_score import (
    ranked,
    single_pool,
)
from recall.kddcup_train import box_labels
from recall.metrics import ndcg
from recall.truth import Truth, fit_pool_blend
from stylecast.errors import UserError


def pools_of(*ids: list[str]) -> Pools:
    most = max(map(len, ids))
    ids_QK = np.array([[*i, *[""] * (most - len(i))] for i in ids], dtype=object)
    names = tuple(f"q{n}" for n in range(len(ids)))
    return Pools(names, names, np.where(ids_QK == "", -1, 0), ids_QK)


def test_a_product_of_one_pool_alone() -> None:
    pools = pools_of(["a", "b", "c"], ["b", "d"], ["b", "c", "e"])
    assert single_pool(pools).tolist() == [[1, 0, 0], [0, 1, -np.inf], [0, 0, 1]]


def test_answers_that_stand_in_no_pool_count_against_us() -> None:
    pools = pools_of(["a", "b", "c"], ["b", "d"], ["x"])
    truth = Truth.of(pools, {"q0": ["a", "z"], "q1": ["d"], "q9": ["b"]}, "answers.json")
    assert truth.lost == 1
    scores = np.array([[3.0, 2, 1], [1, 2, -np.inf], [1, -np.inf, -np.inf]])
    first, second = 1.0, 1 / np.log2(3)
    # q0 finds one of two; q1 its only one; q9 is not there at all; q2 is not asked.
    np.testing.assert_allclose(truth.ndcg(scores), [first / (first + second), 1.0, 0.0])
    assert truth.chance(pools.real()) == pytest.approx(
        ((1 + second + 0.5) / 3 / (1 + second) + (1 + second) / 2) / 3, rel=1e-9
    )
    with pytest.raises(UserError, match="names none of the queries"):
        Truth.of(pools, {"q9": ["b"]}, "answers.json")


def test_chance_is_what_random_orders_reach() -> None:
    rng = np.random.default_rng(0)
    pools = pools_of([str(i) for i in range(9)], [str(i) for i in range(6)])
    truth = Truth.of(pools, {"q0": ["1", "2", "3"], "q1": ["0", "5"]}, "answers.json")
    drawn = [truth.ndcg(np.where(pools.real(), rng.random((2, 9)), -np.inf)).mean() for _ in range(4000)]
    assert truth.chance(pools.real()) == pytest.approx(np.mean(drawn), abs=0.01)


def test_ndcg_with_the_number_of_answers_told() -> None:
    scores, relevant = np.array([[3.0, 2, 1]]), np.array([[True, False, True]])
    assert ndcg(scores, relevant, truth_Q=np.array([2])) == ndcg(scores, relevant)
    assert ndcg(scores, relevant, truth_Q=np.array([4])) < ndcg(scores, relevant)


def test_five_best_in_order_and_no_padding() -> None:
    pools = pools_of(["a", "b", "c", "d", "e", "f"], ["u", "v", "w", "x", "y"])
    scores = np.array([[1.0, 2, 3, 4, 5, 6], [0, 0, 1, 0, 0, -np.inf]])
    assert ranked(scores, pools) == {"q0": ["f", "e", "d", "c", "b"], "q1": ["w", "u", "v", "x", "y"]}


def test_a_blend_finds_the_member_that_knows() -> None:
    rng = np.random.default_rng(0)
    pools = pools_of(*[[f"{q}-{k}" for k in range(10 + q % 3)] for q in range(40)])
    answers = {f"q{q}": [f"{q}-0", f"{q}-3"] for q in range(40)}
    truth = Truth.of(pools, answers, "answers.json")
    noise, other = (np.where(pools.real(), rng.normal(size=pools.ids_QK.shape), -np.inf) for _ in range(2))
    knows = truth.relevant_QK + 0.3 * noise
    found = fit_pool_blend({"a": knows, "b": other}, ("a", "b"), truth)
    blend = found.blend
    assert blend.weights["a"] > 0.6
    assert 0.8 < found.nested <= found.in_sample + 1e-9
    assert truth.ndcg(found.out_of_fold_QK).mean() == pytest.approx(found.nested)
    assert np.isneginf(blend({"a": knows, "b": other})[~pools.real()]).all()
    three = fit_pool_blend({"a": knows, "b": other, "c": noise}, ("a", "b", "c"), truth)
    assert sum(three.blend.weights.values()) == pytest.approx(1)


def test_box_labels_of_each_product() -> None:
    table = pd.DataFrame({"product_id": ["a", "b", "c"], "boxes": [3, 1, 2]})
    labels = np.array([28, 0, 28, 5, 32, 4], np.uint8)
    nothing = np.zeros((6, 1))
    products = Products(table, pd.DataFrame(), np.array([0, 3, 4, 6]), nothing, nothing, labels)
    assert box_labels(products).tolist() == [[1, 29], [6, 0], [5, 33]]


def test_queries_are_cut_into_lower_case_words() -> None:
    assert cut_queries(['Red "Vintage" Dress', "women's 12\" vase"]) == [
        ["red", "vintage", "dress"],
        ["women", "vase"],
    ]


def test_held_out_by_the_hash_of_the_id_alone() -> None:
    ids = [str(i) for i in range(2000)]
    held = held_out_products(ids, 0.1)
    assert 0.07 < held.mean() < 0.13
    np.testing.assert_array_equal(held_out_products(ids[::-1], 0.1), held[::-1])
