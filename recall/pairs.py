"""Training pairs: a picture and a query out of its post's words, each with a hard negative pair.

Shapes: B pairs, W words of a post or query (padded), P posts, N pictures, K ids of a post.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pretrain.pictures import Pictures
from pretrain.vocabulary import PAD
from recall.mining import Clusters
from recall.negatives import Negatives
from stylecast.world import World

REDRAWN = 4  # times that a negative of the same text is drawn again; one that still is of it is masked by the losses


@dataclass(frozen=True)
class QueryConfig:
    """How the words of a post become a training query."""

    words: int = 12
    """Most words of a training query, words."""
    stress: float = 3.0
    """How many times likelier a word of title or hashtags is taken than another."""
    short: float = 0.3
    """Share of training queries cut to 1-3 words, as people search."""


def sample_queries(
    words_BW: np.ndarray, stressed_BW: np.ndarray, config: QueryConfig, generator: torch.Generator
) -> np.ndarray:
    """Take some words of each post, stressed ones first, in text order.

    Args:
        words_BW: distinct words of the posts, padded.
        stressed_BW: which stand in title or hashtags.
        config: how.
        generator: source of the randomness.

    Returns:
        int64 B×config.words, padded.
    """
    count, width = words_BW.shape
    # Gumbel noise on log weights draws without replacement (Efraimidis & Spirakis 2006).
    noise_BW = -np.log(-np.log(torch.rand(count, width, generator=generator, dtype=torch.float64).numpy() + 1e-12))
    key_BW = np.where(stressed_BW, math.log(config.stress), 0.0) + noise_BW
    key_BW[words_BW == PAD] = -np.inf
    kind_B, length_B = torch.rand(2, count, generator=generator).numpy()
    most_B = np.where(kind_B < config.short, 1 + (length_B * 3).astype(int), config.words)
    rank_BW = np.argsort(np.argsort(-key_BW, axis=1, kind="stable"), axis=1, kind="stable")
    kept_BW = (rank_BW < most_B[:, None]) & (words_BW != PAD)
    # Kept words to the left, in their order.
    place_BW = np.argsort(~kept_BW, axis=1, kind="stable")[:, : config.words]
    taken = np.take_along_axis(np.where(kept_BW, words_BW, PAD), place_BW, axis=1)
    return np.pad(taken, ((0, 0), (0, config.words - taken.shape[1])), constant_values=PAD)


@dataclass(frozen=True)
class PairBatches:
    """Pictures with queries out of their post's words; each brings a hard negative pair along."""

    pictures: Pictures
    """Of the corpus."""
    rows: np.ndarray
    """Rows of the training pictures."""
    post_N: np.ndarray
    """Row of the post of each picture."""
    words_PW: np.ndarray
    """Distinct words of each post, padded."""
    stressed_PW: np.ndarray
    """Which of them stand in title or hashtags."""
    ids_PK: np.ndarray
    """Ids of each post by which pairs are told apart: of the post, and last of its text."""
    family_N: np.ndarray
    """Near-duplicate group of each picture."""
    negatives: Negatives
    """Where the hard negatives come from."""
    query: QueryConfig
    """How queries are made."""
    mined: bool = True
    """Whether each pair brings a hard negative pair along."""

    def __len__(self) -> int:
        return len(self.rows)

    def __post_init__(self) -> None:
        order = np.argsort(self.post_N[self.rows], kind="stable")
        object.__setattr__(self, "_by_post", self.rows[order])
        object.__setattr__(self, "_post_sorted", self.post_N[self.rows][order])

    def _picture_of(self, posts_B: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """A random training picture of each post."""
        sorted_posts: np.ndarray = self._post_sorted  # type: ignore[attr-defined]
        first = np.searchsorted(sorted_posts, posts_B, side="left")
        count = np.searchsorted(sorted_posts, posts_B, side="right") - first
        draw = torch.rand(len(posts_B), generator=generator, dtype=torch.float64).numpy()
        rows: np.ndarray = self._by_post[first + (draw * count).astype(np.int64)]  # type: ignore[attr-defined]
        return rows

    def distinct_texts(self) -> float:
        """Distinct texts of the training posts, as a share of these posts, 0..1."""
        texts = self.ids_PK[np.unique(self.post_N[self.rows]), -1]
        return len(np.unique(texts)) / len(texts)

    def _other_texts(self, posts_B: np.ndarray, others_B: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Negative posts, those of the very same text drawn again from all: they would teach nothing."""
        text_P, candidates = self.ids_PK[:, -1], self.negatives.candidates
        for _ in range(REDRAWN):
            same_B = text_P[posts_B] == text_P[others_B]
            luck_B = torch.rand(len(posts_B), generator=generator, dtype=torch.float64).numpy()
            others_B = np.where(same_B, candidates[(luck_B * len(candidates)).astype(np.int64)], others_B)
        return others_B

    def clusters(self, world: World, seed: int) -> Clusters | None:
        """Clusters of the training pictures, where hard negatives are drawn by them."""
        if not (self.mined and self.negatives.config.cluster):
            return None
        return Clusters(self.negatives, self.pictures, self.rows, self.post_N, world, seed)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """B pairs, and where `mined` their B hard negatives after them."""
        rows = self.rows[index]
        if self.mined:
            others = self.negatives.draw(self.post_N[rows], generator)
            others = self._other_texts(self.post_N[rows], others, generator)
            rows = np.concatenate([rows, self._picture_of(others, generator)])
        posts = self.post_N[rows]
        query = sample_queries(self.words_PW[posts], self.stressed_PW[posts], self.query, generator)
        ids = np.column_stack([self.ids_PK[posts], self.family_N[rows]])
        return {
            "pictures": self.pictures.batch(rows, generator),
            "words": torch.from_numpy(query),
            "ids": torch.from_numpy(ids),
            "posts": torch.from_numpy(self.words_PW[posts]),
        }
