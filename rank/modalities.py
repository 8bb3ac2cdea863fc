"""What the forecasters read of posts beside their counts, and where it comes from.

The history of a style's share is the series itself and always stays. Of the rest any part may be left out, and then no
forecaster sees it: without `numbers` the panel that they are handed has none, and sets of posts tell no engagement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import COUNT_COLUMNS, Posts
from pretrain.encoder import rebuild_encoder
from rank.bags import Bags, Vectors
from recall.embeddings import Embeddings
from recall.text_vectors import TextVectors
from stylecast.errors import UserError
from stylecast.runs import load_manifest

Modality = Literal["picture", "garment", "text", "numbers"]
MODALITIES: tuple[Modality, ...] = ("picture", "garment", "text", "numbers")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where posts, styles and vectors lie."""

    styles: Path = Path("runs/styles")
    """Run folder of `styles`."""
    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    recall: Path | None = None
    """Run folder of `recall`: vectors of pictures and texts; without it the fusion-LSTM reads the texts alone."""
    garment: Path | None = None
    """Run folder of a `recall --view garment` on the same posts: a second picture side."""

    @property
    def inputs(self) -> dict[str, Path]:
        """The folders that are there, by the name of their setting."""
        named = {"styles": self.styles, "posts": self.posts, "recall": self.recall, "garment": self.garment}
        return {name: path for name, path in named.items() if path is not None}


def choose_modalities(named: Sequence[Modality], sources: Sources, panel: Panel) -> tuple[Modality, ...]:
    """The modalities that are read, in the order of `MODALITIES`.

    Args:
        named: by the user; empty for all that are there.
        sources: where vectors lie.
        panel: the counts, with all of its numbers.

    Raises:
        UserError: one stands twice, or is not there.
    """
    missing: dict[Modality, str] = {}
    if sources.recall is None:
        missing["picture"] = "needs --recall, a run folder of `stylecast recall`"
    if sources.garment is None:
        missing["garment"] = "needs --garment, a run folder of `stylecast recall --view garment`"
    if not panel.numeric:
        missing["numbers"] = "the posts have neither likes, collects nor comments, nor further numbers"
    if len(set(named)) < len(named):
        raise UserError(f"--modalities {' '.join(named)}: one stands twice; name each once")
    for name in named:
        if name in missing:
            raise UserError(f"--modalities {name}: {missing[name]}; or leave {name} out")
    return tuple(name for name in MODALITIES if name in named or (not named and name not in missing))


def panel_read(panel: Panel, modalities: Sequence[Modality]) -> Panel:
    """The panel as the forecasters see it: without its numbers where `numbers` is left out."""
    return panel if "numbers" in modalities else replace(panel, numeric={})


def text_vectors(sources: Sources, posts: Posts) -> Vectors:
    """Text vectors of posts: of `recall`, or of the words that styles of texts were found by.

    Raises:
        UserError: there are neither.
    """
    if sources.recall is not None:
        load_manifest(sources.recall, "recall")
        return stored_vectors(sources.recall / "text")
    if not (sources.styles / "text").is_dir():
        raise UserError(
            f"{sources.styles}: styles of pictures alone hold no word vectors; give --recall, or --modalities numbers"
        )
    return posts.table["post_id"].to_numpy(), TextVectors.load(sources.styles / "text").transform(
        posts.table["words"].tolist(), posts.table["key_words"].tolist()
    )


def picture_vectors(run: Path, view: Literal["picture", "garment"]) -> Vectors:
    """Ids and vectors of pictures as a run of `recall` wrote them.

    Raises:
        UserError: it is no such run, or it learnt from another view of the pictures.
    """
    load_manifest(run, "recall")
    if view == "garment" and rebuild_encoder(run).config.view != "garment":
        raise UserError(f"--garment {run}: learnt from whole pictures; give a run of `stylecast recall --view garment`")
    return stored_vectors(run)


def stored_vectors(folder: Path) -> Vectors:
    """Ids and vectors as `recall` wrote them, memory-mapped."""
    stored = Embeddings.load(folder)
    return stored.ids, stored.vectors_ND


def read_bags(sources: Sources, panel: Panel, modalities: Sequence[Modality] = ()) -> Bags | None:
    """The posts of each style and day with the vectors of these modalities; None where it is numbers alone.

    Args:
        sources: where they lie.
        panel: the counts, with all of its numbers.
        modalities: as `choose_modalities` has them; empty for all that are there.

    Raises:
        UserError: a modality is not there, or its vectors are of other posts.
    """
    read = choose_modalities(modalities, sources, panel)
    if read == ("numbers",):
        return None
    posts = Posts.load(sources.posts)
    vectors = read_vectors(sources, posts, read)
    if "text" in modalities and not np.any(vectors["text"][1]):
        raise UserError(f"--modalities text: no post of {sources.posts} has a known word; or leave text out")
    return bags_of(sources, posts, panel, vectors, engagement="numbers" in read)


def read_vectors(sources: Sources, posts: Posts, read: Sequence[Modality]) -> dict[Modality, Vectors]:
    """The vectors of these modalities, as far as `sources` has them.

    Raises:
        UserError: they are of another view, or there are none of texts.
    """
    vectors: dict[Modality, Vectors] = {}
    if sources.recall is not None and "picture" in read:
        vectors["picture"] = picture_vectors(sources.recall, "picture")
    if sources.garment is not None and "garment" in read:
        vectors["garment"] = picture_vectors(sources.garment, "garment")
    if "text" in read:
        vectors["text"] = text_vectors(sources, posts)
    return vectors


def bags_of(
    sources: Sources, posts: Posts, panel: Panel, vectors: dict[Modality, Vectors], engagement: bool = True
) -> Bags:
    """The posts of each style and day with these vectors, and with their engagement where it may be read."""
    items = pd.read_parquet(sources.styles / "assignments.parquet")
    return bags_from(items, posts.table, posts.pictures, panel, vectors, engagement)


def bags_from(
    items: pd.DataFrame, table: pd.DataFrame, pictures: pd.DataFrame, panel: Panel, vectors: dict[Modality, Vectors],
    engagement: bool,
) -> Bags:  # fmt: skip
    """As `bags_of`, of the assignments and the tables of posts and pictures themselves."""
    items = items[~items["emerging"]]
    if "picture" not in vectors and "garment" not in vectors:
        items = items.drop_duplicates(["post_id", "style"])
    elif items["id"].isin(pictures["picture_id"]).any():
        items = items.rename(columns={"id": "picture_id"})
    else:  # styles of texts: every picture of a post belongs to the post's style
        items = items.merge(pictures[["picture_id", "post_id"]], on="post_id", how="left")
    if engagement:
        counts = [name for name in COUNT_COLUMNS if name in table]
        items = items.join(table.set_index("post_id")[counts], on="post_id")
    return Bags.build(
        items, panel.styles, panel.days, vectors.get("picture"), vectors.get("text"), garments=vectors.get("garment")
    )
