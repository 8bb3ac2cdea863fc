"""Ways to find groups of points: k-means, and HDBSCAN with its outliers; and whether two groups are one.

Shapes: N points, P dimensions, K groups.
"""

from collections.abc import Callable

import faiss
import numpy as np
from sklearn.cluster import HDBSCAN, kmeans_plusplus

STEPS = 50  # of k-means; it has settled long before
TRIED = 4  # starts of k-means, while its number of groups is looked for
STARTS = 16  # and for the groups that are kept: how good the cheapest is hangs less on the seed
ALIKE = 0.01  # starts whose cost is within so much of the cheapest are as good as it
LOOKED_AT = 1500  # points of a group that a valley is looked for in


def lloyd(point_NP: np.ndarray, start_KP: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """K-means from given centres.

    Faiss, not scikit-learn: a tenth of its time, and the same to the last bit for any number of threads.

    Returns:
        Labels N, centres K×P, and the sum of squared distances.
    """
    point_NP = np.ascontiguousarray(point_NP, np.float32)
    found = faiss.Kmeans(
        point_NP.shape[1], len(start_KP), niter=STEPS, max_points_per_centroid=len(point_NP) + 1,
        min_points_per_centroid=1,
    )  # fmt: skip
    found.train(point_NP, init_centroids=np.ascontiguousarray(start_KP, np.float32))
    square_N, label_N = found.index.search(point_NP, 1)
    return label_N[:, 0], found.centroids.astype(np.float64), float(square_N.sum(dtype=np.float64))


def kmeans(
    point_NP: np.ndarray, k: int, seed: int, starts: int = STARTS, apart: Callable[[np.ndarray], float] | None = None
) -> np.ndarray:
    """Labels N of the cheapest of some k-means, each started by k-means++ (Arthur & Vassilvitskii, 2007).

    Args:
        point_NP: the points.
        k: number of groups.
        seed: of the starts.
        starts: how many.
        apart: how well labels stand apart, such as their silhouette: it chooses among starts that are as good as the
            cheapest, of which some halve a large group and join two small ones.
    """
    found = []
    for start in range(starts):
        # Seeds are drawn as 32-bit numbers; those of different k must not share their draws.
        draw = np.random.RandomState(np.random.SeedSequence([seed, k, start]).generate_state(1))
        centre_KP, _ = kmeans_plusplus(point_NP, k, random_state=draw)
        label_N, _, cost = lloyd(point_NP, centre_KP)
        found.append((cost, label_N))
    cheapest = min(found, key=lambda run: run[0])
    if apart is None:
        return cheapest[1]
    return max((label_N for cost, label_N in found if cost <= cheapest[0] * (1 + ALIKE)), key=apart)


def hdbscan(point_NP: np.ndarray, smallest: int) -> np.ndarray:
    """Labels N of HDBSCAN (Campello et al., 2013); -1 = outlier."""
    return np.asarray(HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(point_NP))


def group_means(point_NP: np.ndarray, label_N: np.ndarray, k: int) -> np.ndarray:
    """Mean of each group, K×P; labels below 0 belong to none."""
    return np.stack([point_NP[label_N == number].mean(axis=0) for number in range(k)])


def valley(one_NP: np.ndarray, other_MP: np.ndarray) -> float:
    """How flat it is between two groups: density at the lowest place between their middles, over the lower peak.

    Seen along the direction that tells the two apart best (Fisher's, with the spread shrunk by three tenths towards a
    ball), which is found on every second point and looked along with the others, and the other way round: in many
    dimensions some direction tells any few points apart. Two styles have a valley between them, down to 0; two halves
    of one style have none: 1.

    Args:
        one_NP: points of a group, in an order that means nothing.
        other_MP: points of another; of both only the first 1,500 are looked at.
    """
    if min(len(one_NP), len(other_MP)) < 4:
        return 1.0
    one_NP, other_MP = one_NP[:LOOKED_AT], other_MP[:LOOKED_AT]
    halves = [(one_NP[half::2], other_MP[half::2]) for half in (0, 1)]
    ways = [_fisher(*half) for half in halves]
    return float(np.mean([_flatness(a @ way, b @ way) for way, (a, b) in zip(ways, halves[::-1], strict=True)]))


def _fisher(one_NP: np.ndarray, other_MP: np.ndarray) -> np.ndarray:
    middle_P, end_P = one_NP.mean(axis=0), other_MP.mean(axis=0)
    around = np.concatenate([one_NP - middle_P, other_MP - end_P])
    spread_PP = around.T @ around / len(around)
    spread_PP += 0.3 * (np.trace(spread_PP) / len(spread_PP) + 1e-12) * np.eye(len(spread_PP))
    return np.linalg.solve(spread_PP, end_P - middle_P)


def _flatness(near_N: np.ndarray, far_M: np.ndarray) -> float:
    low, high = np.median(near_N), np.median(far_M)
    scale = min(near_N.std(), far_M.std())
    if high - low <= 0.1 * scale:
        return 1.0
    if scale <= 1e-9 * (high - low):  # every point of a group is the same one
        return 0.0
    width = 1.06 * scale * min(len(near_N), len(far_M)) ** -0.2  # Silverman's rule
    between_G = np.linspace(low, high, 48)
    grid_G = np.concatenate([low - scale * np.linspace(1, 0.1, 10), between_G, high + scale * np.linspace(0.1, 1, 10)])
    every = np.concatenate([near_N, far_M])
    density_G = np.exp(-0.5 * ((grid_G[:, None] - every) / width) ** 2).mean(axis=1)
    lowest = 10 + int(density_G[10:-10].argmin())
    return float(density_G[lowest] / min(density_G[: lowest + 1].max(), density_G[lowest:].max()))
