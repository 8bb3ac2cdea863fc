"""The tables of a run of `styles`: what each style is, which item belongs to which, and how many of them when."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import Posts
from recall.counts import CountSettings, count_styles, share_table
from recall.names import Words, medoids, name_styles
from stylecast.files import write_csv

ASSIGNMENTS, STYLES, PANEL, SHARES = "assignments.parquet", "styles.parquet", "panel.parquet", "shares.csv"
HIERARCHY = "hierarchy.csv"


def describe(
    assignments: pd.DataFrame, first_N: np.ndarray, ids: Sequence[str], posts: Posts, words: Words, pictures: bool
) -> pd.DataFrame:
    """One row a style: what it is called and which pictures stand for it, both by the fit alone; when it was seen.

    Args:
        assignments: id, post_id, time, style, distance, emerging.
        first_N: what was fitted on.
        ids: style of each cluster, K.
        posts: their pictures.
        words: of the posts.
        pictures: whether items are pictures.

    Returns:
        style, name, keywords, size, cluster (row of its centroid), medoids, first_seen, last_seen; sorted by style.
    """
    fitted = assignments[first_N & ~assignments["emerging"].to_numpy()]
    styles = name_styles(fitted, words, sorted(ids))
    styles["cluster"] = styles["style"].map({name: number for number, name in enumerate(ids)})
    styles["medoids"] = styles["style"].map(medoids(fitted, posts)) if pictures else None
    return with_dates(styles, assignments)


def with_dates(styles: pd.DataFrame, assignments: pd.DataFrame) -> pd.DataFrame:
    """Styles with the first and the last time that one of their items was seen."""
    seen = assignments[~assignments["emerging"]].groupby("style")["time"]
    return styles.assign(first_seen=styles["style"].map(seen.min()), last_seen=styles["style"].map(seen.max()))


def write_found(folder: Path, assignments: pd.DataFrame, styles: pd.DataFrame) -> None:
    """Write `assignments.parquet, styles.parquet`."""
    assignments.to_parquet(folder / ASSIGNMENTS, index=False)
    styles.to_parquet(folder / STYLES, index=False)


def write_counts(folder: Path, assignments: pd.DataFrame, posts: pd.DataFrame, settings: CountSettings) -> Panel:
    """Count the styles and write `panel.parquet, shares.csv`."""
    panel = count_styles(assignments, posts, settings)
    panel.to_frame().to_parquet(folder / PANEL, index=False)
    write_csv(share_table(panel, settings.period), folder / SHARES)
    return panel


def write_tables(
    folder: Path, assignments: pd.DataFrame, styles: pd.DataFrame, posts: pd.DataFrame, settings: CountSettings
) -> Panel:
    """Write everything: `assignments.parquet, styles.parquet, panel.parquet, shares.csv`."""
    write_found(folder, assignments, styles)
    return write_counts(folder, assignments, posts, settings)
