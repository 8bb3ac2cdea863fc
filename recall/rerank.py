"""A second look at what was recalled: LightGBM's lambdarank over what the matchers say of a candidate.

Features: each matcher's score, its rank among the candidates of the query, its distance to the best of them; how
well the picture answers to other queries (a hub answers to all); length and rarity of the query. None of them counts
in how many pools a picture stands: only `stylecast kddcup --exploit-pool-counts` hands such a column in.

LambdaRank: Burges, "From RankNet to LambdaRank to LambdaMART" (2010). Fitted and judged out of fold by query.

Shapes: Q queries, K candidates of a pool (padded), C candidates in all, F features, M matchers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd

from data.pools import Pools
from recall.truth import Truth
from stylecast.errors import UserError


@dataclass(frozen=True)
class RerankConfig:
    """How the re-ranker is fitted."""

    trees: int = 100
    """Boosting rounds, trees."""
    leaves: int = 7
    """Leaves of a tree."""
    learning_rate: float = 0.05
    """Shrinkage of a tree."""
    fewest: int = 20
    """Fewest candidates in a leaf."""
    folds: int = 5
    """Parts of the queries; each is judged by trees that saw only the others, parts; 2 or more."""
    seed: int = 0
    """Of the folds."""


def query_features(known: Sequence[tuple[Sequence[int], int]], rates_V: np.ndarray) -> pd.DataFrame:
    """One row a query: how many words it has, how many are not known, how rare the others are on average.

    Args:
        known: of each query the numbers of its known words, and how many are not known.
        rates_V: share of training posts that hold each word.
    """
    rarity_V = -np.log(rates_V)
    rarity = [float(rarity_V[list(words)].mean()) if words else 0.0 for words, _ in known]
    return pd.DataFrame(
        {"words": [len(words) for words, _ in known], "unknown words": [count for _, count in known],
         "rarity of words": rarity}
    )  # fmt: skip


def pool_means(scores_QK: np.ndarray, real_QK: np.ndarray) -> np.ndarray:
    """Of each candidate the mean score of its pool; C."""
    mean_Q1 = np.nanmean(np.where(real_QK, scores_QK, np.nan), axis=1, keepdims=True)
    return np.broadcast_to(mean_Q1, real_QK.shape)[real_QK]


def rank_features(
    scores: Mapping[str, np.ndarray], real_QK: np.ndarray, query_features: pd.DataFrame, picture_features: pd.DataFrame
) -> pd.DataFrame:
    """One row a candidate, in the order of `real_QK`.

    Args:
        scores: Q×K of each matcher; padding is -inf.
        real_QK: which places are no padding.
        query_features: one row a query.
        picture_features: one row a candidate.

    Returns:
        C×F.
    """
    columns: dict[str, np.ndarray] = {}
    for name, table_QK in scores.items():
        padded_QK = np.where(real_QK, table_QK, -np.inf)
        rank_QK = np.argsort(np.argsort(-padded_QK, axis=1, kind="stable"), axis=1, kind="stable")
        behind_QK = padded_QK.max(axis=1, keepdims=True) - padded_QK
        columns |= {name: padded_QK[real_QK], f"{name} rank": rank_QK[real_QK], f"{name} behind": behind_QK[real_QK]}
    query_C = np.repeat(np.arange(len(real_QK)), real_QK.sum(axis=1))
    parts = [
        pd.DataFrame(columns),
        query_features.iloc[query_C].reset_index(drop=True),
        picture_features.reset_index(drop=True),
    ]
    return pd.concat(parts, axis=1).astype(np.float32)


def fit_reranker(features: pd.DataFrame, relevant_C: np.ndarray, sizes_Q: np.ndarray, config: RerankConfig) -> str:
    """Fit the trees.

    Args:
        features: C×F, candidates of a query side by side.
        relevant_C: bool.
        sizes_Q: candidates of each query.
        config: how.

    Returns:
        The model in LightGBM's text format.
    """
    ranker = lightgbm.LGBMRanker(
        objective="lambdarank", n_estimators=config.trees, num_leaves=config.leaves, min_child_samples=config.fewest,
        learning_rate=config.learning_rate, random_state=config.seed, n_jobs=1, deterministic=True, verbose=-1,
        lambdarank_truncation_level=8, subsample=1.0,
    )  # fmt: skip
    ranker.fit(features, relevant_C.astype(int), group=sizes_Q)
    told: str = ranker.booster_.model_to_string()
    return told


def rerank(model: str, features: pd.DataFrame) -> np.ndarray:
    """Scores of candidates by a fitted model; float64 C."""
    return np.asarray(lightgbm.Booster(model_str=model).predict(features))


def rerank_out_of_fold(
    features: pd.DataFrame, relevant_C: np.ndarray, sizes_Q: np.ndarray, config: RerankConfig
) -> np.ndarray:
    """Scores of every candidate by trees that never saw its query; float64 C.

    Raises:
        UserError: fewer than two folds, or fewer queries than folds.
    """
    if config.folds < 2:
        raise UserError(f"--reranker.folds {config.folds}: must be 2 or more, or no query is judged by others")
    if len(sizes_Q) < config.folds:
        raise UserError(
            f"--rerank: {len(sizes_Q)} queries with answers are fewer than {config.folds} folds; give "
            "more, or go without (--no-rerank)"
        )
    fold_Q = np.random.default_rng(config.seed).permutation(len(sizes_Q)) % config.folds
    fold_C = np.repeat(fold_Q, sizes_Q)
    scored_C = np.empty(len(features))
    for fold in range(config.folds):
        held = fold_C == fold
        model = fit_reranker(features[~held], relevant_C[~held], sizes_Q[fold_Q != fold], config)
        scored_C[held] = rerank(model, features[held])
    return scored_C


@dataclass(frozen=True)
class Reranked:
    """A re-ranker with its honest figure beside it."""

    model: str
    """Trees fitted on all queries with answers, LightGBM's text format."""
    in_sample: float
    """NDCG@5 on these very queries: mostly what trees can learn by heart."""
    out_of_fold_QK: np.ndarray
    """Scores by trees that saw only other queries."""


def fit_pool_reranker(features: pd.DataFrame, pools: Pools, truth: Truth, config: RerankConfig) -> Reranked:
    """Fit the trees on pools whose answers are known.

    Args:
        features: C×F, in the order of the pools.
        pools: the candidates.
        truth: which are right.
        config: how.

    Raises:
        UserError: fewer than two folds, or fewer queries with answers than folds.
    """
    sizes_Q, asked_Q = pools.real().sum(axis=1), truth.answers_Q > 0
    asked_C = np.repeat(asked_Q, sizes_Q)
    known, relevant_C = features[asked_C], truth.relevant_QK[pools.real()][asked_C]
    out_of_fold_C = rerank_out_of_fold(known, relevant_C, sizes_Q[asked_Q], config)
    model = fit_reranker(known, relevant_C, sizes_Q[asked_Q], config)
    scored_C = rerank(model, features)
    in_sample = float(truth.ndcg(pools.fill(scored_C)).mean())
    scored_C[asked_C] = out_of_fold_C
    return Reranked(model, in_sample, pools.fill(scored_C))
