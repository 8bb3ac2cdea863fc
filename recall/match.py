"""What trains both matchers, on posts and on KDD Cup files alike: the settings, and the task that they make.

Shapes: V vocabulary, D dimensions, P posts, W words of a post (padded).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pretrain.encoder import Encoder
from pretrain.vocabulary import Vocabulary
from recall.context import build_text
from recall.gallery import Gallery
from recall.negatives import NegativesConfig
from recall.pairs import PairBatches, QueryConfig
from recall.task import LossConfig, RecallTask
from recall.text_model import TextConfig, check_text, starting_table
from stylecast.errors import UserError
from stylecast.world import World


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """How pictures and phrases are matched."""

    text: TextConfig = field(default_factory=TextConfig)
    """Where the vectors of words start, and what reads them in context."""
    query: QueryConfig = field(default_factory=QueryConfig)
    """How the words of a post become training queries."""
    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    """The mixture of hard negatives."""
    mined: bool = True
    """Give each pair a hard negative pair; a step then sees twice the batch in pictures."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What the matchers learn from."""
    cache_chunk: int = 0
    """Pictures that a process embeds at a time, and again for their gradients: large batches in little memory, for a
    third more time, pictures; 0 = all. Unlike `loop.accumulate`, it leaves each pair the whole batch's negatives."""


def check_match(config: MatchSettings, prefix: str = "--") -> None:
    """Before hours of pretraining: settings that cannot be trained with.

    Raises:
        UserError: which.
    """
    check_text(config.text)
    config.negatives.shares()
    if config.loss.pairwise is not None and not 0 <= config.loss.pairwise <= 1:
        raise UserError(f"{prefix}loss.pairwise {config.loss.pairwise}: must be within 0 and 1")
    if config.cache_chunk < 0:
        raise UserError(f"{prefix}cache-chunk {config.cache_chunk}: must be 0 (the whole batch at once) or more")


def match_task(
    config: MatchSettings, encoder: Encoder, vocabulary: Vocabulary, tags_VD: Tensor | None, early_PW: np.ndarray,
    pairs: PairBatches, gallery: Gallery, seed: int, world: World,
) -> RecallTask:  # fmt: skip
    """The matchers on top of a pretraining, to be trained.

    Args:
        config: the settings.
        encoder: of the pretraining.
        vocabulary: of the pretraining.
        tags_VD: tag vectors of the pretraining; None = it had no tag loss.
        early_PW: distinct word numbers of the training posts, padded.
        pairs: to train on.
        gallery: to validate on.
        seed: of what is random in the beginning, and of the clusters.
        world: this process.

    Raises:
        UserError: the text model cannot be used.
    """
    torch.manual_seed(seed)
    table_VD = starting_table(config.text, vocabulary, tags_VD, early_PW, encoder.dim, seed)
    return RecallTask(
        encoder, build_text(config.text, table_VD, vocabulary), config.loss, config.mined, world, pairs.pictures,
        gallery, pairs.words_PW[gallery.posts_Q], config.cache_chunk, pairs.clusters(world, seed),
        pairs.distinct_texts(),
    )  # fmt: skip
