"""Stage `styles`: vectors of pictures, or of texts where there are none, become styles and their panel.

Laptop:   stylecast styles --posts runs/prepare --recall runs/recall --cut-off 2023-01-01 --out runs/styles
          (30,000 pictures: about 60 s, half of it UMAP's compilation)

Everything is fitted on posts before the cut-off; later posts go to the nearest centroid, or, far from all,
count as emerging, apart from the shares.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import COUNT_COLUMNS, Posts
from data.splits import parse_cut_off
from pretrain.caption import filled_words
from recall.cluster import ClusterConfig, Clusters, fit_clusters
from recall.names import medoids, name_styles
from recall.text_vectors import TextVectors
from stylecast.errors import UserError
from stylecast.runs import Run, load_manifest, open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StylesSettings:
    """How styles are found."""

    source: Literal["pictures", "text", "both"] = "pictures"
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


@dataclass(frozen=True)
class _Items:
    """What is clustered: pictures, or posts."""

    table: pd.DataFrame
    """id, post_id, time, generated (its text is no person's), one row an item."""
    vectors_ND: np.ndarray


def _text_items(posts: Posts, config: StylesConfig, early: pd.Series, folder: Path) -> _Items:
    model = TextVectors.fit(
        posts.table["words"][early].tolist(), config.text_dimensions, config.min_count, config.cluster.seed
    )
    model.save(folder / "text")
    texts, generated = filled_words(posts, config.captions)
    vectors_ND = model.transform(texts.tolist())
    known = (vectors_ND != 0).any(axis=1)
    if not known.all():
        log.info("%d of %d posts have no word with a vector and are left out", (~known).sum(), len(known))
    table = posts.table.loc[known, ["post_id", "time"]].assign(id=posts.table["post_id"], generated=generated)
    return _Items(table.reset_index(drop=True), vectors_ND[known])


def _picture_items(posts: Posts, recall: Path) -> _Items:
    load_manifest(recall, "recall")
    ids = pd.read_parquet(recall / "ids.parquet")["id"]
    times = posts.table.set_index("post_id")["time"]
    pictures = posts.pictures.set_index("picture_id").loc[ids, ["post_id"]]
    table = pd.DataFrame({"id": ids.to_numpy(), "post_id": pictures["post_id"].to_numpy()})
    table = table.assign(time=times[table["post_id"]].to_numpy(), generated=False)
    return _Items(table, np.load(recall / "vectors.npy"))


def _items(posts: Posts, config: StylesConfig, early: pd.Series, folder: Path) -> _Items:
    if config.captions is not None and config.source == "pictures":
        raise UserError("--captions fills texts, which --source pictures does not read; use --source text or both")
    if config.source == "text":
        return _text_items(posts, config, early, folder)
    if config.recall is None:
        raise UserError(f"--source {config.source} needs --recall, a run folder of `stylecast recall`")
    pictures = _picture_items(posts, config.recall)
    if config.source == "pictures":
        return pictures
    texts = _text_items(posts, config, early, folder)
    row_of = pd.Series(np.arange(len(texts.table)), index=texts.table["post_id"])
    rows = row_of.reindex(pictures.table["post_id"]).to_numpy()
    side_ND = np.zeros((len(rows), texts.vectors_ND.shape[1]), np.float32)
    side_ND[~np.isnan(rows)] = texts.vectors_ND[rows[~np.isnan(rows)].astype(int)]
    said = set(texts.table.loc[texts.table["generated"], "post_id"])
    table = pictures.table.assign(generated=pictures.table["post_id"].isin(said))
    return _Items(table, np.hstack([pictures.vectors_ND, side_ND]))


def _assign(items: _Items, clusters: Clusters) -> pd.DataFrame:
    labels, distances = clusters.predict(items.vectors_ND)
    digits = max(2, len(str(len(clusters.centroids_KP) - 1)))
    style = pd.Series([f"s{label:0{digits}d}" for label in labels], dtype=object)
    return items.table[["id", "post_id", "time", "generated"]].assign(
        style=style, distance=distances.astype(np.float32), emerging=distances > clusters.far
    )


def count_styles(assignments: pd.DataFrame, posts: pd.DataFrame) -> Panel:
    """Count posts by style and day: the pictures of a post split its one vote; emerging ones are apart.

    Args:
        assignments: `id, post_id, time, style, emerging`.
        posts: the posts' engagement numbers.
    """
    counts = [c for c in COUNT_COLUMNS if c in posts]
    rows = assignments.loc[~assignments["emerging"], ["post_id", "time", "style"]]
    numbers = posts.set_index("post_id")[counts]
    return Panel.from_rows(rows.join(numbers, on="post_id"), "the posts", "style", "time")


def _find(config: StylesConfig, posts: Posts, run: Run) -> None:
    cut_off = parse_cut_off(config.cut_off)
    early = posts.table["time"] < cut_off if cut_off is not None else posts.table["time"].notna()
    items = _items(posts, config, early, run.folder)
    first = (items.table["time"] < cut_off).to_numpy() if cut_off is not None else np.ones(len(items.table), bool)
    clusters = fit_clusters(items.table["id"].to_numpy()[first], items.vectors_ND[first], config.cluster)
    assignments = _assign(items, clusters)
    fitted = assignments[first & ~assignments["emerging"].to_numpy()]
    styles = name_styles(fitted, posts.table)
    styles["medoids"] = styles["style"].map(medoids(fitted, posts)) if config.source != "text" else None
    seen = assignments[~assignments["emerging"]].groupby("style")["time"]
    styles["first_seen"] = styles["style"].map(seen.min())
    styles["last_seen"] = styles["style"].map(seen.max())
    clusters.save(run.folder / "clusters.safetensors")
    styles.to_parquet(run.folder / "styles.parquet", index=False)
    assignments.to_parquet(run.folder / "assignments.parquet", index=False)
    panel = count_styles(assignments, posts.table)
    panel.to_frame().to_parquet(run.folder / "panel.parquet", index=False)
    later = assignments[~first]
    run.metrics |= clusters.scores | {"styles": len(styles), "emerging_share": float(assignments["emerging"].mean())}
    run.metrics["curve"] = {str(k): v for k, v in clusters.curve.items()}
    if len(later):
        run.metrics["emerging_share_later"] = share = float(later["emerging"].mean())
        log.info("%d styles; %.1f%% of what came after the cut-off is emerging", len(styles), 100 * share)


def main(config: StylesConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `styles.parquet`, `assignments.parquet`, `panel.parquet`, `clusters.safetensors`.

    Raises:
        UserError: posts without time, a missing input, or too few posts before the cut-off.
    """
    inputs = {"posts": config.posts}
    inputs |= {n: p for n, p in (("recall", config.recall), ("captions", config.captions)) if p is not None}
    with open_run(config.out, "styles", config, inputs, force=config.force, seed=config.cluster.seed) as run:
        if run is not None:
            posts = Posts.load(config.posts)
            if not posts.dated:
                raise UserError(f"{config.posts}: styles over time need `time`, which these posts do not have")
            _find(config, posts, run)
    return config.out
