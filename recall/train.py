"""Stage `recall`: matches words and sentences with pictures, then embeds and indexes every picture.

Laptop:   stylecast recall --posts runs/prepare --pretrain runs/pretrain --out runs/recall
          (30,000 pictures of 64 px of the sample world, --recipe demo: about 80 s on one core, NDCG@5 0.67; naive Bayes
          with the true style of each picture reaches 0.71)
Many:     torchrun --nproc-per-node 4 -m recall.train --posts runs/prepare --pretrain runs/pretrain --out runs/recall

Learns from the posts that the pretraining learnt from, and validates on those that it held out.
"""

import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from data.fitted import tell_fitted
from data.lexicon import Lexicon
from data.posts import Posts
from data.splits import parse_cut_off
from pretrain.examples import Division, Words, divide, encode_words
from pretrain.pictures import AugmentConfig, PixelPictures, embed
from pretrain.task import usable_posts
from pretrain.train import SCRATCH, PretrainConfig, load_pretrained
from recall.embeddings import HEADS, Embeddings, text_vectors, write_picture_embeddings
from recall.gallery import Blend, Gallery, build_gallery, fit_blend, matching_metrics, pool_spread, score_all, text_ids
from recall.hubs import BANK, HUBNESS, hubness, query_bank
from recall.index import Index
from recall.index_kinds import IndexConfig, check_index
from recall.match import MatchSettings, check_match, match_task
from recall.matcher import BLEND, write_models
from recall.negatives import Negatives
from recall.pairs import PairBatches
from recall.phrases import WordLevels
from recall.task import RecallTask
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, train
from stylecast.runs import Run, load_config, open_run
from stylecast.world import World, open_world

log = logging.getLogger(__name__)
PICTURES, TEXT = "pictures.parquet", "text"
PAIRS = replace(SCRATCH, batch_size=64)  # each brings a mined one along


@dataclass(frozen=True, kw_only=True)
class RecallSettings(MatchSettings):
    """How pictures and phrases are matched."""

    view: Literal["", "picture", "garment"] = ""
    """What the encoder sees of a picture: all, or the clothes on black; by default as it was pretrained."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training pictures are changed."""
    index: IndexConfig = field(default_factory=IndexConfig)
    """How the nearest pictures of a sentence are found."""
    text_width: int = 24
    """Most words of a post that count, words."""
    pool: int = 30
    """Pictures of a validation pool, one of them the query's own, pictures."""
    valid_queries: int = 2000
    """Most held-out queries that the final figures rest on; a quarter of them during training."""
    valid_pictures: int = 4000
    """Most held-out pictures of the gallery; a quarter of them during training."""
    loop: LoopConfig = field(default_factory=lambda: replace(PAIRS, epochs=5, min_steps=1500))
    """How to train."""


@dataclass(frozen=True, kw_only=True)
class RecallConfig(RecallSettings):
    """Train picture-word and picture-sentence matching, embed and index every picture."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    pretrain: Path = Path("runs/pretrain")
    """Run folder of `pretrain`: its encoder, its words, its cut-off and its split are taken over."""
    out: Path = Path("runs/recall")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


def _pairs(
    config: RecallConfig, posts: Posts, pictures: PixelPictures, division: Division, words: Words, size: int
) -> PairBatches:
    usable_P = usable_posts(words.words_PW)
    rows = division.pictures("train", usable_P)
    if len(rows) < 2:
        raise UserError(f"{config.posts}: fewer than two training pictures have a known word; give more posts")
    candidates = np.unique(division.post_N[rows])
    ids_PK = np.column_stack([np.arange(len(posts.table)), text_ids(posts.table)])
    return PairBatches(
        pictures, rows, division.post_N, words.words_PW, words.stressed_PW, ids_PK,
        posts.pictures["family"].to_numpy(np.int64),
        Negatives(words.words_PW, candidates, size, config.negatives), config.query, config.mined,
    )  # fmt: skip


def _held_out(config: RecallConfig, posts: Posts, division: Division, words: Words, seed: int, part: int) -> Gallery:
    """The validation gallery, or one `part`-th as large for use during training."""
    return build_gallery(
        posts.table, division, "valid", usable_posts(words.words_PW), pool=config.pool, seed=seed,
        queries=config.valid_queries // part, pictures=config.valid_pictures // part,
    )  # fmt: skip


def _recall(config: RecallConfig, world: World, run: Run) -> None:
    posts = Posts.load(config.posts)
    before = load_config(config.pretrain, PretrainConfig)
    pretrained = load_pretrained(config.pretrain)
    vocabulary, dim = pretrained.vocabulary, pretrained.encoder.dim
    check_index(config.index, len(posts.images), dim)
    division = divide(posts, parse_cut_off(before.cut_off), before.loop.seed)

    words = encode_words(posts.table, vocabulary, config.text_width)
    if config.view:
        pretrained.encoder.config = replace(pretrained.encoder.config, view=config.view)
    pictures = PixelPictures.of(posts, pretrained.encoder.config.view, config.augment)
    pairs = _pairs(config, posts, pictures, division, words, len(vocabulary))
    quick, whole = (_held_out(config, posts, division, words, before.loop.seed, part) for part in (4, 1))
    if len(quick.posts_Q) < 2:
        raise UserError(f"{config.posts}: too few held-out posts have pictures and known words; give more posts")

    early_PW = words.words_PW[division.split_P == "train"]
    task = match_task(
        config, pretrained.encoder, vocabulary, pretrained.table_VD, early_PW, pairs, quick, config.loop.seed, world
    )
    log.info("training on %d pairs, validating on %d queries", len(pairs), len(quick.posts_Q))
    train(task, pairs, config.loop, world, run.folder, monitor="even_ndcg@5", mode="max")
    if not world.is_main:
        return

    heads = embed(task.encoder, pictures, whole.rows_N, world.device)
    task.text.eval()
    word_QN, sentence_QN = score_all(task.text, words.words_PW[whole.posts_Q], torch.from_numpy(heads).to(world.device))
    bank_BW = query_bank(early_PW)
    scales = pool_spread(word_QN, whole), pool_spread(sentence_QN, whole)
    hubness_N = hubness(task.text, bank_BW, heads, *scales)
    blend, ndcg = fit_blend(word_QN, sentence_QN, hubness_N, whole)
    _tell(run, blend, ndcg, {
        "word": matching_metrics(word_QN, whole), "sentence": matching_metrics(sentence_QN, whole),
        "blend": matching_metrics(blend(word_QN, sentence_QN, hubness_N), whole),
    })  # fmt: skip
    run.metrics |= {"queries": len(whole.posts_Q), "gallery": len(whole.rows_N), "train_pictures": len(pairs)}

    write_models(run.folder, task.encoder, task.text, vocabulary)
    blend.save(run.folder / BLEND)
    np.save(run.folder / BANK, bank_BW)
    seen_N = np.concatenate([pairs.rows, quick.rows_N, whole.rows_N])
    tell_fitted(run, "encoder", posts.table, division.post_N[seen_N])
    Lexicon.load(config.posts).save(run.folder)
    _embed(run.folder, task, posts, pictures, words, config.index)
    indexed_NHD = np.load(run.folder / HEADS, mmap_mode="r")
    np.save(run.folder / HUBNESS, hubness(task.text, bank_BW, indexed_NHD, *scales))


def _tell(run: Run, blend: Blend, ndcg: dict[str, float], metrics: dict[str, dict[str, float]]) -> None:
    for name, told in metrics.items():
        run.metrics |= {f"{name}_{key}": value for key, value in told.items()}
    # The blend's plain figure was fitted on the very queries that it is told on; the nested one was not.
    run.metrics |= {"blend_ndcg@5_in_sample": ndcg["in_sample"], "blend_ndcg@5_nested": ndcg["nested"]}
    del run.metrics["blend_ndcg@5"]
    run.metrics |= {"word_weight": blend.word_weight, "odds_weight": blend.odds_weight}
    log.info(
        "NDCG@5: word %.3f, sentence %.3f, blend %.3f (in-sample %.3f, weight of word %.2f, of odds %.2f)",
        metrics["word"]["ndcg@5"], metrics["sentence"]["ndcg@5"], ndcg["nested"], ndcg["in_sample"], blend.word_weight,
        blend.odds_weight,
    )  # fmt: skip


def _embed(folder: Path, task: RecallTask, posts: Posts, seen: PixelPictures, words: Words, index: IndexConfig) -> None:
    ids = posts.pictures["picture_id"].to_numpy(str)
    pictures = write_picture_embeddings(task.encoder, seen, ids, folder)
    texts = text_vectors(task.text, words.words_PW)
    WordLevels.measure(task.text.vectors(), np.load(folder / HEADS, mmap_mode="r")).save(folder)
    asked = texts[texts.any(axis=1)]  # a post without a known word asks for nothing
    Index.build(pictures.vectors_ND, index, queries_SD=asked).save(folder)
    Embeddings(posts.table["post_id"].to_numpy(str), texts).save(folder / TEXT)
    titles = posts.table.set_index("post_id")["title"]
    shown = posts.pictures[["picture_id", "post_id", "path"]]
    shown.assign(title=titles.loc[shown["post_id"]].to_numpy()).to_parquet(folder / PICTURES, index=False)


def main(config: RecallConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `model.safetensors`, `encoder.json`, `vocabulary.json`, `blend.json`, `query_bank.npy`; picture
        embeddings `ids.parquet`, `vectors.npy`, `heads.npy`, `hubness.npy`; `text/` with sentence vectors of posts;
        `index.faiss`, `index-ids.npy`, `index.json`.

    Raises:
        UserError: an input is missing, or too few posts have pictures and text.
    """
    check_match(config)
    inputs = {"posts": config.posts, "pretrain": config.pretrain}
    with (
        open_world() as world,
        open_run(config.out, "recall", config, inputs, force=config.force, seed=config.loop.seed, world=world) as run,
    ):
        if run is not None:
            _recall(config, world, run)
    return config.out


if __name__ == "__main__":
    sys.exit(run_command("recall", sys.argv[1:]))
