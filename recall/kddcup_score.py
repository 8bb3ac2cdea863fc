"""Candidate pools of products, scored and ranked.

Shapes: Q queries, K products of a pool (padded), N products.
"""

from collections import Counter

import numpy as np
import torch

from data.kddcup import SUBMITTED, Products
from data.pools import Pools
from pretrain.kddcup import encode_queries
from pretrain.pictures import embed
from pretrain.regions import RegionPictures
from recall.kddcup_train import Matchers
from recall.matchers import sentence_scores, word_scores

WORD, SENTENCE, BLEND = "word", "sentence", "blend"
COUNTS = "pool counts"
EXPLOIT = "blend + pool counts"


def score_pools(
    matchers: Matchers, products: Products, pools: Pools, width: int, device: torch.device
) -> dict[str, np.ndarray]:
    """Word and sentence scores of the candidates, float32 Q×K; -inf where there is padding.

    Args:
        matchers: the models.
        products: with their boxes.
        pools: the candidates.
        width: most words of a query.
        device: where to compute.
    """
    encoder, text = matchers.encoder.to(device), matchers.text.to(device)
    most, hidden = matchers.encoder.config.most_boxes, 0.0
    rows = np.arange(len(products.table))
    heads_NHD = torch.from_numpy(embed(encoder, RegionPictures(products, rows, most, hidden), rows, device)).to(device)
    words_QW = torch.from_numpy(encode_queries(pools.queries, matchers.vocabulary, width)).to(device)
    scores = {name: np.full(pools.row_QK.shape, -np.inf, np.float32) for name in (WORD, SENTENCE)}
    with torch.inference_mode():
        for number, product_K in enumerate(pools.row_QK):
            real_K = product_K >= 0
            query, heads = text(words_QW[number : number + 1]), heads_NHD[product_K[real_K]]
            scores[WORD][number, real_K] = word_scores(query, heads)[0].cpu().numpy()
            scores[SENTENCE][number, real_K] = sentence_scores(query, heads)[0].cpu().numpy()
    return scores


def single_pool(pools: Pools) -> np.ndarray:
    """1 for a candidate that stands in no other pool of the file, else 0; float32 Q×K.

    It says nothing about a picture: the makers of the real set drew products for their pools in such a way that most
    answers stand in one pool alone.
    """
    count = Counter(pools.ids_QK[pools.real()])
    return np.array([[count[i] == 1 for i in ids_K] for ids_K in pools.ids_QK], dtype=np.float32)


def ranked(scores_QK: np.ndarray, pools: Pools) -> dict[str, list[str]]:
    """The five best products of each query; of equal scores, the one that stands first in the file."""
    order_QK = np.argsort(-scores_QK, axis=1, kind="stable")[:, :SUBMITTED]
    best = np.take_along_axis(pools.ids_QK, order_QK, axis=1)
    return {query_id: [i for i in ids if i] for query_id, ids in zip(pools.query_ids, best, strict=True)}
