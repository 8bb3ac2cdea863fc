"""Texts that repeat are classes: how the losses share, and negatives of the same text."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pretrain.pictures import AugmentConfig, PixelPictures
from recall.losses import margin_loss, sampled_margin_loss, softmax_loss
from recall.negatives import Negatives, NegativesConfig
from recall.pairs import PairBatches, QueryConfig
from recall.task import LossConfig, RecallTask
from tests.recall.test_chunks import batch, task


def pairs(text_P: list[int]) -> PairBatches:
    """A post of one word and one picture for each text."""
    count = len(text_P)
    words_PW = np.array(text_P)[:, None] + 4
    negatives = Negatives(words_PW, np.arange(count), 20, NegativesConfig(shared_word=1.0, last_word=0.0, random=0.0))
    pictures = PixelPictures(np.zeros((count, 8, 8, 3), np.uint8), AugmentConfig())
    ids_PK = np.column_stack([np.arange(count), text_P])
    return PairBatches(
        pictures, np.arange(count), np.arange(count), words_PW, np.ones_like(words_PW, bool), ids_PK,
        np.arange(count), negatives, QueryConfig(),
    )  # fmt: skip


def test_distinct_texts_are_counted_among_training_posts() -> None:
    assert pairs([0, 1, 2, 3]).distinct_texts() == 1.0
    assert pairs([0, 0, 1, 1]).distinct_texts() == 0.5
    assert replace(pairs([0, 0, 1, 1]), rows=np.array([0, 2])).distinct_texts() == 1.0


def test_a_negative_of_the_same_text_is_drawn_again() -> None:
    # By a shared word alone, every negative would be of the same text.
    made = pairs([0] * 10 + [1] * 10).batch(np.arange(20), torch.Generator().manual_seed(0))
    right, wrong = made["ids"][:20, 1], made["ids"][20:, 1]
    assert (right != wrong).float().mean() > 0.75


def test_the_word_loss_is_shared_between_margin_and_softmax() -> None:
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    right, allowed = torch.arange(6), ~torch.eye(6, dtype=torch.bool)
    config = LossConfig(hardest=2)
    wrong = torch.tensor([3, 4, 5, 0, 1, 2])
    hard = margin_loss(scores, right, allowed, 1.0, 2) + sampled_margin_loss(scores, right, wrong, allowed, 1.0)
    soft = softmax_loss(scores, right, allowed, torch.ones(())) / 2
    for share in (0.0, 0.25, 1.0):
        whole = task(0)
        of_share = RecallTask(
            whole.encoder, whole.text, config, True, whole.world, whole.pictures, whole.gallery, whole.words_QW,
            pairwise=share,
        )  # fmt: skip
        told = of_share._word_loss(scores, right, allowed)
        assert told.item() == pytest.approx(share * hard.item() + (1 - share) * soft.item(), rel=1e-5)


def test_a_share_of_the_config_comes_first() -> None:
    whole = task(0)
    args = (True, whole.world, whole.pictures, whole.gallery, whole.words_QW)
    losses = [
        RecallTask(whole.encoder, whole.text, LossConfig(pairwise=given), *args, pairwise=0.3).eval()(batch(16))
        for given in (None, 0.3, 1.0)
    ]
    assert losses[0]["sentences"].item() == pytest.approx(losses[1]["sentences"].item(), rel=1e-6)
    assert losses[0]["sentences"].item() < losses[2]["sentences"].item()
