"""Hard negatives: posts that share something with a post, found in sparse indices and not by comparing all pairs.

Shapes: P posts, W words of a post, L box labels of a post, K keys of a post (all padded), B posts asked for, V keys.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pretrain.vocabulary import PAD
from pretrain.word_vectors import presence
from stylecast.errors import UserError


@dataclass(frozen=True)
class NegativesConfig:
    """How negatives are sampled; the five shares are scaled to sum to one."""

    shared_word: float = 0.3
    """Share of negatives that have a word in common with the query."""
    last_word: float = 0.2
    """Share that have the query's last word: in a phrase it often names the thing itself."""
    box_label: float = 0.0
    """Share whose picture has a box of a class that the query's picture has too; for KDD Cup files alone."""
    cluster: float = 0.0
    """Share whose picture is of the same cluster, by head 0; clustered anew before each epoch."""
    random: float = 0.5
    """Share that are drawn from all posts."""
    clusters: int = 256
    """Clusters of pictures, where there are eight times as many pictures; else fewer."""
    clustered: int = 50_000
    """Most training pictures that are clustered; a post beyond them gets a random negative instead, pictures."""

    def shares(self) -> np.ndarray:
        """What each kind is drawn with, by the order of `KINDS`; they sum to one.

        Raises:
            UserError: a negative share, none that is positive, or no cluster.
        """
        told = np.array([getattr(self, kind) for kind in KINDS], dtype=np.float64)
        if not np.isfinite(told).all() or (told < 0).any() or not told.any():
            named = ", ".join(f"{kind} {share:g}" for kind, share in zip(KINDS, told, strict=True))
            raise UserError(f"--negatives: the shares ({named}) must not be negative, and one must be positive")
        if self.clusters < 1 or self.clustered < 1:
            raise UserError("--negatives.clusters and --negatives.clustered must be 1 or more")
        return told / told.sum()


KINDS = ("shared_word", "last_word", "box_label", "cluster", "random")


class Groups:
    """The posts that hold each key: a word, a class of boxes, a cluster.

    Args:
        keys_PK: distinct keys of each post, padded with 0.
        candidates: rows of the posts that may be drawn, sorted.
        size: keys with the padding, V.
    """

    def __init__(self, keys_PK: np.ndarray, candidates: np.ndarray, size: int) -> None:
        self.keys_PK = keys_PK
        index = presence(keys_PK[candidates], size).tocsc()
        self.posts, self.starts_V = candidates[index.indices], index.indptr.astype(np.int64)
        self.count_V = np.diff(self.starts_V)

    def pick(self, posts_B: np.ndarray, luck_B: np.ndarray) -> np.ndarray:
        """A key of each post; rare ones say more: picked with weight 1 / sqrt(posts that hold it). int64 B."""
        keys_BK = self.keys_PK[posts_B]
        real_BK = (keys_BK != PAD) & (self.count_V[keys_BK] > 0)
        weight_BK = np.where(real_BK, 1 / np.sqrt(np.maximum(self.count_V[keys_BK], 1)), 0.0)
        summed_BK = np.cumsum(weight_BK, axis=1)
        picked_B = (summed_BK <= luck_B[:, None] * summed_BK[:, -1:]).sum(axis=1).clip(max=keys_BK.shape[1] - 1)
        return np.take_along_axis(keys_BK, picked_B[:, None], axis=1)[:, 0].astype(np.int64)

    def last(self, posts_B: np.ndarray) -> np.ndarray:
        """The last key of each post; int64 B."""
        keys_BK = self.keys_PK[posts_B]
        last_B = np.maximum((keys_BK != PAD).sum(axis=1) - 1, 0)
        return np.take_along_axis(keys_BK, last_B[:, None], axis=1)[:, 0].astype(np.int64)

    def draw(self, key_B: np.ndarray, luck_B: np.ndarray) -> np.ndarray:
        """A post that holds each key; -1 where there is no key, or no post that holds it. int64 B."""
        count_B = np.where(key_B != PAD, self.count_V[key_B], 0)
        number_B = self.starts_V[key_B] + (luck_B * count_B).astype(np.int64)
        if not len(self.posts):
            return np.full(len(key_B), -1)
        return np.where(count_B > 0, self.posts[np.minimum(number_B, len(self.posts) - 1)], -1)


class Negatives:
    """A sampler of negative posts for posts.

    A draw picks something that the post has, rare things first, then a post that has it too: no pair of posts is
    ever compared. Where there is none, it draws from all.

    Args:
        words_PW: distinct word numbers of each post, padded.
        candidates: rows of the posts that may be drawn.
        size: of the vocabulary.
        config: the mixture.
        labels_PL: distinct classes of each post's boxes, from 1, padded with 0; None = there are no boxes.

    Raises:
        UserError: shares that make no mixture, or one for box labels where there are none.
    """

    def __init__(
        self, words_PW: np.ndarray, candidates: np.ndarray, size: int, config: NegativesConfig,
        labels_PL: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.candidates, self.config = np.sort(candidates), config
        self.mixture = np.cumsum(config.shares())
        self.words = Groups(words_PW, self.candidates, size)
        self.labels: Groups | None = None
        self.clusters: Groups | None = None
        if config.box_label and labels_PL is None:
            raise UserError(
                f"--negatives.box-label {config.box_label:g}: posts have no boxes, only KDD Cup files do; leave it at 0"
            )
        if config.box_label and labels_PL is not None:
            self.labels = Groups(labels_PL, self.candidates, int(labels_PL.max()) + 1)

    def regroup(self, cluster_P: np.ndarray) -> None:
        """Take over the cluster of each post, from 1; 0 = none."""
        self.clusters = Groups(cluster_P[:, None], self.candidates, int(cluster_P.max()) + 1)

    def draw(self, posts_B: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """One negative for each post, by the mixture; now and then it is the post itself, which losses mask.

        Args:
            posts_B: rows of the posts.
            generator: source of the randomness.

        Returns:
            int64 B: rows of posts.
        """
        kind_B, which_B, place_B = torch.rand(3, len(posts_B), generator=generator, dtype=torch.float64).numpy()
        kind_B = np.searchsorted(self.mixture, kind_B, side="right")
        found_B = np.full(len(posts_B), -1)
        for number, (kind, groups) in enumerate(
            (("any", self.words), ("last", self.words), ("any", self.labels), ("any", self.clusters))
        ):
            asked = np.flatnonzero(kind_B == number)
            if len(asked) and groups is not None:
                posts = posts_B[asked]
                keys = groups.last(posts) if kind == "last" else groups.pick(posts, which_B[asked])
                found_B[asked] = groups.draw(keys, place_B[asked])
        at_B = np.minimum((place_B * len(self.candidates)).astype(np.int64), len(self.candidates) - 1)
        return np.where(found_B < 0, self.candidates[at_B], found_B)
