"""Stage `pretrain`: a picture encoder learns from the tags and captions of posts.

Laptop:   stylecast pretrain --posts runs/prepare --out runs/pretrain
          (30,000 pictures of 64 px of the sample world, --recipe demo: about 60 s on one core, tag mAP 0.13; one that
          knows the true style of each picture reaches 0.15)
Many:     torchrun --nproc-per-node 4 -m pretrain.train --posts runs/prepare --out runs/pretrain
"""

import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from data.fitted import tell_fitted
from data.posts import Posts
from data.splits import parse_cut_off
from pretrain.beam import BeamConfig
from pretrain.captions import CaptionLoss, caption_tokens
from pretrain.encoder import Encoder, EncoderConfig, PixelEncoder, build_encoder, rebuild_encoder
from pretrain.examples import divide, encode_words, split_words, spread
from pretrain.pictures import AugmentConfig, PixelPictures
from pretrain.reports import write_reports
from pretrain.task import LossSettings, PictureBatches, PretrainTask, build_task, check_losses, usable_posts
from pretrain.vocabulary import Vocabulary, VocabularyConfig
from stylecast.__main__ import run_command
from stylecast.checkpoint import WEIGHTS, load_parts, save_parts
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, train
from stylecast.runs import Run, load_manifest, open_run
from stylecast.world import World, open_world

log = logging.getLogger(__name__)
SCRATCH = LoopConfig(optimiser="muon", lr=3e-3, weight_decay=0.1)  # how an encoder from scratch learns


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(LossSettings):
    """How a picture encoder is trained."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """How pictures become vectors."""
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    """Which words count."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training pictures are changed."""
    tag_width: int = 24
    """Most tags of a post, words."""
    caption_width: int = 16
    """Most tokens of a caption, with its end mark."""
    valid_pictures: int = 2000
    """Most held-out pictures that a validation looks at."""
    beam: BeamConfig = field(default_factory=BeamConfig)
    """How captions are written."""
    caption_samples: int = 500
    """Most held-out pictures whose written captions go to captions.csv, and on which BLEU rests; 0 = none."""
    loop: LoopConfig = field(default_factory=lambda: replace(SCRATCH, epochs=10, min_steps=1000))
    """How to train."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(PretrainSettings):
    """Train a picture encoder on the tags and captions of posts."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    out: Path = Path("runs/pretrain")
    """Folder of the result."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that nothing may learn from; by default all posts may be learnt from."""
    force: bool = False
    """Run even if the result is up to date."""


@dataclass(frozen=True)
class Lessons:
    """What an encoder learns from, and what it is held against."""

    posts: Posts
    """All posts, the later ones too."""
    texts: list[list[str]]
    """Words of each post, unknown ones too."""
    vocabulary: Vocabulary
    """The words of the training posts."""
    early_P: np.ndarray
    """Which posts are for training."""
    early_PW: np.ndarray
    """Distinct word numbers of the training posts, padded."""
    training: PictureBatches
    """The training pictures."""
    held_out: PictureBatches
    """Pictures to validate on."""


def read_lessons(config: PretrainConfig) -> Lessons:
    """Read posts, split them, build the vocabulary.

    Raises:
        UserError: no pictures, no text, or too few of them.
    """
    posts = Posts.load(config.posts)
    division = divide(posts, parse_cut_off(config.cut_off), config.loop.seed)
    texts = split_words(posts.table)
    early_P = division.split_P == "train"
    vocabulary = Vocabulary.build([w for w, early in zip(texts, early_P, strict=True) if early], config.vocabulary)

    tags_PW = encode_words(posts.table, vocabulary, config.tag_width).words_PW
    numbers = [vocabulary.encode(words) for words in texts]
    tokens_PT = caption_tokens(numbers, config.caption_width, config.caption_words)
    usable_P = usable_posts(tags_PW)
    train_rows = division.pictures("train", usable_P)
    valid_rows = spread(division.pictures("valid", usable_P), config.valid_pictures)
    if len(train_rows) < 2 or len(valid_rows) < 2:
        raise UserError(
            f"{config.posts}: {len(train_rows)} pictures with text to train on and {len(valid_rows)} to validate on "
            "are too few; give more posts with pictures and text, or a later --cut-off"
        )
    pictures = PixelPictures.of(posts, config.encoder.view, config.augment)
    training, held_out = (
        PictureBatches(pictures, rows, division.post_N, tags_PW, tokens_PT) for rows in (train_rows, valid_rows)
    )
    return Lessons(posts, texts, vocabulary, early_P, tags_PW[early_P], training, held_out)


def new_task(config: PretrainConfig, lessons: Lessons, encoder: Encoder) -> PretrainTask:
    """An encoder with the losses that the config asks for."""
    return build_task(config, encoder, lessons.vocabulary, lessons.early_PW, lessons.held_out, config.loop.seed)


def _pretrain(config: PretrainConfig, world: World, run: Run) -> None:
    lessons = read_lessons(config)
    log.info("pretraining on %d pictures, validating on %d", len(lessons.training), len(lessons.held_out))
    torch.manual_seed(config.loop.seed)
    encoder = build_encoder(config.encoder, lessons.posts.images.shape[1])
    task = new_task(config, lessons, encoder)
    mode: Literal["max", "min"]
    monitor, mode = ("tag_map", "max") if task.tags is not None else ("caption_perplexity", "min")
    metrics = train(task, lessons.training, config.loop, world, run.folder, monitor=monitor, mode=mode)

    if world.is_main:
        save_parts(task, run.folder / WEIGHTS)
        encoder.save(run.folder)
        lessons.vocabulary.save(run.folder)
        seen_N = np.concatenate([lessons.training.rows, lessons.held_out.rows])
        tell_fitted(run, "encoder", lessons.posts.table, lessons.training.post_N[seen_N])
        tell_fitted(run, "vocabulary", lessons.posts.table, lessons.early_P)
        run.metrics |= metrics | {"train_pictures": len(lessons.training), "words": len(lessons.vocabulary)}
        ids = lessons.posts.pictures["picture_id"].to_numpy(str)
        run.metrics |= write_reports(
            task, lessons.vocabulary, lessons.texts, ids, config.beam, config.caption_samples, run.folder
        )


@dataclass(frozen=True)
class Pretrained:
    """What a later stage takes from a pretraining."""

    encoder: PixelEncoder
    """With its weights, on the CPU."""
    vocabulary: Vocabulary
    """The known words."""
    table_VD: torch.Tensor | None
    """Tag vectors: heads 1.. were trained to point at them; None without tag loss."""
    captions: CaptionLoss | None
    """The decoder, with its weights; None without caption loss."""


def load_pretrained(folder: Path) -> Pretrained:
    """Read a run folder of `pretrain`.

    Raises:
        UserError: the folder is missing, damaged or of another stage.
    """
    load_manifest(folder, "pretrain")
    encoder = rebuild_encoder(folder)
    parts = load_parts(folder / WEIGHTS)
    encoder.load_state_dict(parts["encoder"])
    captions = None
    if "captions" in parts:
        decoder = parts["captions"]
        table_VD = decoder["table_VD"].numpy()
        captions = CaptionLoss(table_VD, np.ones(len(table_VD), np.float32)).eval()
        captions.load_state_dict(decoder)
    return Pretrained(encoder.eval(), Vocabulary.load(folder), parts.get("tags", {}).get("table_VD"), captions)


def main(config: PretrainConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: `model.safetensors`, `encoder.json`, `vocabulary.json`; of held-out pictures `tags.csv` (how
        well each tag is predicted) and `captions.csv` (what was written beside what people wrote).

    Raises:
        UserError: no pictures, no text, or too few of them; a backbone that cannot be loaded.
    """
    if config.beam.width < 1 or config.caption_width < 2:
        raise UserError("--beam.width must be 1 or more, and --caption-width 2 or more")
    check_losses(config)
    with open_world() as world:
        inputs = {"posts": config.posts}
        with open_run(
            config.out, "pretrain", config, inputs, force=config.force, seed=config.loop.seed, world=world
        ) as run:
            if run is not None:
                _pretrain(config, world, run)
    return config.out


if __name__ == "__main__":
    sys.exit(run_command("pretrain", sys.argv[1:]))
