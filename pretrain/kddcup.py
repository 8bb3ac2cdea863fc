"""Pretraining on KDD Cup files: an encoder of boxes learns the words of the queries that products were found by.

A pair of the training file (a product and a query) is what a picture and its post are elsewhere: picture i and post i
are pair i. Products whose id falls into a share by its hash are held out with all of their pairs, so that the best
weights are chosen without a look at the validation file.

Shapes: P pairs, W words of a query (padded), V vocabulary.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from data.kddcup import Products
from data.text import words as cut_words
from pretrain.captions import caption_tokens
from pretrain.examples import spread
from pretrain.regions import RegionConfig, RegionEncoder, RegionPictures
from pretrain.task import LossSettings, PictureBatches, build_task, usable_posts
from pretrain.vocabulary import Vocabulary, VocabularyConfig, pad
from stylecast.checkpoint import WEIGHTS, save_parts
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, train
from stylecast.runs import Run
from stylecast.world import World

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RegionPretrainConfig(LossSettings):
    """How an encoder of boxes is pretrained."""

    caption_words: int = 10000
    """The decoder knows this many of the most frequent words, words."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=1, min_steps=2000, batch_size=128, lr=1e-3))
    """How to train."""


@dataclass(frozen=True, kw_only=True)
class QueriesConfig:
    """How the pairs of the training file are read."""

    vocabulary: VocabularyConfig = field(default_factory=lambda: VocabularyConfig(max_words=30000))
    """Which words count."""
    width: int = 16
    """Most words of a query, words."""
    held_out: float = 0.02
    """Share of the training products on which the best weights are chosen, 0..1."""
    most_held_out: int = 2000
    """Most of their pairs that a validation looks at, pairs."""


def cut_queries(queries: Iterable[str]) -> list[list[str]]:
    """The words of queries; each distinct query is cut once."""
    known: dict[str, list[str]] = {}
    found = []
    for query in queries:
        if query not in known:
            known[query] = cut_words(query)
        found.append(known[query])
    return found


def encode_queries(queries: Iterable[str], vocabulary: Vocabulary, width: int) -> np.ndarray:
    """Distinct known words of queries, in their order; int64, padded, `width` wide."""
    return pad([list(dict.fromkeys(vocabulary.encode(words))) for words in cut_queries(queries)], width)


def held_out_products(ids: Iterable[str], share: float) -> np.ndarray:
    """Which products are held out: by a hash of their id, so that neither order nor company matters; bool."""
    most = int(share * 2**64)
    return np.array([int.from_bytes(hashlib.sha256(i.encode()).digest()[:8], "big") < most for i in ids], dtype=bool)


@dataclass(frozen=True)
class Pairs:
    """The pairs of the training file as numbers; row i is pair i."""

    pictures: RegionPictures
    """Of each pair its product."""
    words_PW: np.ndarray
    """Distinct words of each query, padded."""
    train: np.ndarray
    """Pairs to learn from: those with a known word."""
    valid: np.ndarray
    """Pairs of held-out products with a known word, at most so many, spread over all."""


def number_pairs(products: Products, vocabulary: Vocabulary, encoder: RegionConfig, config: QueriesConfig) -> Pairs:
    """Pairs as numbers, divided.

    Raises:
        UserError: too few pairs with a known word on either side.
    """
    pictures = RegionPictures(
        products, products.pairs["product"].to_numpy(np.int64), encoder.most_boxes, encoder.hidden
    )
    words_PW = encode_queries(products.pairs["query"], vocabulary, config.width)
    usable_P, held_P = usable_posts(words_PW), _held_out(products, config.held_out)
    learn, valid = np.flatnonzero(usable_P & ~held_P), np.flatnonzero(usable_P & held_P)
    if len(learn) < 2 or len(valid) < 2:
        raise UserError(
            f"--train: {len(learn)} pairs with known words to learn from and {len(valid)} held out are too few; "
            "give a larger file, or raise --queries.held-out"
        )
    return Pairs(pictures, words_PW, learn, spread(valid, config.most_held_out))


def _held_out(products: Products, share: float) -> np.ndarray:
    return held_out_products(products.table["product_id"], share)[products.pairs["product"]]


def build_vocabulary(products: Products, config: QueriesConfig) -> Vocabulary:
    """The words of the pairs that are learnt from."""
    learnt = products.pairs["query"].to_numpy(object)[~_held_out(products, config.held_out)]
    return Vocabulary.build(cut_queries(learnt), config.vocabulary)


def _batches(pairs: Pairs, caption_words: int) -> tuple[PictureBatches, PictureBatches]:
    """To learn from, and to validate on; a query is tags and caption at once."""
    numbers = [row[row > 0].tolist() for row in pairs.words_PW]
    tokens_PT = caption_tokens(numbers, pairs.words_PW.shape[1] + 1, caption_words)
    training, held_out = (
        PictureBatches(pairs.pictures, rows, np.arange(len(pairs.pictures)), pairs.words_PW, tokens_PT)
        for rows in (pairs.train, pairs.valid)
    )
    return training, held_out


def pretrain_regions(
    products: Products, encoder: RegionConfig, queries: QueriesConfig, config: RegionPretrainConfig, world: World,
    run: Run,
) -> None:  # fmt: skip
    """Pretrain an encoder of boxes; write `model.safetensors`, `regions.json` and `vocabulary.json` into the run.

    Raises:
        UserError: too few pairs, or a setting does not fit.
    """
    vocabulary = build_vocabulary(products, queries)
    pairs = number_pairs(products, vocabulary, encoder, queries)
    torch.manual_seed(config.loop.seed)
    training, held_out = _batches(pairs, config.caption_words)
    early_PW, seed = pairs.words_PW[pairs.train], config.loop.seed
    task = build_task(config, RegionEncoder(encoder), vocabulary, early_PW, held_out, seed)
    log.info("pretraining on %d pairs, validating on %d", len(pairs.train), len(pairs.valid))
    if task.tags is not None:
        metrics = train(task, training, config.loop, world, run.folder, monitor="tag_map", mode="max")
    else:
        metrics = train(task, training, config.loop, world, run.folder, monitor="caption_perplexity", mode="min")
    if world.is_main:
        save_parts(task, run.folder / WEIGHTS)
        task.encoder.save(run.folder)
        vocabulary.save(run.folder)
        run.metrics |= metrics | {"train_pairs": len(pairs.train), "words": len(vocabulary)}
