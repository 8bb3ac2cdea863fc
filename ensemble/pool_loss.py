"""What blended scores are worth, quickly: thousands of weights are tried, and each asks only where the answers stand.

No pool is sorted, which would take several times as long: an answer's position is one more than the number of
candidates before it. Ties count against us, as in `recall.metrics`.

Shapes: B weights tried side by side, M files, Q queries, K items of a pool (padded), R answers of a query (padded).
"""

import re
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from recall.truth import Truth
from stylecast.errors import UserError

SCALES = ("raw", "rank", "z")
NOWHERE = np.iinfo(np.int32).max
"""Position of an answer that stands in no pool."""
CELLS = 4_000_000
"""Blended scores held at once."""


@dataclass(frozen=True)
class Metric:
    """A metric of one query, from the positions of its answers."""

    name: str
    """As written: ndcg@5."""
    kind: str
    """ndcg, recall or mrr."""
    depth: int
    """Positions that count; for mrr all."""

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Reads `ndcg@K`, `recall@K` (whether an answer stands among the first K) or `mrr`.

        Raises:
            UserError: another one.
        """
        if found := re.fullmatch(r"(ndcg|recall)@([1-9]\d{0,3})", text):
            return cls(text, found[1], int(found[2]))
        if text == "mrr":
            return cls(text, text, 0)
        raise UserError(f"--metric {text}: unknown; give ndcg@5, recall@10 (any number) or mrr")

    def of_positions(self, place_BRQ: np.ndarray, answers_Q: np.ndarray) -> np.ndarray:
        """Value of each query, B×Q.

        Args:
            place_BRQ: positions of the answers, from 1, best first; a very large one where there is none.
            answers_Q: number of answers, those that stand in no pool too.
        """
        if self.kind == "ndcg":  # as `recall.metrics.ndcg`
            discount_D = np.append(1 / np.log2(np.arange(self.depth) + 2), 0.0)
            gained_BQ = discount_D[np.minimum(place_BRQ, self.depth + 1) - 1].sum(axis=1)
            return gained_BQ / np.cumsum(discount_D)[np.minimum(answers_Q, self.depth) - 1]
        first_BQ = place_BRQ[:, 0]
        return (first_BQ <= self.depth).astype(float) if self.kind == "recall" else (first_BQ < NOWHERE) / first_BQ


@dataclass(frozen=True)
class PoolLoss:
    """One minus the mean metric of blended scores over some queries; a `stylecast.weights.BatchLoss`.

    Laid out by candidate, so that every step is one over all queries.
    """

    metric: Metric
    """What counts."""
    scores_MKQ: np.ndarray
    """Scaled scores, float32; 0 where there is padding."""
    wrong_KQ: np.ndarray
    """Candidates that are no answers; padding is neither."""
    answer_RQ: np.ndarray
    """Where the answers stand in their pool, int64."""
    there_RQ: np.ndarray
    """Which of these places hold an answer."""
    answers_Q: np.ndarray
    """Number of answers, those that stand in no pool too; at least 1."""

    @classmethod
    def of(cls, scores_MQK: np.ndarray, real_QK: np.ndarray, truth: Truth, metric: Metric) -> "PoolLoss":
        """Lays out scaled scores.

        Args:
            scores_MQK: by `scaled`.
            real_QK: which places are no padding.
            truth: of the same pools.
            metric: what counts.
        """
        most = max(int(truth.relevant_QK.sum(axis=1).max(initial=0)), 1)
        answer_QR = np.argsort(~truth.relevant_QK, axis=1, kind="stable")[:, :most]
        there_QR = np.take_along_axis(truth.relevant_QK, answer_QR, axis=1)
        scores_MKQ = np.ascontiguousarray(scores_MQK.transpose(0, 2, 1), dtype=np.float32)
        wrong_KQ = np.ascontiguousarray((real_QK & ~truth.relevant_QK).T)
        return cls(metric, scores_MKQ, wrong_KQ, answer_QR.T, there_QR.T, truth.answers_Q)

    def take(self, index: np.ndarray) -> "PoolLoss":
        """The loss over the queries of an index."""
        return PoolLoss(
            self.metric, np.ascontiguousarray(self.scores_MKQ[..., index]), self.wrong_KQ[:, index],
            self.answer_RQ[:, index], self.there_RQ[:, index], self.answers_Q[index],
        )  # fmt: skip

    def __call__(self, weights_M: np.ndarray) -> float:
        """Loss of one set of weights."""
        return float(self.of_each(weights_M[None])[0])

    def of_each(self, weights_BM: np.ndarray) -> np.ndarray:
        """Loss of each set of weights, B."""
        return 1 - self.values(weights_BM).mean(axis=1)

    def values(self, weights_BM: np.ndarray) -> np.ndarray:
        """The metric of each query under each set of weights, B×Q."""
        members, depth, queries = self.scores_MKQ.shape
        flat_MN = self.scores_MKQ.reshape(members, -1)
        step = max(CELLS // max(flat_MN.shape[1], 1), 1)
        parts = []
        for start in range(0, len(weights_BM), step):
            part_BM = weights_BM[start : start + step].astype(np.float32)
            blended_BKQ = (part_BM @ flat_MN).reshape(-1, depth, queries)
            parts.append(self.metric.of_positions(self._places(blended_BKQ), self.answers_Q))
        return np.concatenate(parts)

    def _places(self, blended_BKQ: np.ndarray) -> np.ndarray:
        """Positions of the answers, best first, B×R×Q."""
        answer_BRQ = blended_BKQ[:, self.answer_RQ, np.arange(blended_BKQ.shape[2])]
        answer_BRQ = -np.sort(-np.where(self.there_RQ, answer_BRQ, -np.inf), axis=1)
        before_BRQ = np.zeros(answer_BRQ.shape, dtype=np.int32)
        wrong_BKQ = np.where(self.wrong_KQ, blended_BKQ, -np.inf)
        for place in range(wrong_BKQ.shape[1]):
            before_BRQ += wrong_BKQ[:, place, None] >= answer_BRQ
        before_BRQ += np.arange(1, answer_BRQ.shape[1] + 1, dtype=np.int32)[:, None]
        return np.where(np.isfinite(answer_BRQ), before_BRQ, NOWHERE)


def deviations(scores_MQK: np.ndarray) -> np.ndarray:
    """Standard deviation of each file's scores, M; 1 where all are alike. Padding is -inf."""
    return np.array([float(table[np.isfinite(table)].std()) or 1.0 for table in scores_MQK])


def scaled(scores_MQK: np.ndarray, scale: str, deviation_M: np.ndarray) -> np.ndarray:
    """Scores of files in one measure, M×Q×K; 0 where there is padding (-inf).

    Args:
        scores_MQK: as read.
        scale: raw divides by the file's deviation, so that nothing else moves a score; rank is the part of the query's
            other candidates that lie below, ties half; z is standard deviations from the query's mean.
        deviation_M: for raw: of the files that the weights were searched on.
    """
    real_QK = np.isfinite(scores_MQK[0])
    if scale == "raw":
        return np.where(real_QK, scores_MQK / deviation_M[:, None, None], 0.0)
    count_Q1 = np.maximum(real_QK.sum(axis=1, keepdims=True), 1)
    if scale == "rank":  # padding has the lowest ranks
        rank_MQK = rankdata(scores_MQK, axis=-1) - (real_QK.shape[1] - count_Q1) - 1
        return np.where(real_QK, rank_MQK / np.maximum(count_Q1 - 1, 1), 0.0)
    known_MQK = np.where(real_QK, scores_MQK, 0.0)
    away_MQK = np.where(real_QK, known_MQK - known_MQK.sum(axis=-1, keepdims=True) / count_Q1, 0.0)
    spread_MQ1 = np.sqrt((away_MQK**2).sum(axis=-1, keepdims=True) / count_Q1)
    return away_MQK / np.where(spread_MQ1 > 0, spread_MQ1, 1.0)
