"""Command `score-posts`: how likely new posts are to become hot, by a model of `single-shot`.

Laptop:   stylecast score-posts --model runs/single-shot --posts runs/new/prepare --recall runs/recall --out HOT.parquet

The new posts go through `stylecast prepare` as any others. Their pictures and texts are embedded by the same `recall`
that the model learnt with; posts that this run has embedded already are read from it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.posts import Posts
from pretrain.examples import encode_words
from pretrain.pictures import PixelPictures, embed
from rank.bags import Vectors
from rank.modalities import stored_vectors
from rank.post_alike import Memory
from rank.post_inputs import read_numbers
from rank.post_net import SingleShot
from rank.single_shot import RECORD, TEXT, build_inputs, read_sides
from recall.embeddings import normalise
from recall.embeddings import text_vectors as sentence_vectors
from recall.matcher import Matcher
from recall.text_vectors import TextVectors
from recall.train import RecallConfig
from stylecast.errors import UserError
from stylecast.files import write_parquet
from stylecast.runs import identity_of, load_config, load_manifest
from stylecast.world import open_world

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScorePostsConfig:
    """Tell how likely new posts are to become hot."""

    model: Path = Path("runs/single-shot")
    """Run folder of `single-shot`."""
    posts: Path = Path("runs/prepare")
    """Run folder of `prepare` with the new posts; they need no engagement."""
    recall: Path | None = None
    """Run folder of the `recall` that the model was trained with; needed if it reads pictures, or texts by it."""
    garment: Path | None = None
    """Likewise for garments; the new posts then need masks (`stylecast prepare --segment`)."""
    out: Path = Path("hot.parquet")
    """File to write: post_id, time, p_hot; the likeliest first."""


def _same(folder: Path | None, flag: str, content: str) -> Path:
    if folder is None:
        raise UserError(f"this model was trained with {flag}: name that run")
    if load_manifest(folder, "recall")["content"] != content:
        raise UserError(f"{flag} {folder}: is another run than the one that the model was trained with")
    return folder


def _embedded(run: Path, posts: Path) -> bool:
    """Whether a recall run holds vectors of these very posts."""
    inputs = load_manifest(run, "recall")["inputs"]
    return "posts" in inputs and inputs["posts"]["identity"] == identity_of(posts)


def read_vectors(model: SingleShot, folder: Path, config: ScorePostsConfig, posts: Posts) -> dict[str, Vectors]:
    """Vectors of the modalities that the model reads: stored ones, or new ones by the same encoders.

    Args:
        model: the model.
        folder: where it lies, with word vectors of its own if it has them.
        config: the runs.
        posts: those to score.

    Raises:
        UserError: a run is missing or another one than in training.
    """
    runs: dict[str, str] = model.told["runs"]
    found: dict[str, Vectors] = {}
    for side, given, name in (("picture", config.recall, "recall"), ("garment", config.garment, "garment")):
        if side in model.sides:
            run = _same(given, f"--{name}", runs[name])
            found[side] = stored_vectors(run) if _embedded(run, config.posts) else _embed_pictures(run, posts)
    if "text" in model.sides and "recall" in runs:
        run = _same(config.recall, "--recall", runs["recall"])
        found["text"] = stored_vectors(run / TEXT) if _embedded(run, config.posts) else _embed_texts(run, posts)
    elif "text" in model.sides:
        words, keys = (posts.table[name].tolist() for name in ("words", "key_words"))
        texts_ND = TextVectors.load(folder / TEXT).transform(words, keys)
        found["text"] = posts.table["post_id"].to_numpy(), texts_ND
    # In the order of the training.
    return {side: found[side] for side in model.sides}


def _embed_pictures(run: Path, posts: Posts) -> Vectors:
    log.info("embedding %d pictures by %s", len(posts.pictures), run)
    encoder, rows = Matcher.from_pretrained(run).encoder, np.arange(len(posts.pictures))
    with open_world() as world:
        pictures = PixelPictures.of(posts, encoder.config.view)
        heads_NHD = embed(encoder.to(world.device), pictures, rows, world.device)
    return posts.pictures["picture_id"].to_numpy(str), normalise(heads_NHD[:, 0])


def _embed_texts(run: Path, posts: Posts) -> Vectors:
    recalled, width = Matcher.from_pretrained(run), load_config(run, RecallConfig).text_width
    words = encode_words(posts.table, recalled.vocabulary, width)
    return posts.table["post_id"].to_numpy(str), sentence_vectors(recalled.text, words.words_PW)


def main(config: ScorePostsConfig) -> str:
    """Score posts.

    Returns:
        What is to be printed; the file holds `post_id, time, p_hot`.

    Raises:
        UserError: the model or an input is missing, or they do not belong together; the file cannot be written.
    """
    load_manifest(config.model, "single-shot")
    model, posts = SingleShot.load(config.model), Posts.load(config.posts)
    if not posts.dated:
        raise UserError(f"{config.posts}: the model reads when a post was written; these posts have no `time`")
    sides, numbers = read_sides(posts, read_vectors(model, config.model, config, posts)), {}
    if "numbers" in model.told["read"]:
        record = pd.read_parquet(config.model / RECORD)
        numbers = read_numbers(posts, tuple(model.told["numbers"]), record, model.told["mean"])
        numbers |= Memory.load(config.model).numbers(sides, pd.DatetimeIndex(posts.table["time"]))
    p_hot = model.predict(build_inputs(sides, numbers, len(posts.table)))
    frame = posts.table[["post_id", "time"]].assign(p_hot=p_hot)
    frame = frame.sort_values(["p_hot", "post_id"], ascending=[False, True])
    write_parquet(frame, config.out)
    best = frame.iloc[0]
    return f"{len(frame)} posts; the likeliest, {best['post_id']}, {best['p_hot']:.0%}: {config.out}"
