"""The two matchers, trained on the pairs of a KDD Cup training file.

Shapes: P pairs, Q queries, N pictures, V vocabulary, D dimensions.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.kddcup import Products
from data.kddcup_files import LABELS
from pretrain.kddcup import Pairs, QueriesConfig, number_pairs
from pretrain.regions import rebuild_regions
from pretrain.vocabulary import Vocabulary
from recall.gallery import Gallery
from recall.match import MatchSettings, match_task
from recall.matcher import write_models
from recall.negatives import Negatives
from recall.pairs import PairBatches, QueryConfig
from stylecast.checkpoint import WEIGHTS, load_parts
from stylecast.loop import LoopConfig, train
from stylecast.runs import Run
from stylecast.world import World

log = logging.getLogger(__name__)
POOL = 20  # pictures of a held-out pool, on which the best weights are chosen


@dataclass(frozen=True, kw_only=True)
class RegionRecallConfig(MatchSettings):
    """How products and queries are matched."""

    query: QueryConfig = field(default_factory=lambda: QueryConfig(short=0.1))
    """How a query is cut for training."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=2, min_steps=1500, batch_size=128, lr=1e-3))
    """How to train."""


def held_out_gallery(pairs: Pairs, seed: int) -> Gallery:
    """Held-out pairs, each with a pool of its product and others; products of the same words are right as well."""
    rows = pairs.valid
    product_N = pairs.pictures.product_N[rows]
    text_N = np.unique(pairs.words_PW[rows], axis=0, return_inverse=True)[1].reshape(-1)
    relevant_NN = (product_N[:, None] == product_N) | (text_N[:, None] == text_N)
    rng = np.random.default_rng(seed)
    size = min(POOL - 1, int((~relevant_NN).sum(axis=1).min()))
    others = [rng.choice(np.flatnonzero(~right_N), size, replace=False) for right_N in relevant_NN]
    pool_NK = np.column_stack([np.arange(len(rows)), np.array(others, dtype=np.int64).reshape(len(rows), size)])
    return Gallery(rows, rows, relevant_NN, pool_NK)


def box_labels(products: Products) -> np.ndarray:
    """The distinct classes of each product's boxes, from 1, padded with 0; uint8 N×L."""
    product_M = np.repeat(np.arange(len(products.table)), np.diff(products.offsets_N1))
    pairs = np.unique(product_M * (LABELS + 1) + products.labels_M + 1)
    product_X, label_X = np.divmod(pairs, LABELS + 1)
    first_N = np.searchsorted(product_X, np.arange(len(products.table)))
    place_X = np.arange(len(pairs)) - first_N[product_X]
    labels_NL = np.zeros((len(products.table), int(place_X.max()) + 1), np.uint8)
    labels_NL[product_X, place_X] = label_X
    return labels_NL


def _batches(products: Products, pairs: Pairs, size: int, config: RegionRecallConfig) -> PairBatches:
    product_P = pairs.pictures.product_N
    ids_PK = np.column_stack([product_P, pd.factorize(products.pairs["query"])[0]]).astype(np.int64)
    labels_PL = box_labels(products)[product_P] if config.negatives.box_label else None
    negatives = Negatives(pairs.words_PW, pairs.train, size, config.negatives, labels_PL)
    return PairBatches(
        pairs.pictures, pairs.train, np.arange(len(product_P)), pairs.words_PW, np.zeros(pairs.words_PW.shape, bool),
        ids_PK, product_P, negatives, config.query, config.mined,
    )  # fmt: skip


def train_matchers(
    products: Products, pretrained: Path, queries: QueriesConfig, config: RegionRecallConfig, world: World, run: Run
) -> None:
    """Train both matchers; write `model.safetensors`, `regions.json` and `vocabulary.json` into the run.

    Args:
        products: of the training file.
        pretrained: run folder of the pretraining, whose encoder and words are taken over.
        queries: how the pairs were read.
        config: how to train.
        world: this process.
        run: where to write.
    """
    encoder, vocabulary = rebuild_regions(pretrained), Vocabulary.load(pretrained)
    parts = load_parts(pretrained / WEIGHTS)
    encoder.load_state_dict(parts["encoder"])
    pairs = number_pairs(products, vocabulary, encoder.config, queries)
    tags_VD, early = parts.get("tags", {}).get("table_VD"), pairs.words_PW[pairs.train]
    gallery, seed = held_out_gallery(pairs, config.loop.seed), config.loop.seed
    batches = _batches(products, pairs, len(vocabulary), config)
    task = match_task(config, encoder, vocabulary, tags_VD, early, batches, gallery, seed, world)
    log.info("training on %d pairs, validating on %d", len(pairs.train), len(pairs.valid))
    metrics = train(task, batches, config.loop, world, run.folder, monitor="even_ndcg@5", mode="max")
    if world.is_main:
        write_models(run.folder, task.encoder, task.text, vocabulary)
        run.metrics |= metrics | {"train_pairs": len(pairs.train)}
