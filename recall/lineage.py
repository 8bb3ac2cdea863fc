"""Styles of a refit matched with those of the run before, so that a style keeps its id.

A style that both runs know is recognised by the items that both assign, and by where its items lie: the mean of what
the previous run gave to a style, taken over the vectors of today, against the centroids of today. So neither the PCA
space nor the encoder of the previous run matters, as long as there are shared items.

Shapes: J previous styles, K current ones, N items, D dimensions, P principal components.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from recall.cluster import Clusters
from stylecast.errors import UserError
from stylecast.runs import load_manifest

COLUMNS = ["refit", "previous", "current", "relation", "kept", "shared", "of_previous", "of_current", "distance"]
LINEAGE = "lineage.csv"
OVERLAP_WEIGHT = 0.75  # of a match's score; the rest is how near the centroids are
LEAST_SCORE = 0.3
DESCENDS = 0.5  # a style comes from another when half of either lies in the other
PIECE = 0.05  # … but a new style that took no more than this of an older one was born
CHUNK = 65_536


@dataclass(frozen=True)
class Previous:
    """What is known of the run before."""

    styles: pd.DataFrame
    """style, first_seen; sorted by style, J."""
    assignments: pd.DataFrame
    """id, style of the items that belonged to one."""
    lineage: pd.DataFrame
    """What happened at its own refits, `COLUMNS`; no rows for a first run."""
    centre_JD: np.ndarray
    """Its centroids in the space of its vectors."""
    space: str
    """What its vectors were made by; centroids of another space say nothing."""

    @classmethod
    def load(cls, folder: Path) -> "Previous":
        """Read a run folder of `styles`.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        manifest = load_manifest(folder, "styles")
        rows = pd.read_parquet(folder / "assignments.parquet", columns=["id", "style", "emerging"])
        styles = pd.read_parquet(folder / "styles.parquet", columns=["style", "first_seen", "cluster"])
        styles = styles.sort_values("style", ignore_index=True)
        clusters = Clusters.load(folder / "clusters.safetensors")
        # The directions may be scaled: back into the vectors' space by the pseudo-inverse.
        centre_KD = clusters.centroids_KP @ np.linalg.pinv(clusters.components_PD).T + clusters.mean_D
        return cls(
            styles.drop(columns="cluster"),
            rows.loc[~rows["emerging"], ["id", "style"]],
            read_lineage(folder),
            centre_KD[styles["cluster"]],
            str(manifest["metrics"].get("space", "")),
        )

    @property
    def ids(self) -> list[str]:
        """Its styles, sorted, J."""
        return self.styles["style"].tolist()


def no_lineage() -> pd.DataFrame:
    """The lineage of a first run: nothing happened yet."""
    return pd.DataFrame(columns=COLUMNS)


def read_lineage(folder: Path) -> pd.DataFrame:
    """The lineage that a run of `styles` tells, `COLUMNS`."""
    told = pd.read_csv(folder / LINEAGE, dtype={"previous": str, "current": str})
    return told.fillna({"previous": "", "current": ""})


def new_ids(count: int, known: set[str]) -> list[str]:
    """Ids that no style ever had: numbers after the largest, written as wide as those before."""
    numbers = [m for m in (re.fullmatch(r"s(\d+)", name) for name in known) if m]
    start = 1 + max((int(m[1]) for m in numbers), default=-1)
    width = max((len(m[1]) for m in numbers), default=max(2, len(str(count - 1))))
    return [f"s{number:0{width}d}" for number in range(start, start + count)]


@dataclass(frozen=True)
class Overlap:
    """How the styles of two runs share their items."""

    shared_JK: np.ndarray
    """Items that previous style j and current style k share."""
    of_previous_JK: np.ndarray
    """As a part of the items of j that both runs assign; 0 where there are none."""
    of_current_JK: np.ndarray
    """As a part of those of k."""
    distance_JK: np.ndarray
    """Between the centroids, in the PCA space of today; inf where it is not known."""

    def score(self, radius: float) -> np.ndarray:
        """How alike two styles are, 0 to 1: overlap (Dice) and nearness; nearness alone where j shares no item."""
        both_JK = self.of_previous_JK + self.of_current_JK
        dice_JK = 2 * self.of_previous_JK * self.of_current_JK / np.where(both_JK > 0, both_JK, 1.0)
        near_JK = np.exp(-((self.distance_JK / radius) ** 2))
        known_J1 = self.shared_JK.sum(axis=1, keepdims=True) > 0
        return np.where(known_J1, OVERLAP_WEIGHT * dice_JK + (1 - OVERLAP_WEIGHT) * near_JK, near_JK)


def overlap(
    previous: Previous, ids: np.ndarray, labels_N: np.ndarray, far_N: np.ndarray, vectors_ND: np.ndarray,
    clusters: Clusters, space: str,
) -> Overlap:  # fmt: skip
    """Compare the previous styles with the clusters of today.

    Args:
        previous: the run before.
        ids: names of today's items, N.
        labels_N: today's clusters.
        far_N: items that are too far to belong; they say nothing.
        vectors_ND: of today.
        clusters: of today.
        space: what made the vectors; where it is the same, centroids of styles without shared items compare too.

    Raises:
        UserError: there is nothing to compare by.
    """
    order = np.argsort(ids, kind="stable")  # so that sums do not depend on the order of rows
    codes = pd.Series(pd.Categorical(previous.assignments["style"], previous.ids).codes, previous.assignments["id"])
    before_N = codes.reindex(ids[order]).fillna(-1).to_numpy(int)
    use_N = (before_N >= 0) & ~far_N[order]
    row_M, before_M = order[use_N], before_N[use_N]
    many, now = len(previous.ids), len(clusters.centroids_KP)
    shared_JK = np.zeros((many, now))
    np.add.at(shared_JK, (before_M, labels_N[row_M]), 1.0)
    same_space = space != "" and space == previous.space and previous.centre_JD.shape[1] == len(clusters.mean_D)
    if not len(row_M) and not same_space:
        raise UserError("--previous: no post in common, and another encoder: nothing to match the styles by")
    n_J1, n_1K = shared_JK.sum(axis=1, keepdims=True), shared_JK.sum(axis=0, keepdims=True)
    centre_JP = clusters.project(_means(vectors_ND, row_M, before_M, many))
    if same_space:
        alone_J = n_J1[:, 0] == 0
        centre_JP[alone_J] = clusters.project(previous.centre_JD[alone_J])
    distance_JK = np.linalg.norm(centre_JP[:, None] - clusters.centroids_KP[None], axis=2)
    known_J = (n_J1[:, 0] > 0) | same_space
    return Overlap(
        shared_JK, shared_JK / np.maximum(n_J1, 1), shared_JK / np.maximum(n_1K, 1),
        np.where(known_J[:, None], distance_JK, np.inf),
    )  # fmt: skip


def _means(vectors_ND: np.ndarray, row_M: np.ndarray, group_M: np.ndarray, groups: int) -> np.ndarray:
    """Mean vector of each group, float64; zeros for an empty one."""
    total_JD = np.zeros((groups, vectors_ND.shape[1]))
    for start in range(0, len(row_M), CHUNK):
        part = slice(start, start + CHUNK)
        np.add.at(total_JD, group_M[part], vectors_ND[row_M[part]].astype(np.float64))
    return total_JD / np.maximum(np.bincount(group_M, minlength=groups), 1)[:, None]


def match(found: Overlap, radius: float) -> list[tuple[int, int]]:
    """Pairs (j, k) of styles that go on: the assignment of the largest total score (Hungarian), weak pairs left out.

    Args:
        found: how the styles overlap.
        radius: distance beyond which a post belongs to none, in the PCA space.
    """
    score_JK = found.score(radius)
    pairs = zip(*linear_sum_assignment(-score_JK), strict=True)
    return [(int(j), int(k)) for j, k in pairs if score_JK[j, k] >= LEAST_SCORE]


def trace(previous: Previous, found: Overlap, radius: float) -> tuple[list[str], pd.DataFrame]:
    """Ids of today's clusters, and what became of the styles before.

    `relation` is `continues`, `split` (one style in several), `merge` (several in one), `birth` or `death`; `kept`
    tells which row carries the id. A pair is told when the id goes over, or when half of either lies in the other.

    Returns:
        Ids of the current clusters, K; lineage with the rows of earlier refits before its own.
    """
    now = found.shared_JK.shape[1]
    kept = dict(match(found, radius))
    heir = {k: previous.ids[j] for j, k in kept.items()}
    known = {*previous.ids, *previous.lineage["previous"], *previous.lineage["current"]} - {""}
    fresh = iter(new_ids(now - len(heir), known))
    ids = [heir[k] if k in heir else next(fresh) for k in range(now)]
    own = pd.DataFrame(_happened(found, kept, previous.ids, ids), columns=COLUMNS[1:])
    own["refit"] = 1 + (0 if previous.lineage.empty else int(previous.lineage["refit"].max()))
    own = own[COLUMNS].sort_values(["previous", "current"], ignore_index=True)
    return ids, own if previous.lineage.empty else pd.concat([previous.lineage, own], ignore_index=True)


def _happened(found: Overlap, kept: dict[int, int], before: list[str], now: list[str]) -> list[tuple[object, ...]]:
    """Rows of the lineage without the number of the refit."""
    parent_JK = found.of_previous_JK >= DESCENDS
    child_JK = (found.of_current_JK >= DESCENDS) & (found.of_previous_JK >= PIECE)
    kept_JK = np.zeros(child_JK.shape, bool)
    kept_JK[list(kept), list(kept.values())] = True
    # Several that come from j make a split of j; several that go into k, a merge.
    splits_J = (child_JK | kept_JK).sum(axis=1) > 1
    merges_K = (parent_JK | kept_JK).sum(axis=0) > 1
    rows: list[tuple[object, ...]] = []
    told_JK = child_JK | parent_JK | kept_JK
    for j, k in np.argwhere(told_JK):
        is_kept = bool(kept_JK[j, k])
        if splits_J[j] and (child_JK[j, k] or is_kept):
            relation = "split"
        elif merges_K[k] and (parent_JK[j, k] or is_kept):
            relation = "merge"
        elif is_kept:
            relation = "continues"
        else:
            relation = "merge" if parent_JK[j, k] else "split"
        parts = float(found.of_previous_JK[j, k]), float(found.of_current_JK[j, k]), float(found.distance_JK[j, k])
        rows.append((before[j], now[k], relation, is_kept, int(found.shared_JK[j, k]), *parts))
    rows += [(before[j], "", "death", False, 0, 0.0, 0.0, np.nan) for j in np.flatnonzero(~told_JK.any(axis=1))]
    rows += [("", now[k], "birth", False, 0, 0.0, 0.0, np.nan) for k in np.flatnonzero(~told_JK.any(axis=0))]
    return rows


def name_clusters(
    previous: Previous | None, ids: np.ndarray, labels_N: np.ndarray, far_N: np.ndarray, vectors_ND: np.ndarray,
    clusters: Clusters, space: str,
) -> tuple[list[str], pd.DataFrame]:  # fmt: skip
    """The id of each cluster, and the lineage: by size without a run before, else those of `trace`.

    Args and errors: as `overlap`.
    """
    if previous is None:
        return new_ids(len(clusters.centroids_KP), set()), no_lineage()
    return trace(previous, overlap(previous, ids, labels_N, far_N, vectors_ND, clusters, space), clusters.far)


def earliest_seen(styles: pd.DataFrame, previous: Previous) -> pd.Series:
    """When each style was first seen, by this run or by any before it, on the index of `styles`."""
    before = styles["style"].map(previous.styles.set_index("style")["first_seen"])
    return styles["first_seen"].where(~(before < styles["first_seen"]), before)
