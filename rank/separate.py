"""Vectors by encoders that know nothing of each other: a picture backbone as it came, and word vectors of the corpus.

What a matcher brings, which learnt pictures and words together, shows beside these.

Shapes: B pictures of a batch, R regions, D dimensions.
"""

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from data.posts import Posts
from pretrain.encoder import EncoderConfig, PixelEncoder, build_encoder
from pretrain.pictures import PixelPictures, embed
from pretrain.train import load_pretrained
from rank.bags import Vectors
from recall.embeddings import VECTORS, Embeddings, normalise
from recall.text_vectors import TextVectors
from stylecast.errors import UserError
from stylecast.logs import progress
from stylecast.runs import MANIFEST

log = logging.getLogger(__name__)

BATCH = 256
"""Pictures at a time; the last batch is filled up, so that no picture's vector depends on those beside it."""
DIMENSIONS, MIN_COUNT = 100, 5
"""Of a word vector; and texts that a word must stand in to have one."""


def separate_pictures(posts: Posts, backbone: str, folder: Path, device: torch.device) -> None:
    """Embeds pictures by a backbone that was not trained to match words with pictures.

    Args:
        posts: with pictures.
        backbone: a run folder of `pretrain` (head 0 of its encoder), or a vision model of `transformers` by folder or
            hub name (mean of its regions).
        folder: gets `ids.parquet` and `vectors.npy`, unless they are there already.
        device: where the backbone works.

    Raises:
        UserError: no pictures, or a backbone that cannot be loaded.
    """
    if (folder / VECTORS).exists():
        return
    if len(posts.images) == 0:
        raise UserError("--backbone needs pictures, which these posts do not have; leave it out")
    log.info("embedding %d pictures by %s", len(posts.images), backbone)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    Embeddings(posts.pictures["picture_id"].to_numpy(str), _by_backbone(posts, backbone, device)).save(beside)
    beside.replace(folder)


def _by_backbone(posts: Posts, backbone: str, device: torch.device) -> np.ndarray:
    rows = np.arange(len(posts.images))
    if (Path(backbone) / MANIFEST).is_file():
        encoder = load_pretrained(Path(backbone)).encoder.to(device)
        return normalise(embed(encoder, PixelPictures.of(posts, encoder.config.view), rows, device)[:, 0])
    pictures = PixelPictures(posts.images)
    encoder = build_encoder(EncoderConfig(backbone=backbone, frozen=True)).to(device).eval()
    return np.concatenate([
        _mean_region(encoder, pictures, rows[start : start + BATCH], device)
        for start in progress(range(0, len(rows), BATCH), "embedding pictures", unit="batch")
    ])  # fmt: skip


def _mean_region(
    encoder: PixelEncoder, pictures: PixelPictures, rows_B: np.ndarray, device: torch.device
) -> np.ndarray:
    filled = np.concatenate([rows_B, np.full(BATCH - len(rows_B), rows_B[0])])
    with torch.inference_mode():
        regions_BRC = encoder.regions(pictures.batch(filled).to(device))
    return normalise(regions_BRC[: len(rows_B)].float().mean(dim=1).cpu().numpy())


def separate_texts(posts: Posts, cut_off: pd.Timestamp, seed: int) -> Vectors:
    """Texts by the mean of word vectors that were learnt from the posts before the cut-off.

    Raises:
        UserError: too few words.
    """
    early = posts.table["words"][posts.table["time"] < cut_off].tolist()
    model = TextVectors.fit(early, DIMENSIONS, MIN_COUNT, seed)
    texts_ND = model.transform(posts.table["words"].tolist(), posts.table["key_words"].tolist())
    return posts.table["post_id"].to_numpy(str), texts_ND
