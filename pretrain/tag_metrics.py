"""How well tags are predicted: average precision by tag and over all, and F1.

Shapes: N pictures, V tags.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def average_precision(scores_NV: np.ndarray, truth_NV: np.ndarray) -> np.ndarray:
    """Average precision of each column: the mean, over its true rows, of the precision at their rank.

    Args:
        scores_NV: larger is more likely.
        truth_NV: bool.

    Returns:
        float64 V; NaN for a column without a true row.
    """
    order_NV = np.argsort(-scores_NV, axis=0, kind="stable")
    hits_NV = np.take_along_axis(truth_NV, order_NV, axis=0)
    precision_NV = np.cumsum(hits_NV, axis=0) / np.arange(1, len(hits_NV) + 1)[:, None]
    true_V = hits_NV.sum(axis=0)
    summed_V = (precision_NV * hits_NV).sum(axis=0)
    return np.divide(summed_V, true_V, out=np.full(len(true_V), np.nan), where=true_V > 0)


def f1_scores(predicted_NV: np.ndarray, truth_NV: np.ndarray) -> tuple[float, float]:
    """Micro F1 over all decisions, and the macro mean over the tags that occur."""
    hit_V = (predicted_NV & truth_NV).sum(axis=0)
    either_V = predicted_NV.sum(axis=0) + truth_NV.sum(axis=0)
    occurs_V = truth_NV.any(axis=0)
    micro = 2 * hit_V.sum() / max(1, either_V.sum())
    macro = (2 * hit_V[occurs_V] / either_V[occurs_V]).mean() if occurs_V.any() else float("nan")
    return float(micro), float(macro)


def best_threshold(scores_NV: np.ndarray, truth_NV: np.ndarray, steps: int = 100) -> float:
    """The threshold on the score with the best micro F1, among quantiles of the true pairs' scores."""
    true_scores = scores_NV[truth_NV]
    if not len(true_scores):
        return 0.0
    tried = np.unique(np.quantile(true_scores, np.linspace(0, 0.99, steps)))
    all_scores = np.sort(scores_NV, axis=None)
    predicted = len(all_scores) - np.searchsorted(all_scores, tried, side="left")
    hit = len(true_scores) - np.searchsorted(np.sort(true_scores), tried, side="left")
    return float(tried[np.argmax(2 * hit / (predicted + len(true_scores)))])


def decide(scores_NV: np.ndarray, truth_NV: np.ndarray) -> np.ndarray:
    """Which tags are said to be there, bool N×V.

    Either half of the rows uses the threshold that is best on the other half, so that no decision is judged
    by a threshold that saw it.
    """
    predicted_NV = np.zeros_like(truth_NV)
    for half in (0, 1):
        threshold = best_threshold(scores_NV[1 - half :: 2], truth_NV[1 - half :: 2])
        predicted_NV[half::2] = scores_NV[half::2] >= threshold
    return predicted_NV


def tag_metrics(scores_NV: np.ndarray, truth_NV: np.ndarray) -> dict[str, float]:
    """Mean and micro average precision, micro and macro F1 of what `decide` says.

    Returns:
        `tag_map` (mean over tags that occur), `tag_micro_ap`, `tag_micro_f1`, `tag_macro_f1`.
    """
    micro, macro = f1_scores(decide(scores_NV, truth_NV), truth_NV)
    occurs_V = truth_NV.any(axis=0)
    mean = float(average_precision(scores_NV[:, occurs_V], truth_NV[:, occurs_V]).mean()) if occurs_V.any() else 0.0
    micro_ap = float(average_precision(scores_NV.reshape(-1, 1), truth_NV.reshape(-1, 1))[0])
    return {"tag_map": mean, "tag_micro_ap": micro_ap, "tag_micro_f1": micro, "tag_macro_f1": macro}


def tag_table(scores_NV: np.ndarray, truth_NV: np.ndarray, words: Sequence[str]) -> pd.DataFrame:
    """How well each tag is predicted.

    Args:
        scores_NV: larger is more likely.
        truth_NV: bool.
        words: the tags, V.

    Returns:
        word, count (true rows), average_precision, precision, recall, f1 of what `decide` says; NaN where
        nothing can be said: no true row, or, for precision, no row that is said to hold it.
    """
    predicted_NV = decide(scores_NV, truth_NV)
    hit_V, count_V = (predicted_NV & truth_NV).sum(axis=0), truth_NV.sum(axis=0)
    said_V = predicted_NV.sum(axis=0)

    def share(part_V: np.ndarray, whole_V: np.ndarray) -> np.ndarray:
        return np.divide(part_V, whole_V, out=np.full(len(whole_V), np.nan), where=whole_V > 0)

    f1_V = np.where(count_V > 0, share(2 * hit_V, said_V + count_V), np.nan)
    return pd.DataFrame(
        {"word": list(words), "count": count_V, "average_precision": average_precision(scores_NV, truth_NV),
         "precision": share(hit_V, said_V), "recall": share(hit_V, count_V), "f1": f1_V}
    )  # fmt: skip
