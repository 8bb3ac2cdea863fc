"""How a prediction of hot posts is judged and told. Shapes: N posts, K resamples."""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, precision_recall_curve

from rank.metrics import auc, f1

RESAMPLES = 200
"""Bootstrap samples of the test posts."""


def best_threshold(truth_N: np.ndarray, score_N: np.ndarray) -> float:
    """The score from which on "hot" has the highest F1; infinite where every post scores alike."""
    if len(np.unique(score_N)) < 2:
        return float("inf")
    precision_K, recall_K, threshold_K = precision_recall_curve(truth_N, score_N)
    both_K = precision_K + recall_K
    f1_K = np.divide(2 * precision_K * recall_K, both_K, out=np.zeros_like(both_K), where=both_K > 0)
    return float(threshold_K[int(np.argmax(f1_K[:-1]))])


def judge(scores: dict[str, np.ndarray], hot_N: np.ndarray, valid_N: np.ndarray, test_N: np.ndarray) -> pd.DataFrame:
    """A row a model: AUC with a 95% bootstrap interval over posts, average precision, F1, all on the test posts.

    Args:
        scores: of every post, by model; the more, the likelier hot.
        hot_N: the truth.
        valid_N: rows on which the threshold of F1 is chosen.
        test_N: rows to judge on.
    """
    rng = np.random.default_rng(0)
    samples_KN = rng.integers(0, len(test_N), (RESAMPLES, len(test_N)))
    truth_N, rows = hot_N[test_N], []
    for model, score_N in scores.items():
        told_N = score_N[test_N]
        drawn = [auc(truth_N[sample], told_N[sample]) for sample in samples_KN]
        low, high = np.nanquantile(drawn, [0.025, 0.975]) if truth_N.any() else (np.nan, np.nan)
        said_N = told_N >= best_threshold(hot_N[valid_N], score_N[valid_N])
        rows.append({
            "model": model, "auc": auc(truth_N, told_N), "auc_low": low, "auc_high": high,
            "average_precision": float(average_precision_score(truth_N, told_N)) if truth_N.any() else np.nan,
            "f1": f1(truth_N, said_N),
        })  # fmt: skip
    return pd.DataFrame(rows)


def table_text(
    metrics: pd.DataFrame, hot_N: np.ndarray, split_N: np.ndarray, starts: dict[str, str], read: tuple[str, ...]
) -> str:
    """The printed table."""
    lines = [f"{'model':<22}{'AUC':>8}{'95% interval':>16}{'avg. precision':>16}{'F1':>8}"]
    for row in metrics.to_dict("records"):
        interval = f"{row['auc_low']:.3f}-{row['auc_high']:.3f}"
        lines.append(
            f"{row['model']:<22}{row['auc']:>8.3f}{interval:>16}{row['average_precision']:>16.3f}{row['f1']:>8.3f}"
        )
    parts = [f"{name} from {start} ({int((split_N == name).sum())} posts, {hot_N[split_N == name].mean():.0%} hot)"
             for name, start in starts.items()]  # fmt: skip
    return "\n".join([*lines, "", f"read: {', '.join(read)}", *parts])
