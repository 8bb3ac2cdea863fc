"""Which candidates of pools are right; weights that blend the scores of members; the noun `Scores`.

Shapes: Q queries, K candidates of a pool (padded), M members of the blend.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.pools import Pools
from recall.metrics import ndcg
from stylecast.errors import UserError
from stylecast.weights import Weights, nested_cross_validation, search_weights

DEPTH = 5  # positions that NDCG looks at


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
        values_Q = ndcg(scores_QK[asked_Q], self.relevant_QK[asked_Q], DEPTH, self.answers_Q[asked_Q])
        return np.concatenate([values_Q, np.zeros(self.lost)])

    def chance(self, real_QK: np.ndarray) -> float:
        """Mean NDCG@5 of an order drawn at random, expected."""
        rate_Q = self.relevant_QK.sum(axis=1) / np.maximum(real_QK.sum(axis=1), 1)
        discount_D = 1 / np.log2(np.arange(DEPTH) + 2)
        ideal_Q = np.cumsum(discount_D)[np.clip(self.answers_Q, 1, DEPTH) - 1]
        gained_Q = rate_Q * np.array([discount_D[:n].sum() for n in real_QK.sum(axis=1)])
        asked_Q = self.answers_Q > 0
        return float((gained_Q / ideal_Q)[asked_Q].sum() / (asked_Q.sum() + self.lost))


def deviation(scores: np.ndarray) -> float:
    """Standard deviation of scores, padding (-inf) left out; 1 where they do not differ."""
    return float(scores[np.isfinite(scores)].std()) or 1.0


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


@dataclass(frozen=True)
class FittedBlend:
    """A blend with its honest figure beside it."""

    blend: PoolBlend
    """Fitted on all queries with answers."""
    in_sample: float
    """NDCG@5 on these very queries."""
    nested: float
    """NDCG@5 of each fold of them under the weights of the others."""
    out_of_fold_QK: np.ndarray
    """Scores by weights that saw only other folds; of a query without answers, by those that saw all."""


def fit_pool_blend(
    scores: Mapping[str, np.ndarray], members: Sequence[str], truth: Truth, folds: int = 5
) -> FittedBlend:
    """Search the weights of members by NDCG@5.

    Args:
        scores: by member; -inf where there is padding.
        members: which to blend.
        truth: of the same pools.
        folds: parts of the queries, for the nested figure; neighbours share one.
    """
    asked = np.flatnonzero(truth.answers_Q > 0)
    scales = {name: deviation(scores[name]) for name in members}
    scaled_MQK = np.stack([scores[name][asked] / scales[name] for name in members])
    relevant_QK, answers_Q = truth.relevant_QK[asked], truth.answers_Q[asked]

    def loss_on(index: np.ndarray) -> Callable[[np.ndarray], float]:
        def loss(weights_M: np.ndarray) -> float:
            # A weight of zero times the -inf of padding is no number.
            used = weights_M > 0
            blended_QK = np.tensordot(weights_M[used], scaled_MQK[used][:, index], 1)
            return 1 - float(ndcg(blended_QK, relevant_QK[index], DEPTH, answers_Q[index]).mean())

        return loss

    def search(loss: Callable[[np.ndarray], float], count: int) -> Weights:
        return search_weights(loss, count, rounds=20, grid=40 if count > 2 else 8)  # finer ones fit the queries' noise

    def blend_of(weights_M: np.ndarray) -> PoolBlend:
        return PoolBlend(dict(zip(members, weights_M.tolist(), strict=True)), scales)

    found = nested_cross_validation(loss_on, len(asked), len(members), folds, search)
    blend = blend_of(found.weights_M)
    out_of_fold_QK = blend({name: scores[name] for name in members})
    # The folds of the cross-validation, in its order.
    parts = np.array_split(asked, len(found.fold_weights_FM)) if len(found.fold_weights_FM) else []
    for part, weights_M in zip(parts, found.fold_weights_FM, strict=True):
        out_of_fold_QK[part] = blend_of(weights_M)({name: scores[name][part] for name in members})
    kept = len(asked) / (len(asked) + truth.lost)  # a query that the pools lack scores 0 whatever the weights
    return FittedBlend(blend, (1 - found.in_sample) * kept, (1 - found.held_out) * kept, out_of_fold_QK)


def as_scores(scores: Mapping[str, np.ndarray], pools: Pools) -> pd.DataFrame:
    """The long frame `query_id, item_id, model, score` of all candidates."""
    real_QK = pools.real()
    query_R = np.repeat(np.array(pools.query_ids, dtype=object), real_QK.sum(axis=1))
    parts = [
        pd.DataFrame({"query_id": query_R, "item_id": pools.ids_QK[real_QK], "model": name, "score": table[real_QK]})
        for name, table in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)
