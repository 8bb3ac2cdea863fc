"""Posts that came after a run: read as the run read its own, and embedded by its models.

Shapes: N pictures, D numbers of coarse colours.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from data.duplicates import mark_copies, thumbs_of
from data.lexicon import Lexicon
from data.pictures import THUMB
from data.posts import COUNT_COLUMNS, Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from pretrain.examples import encode_words
from pretrain.pictures import PixelPictures
from recall.embeddings import HEADS, Embeddings, text_vectors, write_picture_embeddings
from recall.matcher import Matcher
from recall.train import TEXT, RecallConfig
from stylecast.errors import UserError
from stylecast.memory import freed_memory_kept
from stylecast.runs import load_config, open_run


@dataclass(frozen=True, kw_only=True)
class NewPosts:
    """Which posts came after a run."""

    posts: Path | None = None
    """Table of posts that came after the run's, as for `stylecast prepare`; what the run has already is left out. They
    are given to the run's styles and counted, and its models forecast from them; nothing is trained."""
    image_root: Path | None = None
    """Folder that the picture paths of --posts start from; by default the run's, or the table's own."""
    comments: Path | None = None
    """Comments on --posts, where the run read some."""


def read_new(new: NewPosts, folder: Path, out: Path) -> Posts:
    """Read posts as a run of `prepare` read its own, into a folder.

    Args:
        new: which.
        folder: the run of `prepare`.
        out: where to.

    Raises:
        UserError: the table cannot be read, lacks a column that the run has, or holds nothing new.
    """
    assert new.posts is not None
    before, known = load_config(folder, PrepareConfig), Posts.load(folder)
    if before.sentiment and new.comments is None:
        raise UserError(f"{folder} read what comments feel: give those on the new posts by --comments")
    if new.comments is not None and not before.sentiment:
        raise UserError(f"--comments {new.comments}: {folder} read none, so no model of the run knows what they feel")
    root = new.image_root or before.image_root
    # Words come by the run's own dictionary, which it keeps.
    config = replace(
        before, posts=new.posts, image_root=root, comments=new.comments, sample=0, now="",
        dictionary=(), stopwords=(), out=out, force=True, explain="",
    )  # fmt: skip
    prepare(config, Lexicon.load(folder), frozenset(known.table["post_id"]))
    posts = Posts.load(out)
    if not posts.dated:
        raise UserError(f"{new.posts}: no column `time`; forecasts need to know when each post was written")
    missing = [name for name in COUNT_COLUMNS if name in known.table and name not in posts.table]
    if missing:
        raise UserError(
            f"{new.posts}: no column `{missing[0]}`, which the run's posts have and its forecasters read; add it (a "
            "cell may be empty), or name yours with the run's --rename"
        )
    return posts


def embed_posts(recall: Path, posts: Path, out: Path) -> None:
    """What the models of a recall run make of other posts: a run folder with vectors of pictures and texts alone.

    Args:
        recall: the run.
        posts: run folder of `prepare` on the others.
        out: where to.
    """
    config, models, read = load_config(recall, RecallConfig), Matcher.from_pretrained(recall), Posts.load(posts)
    inputs = {"posts": posts, "recall": recall}
    with freed_memory_kept(), open_run(out, "recall", config, inputs, force=True) as run:
        assert run is not None
        ids = read.pictures["picture_id"].to_numpy(str)
        if len(ids):
            seen = PixelPictures.of(read, models.encoder.config.view)
            write_picture_embeddings(models.encoder, seen, ids, run.folder)
        else:
            np.save(run.folder / HEADS, np.zeros((0, models.encoder.heads, models.encoder.dim), np.float16))
            Embeddings(ids, np.zeros((0, models.encoder.dim), np.float32)).save(run.folder)
        models.encoder.save(run.folder)
        words = encode_words(read.table, models.vocabulary, config.text_width)
        texts = Embeddings(read.table["post_id"].to_numpy(str), text_vectors(models.text, words.words_PW))
        texts.save(run.folder / TEXT)


def later_copies(old: Posts, new: Posts, bits: int, alike: float) -> pd.Series:
    """The first picture that each new one is a copy of, the run's own before all others: picture_id → id, "" for none.

    Colours are those of the pictures as they are kept, since the files of the run's may be gone.

    Args:
        old: posts of the run.
        new: posts after it.
        bits: see `data.duplicates.find_firsts`.
        alike: likewise.
    """
    kept = [np.asarray(image) for posts in (old, new) for image in posts.images]
    thumb_ND = thumbs_of([cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA).tobytes() for image in kept])
    pictures = pd.concat([old.pictures, new.pictures], ignore_index=True)[["picture_id", "hash"]]
    marked = mark_copies(pictures, thumb_ND, bits, alike)
    return marked.set_index("picture_id")["duplicate_of"].tail(len(new.pictures))
