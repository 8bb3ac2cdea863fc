"""How good a ranking is: NDCG@5 as the KDD Cup 2020 scored it, recall@k, and the mean reciprocal rank.

Shapes: Q queries, N items of a gallery or pool.
"""

import numpy as np

CHUNK = 256  # queries ranked at a time


def ndcg(relevant_N: np.ndarray, k: int = 5) -> float:
    """NDCG@k with binary gain (KDD Cup 2020 Challenges, Multimodalities Recall).

    DCG = Σ r_p / log2(p + 1) over the positions p = 1..k; the ideal is that of min(|truth|, k) ones.

    Args:
        relevant_N: whether the item at each position is relevant, best first; all relevant items are in it.
        k: positions that count.

    Returns:
        0..1; 0 where nothing is relevant.
    """
    truth = int(np.count_nonzero(relevant_N))
    if truth == 0:
        return 0.0
    discount = 1 / np.log2(np.arange(2, k + 2))
    gained = float((np.asarray(relevant_N[:k], float) * discount[: len(relevant_N[:k])]).sum())
    return gained / float(discount[: min(truth, k)].sum())


def rank_items(scores_N: np.ndarray) -> np.ndarray:
    """Items from best to worst; ties go by position, which a pool must therefore not order by relevance."""
    return np.argsort(-np.asarray(scores_N), kind="stable")


def first_ranks(scores_QN: np.ndarray, relevant_QN: np.ndarray) -> np.ndarray:
    """Position (from 1) of the best relevant item of each query; items that tie with it stand before it.

    Args:
        scores_QN: higher is better.
        relevant_QN: bool; each query has at least one.

    Returns:
        int64 Q.
    """
    ranks = np.zeros(len(scores_QN), np.int64)
    for start in range(0, len(scores_QN), CHUNK):
        part = slice(start, start + CHUNK)
        scores, relevant = scores_QN[part], relevant_QN[part]
        best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
        ranks[part] = ((scores >= best) & ~relevant).sum(axis=1) + 1
    return ranks


def gallery_metrics(first_rank_Q: np.ndarray) -> dict[str, float]:
    """recall@1/5/10 (a relevant item is among the first k) and the mean reciprocal rank.

    Args:
        first_rank_Q: position of the best relevant item of each query, from 1.
    """
    if len(first_rank_Q) == 0:
        return {"recall@1": 0.0, "recall@5": 0.0, "recall@10": 0.0, "mrr": 0.0}
    found = {f"recall@{k}": float((first_rank_Q <= k).mean()) for k in (1, 5, 10)}
    return found | {"mrr": float((1 / first_rank_Q).mean())}
