"""Candidate pools, scored; weights searched on the validation file; the table.

Shapes: Q queries, K products of a pool (padded), N products, M members of the blend.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from data.kddcup import SUBMITTED, Pools, Products
from pretrain.kddcup import encode_queries
from pretrain.pictures import embed
from pretrain.regions import RegionPictures
from recall.kddcup_train import Matchers
from recall.matchers import sentence_scores, word_scores
from recall.metrics import ndcg
from stylecast.errors import UserError
from stylecast.weights import Weights, nested_cross_validation, search_weights

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
    scores = {name: np.full(pools.product_QK.shape, -np.inf, np.float32) for name in (WORD, SENTENCE)}
    with torch.inference_mode():
        for number, product_K in enumerate(pools.product_QK):
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


@dataclass(frozen=True)
class Truth:
    """Which candidates are answers."""

    relevant_QK: np.ndarray
    """bool."""
    answers_Q: np.ndarray
    """Number of answers, those that stand in no pool too; 0 where the answer file lacks the query."""
    lost: int
    """Queries of the answer file that the pools lack: each scores 0."""

    @classmethod
    def of(cls, pools: Pools, answers: Mapping[str, Sequence[str]], source: str) -> "Truth":
        """Match pools with answers.

        Raises:
            UserError: they have no query in common.
        """
        told = [set(answers.get(query_id, ())) for query_id in pools.query_ids]
        relevant_QK = np.array([[i in right for i in ids] for ids, right in zip(pools.ids_QK, told, strict=True)])
        if not any(told):
            raise UserError(f"{source}: names none of the queries of the pools; give the answers of this very file")
        return cls(relevant_QK, np.array([len(right) for right in told]), len(set(answers) - set(pools.query_ids)))

    def ndcg(self, scores_QK: np.ndarray) -> np.ndarray:
        """NDCG@5 of each query of the answer file; float64."""
        asked_Q = self.answers_Q > 0
        values_Q = ndcg(scores_QK[asked_Q], self.relevant_QK[asked_Q], SUBMITTED, self.answers_Q[asked_Q])
        return np.concatenate([values_Q, np.zeros(self.lost)])

    def chance(self, real_QK: np.ndarray) -> float:
        """Mean NDCG@5 of an order drawn at random, expected."""
        rate_Q = self.relevant_QK.sum(axis=1) / np.maximum(real_QK.sum(axis=1), 1)
        discount_D = 1 / np.log2(np.arange(SUBMITTED) + 2)
        ideal_Q = np.cumsum(discount_D)[np.clip(self.answers_Q, 1, SUBMITTED) - 1]
        gained_Q = rate_Q * np.array([discount_D[:n].sum() for n in real_QK.sum(axis=1)])
        asked_Q = self.answers_Q > 0
        return float((gained_Q / ideal_Q)[asked_Q].sum() / (asked_Q.sum() + self.lost))


@dataclass(frozen=True)
class PoolBlend:
    """How the scores of members become one; the scales are fixed, so that no other candidate moves a score."""

    weights: dict[str, float]
    """Of each member; they sum to one."""
    scales: dict[str, float]
    """Standard deviation of each member in the validation pools."""

    def __call__(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """The blended score, Q×K."""
        parts = [weight / self.scales[name] * scores[name] for name, weight in self.weights.items() if weight]
        return np.sum(parts, axis=0)


def fit_pool_blend(
    scores: Mapping[str, np.ndarray], members: Sequence[str], truth: Truth
) -> tuple[PoolBlend, dict[str, float]]:
    """Search the weights of members by NDCG@5.

    Args:
        scores: by member; -inf where there is padding.
        members: which to blend.
        truth: of the same pools.

    Returns:
        The blend fitted on all queries, and its NDCG@5: `in_sample` on these queries, `nested` on each fifth of them
        under the weights of the others.
    """
    asked_Q = truth.answers_Q > 0
    scales = {name: float(scores[name][np.isfinite(scores[name])].std()) or 1.0 for name in members}
    scaled_MQK = np.stack([scores[name][asked_Q] / scales[name] for name in members])
    relevant_QK, answers_Q = truth.relevant_QK[asked_Q], truth.answers_Q[asked_Q]

    def loss_on(index: np.ndarray) -> Callable[[np.ndarray], float]:
        def loss(weights_M: np.ndarray) -> float:
            # A weight of zero times the -inf of padding is no number.
            used = weights_M > 0
            blended_QK = np.tensordot(weights_M[used], scaled_MQK[used][:, index], 1)
            return 1 - float(ndcg(blended_QK, relevant_QK[index], SUBMITTED, answers_Q[index]).mean())

        return loss

    def search(loss: Callable[[np.ndarray], float], count: int) -> Weights:
        return search_weights(loss, count, rounds=20, grid=40 if count > 2 else 8)  # finer ones fit the queries' noise

    found = nested_cross_validation(loss_on, int(asked_Q.sum()), len(members), search=search)
    kept = asked_Q.sum() / (asked_Q.sum() + truth.lost)  # a query that the pools lack scores 0 whatever the weights
    weights = dict(zip(members, found.weights_M.tolist(), strict=True))
    told = {"in_sample": (1 - found.in_sample) * kept, "nested": (1 - found.held_out) * kept}
    return PoolBlend(weights, scales), told


def ranked(scores_QK: np.ndarray, pools: Pools) -> dict[str, list[str]]:
    """The five best products of each query; of equal scores, the one that stands first in the file."""
    order_QK = np.argsort(-scores_QK, axis=1, kind="stable")[:, :SUBMITTED]
    best = np.take_along_axis(pools.ids_QK, order_QK, axis=1)
    return {query_id: [i for i in ids if i] for query_id, ids in zip(pools.query_ids, best, strict=True)}


def as_scores(scores: Mapping[str, np.ndarray], pools: Pools) -> pd.DataFrame:
    """The long frame `query_id, item_id, model, score` of all candidates."""
    real_QK = pools.real()
    query_R = np.repeat(np.array(pools.query_ids, dtype=object), real_QK.sum(axis=1))
    parts = [
        pd.DataFrame({"query_id": query_R, "item_id": pools.ids_QK[real_QK], "model": name, "score": table[real_QK]})
        for name, table in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)
