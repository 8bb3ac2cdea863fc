"""Clusters that hold still: found when they are there, whatever the order and the batch."""

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from recall import cluster
from recall.cluster import ClusterConfig, Clusters, choose_rows, fit_clusters
from stylecast.errors import UserError

CONFIG = ClusterConfig(k_min=3, k_max=12, pca=10, umap=3, neighbours=10, max_fit=400)


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres_KD = rng.normal(size=(6, 24))
    truth_N = rng.integers(0, 6, 500)
    vectors_ND = (centres_KD[truth_N] + 0.25 * rng.normal(size=(500, 24))).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.array([f"p{i:04d}" for i in range(500)]), vectors_ND, truth_N


@pytest.fixture(scope="module")
def fitted(blobs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Clusters:
    ids, vectors_ND, _ = blobs
    return fit_clusters(ids, vectors_ND, CONFIG)


def test_planted_groups_are_found_and_their_number(
    fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    _, vectors_ND, truth_N = blobs
    labels_N, _ = fitted.predict(vectors_ND)
    assert len(fitted.centroids_KP) == 6
    assert adjusted_rand_score(truth_N, labels_N) > 0.98
    assert fitted.scores["kept"] > 0.98
    # Numbers go by size in the fit: cluster 0 is the largest.
    sizes = np.bincount(labels_N)
    assert sizes[0] >= sizes[-1]


def test_order_of_rows_changes_nothing(fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ids, vectors_ND, _ = blobs
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = fit_clusters(ids[order], vectors_ND[order], CONFIG)
    np.testing.assert_array_equal(fitted.predict(vectors_ND)[0], shuffled.predict(vectors_ND)[0])
    np.testing.assert_array_equal(fitted.centroids_KP, shuffled.centroids_KP)


def test_batches_change_nothing(
    fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors_ND = blobs[1]
    whole, _ = fitted.predict(vectors_ND)
    monkeypatch.setattr(cluster, "CHUNK", 7)
    np.testing.assert_array_equal(whole, fitted.predict(vectors_ND)[0])


def test_the_number_of_threads_changes_nothing(
    fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    ids, vectors_ND, _ = blobs
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads + 2)
    try:
        again = fit_clusters(ids, vectors_ND, CONFIG)
    finally:
        faiss.omp_set_num_threads(threads)
    np.testing.assert_array_equal(fitted.centroids_KP, again.centroids_KP)


def test_the_nearest_centroid_is_the_slow_way_nearest(
    fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    vectors_ND = blobs[1][:50]
    labels_N, distances_N = fitted.predict(vectors_ND)
    point_NP = fitted.project(vectors_ND)
    slow_NK = np.linalg.norm(point_NP[:, None] - fitted.centroids_KP[None], axis=2)
    np.testing.assert_array_equal(labels_N, slow_NK.argmin(1))
    np.testing.assert_allclose(distances_N, slow_NK.min(1))


def test_what_is_unlike_all_is_far(fitted: Clusters) -> None:
    strange_ND = -10 * np.ones((3, 24), np.float32)
    assert (fitted.predict(strange_ND)[1] > fitted.far).all()


def test_saved_and_loaded(fitted: Clusters, blobs: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    fitted.save(tmp_path / "clusters.safetensors")
    loaded = Clusters.load(tmp_path / "clusters.safetensors")
    np.testing.assert_array_equal(fitted.predict(blobs[1])[0], loaded.predict(blobs[1])[0])
    assert loaded.far == fitted.far


def test_rows_are_chosen_by_id() -> None:
    ids = np.array(["a", "b", "c", "d"])
    assert set(ids[choose_rows(ids, 2)]) == set(ids[::-1][choose_rows(ids[::-1], 2)])


def test_too_little_or_too_many_is_refused() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    ids = np.arange(30).astype(str)
    with pytest.raises(UserError, match="too few"):
        fit_clusters(ids[:5], vectors[:5], CONFIG)
    with pytest.raises(UserError, match=r"--cluster\.k 20"):
        fit_clusters(ids, vectors, replace(CONFIG, k=20))


def test_an_empty_batch_has_no_labels(fitted: Clusters) -> None:
    labels_N, distances_N = fitted.predict(np.zeros((0, 24), np.float32))
    assert len(labels_N) == len(distances_N) == 0
    assert isinstance(pd.Series(labels_N).sum(), int | np.integer)
