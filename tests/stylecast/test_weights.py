import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylecast.weights import Loss, nested_cross_validation, search_weights


def distance_to(point_M: np.ndarray) -> Loss:
    return lambda weights_M: float(((weights_M - point_M) ** 2).sum())


def test_two_members_by_hand() -> None:
    # truths 0 and 1, members (0, 0) and (1, 1): every blend has the mean error 1/2, so the first stays
    flat = search_weights(lambda w: 0.5, 2)
    assert flat.weights_M.tolist() == [1.0, 0.0]
    # truth 0.3 between 0 and 1: the blend hits it
    found = search_weights(lambda w: abs(0.3 - w[1]), 2)
    assert found.weights_M[1] == pytest.approx(0.3, abs=1e-5)
    assert found.loss == pytest.approx(0.0, abs=1e-5)


def test_two_members_find_the_best_step_of_a_loss_without_gradient() -> None:
    found = search_weights(lambda w: 0.0 if 0.7345 < w[0] < 0.7365 else 1.0, 2)
    assert found.loss == 0.0


def test_one_member_has_all_weight() -> None:
    assert search_weights(lambda w: 3.0, 1).weights_M.tolist() == [1.0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=6))
def test_more_members_find_a_point_within_the_simplex(raw: list[float]) -> None:
    point_M = (np.array(raw) + 0.01) / (np.array(raw) + 0.01).sum()
    found = search_weights(distance_to(point_M), len(raw))
    assert found.weights_M.sum() == pytest.approx(1.0)
    assert (found.weights_M >= 0).all()
    assert np.abs(found.weights_M - point_M).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_never_worse_than_the_best_single_member_or_equal_weights(seed: int, members: int) -> None:
    rng = np.random.default_rng(seed)
    truth_N, said_MN = rng.normal(size=30), rng.normal(size=(members, 30))

    def loss(weights_M: np.ndarray) -> float:
        return float(np.abs(truth_N - weights_M @ said_MN).mean())

    found = search_weights(loss, members)
    assert found.loss <= min(loss(one_M) for one_M in np.eye(members)) + 1e-12
    assert found.loss <= loss(np.full(members, 1 / members)) + 1e-9
    assert found.loss == pytest.approx(loss(found.weights_M))
    assert np.array_equal(search_weights(loss, members).weights_M, found.weights_M)


def test_a_nan_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="member 1"):
        search_weights(lambda w: float("nan") if w[1] == 1 else 0.0, 2)


def test_nested_figure_is_honest() -> None:
    # Pure noise: the weights fit the groups they see, and gain nothing on the others.
    rng = np.random.default_rng(0)
    said_MG = rng.normal(size=(6, 20))

    def loss_on(index: np.ndarray) -> Loss:
        return lambda weights_M: float(np.abs(weights_M @ said_MG[:, index] - 1).mean())

    nested = nested_cross_validation(loss_on, groups=20, members=6, folds=4)
    assert nested.held_out > nested.in_sample
    assert nested.fold_weights_FM.shape == (4, 6)
    by_hand = [loss_on(np.arange(5 * f, 5 * f + 5))(nested.fold_weights_FM[f]) for f in range(4)]
    assert nested.held_out == pytest.approx(np.mean(by_hand))


def test_one_group_has_nothing_to_hold_out() -> None:
    nested = nested_cross_validation(lambda index: lambda w: abs(w[0] - 0.5), groups=1, members=2)
    assert np.isnan(nested.held_out)
    assert nested.weights_M[0] == pytest.approx(0.5)


def test_a_coarse_grid_serves_three_members_too() -> None:
    target = np.array([0.2, 0.3, 0.5])
    found = search_weights(lambda weights: float(np.abs(weights - target).sum()), 3, rounds=10, grid=8)
    np.testing.assert_allclose(found.weights_M, target, atol=0.1)
