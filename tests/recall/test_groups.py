"""Groups, valleys, the number of groups, the hierarchy and the scale: small cases that can be seen by eye."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, silhouette_score

from recall.choose_k import Silhouette, best_k, candidates, find_groups
from recall.cluster import ClusterConfig, content_keys, fit_clusters
from recall.groups import kmeans, lloyd, valley
from recall.hierarchy import hierarchy_table, merge_twins, tree
from recall.items import equal_weight
from recall.reduce import principal
from recall.sharpen import within_scale
from stylecast.errors import UserError


def balls(centres: list[tuple[float, ...]], count: int = 150, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Points around centres, mixed, and the centre of each."""
    rng = np.random.default_rng(0)
    truth_N = rng.permutation(np.repeat(np.arange(len(centres)), count))
    return np.array(centres, float)[truth_N] + spread * rng.normal(size=(len(truth_N), len(centres[0]))), truth_N


def test_kmeans_settles_where_each_centre_is_the_mean_of_its_points() -> None:
    point_NP, _ = balls([(0, 0), (9, 0), (0, 9)])
    label_N, centre_KP, cost = lloyd(point_NP, point_NP[:3])
    assert cost == pytest.approx(((point_NP - centre_KP[label_N]) ** 2).sum(), rel=1e-4)
    for number in range(3):
        np.testing.assert_allclose(centre_KP[number], point_NP[label_N == number].mean(axis=0), atol=1e-4)


def test_of_starts_that_are_as_cheap_the_one_is_taken_whose_groups_stand_apart() -> None:
    angle_N = np.linspace(0, 2 * np.pi, 300, endpoint=False)  # of a circle, any three arcs of equal length
    circle_NP = np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)
    cheap: list[float] = []

    def first_end(label_N: np.ndarray) -> float:
        cheap.append(
            sum(((circle_NP[label_N == n] - circle_NP[label_N == n].mean(axis=0)) ** 2).sum() for n in range(3))
        )
        return float(np.flatnonzero(np.diff(label_N))[0])

    late = first_end(kmeans(circle_NP, 3, 0, apart=first_end))
    early = first_end(kmeans(circle_NP, 3, 0, apart=lambda label_N: -first_end(label_N)))
    assert early < first_end(kmeans(circle_NP, 3, 0)) < late
    assert max(cheap) <= 1.01 * min(cheap)
    # Two balls in three groups: a start that halves the wide one is cheaper than one that halves the narrow one.
    point_NP, truth_N = balls([(0, 0), (40, 0)])
    point_NP[truth_N == 1] = [40, 0] + 4 * (point_NP[truth_N == 1] - [40, 0])
    label_N = kmeans(point_NP, 3, 0, apart=lambda label_N: float(len(np.unique(label_N[truth_N == 0]))))
    assert len(np.unique(label_N[truth_N == 0])) == 1


def test_halves_of_one_ball_have_no_valley_and_two_balls_have() -> None:
    point_NP, _ = balls([(0,) * 20], 600)
    right_N = point_NP[:, 0] > 0
    assert valley(point_NP[right_N], point_NP[~right_N]) > 0.8
    point_NP, truth_N = balls([(0,) * 20, (6,) + (0,) * 19], 60)
    assert valley(point_NP[truth_N == 0], point_NP[truth_N == 1]) < 0.1
    # Few points of one ball, many dimensions: some direction tells them apart, but not for the other half of them.
    point_NP, _ = balls([(0,) * 40], 80)
    assert valley(point_NP[:40], point_NP[40:]) > 0.5
    assert valley(np.zeros((9, 2)), np.ones((9, 2))) == 0.0
    assert valley(np.zeros((9, 2)), np.zeros((9, 2))) == 1.0


def test_twins_are_merged_and_what_stands_apart_is_not() -> None:
    point_NP, truth_N = balls([(0, 0), (12, 0), (0, 12)])
    torn_N = 2 * truth_N + (point_NP[:, 1] > 6 * (truth_N == 2))  # each ball in two halves or so
    merged_N = merge_twins(point_NP, torn_N, flat=0.5, fewest=1, smallest=5)
    assert adjusted_rand_score(truth_N, merged_N) == 1.0
    assert merge_twins(point_NP, torn_N, flat=0.5, fewest=5, smallest=5).max() == 4
    joins = tree(point_NP, truth_N, 3)
    assert [merge.size for merge in joins] == [300, 450]
    assert max(merge.valley for merge in joins) < 0.1
    table = hierarchy_table(joins, ["s00", "s01", "s02"])
    assert table["node"].tolist() == ["h00", "h01"]
    assert "h00" in table.loc[1, ["left", "right"]].tolist()


def test_silhouette_is_that_of_scikit_learn() -> None:
    point_NP, truth_N = balls([(0, 0), (3, 0)])
    assert Silhouette(point_NP)(truth_N)[0] == pytest.approx(silhouette_score(point_NP, truth_N))
    assert Silhouette(point_NP)(np.zeros(len(point_NP), int))[0] == -1.0


@given(st.integers(2, 30), st.integers(2, 300))
def test_candidates_begin_at_the_least_and_stay_below_the_most(low: int, top: int) -> None:
    grid = candidates(low, top)
    assert grid == sorted(set(grid))
    assert grid[0] == min(low, top)
    assert grid[-1] <= top


def test_the_fewest_groups_within_an_error_of_the_best() -> None:
    assert best_k({5: (0.30, 0.01), 6: (0.395, 0.01), 8: (0.40, 0.01), 9: (0.2, 0.01)}) == 6
    assert best_k({5: (0.30, 0.01), 8: (0.40, 0.001)}) == 8


def test_valleys_find_the_near_pair_that_silhouette_takes_for_one() -> None:
    point_NP, truth_N = balls([(0, 0, 0), (5, 0, 0), (60, 0, 0), (0, 60, 0), (0, 0, 60), (60, 60, 0)])
    alone = find_groups(point_NP, 2, 12, 0.0, 20, 0)
    both = find_groups(point_NP, 2, 12, 0.5, 20, 0)
    assert len(np.unique(alone.label_N)) == 5
    assert adjusted_rand_score(truth_N, both.label_N) > 0.95
    assert both.curve.keys() >= alone.curve.keys()


def test_the_scale_makes_a_ball_of_the_spread_within_groups() -> None:
    point_NP, truth_N = balls([(0, 0), (3, 0)], 2000)
    point_NP = point_NP * [1.0, 8.0]  # the second direction is loud and says nothing
    scaled_NP = point_NP @ within_scale(point_NP, truth_N)
    around = scaled_NP - np.stack([scaled_NP[truth_N == n].mean(axis=0) for n in (0, 1)])[truth_N]
    assert around.std(axis=0)[1] / around.std(axis=0)[0] < 5  # it was 8; half is shrunk towards a ball
    assert adjusted_rand_score(truth_N, kmeans(scaled_NP, 2, 0)) > adjusted_rand_score(truth_N, kmeans(point_NP, 2, 0))


def test_principal_directions_are_those_of_the_covariance() -> None:
    point_ND = np.random.default_rng(0).normal(size=(300, 5)) * [5, 3, 1, 0, 0]
    mean_D, direction_PD = principal(point_ND, 4)
    assert direction_PD.shape == (3, 5)  # nothing varies in the others
    np.testing.assert_allclose(direction_PD @ direction_PD.T, np.eye(3), atol=1e-12)
    spread_P = ((point_ND - mean_D) @ direction_PD.T).var(axis=0)
    np.testing.assert_allclose(spread_P.sum(), point_ND.var(axis=0).sum())
    assert (np.diff(spread_P) < 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_blocks_weigh_alike_whatever_all_rows_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block_ND = 7 + rng.normal(size=(50, 3)) * rng.uniform(0.1, 9)
    block_ND[4] = np.nan
    first_N = rng.random(50) < 0.7
    scaled_ND = equal_weight(block_ND, first_N)
    fitted = scaled_ND[first_N & (np.arange(50) != 4)]
    assert (fitted**2).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-4)
    np.testing.assert_allclose(fitted.mean(axis=0), 0.0, atol=1e-5)
    assert not scaled_ND[4].any()


@pytest.mark.parametrize("method", ["kmeans", "hdbscan", "agglomerative"])
def test_every_method_finds_planted_groups_in_any_order(method: str) -> None:
    centres = [tuple(row) for row in 9 * np.eye(6)]
    point_NP, truth_N = balls(centres, 80)
    config = ClusterConfig(method=method, k_min=2, k_max=12)  # type: ignore[arg-type]
    found = fit_clusters(content_keys(point_NP), point_NP, config)
    label_N, _ = found.predict(point_NP)
    assert adjusted_rand_score(truth_N, label_N) > 0.95
    assert len(found.tree) == len(found.centroids_KP) - 1
    order = np.random.default_rng(1).permutation(len(point_NP))
    again = fit_clusters(content_keys(point_NP[order]), point_NP[order], config)
    np.testing.assert_array_equal(found.centroids_KP, again.centroids_KP)


def test_outliers_go_to_the_nearest_or_stay_apart() -> None:
    point_NP, _ = balls([(0, 0), (30, 0)], 100)
    stray_NP = np.vstack([point_NP, [[15.0, 40.0], [-30.0, 30.0], [50.0, -45.0]]])
    config = ClusterConfig(method="hdbscan", smallest=30)
    near = fit_clusters(content_keys(stray_NP), stray_NP, config)
    apart = fit_clusters(content_keys(stray_NP), stray_NP, replace(config, outliers="apart"))
    assert near.scores["outliers"] == apart.scores["outliers"] > 0
    assert apart.far < near.far
    assert (apart.predict(stray_NP)[1][-3:] > apart.far).all()


def test_settings_that_cannot_be_are_refused() -> None:
    point_NP, _ = balls([(0, 0)], 60)
    keys = content_keys(point_NP)
    for wrong, told in (
        ({"method": "hdbscan", "k": 3}, "HDBSCAN finds its own number"), ({"flat": 1.5}, "cluster.flat"),
        ({"k_min": 9, "k_max": 8}, "k-min 9"), ({"method": "hdbscan", "smallest": 50}, "lower --cluster.smallest"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            fit_clusters(keys, point_NP, ClusterConfig(**wrong))  # type: ignore[arg-type]
