"""Hard negatives: posts that share words with a post, found in a sparse index and not by comparing all pairs.

Shapes: P posts, W words of a post (padded), B posts asked for, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pretrain.vocabulary import PAD
from pretrain.word_vectors import presence
from stylecast.errors import UserError


@dataclass(frozen=True)
class NegativesConfig:
    """How negatives are sampled; the three shares are scaled to sum to one."""

    shared_word: float = 0.3
    """Share of negatives that have a word in common with the query."""
    last_word: float = 0.2
    """Share that have the query's last word: in a phrase it often names the thing itself."""
    random: float = 0.5
    """Share that are drawn from all posts."""


class Negatives:
    """A sampler of negative posts for posts.

    The index lists, for each word, the posts that hold it. A draw picks a word of the post, rare ones
    first, then a post from its list: no pair of posts is ever compared.

    Args:
        words_PW: distinct word numbers of each post, padded.
        candidates: rows of the posts that may be drawn.
        size: of the vocabulary.
        config: the mixture.

    Raises:
        UserError: a negative share, or none that is positive.
    """

    def __init__(self, words_PW: np.ndarray, candidates: np.ndarray, size: int, config: NegativesConfig) -> None:
        self.words_PW, self.candidates = words_PW, np.sort(candidates)
        index = presence(words_PW[self.candidates], size).tocsc()
        self.posts, self.starts_V = self.candidates[index.indices], index.indptr.astype(np.int64)
        self.count_V = np.diff(self.starts_V)
        shares = np.array([config.shared_word, config.last_word, config.random], dtype=np.float64)
        if (shares < 0).any() or not shares.any():
            raise UserError(f"--negatives: the shares {shares.tolist()} must not be negative, and one must be positive")
        self.mixture = np.cumsum(shares / shares.sum())

    def draw(self, posts_B: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """One negative for each post, by the mixture; now and then it is the post itself, which losses mask.

        Args:
            posts_B: rows of the posts.
            generator: source of the randomness.

        Returns:
            int64 B: rows of posts.
        """
        kind_B, which_B, place_B = torch.rand(3, len(posts_B), generator=generator, dtype=torch.float64).numpy()
        words_BW = self.words_PW[posts_B]
        real_BW = (words_BW != PAD) & (self.count_V[words_BW] > 0)
        # Rare words say more: a word is picked with weight 1 / sqrt(posts that hold it).
        weight_BW = np.where(real_BW, 1 / np.sqrt(np.maximum(self.count_V[words_BW], 1)), 0.0)
        summed_BW = np.cumsum(weight_BW, axis=1)
        picked_B = (summed_BW <= which_B[:, None] * summed_BW[:, -1:]).sum(axis=1).clip(max=words_BW.shape[1] - 1)
        last_B = np.maximum((words_BW != PAD).sum(axis=1) - 1, 0)
        place_of_word_B = np.where(kind_B < self.mixture[0], picked_B, last_B)
        word_B = np.take_along_axis(words_BW, place_of_word_B[:, None], axis=1)[:, 0]
        sharing_B = (kind_B < self.mixture[1]) & (word_B != PAD) & (self.count_V[word_B] > 0)
        start_B = np.where(sharing_B, self.starts_V[word_B], 0)
        count_B = np.where(sharing_B, self.count_V[word_B], len(self.candidates))
        number_B = start_B + (place_B * count_B).astype(np.int64)
        return np.where(
            sharing_B,
            self.posts[np.minimum(number_B, len(self.posts) - 1)],
            self.candidates[np.minimum(number_B, len(self.candidates) - 1)],
        )
