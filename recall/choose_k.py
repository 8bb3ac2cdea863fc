"""How many groups: by silhouette over a range, and by the valleys between groups.

The silhouette tells how few groups there are: the fewest whose silhouette is within a standard error of the best. It
likes large differences, and takes styles that differ by a pattern for one. So, from many groups down to that number,
only those are merged that have no valley between them: so many groups k-means then looks for anew.

Shapes: N points, P dimensions, S points of a sample.
"""

import logging
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import pairwise_distances, silhouette_samples

from recall.groups import TRIED, kmeans
from recall.hierarchy import merge_twins

log = logging.getLogger(__name__)
SAMPLE = 4_000


class Silhouette:
    """The silhouette of labels (Rousseeuw, 1987) on the first points; their distances are measured once.

    Args:
        point_NP: the points, in an order that means nothing.
    """

    def __init__(self, point_NP: np.ndarray) -> None:
        self.distance_SS = pairwise_distances(point_NP[:SAMPLE])
        np.fill_diagonal(self.distance_SS, 0.0)

    def __call__(self, label_N: np.ndarray) -> tuple[float, float]:
        """Mean and its standard error; -1 where there is one group, or as many as points."""
        label_S = label_N[: len(self.distance_SS)]
        kept_S = label_S >= 0
        label_S = label_S[kept_S]
        if not 2 <= len(np.unique(label_S)) < len(label_S):
            return -1.0, 0.0
        value_S = silhouette_samples(self.distance_SS[np.ix_(kept_S, kept_S)], label_S, metric="precomputed")
        return float(value_S.mean()), float(value_S.std() / np.sqrt(len(value_S)))

    def mean(self, label_N: np.ndarray) -> float:
        """The mean alone."""
        return self(label_N)[0]


@dataclass(frozen=True)
class Groups:
    """Groups of the points that a fit looks at."""

    label_N: np.ndarray
    """Group of each point, 0..; below 0 = none."""
    curve: dict[int, float] = field(default_factory=dict)
    """Silhouette of each number of groups that was tried."""


def candidates(low: int, top: int) -> list[int]:
    """Numbers of groups to try; the steps grow: between 20 and 21 there is a difference, between 200 and 201 hardly."""
    grid: list[int] = []
    value = float(min(low, top))
    while value <= top:
        grid.append(round(value))
        value = max(value + 1, value * 1.06)
    return sorted(set(grid))


def best_k(told: dict[int, tuple[float, float]]) -> int:
    """The fewest groups whose silhouette is within a standard error of the best one."""
    best, error = max(told.values())
    return min(k for k, (value, _) in told.items() if value >= best - error)


def find_groups(point_NP: np.ndarray, low: int, top: int, flat: float, smallest: int, seed: int) -> Groups:
    """Groups by k-means, as many as silhouette and valleys tell.

    Args:
        point_NP: the points, in an order that means nothing.
        low: fewest groups.
        top: most groups.
        flat: how flat it is between two groups that are one, 0..1; 0 = ask the silhouette alone.
        smallest: fewest points of a group that the valleys find beyond those of the silhouette.
        seed: of k-means.
    """
    silhouette = Silhouette(point_NP)
    label, told = {}, {}
    for k in candidates(low, top):
        label[k] = kmeans(point_NP, k, seed, TRIED)
        told[k] = silhouette(label[k])
    curve = {k: value for k, (value, _) in told.items()}
    few = best_k(told)
    found = few
    if flat:
        found = int(merge_twins(point_NP, label[max(label)], flat, few, smallest).max()) + 1
        log.info("silhouette tells %d groups, the valleys between them %d", few, found)
    label_N = kmeans(point_NP, found, seed, apart=silhouette.mean)
    curve[found] = silhouette.mean(label_N)
    return Groups(label_N, dict(sorted(curve.items())))
