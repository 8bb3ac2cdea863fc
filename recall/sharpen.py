"""A space scaled by the spread within its groups, so that distance means difference of style.

Directions in which every style spreads (light, pose, place) count little afterwards, those in which styles are tight
count much: the nearest centroid is then Fisher's discriminant. Groups and scale are found in turn (Ding & Li, 2007).
All directions are kept: in one that tells no two known styles apart, a new one may be far from all of them.

Shapes: N points, P dimensions, K groups.
"""

import numpy as np

from recall.groups import group_means, lloyd

TURNS = 4
SHRINK = 0.5  # of the spread towards a ball: a direction is not as tight on later posts as on those of the fit


def within_scale(point_NP: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """The P×P matrix after which the spread within groups is a ball of variance 1; labels below 0 say nothing."""
    k = int(label_N.max()) + 1
    inside_N = label_N >= 0
    around_NP = point_NP[inside_N] - group_means(point_NP, label_N, k)[label_N[inside_N]]
    spread_PP = around_NP.T @ around_NP / len(around_NP)
    ball = np.trace(spread_PP) / len(spread_PP)
    if ball <= 0:  # every point is its group's mean
        return np.eye(len(spread_PP))
    value_P, way_PP = np.linalg.eigh((1 - SHRINK) * spread_PP + SHRINK * ball * np.eye(len(spread_PP)))
    # Symmetric: the axes stay where they are, but for their length.
    return np.asarray((way_PP / np.sqrt(value_P)) @ way_PP.T)


def sharpen(point_NP: np.ndarray, label_N: np.ndarray, settle: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scale the space by the groups, and settle the groups in it.

    Args:
        point_NP: the points.
        label_N: groups 0..; below 0 = none.
        settle: whether points may change groups, as in k-means.

    Returns:
        The scale P×P, and labels N; no group vanishes.
    """
    scale_PP = within_scale(point_NP, label_N)
    for _ in range(TURNS if settle else 0):
        scaled_NP = point_NP @ scale_PP
        k = int(label_N.max()) + 1
        moved_N, _, _ = lloyd(scaled_NP, group_means(scaled_NP, label_N, k))
        if len(np.unique(moved_N)) < k or (moved_N == label_N).all():
            break
        label_N = moved_N
        scale_PP = within_scale(point_NP, label_N)
    return scale_PP, label_N
