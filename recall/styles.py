"""Stage `styles`: vectors of pictures, or of texts where there are none, become styles and their panel.

Laptop:   stylecast styles --posts runs/prepare --recall runs/recall --cut-off 2023-01-01 --out runs/styles
          (30,000 pictures: about 60 s, half of it UMAP's compilation)

Everything is fitted on posts before the cut-off; later posts go to the nearest centroid, or, far from all,
count as emerging, apart from the shares.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.posts import Posts
from data.splits import parse_cut_off
from recall.cluster import ClusterConfig, Clusters, fit_clusters
from recall.counts import CountSettings, count_styles, share_table
from recall.items import Items, Source, SourceConfig, load_items
from recall.names import Words, medoids, name_styles
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import Run, open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StylesSettings(CountSettings):
    """How styles are found."""

    source: Source = "pictures"
    """What the styles are found in; both: the two side by side, with equal weight."""
    text_dimensions: int = 100
    """Dimensions of the text vectors."""
    min_count: int = 5
    """A word in fewer texts has no vector, texts."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """How vectors become clusters."""


@dataclass(frozen=True, kw_only=True)
class StylesConfig(StylesSettings):
    """Find the styles of a feed, and count them by day."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    recall: Path | None = None
    """Run folder of `recall`, for styles from pictures; not needed for styles from text."""
    captions: Path | None = None
    """Run folder of `caption`: what it wrote stands in for the text of posts that have none. It is marked as
    generated, and neither word vectors nor names are learnt from it."""
    out: Path = Path("runs/styles")
    """Folder of the result."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that nothing is fitted on; by default everything is fitted on all posts."""
    force: bool = False
    """Run even if the result is up to date."""


def _assign(items: Items, clusters: Clusters) -> pd.DataFrame:
    """Every item with its style, its distance from the centroid, and whether it is too far to belong."""
    labels, distances = clusters.predict(items.vectors_ND)
    digits = max(2, len(str(len(clusters.centroids_KP) - 1)))
    style = pd.Series([f"s{label:0{digits}d}" for label in labels], dtype=object)
    return items.table[["id", "post_id", "time", "generated"]].assign(
        style=style, distance=distances.astype(np.float32), emerging=distances > clusters.far
    )


def _describe(assignments: pd.DataFrame, first_N: np.ndarray, posts: Posts, pictures: bool) -> pd.DataFrame:
    """One row a style: what it is called and which pictures stand for it, both by the fit alone; when it was seen."""
    fitted = assignments[first_N & ~assignments["emerging"].to_numpy()]
    styles = name_styles(fitted, Words.of(posts.table))
    styles["medoids"] = styles["style"].map(medoids(fitted, posts)) if pictures else None
    seen = assignments[~assignments["emerging"]].groupby("style")["time"]
    return styles.assign(first_seen=styles["style"].map(seen.min()), last_seen=styles["style"].map(seen.max()))


def _tell(run: Run, clusters: Clusters, styles: pd.DataFrame, emerging_N: np.ndarray, first_N: np.ndarray) -> None:
    run.metrics |= clusters.scores | {"styles": len(styles), "emerging_share": float(emerging_N.mean())}
    run.metrics["curve"] = {str(k): v for k, v in clusters.curve.items()}
    if not first_N.all():
        run.metrics["emerging_share_later"] = share = float(emerging_N[~first_N].mean())
        log.info("%d styles; %.1f%% of what came after the cut-off is emerging", len(styles), 100 * share)


def _find(config: StylesConfig, posts: Posts, run: Run) -> None:
    cut_off = parse_cut_off(config.cut_off)
    source = SourceConfig(config.source, config.text_dimensions, config.min_count, config.cluster.seed)
    items = load_items(posts, config.recall, config.captions, source, cut_off, run.folder)
    first_N = items.before(cut_off)
    clusters = fit_clusters(items.table["id"].to_numpy()[first_N], items.vectors_ND[first_N], config.cluster)
    clusters.save(run.folder / "clusters.safetensors")

    assignments = _assign(items, clusters)
    styles = _describe(assignments, first_N, posts, pictures=config.source != "text")
    panel = count_styles(assignments, posts.table, config)

    assignments.to_parquet(run.folder / "assignments.parquet", index=False)
    styles.to_parquet(run.folder / "styles.parquet", index=False)
    panel.to_frame().to_parquet(run.folder / "panel.parquet", index=False)
    write_csv(share_table(panel, config.period), run.folder / "shares.csv")
    _tell(run, clusters, styles, assignments["emerging"].to_numpy(), first_N)


def main(config: StylesConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `styles.parquet`, `assignments.parquet`, `panel.parquet`, `shares.csv`,
        `clusters.safetensors`.

    Raises:
        UserError: posts without time, a missing input, or too few posts before the cut-off.
    """
    config.check()
    inputs = {"posts": config.posts}
    inputs |= {n: p for n, p in (("recall", config.recall), ("captions", config.captions)) if p is not None}
    with open_run(config.out, "styles", config, inputs, force=config.force, seed=config.cluster.seed) as run:
        if run is not None:
            posts = Posts.load(config.posts)
            if not posts.dated:
                raise UserError(f"{config.posts}: styles over time need `time`, which these posts do not have")
            _find(config, posts, run)
    return config.out
