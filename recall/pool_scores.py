"""Scores of the candidates of pools of posts, and what a re-ranker is told of their pictures.

Shapes: Q queries, K candidates of a pool (padded), C candidates in all, N pictures, H heads, D dimensions, F features.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from data.pools import Pools
from data.posts import Posts
from pretrain.examples import post_of_pictures
from pretrain.pictures import PixelPictures, embed
from recall.matchers import sentence_scores, word_scores
from recall.pools import best_of_posts
from recall.rerank import pool_means
from recall.search import Searcher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidates:
    """Pictures of the posts that stand in pools."""

    heads_NHD: torch.Tensor
    """Their heads, float32."""
    post_N: np.ndarray
    """Row of the post of each."""
    hubness_N: np.ndarray
    """How well each answers to everything (see `recall.hubs`)."""

    @classmethod
    def of(cls, searcher: Searcher, posts: Posts, pools: Pools, indexed: bool) -> "Candidates":
        """Heads as stored where the posts are those of the run, else embedded now.

        Args:
            searcher: the run.
            posts: that the pools are of.
            pools: the candidates.
            indexed: whether the posts are those that the run was made from.
        """
        post_N = post_of_pictures(posts)
        rows = np.flatnonzero(np.isin(post_N, pools.row_QK[pools.real()]))
        if indexed:
            heads, hubness_N = np.asarray(searcher.heads_NHD[rows], dtype=np.float32), searcher.hubness_N[rows]
        else:
            pictures = PixelPictures.of(posts, searcher.models.encoder.config.view)
            heads = embed(searcher.models.encoder, pictures, rows, torch.device("cpu"))
            hubness_N = searcher.models.hubness(heads)
        return cls(torch.from_numpy(heads), post_N[rows], hubness_N)

    def pictures(self, posts_K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which pictures are of some posts, and the place of each one's post in `posts_K`."""
        rows = np.flatnonzero(np.isin(self.post_N, posts_K))
        order = np.argsort(posts_K, kind="stable")
        return rows, order[np.searchsorted(posts_K[order], self.post_N[rows])]


def score_pools(searcher: Searcher, candidates: Candidates, pools: Pools) -> dict[str, np.ndarray]:
    """Score all candidates by word, by sentence, by their blend, and as `stylecast search` would.

    Returns:
        Q×K by name, -inf where there is padding.
    """
    models, real_QK = searcher.models, pools.real()
    scores = {name: np.full(real_QK.shape, -np.inf, np.float32) for name in ("word", "sentence", "blend", "search")}
    silent = 0
    for number, phrase in enumerate(pools.queries):
        words, _ = searcher.models.known(phrase)
        silent += not words
        real_K = real_QK[number]
        rows, place_N = candidates.pictures(pools.row_QK[number, real_K])
        heads, hubness_N = candidates.heads_NHD[rows], candidates.hubness_N[rows]
        query = searcher.models.query(words)
        with torch.inference_mode():
            word_N, sentence_N = word_scores(query, heads)[0].numpy(), sentence_scores(query, heads)[0].numpy()
        each_WN = models.levels.word_scores(query.words_QWD[0], words, heads) if words else word_N[None]
        by_picture = {
            "word": word_N, "sentence": sentence_N, "blend": models.blend(word_N, sentence_N, hubness_N),
            "search": models.blend(word_N, sentence_N, hubness_N, each_WN.mean(axis=0)),
        }  # fmt: skip
        for name, scores_N in by_picture.items():
            scores[name][number, real_K] = best_of_posts(scores_N, place_N, int(real_K.sum()))
    if silent:
        log.warning("%d of %d queries hold no word that the run knows: it cannot tell their candidates apart",
                    silent, len(pools.queries))  # fmt: skip
    return scores


def picture_features(candidates: Candidates, pools: Pools, scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row a candidate, in the order of the pools.

    Returns:
        `hub`: hubness of the post's picture that has most; `pictures` of the post; `mean sentence score` of the pool.
    """
    real_QK = pools.real()
    posts_C = pools.row_QK[real_QK]
    hub = pd.Series(candidates.hubness_N).groupby(candidates.post_N).max().reindex(posts_C).fillna(0.0).to_numpy()
    count = pd.Series(candidates.post_N).value_counts().reindex(posts_C).fillna(0).to_numpy()
    return pd.DataFrame({"hub": hub, "pictures": count, "mean sentence score": pool_means(scores["sentence"], real_QK)})
