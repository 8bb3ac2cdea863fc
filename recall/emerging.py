"""Emerging styles: month by month, dense groups among what is far from every style are proposed as new ones.

The scan of a month sees the items up to its last day and none after it; what is far is told by the fit's own
distances, and how close a group must be by how close the fit's styles are. A person accepts (`recall/accept.py`).

Shapes: N items, M far ones, P principal components, K styles, E proposals.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from scipy.cluster.hierarchy import fcluster, linkage

from recall.cluster import Clusters, choose_rows
from recall.names import Words, distinct_names, keywords_of
from stylecast.files import write_csv

PROPOSALS, JOINERS, CENTROIDS = "emerging.csv", "emerging_items.parquet", "emerging.safetensors"
COLUMNS = ["proposal", "first", "month", "known_from", "posts", "new", "share", "growth", "authors", "name", "keywords",
           "nearest", "nearest_name", "distance", "radius", "since", "items", "accepted"]  # fmt: skip
SHOWN = 12  # items named in the table, those nearest to the middle first
LEAST_AUTHORS = 3
STEPS = 10  # of a core's growth, at most
MOST = 4_000  # far items that one scan looks at, chosen by a hash of their id


@dataclass(frozen=True)
class EmergingConfig:
    """How new styles are proposed."""

    months: int = 6
    """A scan looks back so many months, its own included."""
    min_posts: int = 12
    """Posts that a proposal has at least, within those months; 0 = no scan."""
    looseness: float = 2.0
    """How far apart the items of a proposal may lie, on average, as a multiple of what is usual within a style. A style
    that the fit never saw is wider than those by whose spread the space was scaled."""


@dataclass(frozen=True)
class Scan:
    """What the scans of all months propose."""

    proposals: pd.DataFrame
    """A row a proposal and month, `COLUMNS`. A group that is found again has a new `proposal` and its old `first`."""
    centroid_EP: np.ndarray
    """Their centroids in the PCA space."""
    joiners: pd.DataFrame
    """proposal, id, distance: items after the scan that lie nearer to the proposal than to their style."""

    def save(self, folder: Path) -> None:
        """Write the three files."""
        write_csv(self.proposals, folder / PROPOSALS)
        self.joiners.to_parquet(folder / JOINERS, index=False)
        save_file({"centroids": self.centroid_EP}, folder / CENTROIDS)


@dataclass(frozen=True)
class _Group:
    """A dense group of far items."""

    rows: np.ndarray  # of the items table, nearest to the middle first
    centroid_P: np.ndarray
    radius: float


def dense_groups(point_MP: np.ndarray, radius: float, looseness: float) -> list[np.ndarray]:
    """Groups whose items lie as close to each other as those of a style do: average linkage, cut at √2 · radius.

    Two items of a style whose items lie `radius` from its centroid are √2 · radius apart on average.

    Args:
        point_MP: in an order that the ids give.
        radius: usual distance of an item from its style's centroid.
        looseness: how much looser than a style a group may be.

    Returns:
        Positions of each group's members, the largest group first.
    """
    if len(point_MP) < 2:
        return []
    label_M = fcluster(linkage(point_MP, "average"), looseness * np.sqrt(2) * radius, "distance")
    groups = [np.flatnonzero(label_M == label) for label in np.unique(label_M)]
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))


def scan_months(times: pd.Series, cut_off: pd.Timestamp | None) -> list[pd.Period]:
    """The months to scan: from the cut-off's on; without a cut-off the last alone, for the fit has seen all others."""
    last = times.max().to_period("M")
    first = last if cut_off is None else min(cut_off.to_period("M"), last)
    return list(pd.period_range(first, last, freq="M"))


def _groups_of(
    far: np.ndarray, point_MP: np.ndarray, seen_M: np.ndarray, items: pd.DataFrame, clusters: Clusters, radius: float,
    config: EmergingConfig,
) -> list[_Group]:  # fmt: skip
    use = np.flatnonzero(seen_M)[:MOST]
    point_UP, row_U = point_MP[use], far[use]
    free_U = np.ones(len(use), bool)
    found = []
    for core in dense_groups(point_UP, radius, config.looseness):
        near = _settle(point_UP, free_U, core, clusters.far)
        centroid_P = point_UP[near].mean(axis=0) if len(near) else np.zeros(point_MP.shape[1])
        distance = np.linalg.norm(point_UP[near] - centroid_P, axis=1)
        apart = np.linalg.norm(clusters.centroids_KP - centroid_P, axis=1).min() > radius
        mine = items.iloc[row_U[near]]
        enough = mine["post_id"].nunique() >= config.min_posts and mine["author"].nunique() >= LEAST_AUTHORS
        if apart and enough and np.median(distance) <= config.looseness * radius:
            free_U[near] = False
            near = near[np.argsort(distance, kind="stable")]
            found.append(_Group(row_U[near], centroid_P, float(np.median(distance))))
    return sorted(found, key=lambda group: -len(group.rows))


def _settle(point_UP: np.ndarray, free_U: np.ndarray, core: np.ndarray, reach: float) -> np.ndarray:
    """A style that grows from a dense core: the free items within reach of its mean, until they stay the same."""
    member_U = np.zeros(len(free_U), bool)
    member_U[core] = free_U[core]
    for _ in range(STEPS):
        if not member_U.any():
            break
        near_U = free_U & (np.linalg.norm(point_UP - point_UP[member_U].mean(axis=0), axis=1) <= reach)
        if (near_U == member_U).all():
            break
        member_U = near_U
    return np.flatnonzero(member_U)


def _links(groups: list[_Group], chains: dict[str, set[int]]) -> list[str]:
    """For each group the first proposal of the chain that it goes on with, or "": most shared items first."""
    pairs = [(len(chains[first] & set(group.rows.tolist())), first, place)
             for place, group in enumerate(groups) for first in chains]  # fmt: skip
    linked = [""] * len(groups)
    for shared, first, place in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if (
            shared >= 0.5 * min(len(chains[first]), len(groups[place].rows))
            and not linked[place]
            and first not in linked
        ):
            linked[place] = first
    return linked


def _posts_of_month(items: pd.DataFrame, month: pd.Period) -> int:
    return int(items.loc[items["month"] == month, "post_id"].nunique())


def _rows_of(
    month: pd.Period, groups: list[_Group], firsts: list[str], names: list[str], items: pd.DataFrame,
    clusters: Clusters, ids: list[str], words: Words, fitted: pd.DataFrame, styles: pd.DataFrame,
) -> list[dict[str, object]]:  # fmt: skip
    said = [items.iloc[group.rows][["post_id"]].assign(style=name) for group, name in zip(groups, names, strict=True)]
    order = [*styles["style"], *names]
    keywords = keywords_of(words, pd.concat([fitted[["post_id", "style"]], *said]), order)[len(styles) :]
    called = distinct_names(keywords, names, styles["name"].tolist())
    name_of = styles.set_index("style")["name"]
    feed, feed_before = _posts_of_month(items, month), _posts_of_month(items, month - 1)
    rows = []
    for place, group in enumerate(groups):
        mine = items.iloc[group.rows]
        new, before = _posts_of_month(mine, month), _posts_of_month(mine, month - 1)
        share, share_before = new / max(feed, 1), before / max(feed_before, 1)
        apart_K = np.linalg.norm(clusters.centroids_KP - group.centroid_P, axis=1)
        nearest = ids[int(apart_K.argmin())]
        rows.append({
            "proposal": names[place], "first": firsts[place] or names[place], "month": str(month),
            "known_from": (month + 1).start_time, "posts": mine["post_id"].nunique(), "new": new, "share": share,
            "growth": share / share_before - 1 if before else np.nan, "authors": mine["author"].nunique(),
            "name": called[place], "keywords": " ".join(keywords[place]), "nearest": nearest,
            "nearest_name": name_of[nearest], "distance": float(apart_K.min()), "radius": group.radius,
            "since": mine["time"].min(), "items": ";".join(mine.drop_duplicates("post_id")["id"].head(SHOWN)),
            "accepted": "",
        })  # fmt: skip
    return rows


def scan(
    assignments: pd.DataFrame, first_N: np.ndarray, vectors_ND: np.ndarray, clusters: Clusters, ids: list[str],
    styles: pd.DataFrame, posts: pd.DataFrame, words: Words, cut_off: pd.Timestamp | None, config: EmergingConfig,
) -> Scan:  # fmt: skip
    """Look, month by month, for dense groups of enough posts and authors among what is far from every style.

    Args:
        assignments: id, post_id, time, style, distance, emerging, N.
        first_N: what the clusters were fitted on.
        vectors_ND: of the items.
        clusters: the fit.
        ids: style of each cluster, K.
        styles: style, name.
        posts: post_id and, if known, author_id.
        words: of the posts.
        cut_off: of the fit.
        config: how.
    """
    own = assignments["post_id"].map("\x1f{}".format)
    author = own
    if "author_id" in posts:
        known = assignments["post_id"].map(posts.set_index("post_id")["author_id"]).fillna("").astype(str).str.strip()
        author = known.where(known != "", own)
    items = assignments[["id", "post_id", "time", "distance"]].reset_index(drop=True)
    items = items.assign(author=author.to_numpy(), month=items["time"].dt.to_period("M"))
    settled_N = first_N & ~assignments["emerging"].to_numpy()
    fitted = assignments[settled_N]
    radius = float(fitted["distance"].median())
    far = np.flatnonzero(assignments["emerging"].to_numpy())
    far = far[choose_rows(items["id"].to_numpy()[far], len(far))]  # in an order that the ids give
    point_MP = clusters.project(vectors_ND[far])
    month_M = items["month"].iloc[far].astype("period[M]").array
    rows: list[dict[str, object]] = []
    centroids: list[np.ndarray] = []
    chains: dict[str, set[int]] = {}
    for month in scan_months(items["time"], cut_off) if config.min_posts else []:
        seen_M = np.asarray((month_M <= month) & (month_M > month - config.months))
        groups = _groups_of(far, point_MP, seen_M, items, clusters, radius, config)
        if groups:
            names = [f"e{month}-{number}" for number in range(1, len(groups) + 1)]
            firsts = _links(groups, chains)
            rows += _rows_of(month, groups, firsts, names, items, clusters, ids, words, fitted, styles)
            centroids += [group.centroid_P for group in groups]
            chains |= {first or name: set(group.rows.tolist())
                       for first, name, group in zip(firsts, names, groups, strict=True)}  # fmt: skip
    proposals = pd.DataFrame(rows, columns=COLUMNS)
    centroid_EP = np.array(centroids).reshape(len(rows), clusters.centroids_KP.shape[1])
    return Scan(proposals, centroid_EP, _joiners(proposals, centroid_EP, items, vectors_ND, clusters))


def _joiners(
    proposals: pd.DataFrame, centroid_EP: np.ndarray, items: pd.DataFrame, vectors_ND: np.ndarray, clusters: Clusters
) -> pd.DataFrame:
    """Items after each scan that the proposal would take: nearer to it than to their style, and not far from it."""
    parts = [pd.DataFrame({"proposal": [], "id": [], "distance": []}).astype({"proposal": object, "id": object})]
    if len(proposals):
        late = np.flatnonzero((items["time"] >= proposals["known_from"].min()).to_numpy())
        time, own_L = items["time"].to_numpy()[late], items["distance"].to_numpy()[late]
        point_LP = clusters.project(vectors_ND[late])
        for row, centroid_P in zip(proposals.itertuples(), centroid_EP, strict=True):
            distance_L = np.sqrt(((point_LP - centroid_P) ** 2).sum(axis=1))
            take_L = (time >= np.datetime64(row.known_from)) & (distance_L < own_L) & (distance_L <= clusters.far)
            taken = {
                "proposal": row.proposal,
                "id": items["id"].to_numpy()[late[take_L]],
                "distance": distance_L[take_L],
            }
            parts.append(pd.DataFrame(taken))
    return pd.concat(parts, ignore_index=True).astype({"distance": np.float32})
