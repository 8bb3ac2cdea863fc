"""What is clustered: pictures, or posts by their text, each with its vector.

Shapes: N items, D dimensions.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from data.posts import Posts
from data.splits import held_for_test
from pretrain.caption import filled_words
from pretrain.encoder import FILE as ENCODER
from recall.embeddings import HEADS, PART, Embeddings, normalise
from recall.text_model import open_text_model
from recall.text_vectors import TextVectors
from stylecast.errors import UserError
from stylecast.runs import load_manifest

log = logging.getLogger(__name__)
Source = Literal["pictures", "garment", "text", "both"]
TextBy = Literal["words", "matcher", "model"]


@dataclass(frozen=True)
class SourceConfig:
    """What vectors the styles are found in."""

    source: Source
    """Pictures, the garments on them, text, or pictures and text side by side."""
    text_dimensions: int
    """Dimensions of the text vectors."""
    min_count: int
    """A word in fewer texts has no vector, texts."""
    seed: int
    """Of what is random in the text vectors."""
    text_by: TextBy = "words"
    """What makes text vectors."""
    text_model: str = ""
    """Of transformers, for `model`."""


@dataclass(frozen=True)
class Items:
    """What is clustered: pictures, or posts."""

    table: pd.DataFrame
    """id, post_id, time, generated (its text is no person's), duplicate_of (of pictures), one row an item."""
    vectors_ND: np.ndarray
    """Their vectors."""

    def before(self, cut_off: pd.Timestamp | None, posts: Posts) -> np.ndarray:
        """Which items may be learnt from: those before the cut-off, but for posts of split test; bool N."""
        kept_N = ~self.table["post_id"].isin(posts.table["post_id"][held_for_test(posts)]).to_numpy()
        return kept_N if cut_off is None else kept_N & (self.table["time"] < cut_off).to_numpy()

    def posts_of(self, chosen_N: np.ndarray, posts: Posts) -> np.ndarray:
        """Rows of the posts of some items."""
        return np.flatnonzero(posts.table["post_id"].isin(self.table["post_id"][chosen_N]))


def kept_items(
    posts: Posts, recall: Path | None, captions: Path | None, config: SourceConfig, styles: Path
) -> tuple[Items | None, Items | None]:
    """Pictures and texts of posts, as far as the source asks for them, by what a run of `styles` learnt before.

    Args:
        posts: dated posts.
        recall: run folder of `recall` that holds these posts' vectors; None for texts alone.
        captions: run folder of `caption` on these posts, if the styles were found with one.
        config: of the run of `styles`.
        styles: its folder, with the word vectors.

    Returns:
        Either is None where the source does not read it.
    """
    pictures = None if config.source == "text" or recall is None else picture_items(posts, recall)
    if config.source not in ("text", "both"):
        return pictures, None
    if config.text_by != "words":
        return pictures, _read_texts(posts, recall, captions, config)
    return pictures, texts_by(TextVectors.load(styles / "text"), posts, captions)


def joined_items(first: Items, then: Items) -> Items:
    """The ones, then the others."""
    table = pd.concat([first.table, then.table], ignore_index=True)
    return Items(table, np.concatenate([first.vectors_ND, then.vectors_ND]))


def posts_before(posts: Posts, cut_off: pd.Timestamp | None) -> np.ndarray:
    """Which posts may be learnt from: those before the cut-off, but for those of split test; bool P."""
    times = posts.table["time"]
    return (times < cut_off if cut_off is not None else times.notna()).to_numpy() & ~held_for_test(posts)


def text_items(
    posts: Posts, recall: Path | None, captions: Path | None, config: SourceConfig, cut_off: pd.Timestamp | None,
    folder: Path,
) -> Items:  # fmt: skip
    """Posts by their text; word vectors are learnt before the cut-off and saved to `folder/text`."""
    if config.text_by != "words":
        return _read_texts(posts, recall, captions, config)
    early = posts.table["words"][posts_before(posts, cut_off)].tolist()
    model = TextVectors.fit(early, config.text_dimensions, config.min_count, config.seed)
    model.save(folder / "text")
    return texts_by(model, posts, captions)


def _read_texts(posts: Posts, recall: Path | None, captions: Path | None, config: SourceConfig) -> Items:
    """Posts by what a model that is there already makes of their text."""
    if captions is not None:
        raise UserError(f"--captions are read by --text-by words, not by {config.text_by}; leave one of them out")
    if config.text_by == "model":
        if not config.text_model:
            raise UserError("--text-by model needs --text-model, a text model of transformers")
        said = posts.table["sentence"].str.strip() != ""
        vectors_ND = np.zeros((0, 0), np.float32)
        if said.any():
            vectors_ND = normalise(open_text_model(config.text_model).embed(posts.table.loc[said, "sentence"].tolist()))
        return _items_of(posts, said.to_numpy(), vectors_ND)
    if recall is None:
        raise UserError("--text-by matcher needs --recall, whose text side it asks")
    load_manifest(recall, "recall")
    read = Embeddings.load(recall / "text")
    rows = pd.Series(np.arange(len(read.ids)), index=read.ids).loc[posts.table["post_id"]].to_numpy()
    vectors_ND = np.asarray(read.vectors_ND)[rows]
    known_P = vectors_ND.any(axis=1)
    return _items_of(posts, known_P, vectors_ND[known_P])


def _items_of(posts: Posts, known_P: np.ndarray, vectors_ND: np.ndarray) -> Items:
    if not known_P.all():
        log.info("%d of %d posts have no text that has a vector and are left out", (~known_P).sum(), len(known_P))
    table = posts.table.loc[known_P, ["post_id", "time"]].assign(id=posts.table["post_id"], generated=False)
    return Items(table.reset_index(drop=True), vectors_ND)


def texts_by(model: TextVectors, posts: Posts, captions: Path | None) -> Items:
    """Posts by their text, with word vectors that were learnt before."""
    texts, generated = filled_words(posts, captions)
    vectors_ND = model.transform(texts.tolist(), posts.table["key_words"].tolist())
    known = (vectors_ND != 0).any(axis=1)
    if not known.all():
        log.info("%d of %d posts have no word with a vector and are left out", (~known).sum(), len(known))
    table = posts.table.loc[known, ["post_id", "time"]].assign(id=posts.table["post_id"], generated=generated)
    return Items(table.reset_index(drop=True), vectors_ND[known])


def picture_items(posts: Posts, recall: Path) -> Items:
    """Pictures by what `recall` made of them."""
    load_manifest(recall, "recall")
    ids = pd.read_parquet(recall / "ids.parquet")["id"]
    times = posts.table.set_index("post_id")["time"]
    pictures = posts.pictures.set_index("picture_id").loc[ids]
    table = pd.DataFrame({"id": ids.to_numpy(), "post_id": pictures["post_id"].to_numpy()})
    if "duplicate_of" in pictures:
        table["duplicate_of"] = pictures["duplicate_of"].to_numpy()
    table = table.assign(time=times[table["post_id"]].to_numpy(), generated=False)
    return Items(table, head_vectors(recall))


def head_vectors(recall: Path) -> np.ndarray:
    """All heads of each picture side by side, each of length one; float32 N×(H·D).

    What a sentence says of a picture is in head 0; patterns and colours, which words tell, are in the others too.
    """
    heads = np.load(recall / HEADS, mmap_mode="r")
    vectors_ND = np.empty((len(heads), heads.shape[1] * heads.shape[2]), np.float32)
    for start in range(0, len(heads), PART):
        part_BHD = np.asarray(heads[start : start + PART], np.float32)
        length_BH1 = np.maximum(np.linalg.norm(part_BHD, axis=2, keepdims=True), 1e-12)
        vectors_ND[start : start + len(part_BHD)] = (part_BHD / length_BH1).reshape(len(part_BHD), -1)
    return vectors_ND


def side_by_side(pictures: Items, texts: Items, first_N: np.ndarray) -> Items:
    """Pictures with the text of their post beside them, each block with the same spread among `first_N`.

    A picture whose post has no text gets the mean text, which speaks for no style.

    Args:
        pictures: the items.
        texts: of their posts.
        first_N: which pictures are fitted on.
    """
    row_of = pd.Series(np.arange(len(texts.table)), index=texts.table["post_id"])
    rows = row_of.reindex(pictures.table["post_id"]).to_numpy()
    known_N = ~np.isnan(rows)
    side_ND = np.full((len(rows), texts.vectors_ND.shape[1]), np.nan, np.float32)
    side_ND[known_N] = texts.vectors_ND[rows[known_N].astype(int)]
    said = set(texts.table.loc[texts.table["generated"], "post_id"])
    table = pictures.table.assign(generated=pictures.table["post_id"].isin(said))
    return Items(table, np.hstack([equal_weight(pictures.vectors_ND, first_N), equal_weight(side_ND, first_N)]))


def equal_weight(block_ND: np.ndarray, first_N: np.ndarray) -> np.ndarray:
    """A block of dimensions, centred and scaled so that the mean square of its rows is one.

    Unit rows alone would not do: what all rows share has weight, and tells nothing apart.

    Args:
        block_ND: rows of NaN are unknown, and become zero.
        first_N: rows that mean and scale are taken from.
    """
    fitted_MD = block_ND[first_N & ~np.isnan(block_ND).any(axis=1)].astype(np.float64)
    if not len(fitted_MD):
        return np.zeros_like(block_ND, np.float32)
    mean_D = fitted_MD.mean(axis=0)
    scale = np.sqrt(((fitted_MD - mean_D) ** 2).sum(axis=1).mean())
    return np.nan_to_num((block_ND - mean_D) / max(scale, 1e-12)).astype(np.float32)


def load_items(
    posts: Posts, recall: Path | None, captions: Path | None, config: SourceConfig, cut_off: pd.Timestamp | None,
    folder: Path,
) -> Items:  # fmt: skip
    """What is to be clustered, as the settings ask.

    Args:
        posts: dated posts.
        recall: run folder of `recall`; needed unless the source is text.
        captions: run folder of `caption`, whose texts stand in where there are none.
        config: which vectors.
        cut_off: nothing is learnt from later posts.
        folder: what was learnt is saved there.

    Raises:
        UserError: a run folder that is missing, or captions that nothing reads.
    """
    if captions is not None and config.source in ("pictures", "garment"):
        raise UserError(
            f"--captions fills texts, which --source {config.source} does not read; use --source text or both"
        )
    if config.source == "text":
        return text_items(posts, recall, captions, config, cut_off, folder)
    if recall is None:
        raise UserError(f"--source {config.source} needs --recall, a run folder of `stylecast recall`")
    pictures = picture_items(posts, recall)
    if config.source == "garment" and _view(recall) != "garment":
        raise UserError(f"{recall} saw whole pictures; give --recall a run of `stylecast recall --view garment`")
    if config.source != "both":
        return pictures
    texts = text_items(posts, recall, captions, config, cut_off, folder)
    return side_by_side(pictures, texts, pictures.before(cut_off, posts))


def _view(recall: Path) -> str:
    told = json.loads((recall / ENCODER).read_text(encoding="utf-8"))
    return str(told["config"].get("view", "picture"))
