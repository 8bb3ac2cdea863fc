"""Styles keep their ids over refits: matching worked by hand; splits, merges, births and deaths; a growing sample."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from recall.cluster import ClusterConfig, Clusters, fit_clusters
from recall.lineage import COLUMNS, Overlap, Previous, earliest_seen, match, new_ids, no_lineage, overlap, trace
from stylecast.errors import UserError

EYE = np.eye(2)


def plane(centres: list[tuple[float, float]], far: float = 1.0) -> Clusters:
    """Clusters in a plane, whose PCA space is the plane itself."""
    return Clusters(np.zeros(2), EYE, np.array(centres, float), far, {}, {})


def before(styles: dict[str, list[str]], centres: list[tuple[float, float]], space: str = "a") -> Previous:
    rows = [(item, style) for style, items in styles.items() for item in items]
    table = pd.DataFrame({"style": list(styles), "first_seen": pd.Timestamp("2023-01-05")})
    return Previous(table, pd.DataFrame(rows, columns=["id", "style"]), no_lineage(), np.array(centres, float), space)


def told(lineage: pd.DataFrame) -> list[tuple[str, str, str, bool]]:
    return list(lineage[["previous", "current", "relation", "kept"]].itertuples(index=False, name=None))


def now(
    previous: Previous, labels: list[int], points: list[tuple[float, float]], clusters: Clusters, space: str = "b"
) -> tuple[list[str], pd.DataFrame]:
    ids = np.array([f"i{n}" for n in range(len(labels))])
    found = overlap(previous, ids, np.array(labels), np.zeros(len(ids), bool), np.array(points, float), clusters, space)
    return trace(previous, found, clusters.far)


def test_ids_follow_the_items_not_the_size() -> None:
    previous = before({"s00": ["i0", "i1", "i2"], "s01": ["i3", "i4"]}, [(0, 0), (5, 5)])
    points = [(0, 0)] * 3 + [(5, 5)] * 4
    ids, lineage = now(previous, [1, 1, 1, 0, 0, 0, 0], points, plane([(5, 5), (0, 0)]))
    assert ids == ["s01", "s00"]
    assert told(lineage) == [("s00", "s00", "continues", True), ("s01", "s01", "continues", True)]
    assert lineage["shared"].tolist() == [3, 2]
    assert lineage["distance"].tolist() == [0.0, 0.0]


def test_a_split_keeps_the_id_on_the_larger_part() -> None:
    previous = before({"s00": [f"i{n}" for n in range(6)]}, [(0, 0)])
    ids, lineage = now(previous, [0, 0, 0, 0, 1, 1], [(0, 0)] * 4 + [(3, 0)] * 2, plane([(0, 0), (3, 0)]))
    assert ids == ["s00", "s01"]
    assert told(lineage) == [("s00", "s00", "split", True), ("s00", "s01", "split", False)]
    np.testing.assert_allclose(lineage["of_previous"], [4 / 6, 2 / 6])


def test_a_few_items_of_an_older_style_make_no_split() -> None:
    previous = before({"s00": [f"i{n}" for n in range(40)]}, [(0, 0)])
    # Of the new style one item is known from before, nine are new.
    points = [(0, 0)] * 39 + [(9, 9)] * 10
    ids, lineage = now(previous, [0] * 39 + [1] * 10, points, plane([(0, 0), (9, 9)]))
    assert ids == ["s00", "s01"]
    assert told(lineage) == [("", "s01", "birth", False), ("s00", "s00", "continues", True)]


def test_a_merge_a_birth_and_a_death() -> None:
    previous = before({"s00": ["i0", "i1", "i2"], "s01": ["i3", "i4"], "s02": ["gone"]}, [(0, 0), (1, 0), (9, 9)])
    ids, lineage = now(previous, [0] * 5 + [1] * 3, [(0, 0)] * 5 + [(20, 20)] * 3, plane([(0, 0), (20, 20)]))
    assert ids == ["s00", "s03"]
    assert told(lineage) == [
        ("", "s03", "birth", False), ("s00", "s00", "merge", True), ("s01", "s00", "merge", False),
        ("s02", "", "death", False),
    ]  # fmt: skip


def test_the_assignment_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        shared_JK = rng.integers(0, 9, (4, 4)).astype(float)
        shared_JK[0, 0] = 9
        found = Overlap(shared_JK, shared_JK / shared_JK.sum(1, keepdims=True).clip(1),
                        shared_JK / shared_JK.sum(0, keepdims=True).clip(1), rng.random((4, 4)))  # fmt: skip
        score_JK = found.score(1.0)
        best = max(permutations(range(4)), key=lambda order, s=score_JK: sum(s[j, k] for j, k in enumerate(order)))
        assert match(found, 1.0) == [(j, k) for j, k in enumerate(best) if score_JK[j, k] >= 0.3]


def test_nearness_decides_between_equal_overlaps() -> None:
    previous = before({"s00": ["i0", "i1"], "s01": ["i2", "i3"]}, [(0, 0), (1, 0)])
    # Each old style is torn in two alike; the means are (0, 0) and (1, 0).
    points = [(-0.1, 0), (0.1, 0), (0.9, 0), (1.1, 0)]
    ids, _ = now(previous, [0, 1, 0, 1], points, plane([(1, 0), (0, 0)]))
    assert ids == ["s01", "s00"]


def test_without_shared_items_centroids_of_the_same_space_decide() -> None:
    previous = before({"s00": ["x"], "s01": ["y"]}, [(0, 0), (5, 5)], space="a")
    ids, _ = now(previous, [0, 1], [(5.1, 5), (9, -9)], plane([(5.1, 5), (9, -9)]), space="a")
    assert ids == ["s01", "s02"]
    with pytest.raises(UserError, match="--previous"):
        now(previous, [0, 1], [(5, 5), (0, 0)], plane([(5, 5), (0, 0)]), space="b")


def test_ids_of_dead_styles_never_come_back_and_the_first_day_is_kept() -> None:
    first = before({"s00": ["i0", "i1"], "s01": ["gone"]}, [(0, 0), (9, 9)])
    ids, lineage = now(first, [0, 0], [(0, 0)] * 2, plane([(0, 0)]))
    second = replace(before({"s00": ["i0", "i1"]}, [(0, 0)]), lineage=lineage)
    ids, lineage = now(second, [0, 0, 1], [(0, 0), (0, 0), (20, 0)], plane([(0, 0), (20, 0)]))
    assert ids == ["s00", "s02"]
    assert lineage["refit"].tolist() == [1, 1, 2, 2]
    assert list(lineage.columns) == COLUMNS
    styles = pd.DataFrame({"style": ids, "first_seen": pd.to_datetime(["2024-03-01", "2024-04-01"])})
    assert earliest_seen(styles, second).tolist() == list(pd.to_datetime(["2023-01-05", "2024-04-01"]))


def test_new_ids_are_wide_enough() -> None:
    assert new_ids(2, set()) == ["s00", "s01"]
    assert new_ids(1, {"s07", "s11"}) == ["s12"]
    assert new_ids(2, {"s98"}) == ["s99", "s100"]
    assert new_ids(101, set())[0] == "s000"


def grown(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres_KD = rng.normal(size=(12, 24))
    truth_N = rng.integers(0, 12, 900)
    vectors_ND = (centres_KD[truth_N] + 0.25 * rng.normal(size=(900, 24))).astype(np.float32)
    return np.array([f"p{i:04d}" for i in range(900)]), vectors_ND, truth_N


def test_a_sample_that_grows_keeps_its_ids_in_any_order() -> None:
    ids, vectors_ND, truth_N = grown(0)
    config = ClusterConfig(k=12, pca=10, umap=3, neighbours=10, max_fit=900)
    old = fit_clusters(ids[:700], vectors_ND[:700], config)
    new = fit_clusters(ids, vectors_ND, config)
    old_N, _ = old.predict(vectors_ND[:700])
    names = new_ids(12, set())
    previous = Previous(
        pd.DataFrame({"style": names, "first_seen": pd.Timestamp("2024-01-01")}),
        pd.DataFrame({"id": ids[:700], "style": [names[k] for k in old_N]}),
        no_lineage(), old.centroids_KP @ old.components_PD + old.mean_D, "a",
    )  # fmt: skip
    labels_N, distance_N = new.predict(vectors_ND)
    found = overlap(previous, ids, labels_N, distance_N > new.far, vectors_ND, new, "b")
    kept, lineage = trace(previous, found, new.far)
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = overlap(
        previous, ids[order], labels_N[order], (distance_N > new.far)[order], vectors_ND[order], new, "b"
    )
    pd.testing.assert_frame_equal(trace(previous, shuffled, new.far)[1], lineage)
    # The majority of truth under each id is the same truth before and after.
    same = [np.bincount(truth_N[:700][old_N == k]).argmax()
            == np.bincount(truth_N[labels_N == kept.index(name)]).argmax() for k, name in enumerate(names)
            if name in kept]  # fmt: skip
    assert len(same) >= 11
    assert all(same)
