"""Stage `caption`: texts for posts that have pictures and none of their own, marked as generated.

Laptop:   stylecast caption --posts runs/prepare --pretrain runs/pretrain --out runs/captions
          (1,000 pictures of 64 px: about 5 s on one core)

The posts stay as they are: what was written lies beside them, and a stage reads it only where its flag names it.
So vocabularies, training targets, relevance and metrics, which read the posts, never see a generated word.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from data.posts import Posts
from pretrain.beam import BeamConfig
from pretrain.examples import post_of_pictures
from pretrain.pictures import PixelPictures, embed
from pretrain.reports import words_of
from pretrain.train import PretrainConfig, load_pretrained
from stylecast.errors import UserError
from stylecast.memory import freed_memory_kept
from stylecast.runs import Run, load_config, load_manifest, open_run

log = logging.getLogger(__name__)
FILE = "captions.parquet"


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """Write texts for posts that have pictures and no text; they are marked as generated."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    pretrain: Path = Path("runs/pretrain")
    """Run folder of `pretrain`, with its caption decoder."""
    out: Path = Path("runs/captions")
    """Folder of the result."""
    beam: BeamConfig = field(default_factory=BeamConfig)
    """How captions are written."""
    force: bool = False
    """Run even if the result is up to date."""


def silent_posts(posts: Posts) -> tuple[np.ndarray, np.ndarray]:
    """Posts without a word of their own that have a picture.

    Returns:
        Their rows in the table, and the row of the first picture of each.
    """
    silent_P = (posts.table["words"].str.strip() == "").to_numpy()
    post_N = post_of_pictures(posts)
    described, first = np.unique(post_N, return_index=True)
    return described[silent_P[described]], first[silent_P[described]]


def _caption(config: CaptionConfig, run: Run) -> None:
    posts = Posts.load(config.posts)
    before, pretrained = load_config(config.pretrain, PretrainConfig), load_pretrained(config.pretrain)
    if pretrained.captions is None:
        raise UserError(f"{config.pretrain}: pretrained without captions; pretrain with --captions-weight above 0")
    rows_P, rows_N = silent_posts(posts)
    written, values = [], np.zeros(0, np.float32)
    if len(rows_P):
        pictures = PixelPictures.of(posts, pretrained.encoder.config.view)
        heads_NHD = embed(pretrained.encoder, pictures, rows_N, torch.device("cpu"))
        with torch.inference_mode():
            found = pretrained.captions.write(torch.from_numpy(heads_NHD[:, 0]), before.caption_width, config.beam)
        written, values = words_of(found.tokens_BT.numpy(), pretrained.vocabulary), found.log_probability_B.numpy()
    table = pd.DataFrame(
        {"post_id": posts.table["post_id"].to_numpy(str)[rows_P], "words": [" ".join(w) for w in written],
         "log_probability": values, "generated": np.ones(len(rows_P), dtype=bool)}
    )  # fmt: skip
    table.to_parquet(run.folder / FILE, index=False)
    run.metrics |= {"posts": len(posts.table), "generated": len(table)}
    log.info("wrote a text for %d of %d posts; the others have their own, or no picture", len(table), len(posts.table))


def filled_words(posts: Posts, captions: Path | None) -> tuple[pd.Series, pd.Series]:
    """The words of posts, and where they are generated: for the inputs of a model, never for its targets.

    Args:
        posts: the posts.
        captions: run folder of `caption`, or None to leave posts without text as they are.

    Returns:
        Words separated by spaces, and bool; both in the order of the table.

    Raises:
        UserError: the folder is no run of `caption`, or of one on other posts.
    """
    words = posts.table["words"]
    generated = pd.Series(False, index=words.index)
    if captions is None:
        return words, generated
    load_manifest(captions, "caption")
    table = pd.read_parquet(captions / FILE).set_index("post_id")["words"]
    rows_P, _ = silent_posts(posts)
    ids = posts.table["post_id"].iloc[rows_P]
    if set(ids) != set(table.index):
        raise UserError(f"{captions}: its captions are of other posts; run `stylecast caption` on these")
    generated.iloc[rows_P] = True
    words = words.copy()
    words.iloc[rows_P] = table.loc[ids].to_numpy()
    return words, generated


def main(config: CaptionConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `captions.parquet` with post_id, words, log_probability, generated (always true); one row
        for each post with a picture and no text.

    Raises:
        UserError: an input is missing, or the pretraining has no caption decoder.
    """
    if config.beam.width < 1:
        raise UserError("--beam.width must be 1 or more")
    inputs = {"posts": config.posts, "pretrain": config.pretrain}
    with freed_memory_kept(), open_run(config.out, "caption", config, inputs, force=config.force) as run:
        if run is not None:
            _caption(config, run)
    return config.out
