"""A second look at what was recalled: LightGBM's lambdarank over what the matchers say of a candidate.

Features: each matcher's score, its rank among the candidates of the query, its distance to the best of them; how
well the picture answers to other queries (a hub answers to all); length and rarity of the query. None of them counts
in how many pools a picture stands.

LambdaRank: Burges, "From RankNet to LambdaRank to LambdaMART" (2010). Fitted and judged out of fold by query.

Shapes: Q queries, K candidates of a pool (padded), C candidates in all, F features, M matchers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd

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
    """Parts of the queries; each is judged by trees that saw only the others."""
    seed: int = 0
    """Of the folds."""


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
        UserError: fewer queries than folds.
    """
    if len(sizes_Q) < config.folds:
        raise UserError(f"--rerank: {len(sizes_Q)} queries with answers are fewer than {config.folds} folds; give more")
    fold_Q = np.random.default_rng(config.seed).permutation(len(sizes_Q)) % config.folds
    fold_C = np.repeat(fold_Q, sizes_Q)
    scored_C = np.empty(len(features))
    for fold in range(config.folds):
        held = fold_C == fold
        model = fit_reranker(features[~held], relevant_C[~held], sizes_Q[fold_Q != fold], config)
        scored_C[held] = rerank(model, features[held])
    return scored_C
