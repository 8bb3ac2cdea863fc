"""The pictures of a run of `styles`, drawn into its folder as PNG and SVG.

silhouette      silhouette by number of styles
map             the items as UMAP places them, with the names of the styles
shares          share of the feed by month, stacked
shares-panels   the same, one small panel a style
months          the largest and the fastest-growing styles of each month, with their pictures
lifespans       first seen, peak, last seen
proposed        what is proposed as new, where something is
lineage         what became of the styles of the run before, where there is one
"""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import Posts
from recall.cluster import Clusters, choose_rows
from recall.contact_sheets import Shelf, monthly, proposed
from recall.counts import share_table
from recall.figures_space import lineage as draw_lineage
from recall.figures_space import silhouette, style_map
from recall.figures_time import LEAST_DAYS, Months, lifespans, panels, stacked
from recall.fonts import labels_of, look, save

log = logging.getLogger(__name__)
OF_TABLES = ("shares", "shares-panels", "lifespans", "months", "proposed", "lineage")
ON_MAP = 3_000  # items, chosen by a hash of their id


@dataclass(frozen=True)
class Found:
    """What a run of `styles` found, as far as it is drawn."""

    styles: pd.DataFrame
    """style, name, first_seen, last_seen."""
    assignments: pd.DataFrame
    """id, post_id, time, style, distance, emerging."""
    panel: Panel
    """Counts by day."""
    proposals: pd.DataFrame
    """As `emerging.csv`."""
    lineage: pd.DataFrame
    """As `lineage.csv`."""
    cut_off: pd.Timestamp | None
    """Of the fit."""


def flat_map(point_NP: np.ndarray, seed: int) -> np.ndarray:
    """Places in the plane, N×2, by UMAP from the first two principal components: for eyes, nothing is measured."""
    from umap import UMAP  # compiles for half a minute at its first use

    start_N2 = 10 * point_NP[:, :2] / max(float(np.abs(point_NP[:, :2]).max()), 1e-12)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seeded UMAP runs on one core, as we ask
        model = UMAP(
            n_neighbors=min(20, len(point_NP) - 1), min_dist=0.8, spread=1.6, n_epochs=200,
            init=start_N2.astype(np.float32), random_state=seed, n_jobs=1,
        )  # fmt: skip
        return np.asarray(model.fit_transform(point_NP.astype(np.float32)), np.float64)


def draw_time(found: Found, posts: Posts, folder: Path) -> None:
    """Draw what can be drawn of the tables alone: shares, months, lifespans, proposals, lineage."""
    ids = [*found.styles["style"], *found.proposals["proposal"]]
    labels = labels_of(ids, [*found.styles["name"], *found.proposals["name"]])
    shares = share_table(found.panel, "month")
    shares = shares[shares["days"] >= min(LEAST_DAYS, shares["days"].max())]
    months = Months.of(shares, labels)
    shelf = Shelf.of(found.assignments, posts) if len(posts.pictures) else None
    with look():
        save(stacked(months), folder, "shares")
        save(panels(months), folder, "shares-panels")
        save(lifespans(months, found.styles, found.cut_off), folder, "lifespans")
        save(monthly(shares, labels, shelf if shelf is not None and len(shelf.table) else None), folder, "months")
        if not set(found.proposals["first"]) <= set(found.proposals.loc[found.proposals["accepted"] != "", "first"]):
            save(proposed(found.proposals, labels, posts), folder, "proposed")
        if len(last := found.lineage[found.lineage["relation"] != "accepted"]):
            save(draw_lineage(last[last["refit"] == last["refit"].max()], labels), folder, "lineage")


def draw_space(
    styles: pd.DataFrame, assignments: pd.DataFrame, vectors_ND: np.ndarray, clusters: Clusters, seed: int, folder: Path
) -> None:
    """Draw how the styles were found: the silhouette of each k, and the map.

    Args:
        styles: style, name, size.
        assignments: id, style, emerging, N.
        vectors_ND: of the items.
        clusters: the fit, with its curve and scores.
        seed: of the map.
        folder: where to.
    """
    labels = labels_of(styles["style"].tolist(), styles["name"].tolist())
    ids = assignments["id"].to_numpy()
    rows = choose_rows(ids, ON_MAP)
    place_N2 = flat_map(clusters.project(vectors_ND[rows]), seed)
    style_N = assignments["style"].where(~assignments["emerging"], "").to_numpy()[rows]
    order = styles.sort_values(["size", "style"], ascending=[False, True])["style"].tolist()
    with look():
        if len(clusters.curve) > 1:
            of_vectors = clusters.scores.get("silhouette_vectors", np.nan)
            save(silhouette(clusters.curve, len(clusters.centroids_KP), of_vectors), folder, "silhouette")
        save(style_map(place_N2, style_N, order, labels), folder, "map")
