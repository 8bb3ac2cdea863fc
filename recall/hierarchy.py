"""A hierarchy of groups: near twins are merged, and the tree above the styles is told.

Shapes: N points, P dimensions, K groups.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import ward

from recall.groups import valley

NEAR = 6  # nearest groups that may be a group's twin


@dataclass(frozen=True)
class Merge:
    """Two nodes that become one; leaves are numbered from 0, then merges in their order."""

    left: int
    right: int
    size: int
    """Points in both."""
    height: float
    """How much the spread within grows by it: Ward's distance."""
    valley: float
    """How flat it is between the two, 0..1; see `recall.groups.valley`."""


def merge_twins(point_NP: np.ndarray, label_N: np.ndarray, flat: float, fewest: int, smallest: int) -> np.ndarray:
    """Merge groups between which there is no valley, flattest first.

    Args:
        point_NP: the points.
        label_N: their groups.
        flat: two near groups are one where the valley is at least this flat, 0..1.
        fewest: stop at so many groups.
        smallest: a group of fewer points is no style of its own, and is merged with the nearest, points.

    Returns:
        Labels N, numbered from 0 in the order of the smallest old number.
    """
    rows = {int(number): np.flatnonzero(label_N == number) for number in np.unique(label_N)}
    known: dict[tuple[int, int], float] = {}
    while len(rows) > max(1, fewest):
        pair, worth = _flattest(point_NP, rows, known, smallest)
        if worth < flat:
            break
        left, right = pair
        rows[left] = np.sort(np.concatenate([rows[left], rows.pop(right)]))
        known = {key: value for key, value in known.items() if not {left, right} & set(key)}
    merged_N = np.empty(len(label_N), np.int64)
    for number, key in enumerate(sorted(rows)):
        merged_N[rows[key]] = number
    return merged_N


def _flattest(
    point_NP: np.ndarray, rows: dict[int, np.ndarray], known: dict[tuple[int, int], float], smallest: int
) -> tuple[tuple[int, int], float]:
    """The pair of near groups with the flattest valley; what was looked at is noted in `known`."""
    keys = sorted(rows)
    mean_KP = np.stack([point_NP[rows[key]].mean(axis=0) for key in keys])
    square_KK = ((mean_KP[:, None] - mean_KP) ** 2).sum(axis=-1)
    np.fill_diagonal(square_KK, np.inf)
    best, worth = (keys[0], keys[1]), -1.0
    for place, key in enumerate(keys):
        for near in np.argsort(square_KK[place], kind="stable")[: min(NEAR, len(keys) - 1)]:
            pair = (min(key, keys[near]), max(key, keys[near]))
            if pair not in known:
                small = min(len(rows[key]), len(rows[keys[near]])) < smallest
                # Too small to have a peak: one with its nearest, before all others.
                known[pair] = 2.0 if small else valley(point_NP[rows[pair[0]]], point_NP[rows[pair[1]]])
            if known[pair] > worth:
                best, worth = pair, known[pair]
    return best, worth


def tree(point_NP: np.ndarray, label_N: np.ndarray, k: int) -> tuple[Merge, ...]:
    """How k groups join, two at a time, into one: by Ward's method on their centres.

    Args:
        point_NP: the points.
        label_N: groups 0..k-1, none of them empty; below 0 = none.
        k: number of groups.
    """
    rows = [np.flatnonzero(label_N == number) for number in range(k)]
    if k < 2:
        return ()
    merges = []
    for left, right, height, _ in ward(np.stack([point_NP[r].mean(axis=0) for r in rows])):
        one, other = rows[int(left)], rows[int(right)]
        between = valley(point_NP[one], point_NP[other])
        rows.append(np.sort(np.concatenate([one, other])))
        merges.append(Merge(int(left), int(right), len(rows[-1]), float(height), between))
    return tuple(merges)


def hierarchy_table(merges: tuple[Merge, ...], ids: list[str]) -> pd.DataFrame:
    """The tree for people: node, left, right, size, height, valley; the first to join stand first.

    Args:
        merges: of clusters 0..
        ids: style of each cluster.
    """
    names = [*ids, *(f"h{number:02d}" for number in range(len(merges)))]
    rows = [
        (names[len(ids) + number], names[m.left], names[m.right], m.size, round(m.height, 4), round(m.valley, 4))
        for number, m in enumerate(merges)
    ]
    return pd.DataFrame(rows, columns=["node", "left", "right", "size", "height", "valley"])
