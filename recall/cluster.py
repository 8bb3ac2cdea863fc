"""Clusters of vectors that hold still: PCA, UMAP, k-means; then the nearest centroid in the PCA space.

UMAP finds the groups; but where it puts a point depends on the other points. So what is kept is each
group's centroid in the space before UMAP, and a vector, old or new, belongs to the nearest: whatever its
batch, whatever the order.

Shapes: N vectors, D dimensions, P principal components, K clusters.
"""

import hashlib
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from stylecast.errors import UserError

log = logging.getLogger(__name__)

CHUNK = 65_536  # vectors assigned at a time; each row's result is its own, so the size changes nothing
SILHOUETTE_SAMPLE = 4_000


@dataclass(frozen=True)
class ClusterConfig:
    """How vectors become clusters."""

    k: int = 0
    """Number of clusters; 0 = the one with the best silhouette between k_min and k_max."""
    k_min: int = 5
    """Smallest number of clusters that is tried."""
    k_max: int = 60
    """Largest number of clusters that is tried."""
    pca: int = 50
    """Principal components kept, dimensions."""
    umap: int = 8
    """Dimensions of the UMAP space."""
    neighbours: int = 20
    """Neighbours that UMAP looks at, vectors."""
    max_fit: int = 12_000
    """Vectors that the fit looks at, chosen by a hash of their id; the others are assigned."""
    far_quantile: float = 0.995
    """A vector farther from its centroid than this quantile of the fit's own distances is far from all."""
    seed: int = 0
    """Seed of UMAP and k-means."""


@dataclass(frozen=True)
class Clusters:
    """A fitted clustering."""

    mean_D: np.ndarray
    """Mean of the fit's vectors."""
    components_PD: np.ndarray
    """Principal directions."""
    centroids_KP: np.ndarray
    """Centroids in the PCA space, largest cluster first."""
    far: float
    """Distance in the PCA space beyond which a vector belongs to none."""
    scores: dict[str, float]
    """Silhouette in the UMAP space (`silhouette_umap`, flattering) and in the PCA space (`silhouette_pca`),
    agreement of the two assignments (`kept`)."""
    curve: dict[int, float]
    """Silhouette in the UMAP space of each k that was tried."""

    def project(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Vectors in the PCA space, float64 N×P."""
        return (vectors_ND.astype(np.float64) - self.mean_D) @ self.components_PD.T

    def predict(self, vectors_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest centroid of each vector.

        Returns:
            Cluster numbers N, and distances N in the PCA space.
        """
        labels, distances = [], []
        for start in range(0, len(vectors_ND), CHUNK):
            point_NP = self.project(vectors_ND[start : start + CHUNK])
            square_NK = _squares(point_NP, self.centroids_KP)
            labels.append(square_NK.argmin(axis=1))
            distances.append(np.sqrt(square_NK.min(axis=1)))
        if not labels:
            return np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate(labels), np.concatenate(distances)

    def save(self, path: Path) -> None:
        """Write as safetensors."""
        save_file(
            {"mean": self.mean_D, "components": np.ascontiguousarray(self.components_PD),
             "centroids": self.centroids_KP, "far": np.array([self.far])}, path
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> "Clusters":
        """Read what `save` wrote (without the scores, which the run's manifest tells)."""
        parts = load_file(path)
        return cls(parts["mean"], parts["components"], parts["centroids"], float(parts["far"][0]), {}, {})


def _squares(point_NP: np.ndarray, centroid_KP: np.ndarray) -> np.ndarray:
    """Squared distances N×K, one centroid at a time so that memory stays N×P."""
    return np.stack([((point_NP - c) ** 2).sum(axis=1) for c in centroid_KP], axis=1)


def choose_rows(ids: np.ndarray, limit: int) -> np.ndarray:
    """Rows of at most `limit` ids, in an order that the ids give (by hash), not the file."""
    hashes = [hashlib.sha256(str(i).encode()).digest() for i in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__)[:limit], dtype=np.int64)


def _umap(point_NP: np.ndarray, config: ClusterConfig) -> np.ndarray:
    from umap import UMAP  # compiles for half a minute at its first use: only those who cluster pay

    neighbours = min(config.neighbours, len(point_NP) - 1)
    dimensions = min(config.umap, point_NP.shape[1])
    # Started from the principal components: the default spectral start differs from call to call where
    # vectors repeat, and keeps less of the large picture (Kobak & Linderman, 2021).
    start_NU = 10 * point_NP[:, :dimensions] / np.abs(point_NP[:, :dimensions]).max()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seeded UMAP runs on one core, as we ask
        model = UMAP(
            n_components=dimensions, n_neighbors=neighbours, min_dist=0.0, init=start_NU.astype(np.float32),
            random_state=config.seed, n_jobs=1,
        )  # fmt: skip
        return np.asarray(model.fit_transform(point_NP.astype(np.float32)), np.float64)


def _candidates(config: ClusterConfig, count: int) -> list[int]:
    if config.k:
        return [config.k]
    top = min(config.k_max, count // 5)
    low = min(config.k_min, top)
    # Steps grow with k: between 20 and 21 clusters there is a difference, between 200 and 201 hardly.
    grid: list[int] = []
    value = float(low)
    while value <= top:
        grid.append(round(value))
        value = max(value + 1, value * 1.06)
    return sorted(set(grid))


def _kmeans(point_NU: np.ndarray, k: int, seed: int) -> np.ndarray:
    return np.asarray(KMeans(k, n_init=4, random_state=seed).fit_predict(point_NU))


def _silhouette(point_NX: np.ndarray, labels_N: np.ndarray, seed: int) -> float:
    size = min(SILHOUETTE_SAMPLE, len(point_NX))
    if len(np.unique(labels_N)) < 2:
        return -1.0
    return float(silhouette_score(point_NX, labels_N, sample_size=size, random_state=seed))


def _centroids(point_NP: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Means of the clusters, largest first; of equal ones the one with the smaller coordinates."""
    numbers, sizes = np.unique(labels_N, return_counts=True)
    means = [point_NP[labels_N == n].mean(axis=0) for n in numbers]
    order = sorted(range(len(numbers)), key=lambda i: (-sizes[i], *means[i]))
    return np.stack([means[i] for i in order])


def fit_clusters(ids: np.ndarray, vectors_ND: np.ndarray, config: ClusterConfig) -> Clusters:
    """Find the clusters of vectors.

    Args:
        ids: N names; they decide which vectors are looked at, and in which order.
        vectors_ND: the vectors.
        config: how.

    Raises:
        UserError: too few vectors, or k out of range.
    """
    if len(ids) < 20:
        raise UserError(f"{len(ids)} vectors before the cut-off are too few for styles; 20 or more are needed")
    if config.k < 0 or config.k == 1 or config.k > len(ids) // 2:
        raise UserError(f"--cluster.k {config.k}: must be 0 or between 2 and {len(ids) // 2} for {len(ids)} vectors")
    rows = choose_rows(ids, config.max_fit)
    chosen_ND = vectors_ND[rows].astype(np.float64)
    pca = PCA(min(config.pca, chosen_ND.shape[1], len(rows) - 1), svd_solver="full").fit(chosen_ND)
    # Whatever signs the decomposition gave, the largest entry of each direction is positive.
    signs_P = np.sign(pca.components_[np.arange(len(pca.components_)), np.abs(pca.components_).argmax(axis=1)])
    components_PD = pca.components_ * signs_P[:, None]
    point_NP = (chosen_ND - pca.mean_) @ components_PD.T
    place_NU = _umap(point_NP, config)
    curve: dict[int, float] = {}
    labels: dict[int, np.ndarray] = {}
    for k in _candidates(config, len(rows)):
        labels[k] = _kmeans(place_NU, k, config.seed)
        curve[k] = _silhouette(place_NU, labels[k], config.seed)
    best = max(curve, key=lambda k: (curve[k], -k))
    centroid_KP = _centroids(point_NP, labels[best])
    draft = Clusters(pca.mean_, components_PD, centroid_KP, np.inf, {}, curve)
    nearest_N, distance_N = draft.predict(chosen_ND)
    scores = {
        "k": float(best),
        "silhouette_umap": curve[best],
        "silhouette_pca": _silhouette(point_NP, nearest_N, config.seed),
        "kept": float(_agreement(labels[best], nearest_N)),
    }
    log.info("%d clusters: silhouette %.3f (UMAP space), %.3f (PCA space)", best, curve[best], scores["silhouette_pca"])
    far = float(np.quantile(distance_N, config.far_quantile))
    return Clusters(pca.mean_, components_PD, centroid_KP, far, scores, curve)


def _agreement(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Share of vectors whose second label is the most frequent one within their first."""
    kept = 0
    for label in np.unique(first_N):
        kept += int(np.bincount(second_N[first_N == label]).max())
    return kept / len(first_N)
