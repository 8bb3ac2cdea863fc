"""Clusters of vectors that hold still: groups in the PCA space; then the nearest centroid in that space.

A group's centroid is what is kept, and a vector, old or new, belongs to the nearest: whatever its batch, whatever the
order. Before the distances are measured the space is scaled by the spread within the groups (`recall.sharpen`).

Shapes: N vectors, D dimensions, P principal components, K clusters.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from recall.choose_k import Groups, Silhouette, find_groups
from recall.groups import group_means, hdbscan, kmeans
from recall.hierarchy import Merge, merge_twins, tree
from recall.reduce import principal, umap_places
from recall.sharpen import sharpen
from stylecast.errors import UserError

log = logging.getLogger(__name__)

CLUSTERS = "clusters.safetensors"
CHUNK = 65_536  # vectors assigned at a time; each row's result is its own, so the size changes nothing


@dataclass(frozen=True)
class ClusterConfig:
    """How vectors become clusters."""

    method: Literal["kmeans", "hdbscan", "agglomerative"] = "kmeans"
    """k-means; HDBSCAN, which finds its own number and leaves outliers; or agglomerative: the k_max groups of k-means,
    of which those without a valley between them are merged, flattest first, down to k."""
    k: int = 0
    """Number of clusters; 0 = found by silhouette and valleys between k_min and k_max. HDBSCAN finds its own."""
    k_min: int = 5
    """Smallest number of clusters that is tried."""
    k_max: int = 60
    """Largest number of clusters that is tried."""
    flat: float = 0.1
    """Beyond the number with the best silhouette, two groups are one where the density between them is at least this
    share of the lower peak, 0..1; 0 = the silhouette alone tells the number."""
    smallest: int = 20
    """Fewest vectors of a cluster that HDBSCAN or a valley finds, vectors."""
    outliers: Literal["nearest", "apart"] = "nearest"
    """Outliers of HDBSCAN: given to the nearest cluster, or left apart as emerging, and later vectors like them."""
    space: Literal["pca", "umap"] = "pca"
    """Where groups are looked for; they are assigned in the PCA space either way."""
    pca: int = 100
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
    """Principal directions, scaled by the spread within the clusters."""
    centroids_KP: np.ndarray
    """Centroids in that space, largest cluster first."""
    far: float
    """Distance in that space beyond which a vector belongs to none."""
    scores: dict[str, float]
    """`silhouette_space` of the groups where they were looked for (UMAP's flatters), `silhouette_vectors` of the
    clusters among the vectors themselves, `kept`: agreement of groups and clusters, `outliers`: share of the fit."""
    curve: dict[int, float]
    """Silhouette, where they were looked for, of each number of groups that was tried."""
    tree: tuple[Merge, ...] = ()
    """How the clusters join into one, two at a time."""

    def project(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Vectors in the space of the centroids, float64 N×P."""
        return (np.asarray(vectors_ND, np.float64) - self.mean_D) @ self.components_PD.T

    def predict(self, vectors_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest centroid of each vector.

        Returns:
            Cluster numbers N, and distances N in the space of the centroids.
        """
        labels, distances = [np.zeros(0, np.int64)], [np.zeros(0)]
        for square_BK in self._squares(vectors_ND):
            labels.append(square_BK.argmin(axis=1))
            distances.append(np.sqrt(square_BK.min(axis=1)))
        return np.concatenate(labels), np.concatenate(distances)

    def distances(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Distances N×K from each centroid, in the space of the centroids."""
        nothing_0K = np.zeros((0, len(self.centroids_KP)))
        return np.concatenate([nothing_0K, *(np.sqrt(square_BK) for square_BK in self._squares(vectors_ND))])

    def _squares(self, vectors_ND: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(vectors_ND), CHUNK):
            yield _squares(self.project(vectors_ND[start : start + CHUNK]), self.centroids_KP)

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


def content_keys(vectors_ND: np.ndarray) -> np.ndarray:
    """A key of each vector by its own bytes, for vectors whose ids mean nothing: neither order nor ids matter then."""
    keys = np.empty(len(vectors_ND), "S32")
    for start in range(0, len(vectors_ND), CHUNK):
        # + 0.0: minus zero is zero.
        part_BD = np.ascontiguousarray(vectors_ND[start : start + CHUNK], "<f4") + np.float32(0)
        keys[start : start + len(part_BD)] = [hashlib.blake2b(row, digest_size=16).hexdigest() for row in part_BD]
    return keys.astype(str)


def least_vectors(config: ClusterConfig) -> int:
    """Fewest vectors that styles can be found in: fewer where it is told how many there are."""
    return 4 if config.k else 20


def _check(count: int, config: ClusterConfig) -> None:
    if count < (least := least_vectors(config)):
        raise UserError(f"{count} vectors before the cut-off are too few for styles; {least} or more are needed")
    if config.k < 0 or config.k == 1 or config.k > count // 2:
        raise UserError(f"--cluster.k {config.k}: must be 0 or between 2 and {count // 2} for {count} vectors")
    if config.k and config.method == "hdbscan":
        raise UserError(f"--cluster.k {config.k}: HDBSCAN finds its own number; leave it out, or use another method")
    if not 0 <= config.flat <= 1:
        raise UserError(f"--cluster.flat {config.flat}: a share between 0 and 1")
    if not 2 <= config.k_min <= config.k_max:
        raise UserError(f"--cluster.k-min {config.k_min}: between 2 and k_max ({config.k_max})")


def _groups(place_NX: np.ndarray, config: ClusterConfig) -> Groups:
    """Groups of the places, by the method that is asked for."""
    top = config.k or max(2, min(config.k_max, len(place_NX) // 5))
    if config.method == "hdbscan":
        label_N = hdbscan(place_NX, config.smallest)
        if label_N.max() < 1:
            raise UserError(
                f"HDBSCAN finds {label_N.max() + 1} clusters of {config.smallest} or more vectors; lower "
                "--cluster.smallest, try --cluster.space umap, or use another --cluster.method"
            )
        return Groups(label_N)
    if config.method == "agglomerative":
        many = min(max(config.k_max, 2 * config.k), len(place_NX) // 5)
        label_N = kmeans(place_NX, many, config.seed)
        # Asked for k: down to it, flat or not.
        return Groups(merge_twins(place_NX, label_N, 0.0 if config.k else config.flat, config.k or 2, config.smallest))
    if config.k:
        return Groups(kmeans(place_NX, config.k, config.seed, apart=Silhouette(place_NX).mean))
    return find_groups(place_NX, min(config.k_min, top), top, config.flat, config.smallest, config.seed)


def _by_size(label_N: np.ndarray, point_NP: np.ndarray) -> np.ndarray:
    """Labels numbered by size, largest first; of equal ones the one with the smaller mean."""
    numbers, sizes = np.unique(label_N[label_N >= 0], return_counts=True)
    means = {n: tuple(point_NP[label_N == n].mean(axis=0)) for n in numbers}
    size = dict(zip(numbers, sizes, strict=True))
    order = {n: place for place, n in enumerate(sorted(numbers, key=lambda n: (-size[n], means[n])))}
    return np.array([order.get(n, -1) for n in label_N], dtype=np.int64)


def fit_clusters(ids: np.ndarray, vectors_ND: np.ndarray, config: ClusterConfig) -> Clusters:
    """Find the clusters of vectors.

    Args:
        ids: N names; they decide which vectors are looked at, and in which order.
        vectors_ND: the vectors.
        config: how.

    Raises:
        UserError: too few vectors, a setting out of range, or nothing is found.
    """
    _check(len(ids), config)
    # One thread: how a sum is divided among several would show in its last bits.
    with threadpool_limits(1):
        chosen_ND = np.asarray(vectors_ND[choose_rows(ids, config.max_fit)], np.float64)
        mean_D, direction_PD = principal(chosen_ND, config.pca)
        point_NP = (chosen_ND - mean_D) @ direction_PD.T
        place_NX = point_NP
        if config.space == "umap":
            place_NX = umap_places(point_NP, config.umap, config.neighbours, config.seed)
        groups = _groups(place_NX, config)
        scale_PP, label_N = sharpen(point_NP, _by_size(groups.label_N, point_NP), settle=config.method == "kmeans")
        label_N = _by_size(label_N, point_NP)
        centroid_KP = group_means(point_NP @ scale_PP, label_N, int(label_N.max()) + 1)
        draft = Clusters(mean_D, scale_PP.T @ direction_PD, centroid_KP, np.inf, {}, groups.curve)
        nearest_N, distance_N = draft.predict(chosen_ND)
        inside_N = label_N >= 0 if config.outliers == "apart" else np.ones(len(label_N), bool)
        far = float(np.quantile(distance_N[inside_N], config.far_quantile))
        scores = {
            "k": float(len(centroid_KP)),
            "silhouette_space": Silhouette(place_NX).mean(groups.label_N),
            "silhouette_vectors": Silhouette(chosen_ND).mean(nearest_N),
            "kept": _agreement(groups.label_N, nearest_N),
            "outliers": float((groups.label_N < 0).mean()),
        }
        joins = tree(point_NP @ scale_PP, nearest_N, len(centroid_KP)) if _all_used(nearest_N, centroid_KP) else ()
    log.info(
        "%d clusters: silhouette %.3f (%s space), %.3f (vectors)",
        scores["k"], scores["silhouette_space"], config.space.upper(), scores["silhouette_vectors"],
    )  # fmt: skip
    return Clusters(draft.mean_D, draft.components_PD, centroid_KP, far, scores, groups.curve, joins)


def _all_used(label_N: np.ndarray, centroid_KP: np.ndarray) -> bool:
    return len(np.unique(label_N)) == len(centroid_KP)


def _agreement(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Share of vectors whose second label is the most frequent one within their first."""
    kept = sum(int(np.bincount(second_N[first_N == label]).max()) for label in np.unique(first_N) if label >= 0)
    return kept / max(1, int((first_N >= 0).sum()))
