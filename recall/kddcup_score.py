"""Candidate pools of products, scored and ranked.

Shapes: Q queries, K products of a pool (padded), N products, H heads, D dimensions, C candidates in all, W words of a
query (padded).
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from data.kddcup import SUBMITTED, Products
from data.pools import Pools
from pretrain.kddcup import cut_queries, encode_queries
from pretrain.pictures import embed
from pretrain.regions import RegionPictures
from recall.hubs import log_odds
from recall.matcher import RegionMatcher
from recall.matchers import sentence_scores, word_scores
from recall.rerank import pool_means, query_features, rank_features

WORD, SENTENCE, ODDS, BLEND, RERANKED = "word", "sentence", "odds", "blend", "reranked"
COUNTS = "pool counts"
EXPLOIT = "blend + pool counts"
EXPLOIT_RERANKED = "reranked + pool counts"


def embed_products(matchers: RegionMatcher, products: Products, device: torch.device) -> torch.Tensor:
    """Heads of all products of a file, float32 N×H×D, on the device."""
    rows = np.arange(len(products.table))
    pictures = RegionPictures(products, rows, matchers.encoder.config.most_boxes, 0.0)
    return torch.from_numpy(embed(matchers.encoder.to(device), pictures, rows, device)).to(device)


def score_pools(matchers: RegionMatcher, heads_NHD: torch.Tensor, pools: Pools, width: int) -> dict[str, np.ndarray]:
    """Word and sentence scores of the candidates, float32 Q×K; -inf where there is padding.

    Args:
        matchers: the models.
        heads_NHD: of the products of the file.
        pools: the candidates.
        width: most words of a query.
    """
    text = matchers.text.to(heads_NHD.device)
    words_QW = torch.from_numpy(encode_queries(pools.queries, matchers.vocabulary, width)).to(heads_NHD.device)
    scores = {name: np.full(pools.row_QK.shape, -np.inf, np.float32) for name in (WORD, SENTENCE)}
    with torch.inference_mode():
        for number, product_K in enumerate(pools.row_QK):
            real_K = product_K >= 0
            query, heads = text(words_QW[number : number + 1]), heads_NHD[product_K[real_K]]
            scores[WORD][number, real_K] = word_scores(query, heads)[0].cpu().numpy()
            scores[SENTENCE][number, real_K] = sentence_scores(query, heads)[0].cpu().numpy()
    return scores


def score_odds(
    scores: Mapping[str, np.ndarray], spreads: Mapping[str, float], hubness_N: np.ndarray, pools: Pools
) -> np.ndarray:
    """Log odds of each query against other people's queries (see `recall.hubs`), Q×K; -inf where there is padding.

    Args:
        scores: of the matchers.
        spreads: standard deviations of the matchers' scores on validation.
        hubness_N: of the products of the file.
        pools: the candidates.
    """
    return log_odds(scores[WORD] / spreads[WORD], scores[SENTENCE] / spreads[SENTENCE], hubness_N[pools.row_QK])


def candidate_features(
    matchers: RegionMatcher, hubness_N: np.ndarray, products: Products, pools: Pools, scores: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """What a re-ranker is told of the candidates; nothing of it depends on other pools.

    Args:
        matchers: the models.
        hubness_N: of the products of the file.
        products: of the file.
        pools: the candidates.
        scores: of the matchers.

    Returns:
        One row a candidate, in the order of the pools.
    """
    real_QK = pools.real()
    rows_C = pools.row_QK[real_QK]
    cut, vocabulary = cut_queries(pools.queries), matchers.vocabulary
    asked = [(vocabulary.encode(words), len(vocabulary.unknown(words))) for words in cut]
    table = products.table.iloc[rows_C]
    pictures = pd.DataFrame(
        {
            "hub": hubness_N[rows_C],
            "boxes": table["boxes"].to_numpy(),
            "shape": np.log(table["image_h"].to_numpy() / table["image_w"].to_numpy()),
            "mean sentence score": pool_means(scores[SENTENCE], real_QK),
        }
    )
    return rank_features(scores, real_QK, query_features(asked, vocabulary.rates_V()), pictures)


def single_pool(pools: Pools) -> np.ndarray:
    """1 for a candidate that stands in no other pool of the file, else 0; float32 Q×K, -inf where there is padding.

    It says nothing about a picture: the makers of the real set drew products for their pools in such a way that most
    answers stand in one pool alone.
    """
    ids_C = pools.ids_QK[pools.real()]
    count = Counter(ids_C)
    return pools.fill(np.array([count[i] == 1 for i in ids_C], dtype=np.float32))


def ranked(scores_QK: np.ndarray, pools: Pools) -> dict[str, list[str]]:
    """The five best products of each query; of equal scores, the one that stands first in the file."""
    order_QK = np.argsort(-scores_QK, axis=1, kind="stable")[:, :SUBMITTED]
    best = np.take_along_axis(pools.ids_QK, order_QK, axis=1)
    return {query_id: [i for i in ids if i] for query_id, ids in zip(pools.query_ids, best, strict=True)}
