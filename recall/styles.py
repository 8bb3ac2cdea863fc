"""Stage `styles`: vectors of pictures, or of texts where there are none, become styles and their panel.

Laptop:   stylecast styles --posts runs/prepare --recall runs/recall --cut-off 2023-01-01 --out runs/styles
          (30,000 pictures: about 30 s, and 60 s more for the figures, most of it UMAP's compilation)
Own:      stylecast styles --vectors V.npy --ids IDS.csv --cut-off 2023-01-01 --out runs/styles
          (IDS: `id` and, if known, `time`, `text`, `image`, a row a vector)

Everything is fitted on posts before the cut-off; later posts go to the nearest centroid, or, far from all,
count as emerging, apart from the shares.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.fitted import tell_fitted
from data.posts import Posts
from data.prepare_pictures import PictureSettings
from data.splits import parse_cut_off
from recall.cluster import ClusterConfig, Clusters, content_keys, fit_clusters
from recall.counts import CountSettings
from recall.emerging import EmergingConfig, scan
from recall.figures import Found, draw_space, draw_time
from recall.hierarchy import hierarchy_table
from recall.items import Items, Source, SourceConfig, TextBy, load_items, posts_before
from recall.lineage import LINEAGE, Previous, earliest_seen, name_clusters
from recall.names import Words
from recall.own_vectors import keep_own, read_own
from recall.style_tables import HIERARCHY, describe, write_counts, write_found
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import Run, hash_file, load_manifest, open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StylesSettings(CountSettings):
    """How styles are found."""

    source: Source = "pictures"
    """What the styles are found in; garment: a recall run with --view garment; both: pictures and text side by side,
    with equal weight."""
    text_by: TextBy = "words"
    """What makes text vectors: word vectors learnt from the posts, the matcher of --recall, or --text-model."""
    text_model: str = ""
    """Text model of transformers by folder or hub name, for --text-by model."""
    text_dimensions: int = 100
    """Dimensions of the text vectors."""
    min_count: int = 5
    """A word in fewer texts has no vector, texts."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """How vectors become clusters."""
    emerging: EmergingConfig = field(default_factory=EmergingConfig)
    """How new styles are proposed, `stylecast emerging`."""
    figures: bool = True
    """Draw the styles: shares, months, lifespans, map, …, as PNG and SVG."""


@dataclass(frozen=True, kw_only=True)
class StylesConfig(StylesSettings):
    """Find the styles of a feed, and count them by day."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    vectors: Path | None = None
    """Own vectors instead of posts and recall: a .npy file, a row a vector; --source both puts their texts beside."""
    ids: Path | None = None
    """What the own vectors are of: a table with `id` and, if known, `time`, `text`, `image`; a row a vector, in the
    same order. Without `time` there are styles, but no shares over time."""
    images: PictureSettings = field(default_factory=PictureSettings)
    """How the pictures of --ids are read."""
    recall: Path | None = None
    """Run folder of `recall`, for styles from pictures; not needed for styles from text."""
    captions: Path | None = None
    """Run folder of `caption`: what it wrote stands in for the text of posts that have none. It is marked as
    generated, and neither word vectors nor names are learnt from it."""
    previous: Path | None = None
    """Run folder of `styles` that this one goes on from: styles that go on keep their ids; see `lineage.csv`."""
    out: Path = Path("runs/styles")
    """Folder of the result."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that nothing is fitted on; by default everything is fitted on all posts."""
    force: bool = False
    """Run even if the result is up to date."""


def _space(config: StylesConfig, folder: Path) -> str:
    """What the vectors were made by: the hashes of the encoder's weights and of the word vectors."""
    parts = []
    if config.vectors is not None:
        parts.append("own")
    elif config.source != "text" and config.recall is not None:
        parts.append(f"heads {load_manifest(config.recall, 'recall')['files']['model.safetensors']['sha256']}")
    if config.source in ("text", "both"):
        parts += [hash_file(path) for path in sorted((folder / "text").glob("*.npy"))]
        parts += [f"{config.text_by} {config.text_model}"] if config.text_by != "words" else []
    return "+".join(parts)


def read_items(config: StylesConfig, cut_off: pd.Timestamp | None, folder: Path) -> tuple[Posts, Items]:
    """The posts, and what of them is clustered."""
    source = SourceConfig(
        config.source, config.text_dimensions, config.min_count, config.cluster.seed, config.text_by, config.text_model
    )
    if config.vectors is not None:
        posts, items = read_own(config.vectors, config.ids, config.images, source, cut_off, folder)
        keep_own(posts, folder)
        return posts, items
    posts = Posts.load(config.posts)
    if not posts.dated:
        raise UserError(f"{config.posts}: styles over time need `time`, which these posts do not have")
    return posts, load_items(posts, config.recall, config.captions, source, cut_off, folder)


def _tell(run: Run, clusters: Clusters, styles: pd.DataFrame, emerging_N: np.ndarray, first_N: np.ndarray) -> None:
    run.metrics |= clusters.scores | {"styles": len(styles), "emerging_share": float(emerging_N.mean())}
    run.metrics["curve"] = {str(k): v for k, v in clusters.curve.items()}
    if not first_N.all():
        run.metrics["emerging_share_later"] = share = float(emerging_N[~first_N].mean())
        log.info("%d styles; %.1f%% of what came after the cut-off is emerging", len(styles), 100 * share)


def fit_items(config: StylesConfig, items: Items, first_N: np.ndarray) -> Clusters:
    """Find the clusters of the items that may be learnt from."""
    # Of own vectors, ids may be no more than numbers of rows: their order must not matter either.
    rows = np.flatnonzero(first_N)
    early_ND = items.vectors_ND if first_N.all() else items.vectors_ND[rows]
    keys = content_keys(early_ND) if config.vectors is not None else items.table["id"].to_numpy()[rows]
    return fit_clusters(keys, early_ND, config.cluster)


def _find(config: StylesConfig, run: Run) -> None:
    cut_off = parse_cut_off(config.cut_off)
    posts, items = read_items(config, cut_off, run.folder)
    first_N = items.before(cut_off, posts)
    clusters = fit_items(config, items, first_N)
    clusters.save(run.folder / "clusters.safetensors")
    tell_fitted(run, "clusters", posts.table, items.posts_of(first_N, posts))
    if config.source in ("text", "both") and config.text_by == "words":
        tell_fitted(run, "words", posts.table, posts_before(posts, cut_off))

    labels_N, distance_N = clusters.predict(items.vectors_ND)
    far_N = distance_N > clusters.far
    previous = Previous.load(config.previous) if config.previous is not None else None
    run.metrics["space"] = space = _space(config, run.folder)
    ids, lineage = name_clusters(
        previous, items.table["id"].to_numpy(), labels_N, far_N, items.vectors_ND, clusters, space
    )
    write_csv(lineage, run.folder / LINEAGE)
    write_csv(hierarchy_table(clusters.tree, ids), run.folder / HIERARCHY)
    assignments = items.table.assign(
        style=np.array(ids, dtype=object)[labels_N], distance=distance_N.astype(np.float32), emerging=far_N
    )
    words = Words.of(posts.table)
    pictures = config.source != "text" and len(posts.pictures) > 0
    styles = describe(assignments, first_N, ids, posts, words, pictures=pictures)
    if previous is not None:
        styles["first_seen"] = earliest_seen(styles, previous)
    write_found(run.folder, assignments, styles)
    if posts.dated:
        panel = write_counts(run.folder, assignments, posts.table, config)
        proposed = scan(
            assignments, first_N, items.vectors_ND, clusters, ids, styles, posts.table, words, cut_off, config.emerging
        )
        proposed.save(run.folder)
        run.metrics["proposed"] = proposed.proposals["first"].nunique()
        if config.figures:
            found = Found(styles, assignments, panel, proposed.proposals, lineage, cut_off)
            draw_time(found, posts, run.folder)
    else:
        log.info("no `time`: styles are found, but not counted over time")
    if config.figures:
        draw_space(styles, assignments, items.vectors_ND, clusters, config.cluster.seed, run.folder)
    _tell(run, clusters, styles, assignments["emerging"].to_numpy(), first_N)


def inputs_of(config: StylesConfig) -> dict[str, Path]:
    """What the stage reads, by the flag that names it."""
    if config.vectors is None:
        given = {"posts": config.posts, "recall": config.recall, "captions": config.captions}
        if config.ids is not None:
            raise UserError(f"--ids {config.ids} tells what --vectors are of; give those too")
    else:
        given = {"vectors": config.vectors, "ids": config.ids}
        if config.recall is not None or config.captions is not None:
            raise UserError("--vectors stands in for --recall and --captions; leave those out")
    return {name: path for name, path in (given | {"previous": config.previous}).items() if path is not None}


def main(config: StylesConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `styles.parquet`, `assignments.parquet`, `panel.parquet`, `shares.csv`,
        `lineage.csv`, `hierarchy.csv`, `emerging.csv`, `clusters.safetensors`; without times no panel, shares and
        emerging styles.

    Raises:
        UserError: posts without time, a missing input, or too few posts before the cut-off.
    """
    config.check()
    inputs = inputs_of(config)
    with open_run(config.out, "styles", config, inputs, force=config.force, seed=config.cluster.seed) as run:
        if run is not None:
            _find(config, run)
    return config.out
