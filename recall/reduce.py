"""Spaces of fewer dimensions: principal components, and UMAP.

Shapes: N points, D dimensions, P principal components.
"""

import warnings

import numpy as np


def principal(vectors_ND: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and principal directions.

    Args:
        vectors_ND: float64.
        most: at most so many directions; those in which nothing varies are left out.

    Returns:
        mean D and directions P×D, of length one, the widest first; whatever signs the decomposition gave, the largest
        entry of each is positive.
    """
    mean_D = vectors_ND.mean(axis=0)
    around_ND = vectors_ND - mean_D
    spread_D, way_DD = np.linalg.eigh(around_ND.T @ around_ND / len(vectors_ND))
    varies = int((spread_D > 1e-10 * max(spread_D[-1], 1e-300)).sum())
    count = max(1, min(most, varies, len(vectors_ND) - 1))
    direction_PD = way_DD.T[::-1][:count]
    sign_P = np.sign(direction_PD[np.arange(count), np.abs(direction_PD).argmax(axis=1)])
    return mean_D, direction_PD * sign_P[:, None]


def umap_places(point_NP: np.ndarray, dimensions: int, neighbours: int, seed: int) -> np.ndarray:
    """Places of points in a UMAP space, float64."""
    from umap import UMAP  # compiles for half a minute at its first use: only those who ask for it pay

    dimensions = min(dimensions, point_NP.shape[1])
    # Started from the principal components: the default spectral start differs from call to call where
    # vectors repeat, and keeps less of the large picture (Kobak & Linderman, 2021).
    start_NU = 10 * point_NP[:, :dimensions] / np.abs(point_NP[:, :dimensions]).max()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seeded UMAP runs on one core, as we ask
        model = UMAP(
            n_components=dimensions, n_neighbors=min(neighbours, len(point_NP) - 1), min_dist=0.0,
            init=start_NU.astype(np.float32), random_state=seed, n_jobs=1,
        )  # fmt: skip
        return np.asarray(model.fit_transform(point_NP.astype(np.float32)), np.float64)
