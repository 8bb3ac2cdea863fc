"""Metrics of retrieval. Ties count against us: of equal scores, the wrong items stand first.

Shapes: Q queries, K items of a pool.
"""

import numpy as np


def ranked_relevance(scores_QK: np.ndarray, relevant_QK: np.ndarray, depth: int) -> np.ndarray:
    """Whether the items at positions 1..depth are relevant, best score first; bool Q×depth.

    Padding is an item with score -inf that is not relevant.
    """
    order_QK = np.lexsort((relevant_QK, -scores_QK), axis=1)[:, :depth]
    return np.take_along_axis(relevant_QK, order_QK, axis=1)


def ndcg(
    scores_QK: np.ndarray, relevant_QK: np.ndarray, depth: int = 5, truth_Q: np.ndarray | None = None
) -> np.ndarray:
    """NDCG@depth of each query as KDD Cup 2020 Multimodalities Recall scores it.

    Binary gain; DCG = Σ r_p / log2(p + 1) over positions p = 1..depth; the ideal is that of
    min(number of relevant items, depth) ones.

    Args:
        scores_QK: best is largest; -inf = padding.
        relevant_QK: bool.
        depth: positions that count.
        truth_Q: number of relevant items, where some stand in no pool; by default those of the pool.

    Returns:
        float64 Q, in 0..1; 0 for a query without a relevant item.
    """
    truth_Q = relevant_QK.sum(axis=1) if truth_Q is None else truth_Q
    hits_QD = ranked_relevance(scores_QK, relevant_QK, depth)
    discount_D = 1 / np.log2(np.arange(depth) + 2)
    gained_Q = hits_QD @ discount_D[: hits_QD.shape[1]]
    ideal_Q = np.concatenate([[0.0], np.cumsum(discount_D)])[np.minimum(truth_Q, depth)]
    return np.divide(gained_Q, ideal_Q, out=np.zeros(len(gained_Q)), where=ideal_Q > 0)


def first_rank(scores_QK: np.ndarray, relevant_QK: np.ndarray) -> np.ndarray:
    """Rank of the best relevant item, from 1; K + 1 for a query without one; int64 Q."""
    best_Q1 = np.where(relevant_QK, scores_QK, -np.inf).max(axis=1, keepdims=True)
    before_Q = ((scores_QK >= best_Q1) & ~relevant_QK).sum(axis=1)
    return np.where(relevant_QK.any(axis=1), before_Q + 1, scores_QK.shape[1] + 1)


def gallery_metrics(rank_Q: np.ndarray) -> dict[str, float]:
    """Recall@1/5/10 (share of queries with a relevant item so far up) and the mean reciprocal rank.

    Args:
        rank_Q: of `first_rank`.
    """
    told = {f"recall@{k}": float((rank_Q <= k).mean()) for k in (1, 5, 10)}
    return told | {"mrr": float((1 / rank_Q).mean())}
