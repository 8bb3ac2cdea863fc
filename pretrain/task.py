"""Pretraining as the loop sees it: model and losses, training batches, validation.

Shapes: B pictures, H heads, D dimensions, W words, T tokens, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pretrain.captions import CaptionLoss
from pretrain.encoder import Encoder
from pretrain.pictures import Pictures, embed
from pretrain.tag_metrics import tag_metrics
from pretrain.tags import TagLoss
from pretrain.vocabulary import FIRST_WORD, PAD, Vocabulary
from pretrain.word_vectors import word_vectors
from stylecast.errors import UserError
from stylecast.loop import Task


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """What an encoder learns from words."""

    tags_weight: float = 1.0
    """Weight of the tag loss; 0 = without."""
    captions_weight: float = 1.0
    """Weight of the caption loss; 0 = without."""
    negatives: int = 256
    """Hardest negatives of the vocabulary that a picture's tags are told from, words."""
    balance: float = 0.5
    """How much a rare word counts against a frequent one: rarity to this power, 0..1."""
    caption_words: int = 3000
    """The decoder knows this many of the most frequent words, words."""


def check_losses(config: LossSettings, prefix: str = "--") -> None:
    """Before anything is read: weights that leave something to learn from.

    Raises:
        UserError: a weight is negative, or both are 0; flags are told with the prefix.
    """
    flags = f"{prefix}tags-weight and {prefix}captions-weight"
    if config.tags_weight < 0 or config.captions_weight < 0:
        raise UserError(f"{flags} must be 0 or more")
    if config.tags_weight == config.captions_weight == 0:
        raise UserError(f"{flags} are both 0: nothing is left to learn from")


@dataclass(frozen=True)
class PictureBatches:
    """Pictures with the words of their post."""

    pictures: Pictures
    """Of the corpus."""
    rows: np.ndarray
    """Rows of the pictures that these batches are made of."""
    post_N: np.ndarray
    """Row of the post of each picture of the corpus."""
    tags_PW: np.ndarray
    """Distinct word numbers of each post, padded."""
    tokens_PT: np.ndarray
    """The caption of each post, ended and padded."""

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Augmented pictures and the words of their posts."""
        rows_B = self.rows[index]
        post_B = self.post_N[rows_B]
        return {
            "pictures": self.pictures.batch(rows_B, generator),
            "tags": torch.from_numpy(self.tags_PW[post_B]),
            "tokens": torch.from_numpy(self.tokens_PT[post_B]),
        }


class PretrainTask(Task):
    """An encoder that learns from tags and captions.

    Args:
        encoder: pictures to heads.
        tags: the tag loss, or None to go without.
        captions: the caption loss, or None to go without.
        weights: of the tag and of the caption loss in the sum.
        valid: held-out pictures; they are not changed.
    """

    def __init__(
        self, encoder: Encoder, tags: TagLoss | None, captions: CaptionLoss | None,
        weights: tuple[float, float], valid: PictureBatches,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.tags, self.captions = encoder, tags, captions
        self.weights, self.valid = weights, valid

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted losses `tags` and `captions`."""
        heads_BHD = self.encoder(batch["pictures"])
        losses: dict[str, Tensor] = {}
        if self.tags is not None:
            losses["tags"] = self.weights[0] * self.tags(heads_BHD, batch["tags"])
        if self.captions is not None:
            losses["captions"] = self.weights[1] * self.captions(heads_BHD[:, 0], batch["tokens"])
        return losses

    def learning_rates(self) -> dict[str, float]:
        """Those of the encoder's layers."""
        return {f"encoder.{name}": share for name, share in self.encoder.learning_rates().items()}

    def evaluate(self) -> dict[str, float]:
        """Tag metrics, and the perplexity of a word of a caption, on the held-out pictures."""
        heads = self.held_out_heads()
        metrics: dict[str, float] = {}
        if self.captions is not None:
            tokens = torch.from_numpy(self.valid.tokens_PT[self.valid.post_N[self.valid.rows]]).to(heads.device)
            parts = zip(heads.split(512), tokens.split(512), strict=True)
            losses = torch.cat([self.captions.token_losses(h[:, 0], t)[0] for h, t in parts])
            metrics["caption_perplexity"] = float(losses.mean().exp())
        if self.tags is not None:
            metrics |= tag_metrics(*self.tag_scores(heads))
        return metrics

    def held_out_heads(self) -> Tensor:
        """Heads of the held-out pictures, float32 N×H×D."""
        device = next(self.parameters()).device
        return torch.from_numpy(embed(self.encoder, self.valid.pictures, self.valid.rows, device)).to(device)

    def tag_scores(self, heads_NHD: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Logits of the tags of the held-out pictures, and which are true: N×V, without the marks."""
        assert self.tags is not None
        scores_NV = torch.cat([self.tags.logits(part) for part in heads_NHD.split(512)]).cpu().numpy()
        truth_NV = np.zeros(scores_NV.shape, dtype=bool)
        np.put_along_axis(truth_NV, self.valid.tags_PW[self.valid.post_N[self.valid.rows]], True, axis=1)
        return scores_NV[:, FIRST_WORD:], truth_NV[:, FIRST_WORD:]


def build_task(
    config: LossSettings, encoder: Encoder, vocabulary: Vocabulary, early_PW: np.ndarray, held_out: PictureBatches,
    seed: int,
) -> PretrainTask:  # fmt: skip
    """An encoder with the losses that the config asks for; words start from the company that they keep.

    Args:
        config: which losses.
        encoder: pictures to heads.
        vocabulary: the words.
        early_PW: distinct word numbers of the training posts, padded.
        held_out: pictures to validate on.
        seed: of what is random in the vectors of words.
    """
    rates_V = vocabulary.rates_V()
    table_VD = word_vectors(early_PW, len(vocabulary), encoder.dim, seed)
    tags = TagLoss(table_VD, rates_V, config.negatives, config.balance) if config.tags_weight > 0 else None
    known = slice(config.caption_words)
    captions = CaptionLoss(table_VD[known], rates_V[known]) if config.captions_weight > 0 else None
    return PretrainTask(encoder, tags, captions, (config.tags_weight, config.captions_weight), held_out)


def usable_posts(tags_PW: np.ndarray) -> np.ndarray:
    """Which posts have a known word: the others teach nothing; bool P."""
    return (tags_PW != PAD).any(axis=1)
