"""Features of young styles: what became of the styles most like them when these were as old.

A style with three months of history or less tells little by itself. Its neighbours are styles whose life up to the
same age looked alike: by vectors of the styles where there are some, otherwise by the path of their shares. What is
told is the growth of these neighbours from that age on, drawn to that of all styles at that age. Only lives whose
outcome is known by the origin are looked at.

Shapes: S styles, D donors (earlier styles), Y young styles, P parts of a life.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from data.windows import DAY
from rank.feature import Feature
from rank.look import Look

YOUNG = 183
"""Days up to which a style is young."""
FIRST_DAYS = 28
"""A style that has a post within so many days of the first one may be older than the history."""
PARTS = 4
"""Parts of a life whose shares are compared."""
NEAREST = 8
"""Neighbours, at most."""
PULL = 4.0
"""The neighbours' growth is drawn to that of all styles of that age as if by so many neighbours."""


def births(look: Look) -> np.ndarray:
    """Day of the first post, in days after the history's first, [S]; -1 where it is not seen or may lie before."""
    born_S = (look.sums.count_ST > 0).argmax(axis=1) - 1
    return np.where(look.seen_S & (born_S >= FIRST_DAYS), born_S, -1)


def neighbours_growth(look: Look, near: bool) -> np.ndarray:
    """Growth of the neighbours from this age on (of all styles from this age on where not `near`), [S]; else NaN."""
    found_S = np.full(len(look.reference_S), np.nan)
    born_S, today = births(look), look.sums.count_ST.shape[1] - 2
    age_S = np.where(born_S >= 0, today - born_S + 1, 0)
    young_S = (age_S > 0) & (age_S <= YOUNG)
    ahead = ((look.asked[0] - look.origin) // DAY, (look.asked[1] - look.origin) // DAY)
    length = (look.origin - look.target.reference(look.origin)[0]) // DAY + 1
    for age in np.unique(age_S[young_S]):
        same_Y = np.flatnonzero(young_S & (age_S == age))
        donors_D = np.flatnonzero((born_S >= 0) & (born_S + age - 1 + ahead[1] <= today))
        if len(donors_D) == 0:
            continue
        end_D = born_S[donors_D] + age - 1
        before_D = _log_share(look, donors_D, np.maximum(end_D - length + 1, 0), end_D)
        growth_D = _log_share(look, donors_D, end_D + ahead[0], end_D + ahead[1]) - before_D
        mean = float(growth_D.sum() / (len(growth_D) + PULL))
        if not near:
            found_S[same_Y] = mean
            continue
        for style in same_Y:
            order_D = np.argsort(_distances(look, int(style), donors_D, born_S, int(age)), kind="stable")[:NEAREST]
            found_S[style] = (growth_D[order_D].sum() + PULL * mean) / (len(order_D) + PULL)
    return found_S


def _distances(look: Look, style: int, donors_D: np.ndarray, born_S: np.ndarray, age: int) -> np.ndarray:
    """How unlike the donors a style is, [D]: by vectors, or by the shares of the parts of their lives so far."""
    if look.vectors_SV is not None:
        return -look.vectors_SV[donors_D] @ look.vectors_SV[style]
    rows = np.append(donors_D, style)
    edges = np.round(np.linspace(0, age, PARTS + 1)).astype(int)
    path = []
    for low, high in pairwise(edges.tolist()):
        start = min(low, age - 1)  # in a life of less than four days the parts overlap
        path.append(_log_share(look, rows, born_S[rows] + start, born_S[rows] + max(high, start + 1) - 1))
    path_RP = np.stack(path, axis=1)
    return ((path_RP[:-1] - path_RP[-1]) ** 2).sum(axis=1)


def _log_share(look: Look, rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """log(share + half a post) of styles over windows of their own, in days after the history's first."""
    total = look.sums.total_T[end + 1] - look.sums.total_T[start]
    count = look.sums.count_ST[rows, end + 1] - look.sums.count_ST[rows, start]
    return np.log((count + 0.5) / np.maximum(total, 1.0))


NEWCOMER_FEATURES: tuple[Feature, ...] = (
    Feature("young_growth", "growth of the styles most like a young one, from its age on",
            partial(neighbours_growth, near=True), "newcomer"),
    Feature("young_mean", "growth of all earlier styles from that age on",
            partial(neighbours_growth, near=False), "newcomer"),
)  # fmt: skip
