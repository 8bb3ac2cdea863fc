"""A stacker of score files: LightGBM's lambdarank over each file's score, rank and distance to the query's best.

Shapes: M files, Q queries, K items of a pool (padded), F features.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from ensemble.score_files import ScoreFiles
from recall.rerank import RerankConfig, fit_reranker, rank_features, rerank, rerank_out_of_fold


def _features(files: ScoreFiles) -> pd.DataFrame:
    """One row a pair; files go by number, since LightGBM takes few signs in a name."""
    real_QK = files.pools.real()
    scores = {f"file-{number}": table_QK for number, table_QK in enumerate(files.scores_MQK)}
    none = pd.DataFrame(index=range(len(real_QK))), pd.DataFrame(index=range(int(real_QK.sum())))
    features = rank_features(scores, real_QK, *none)
    return features.set_axis(features.columns.str.replace(" ", "-"), axis=1)


def _table(files: ScoreFiles, score_C: np.ndarray) -> np.ndarray:
    table_QK = np.full(files.pools.row_QK.shape, -np.inf)
    table_QK[files.pools.real()] = score_C
    return table_QK


def fit_stack(files: ScoreFiles, relevant_QK: np.ndarray, config: RerankConfig) -> tuple[str, np.ndarray]:
    """Fits the trees on all queries.

    Returns:
        The model in LightGBM's text format, and its scores Q×K of the same pairs; -inf where there is padding.
    """
    real_QK, features = files.pools.real(), _features(files)
    model = fit_reranker(features, relevant_QK[real_QK], real_QK.sum(axis=1), config)
    return model, _table(files, rerank(model, features))


def stack_out_of_fold(files: ScoreFiles, relevant_QK: np.ndarray, folds: int, config: RerankConfig) -> np.ndarray:
    """Scores Q×K of each query by trees that saw only the queries of other folds."""
    real_QK = files.pools.real()
    scored = rerank_out_of_fold(
        _features(files), relevant_QK[real_QK], real_QK.sum(axis=1), replace(config, folds=folds)
    )
    return _table(files, scored)


def apply_stack(model: str, files: ScoreFiles) -> np.ndarray:
    """Scores Q×K of other pairs by a fitted model; -inf where there is padding."""
    return _table(files, rerank(model, _features(files)))
