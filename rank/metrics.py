"""How good a forecast is: of shares, of growth, of classes, of intervals. Plain functions of arrays.

Shapes: N cells (style and origin), C classes. NaN in an input is the caller's fault, except where told.
"""

import numpy as np
from scipy.stats import rankdata

CLASSES = ("down", "flat", "up")
"""Change classes, in order; a class is its place in this tuple."""
HOT_PART = 0.2
"""Part of the styles, the largest, that count as hot where nothing else is said."""


def mae(truth_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Mean absolute error."""
    return float(np.abs(truth_N - predicted_N).mean())


def rmse(truth_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(((truth_N - predicted_N) ** 2).mean()))


def wape(truth_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Sum of absolute errors as a part of the sum of the truth; NaN when the truth is all zero."""
    total = np.abs(truth_N).sum()
    return float(np.abs(truth_N - predicted_N).sum() / total) if total > 0 else float("nan")


def mase(truth_N: np.ndarray, predicted_N: np.ndarray, scale: float) -> float:
    """Absolute error against `scale`, the mean error of the last value on training origins.

    Hyndman & Koehler, "Another look at measures of forecast accuracy" (2006). NaN when the scale is 0.
    """
    return mae(truth_N, predicted_N) / scale if scale > 0 else float("nan")


def pinball(truth_N: np.ndarray, quantile_N: np.ndarray, level: float) -> float:
    """Mean pinball loss of a quantile forecast; `level` in (0, 1)."""
    miss_N = truth_N - quantile_N
    return float(np.maximum(level * miss_N, (level - 1) * miss_N).mean())


def held(truth_N: np.ndarray, lower_N: np.ndarray, upper_N: np.ndarray) -> np.ndarray:
    """Which truths lie within the interval, its ends included; bool N."""
    slack = 1e-12  # a share that is exactly an end must not fall out by rounding
    return (truth_N >= lower_N - slack) & (truth_N <= upper_N + slack)


def coverage(truth_N: np.ndarray, lower_N: np.ndarray, upper_N: np.ndarray) -> float:
    """Part of the truths that lie within the interval, its ends included."""
    return float(held(truth_N, lower_N, upper_N).mean())


def width(lower_N: np.ndarray, upper_N: np.ndarray) -> float:
    """Mean width of the interval."""
    return float((upper_N - lower_N).mean())


def spearman(truth_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Rank correlation, ties at their mean rank; 0 when either side is constant: no order was told."""
    if len(truth_N) < 2:
        return 0.0
    first_N, second_N = rankdata(truth_N), rankdata(predicted_N)
    first_N, second_N = first_N - first_N.mean(), second_N - second_N.mean()
    power = float(np.sqrt((first_N**2).sum() * (second_N**2).sum()))
    return float((first_N * second_N).sum()) / power if power > 0 else 0.0


def ndcg(gain_N: np.ndarray, score_N: np.ndarray, k: int = 10) -> float:
    """NDCG@k with linear gains (Järvelin & Kekäläinen, 2002); ties of the score share their mean gain.

    A negative gain counts as 0. NaN when no gain is above 0. Sharing the gain makes the order of rows irrelevant.
    """
    gain_N = np.maximum(gain_N, 0.0)
    discount_K = 1 / np.log2(np.arange(min(k, len(gain_N))) + 2)
    ideal = float(np.sort(gain_N)[::-1][:k] @ discount_K)
    if ideal <= 0:
        return float("nan")
    _, group_N = np.unique(-score_N, return_inverse=True)
    mean_G = np.bincount(group_N, gain_N) / np.bincount(group_N)
    return float(mean_G[np.sort(group_N)][:k] @ discount_K) / ideal


def accuracy(truth_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Part of the cells whose class is right."""
    return float((truth_N == predicted_N).mean())


def macro_f1(truth_N: np.ndarray, predicted_N: np.ndarray, classes: int = len(CLASSES)) -> float:
    """Mean F1 over the classes that occur in truth or prediction."""
    scores = []
    for label in range(classes):
        hit = int(((truth_N == label) & (predicted_N == label)).sum())
        said, is_so = int((predicted_N == label).sum()), int((truth_N == label).sum())
        if said + is_so > 0:
            scores.append(2 * hit / (said + is_so))
    return float(np.mean(scores)) if scores else float("nan")


def top_edges(value_OS: np.ndarray, among_OS: np.ndarray, part: float) -> np.ndarray:
    """From which value on a style is in the top part of those named, O×1; NaN where none is.

    Styles that come later are not among those of an origin: how many they are must move no edge.
    """
    edges = [np.quantile(value_S[among_S], 1 - part) if among_S.any() else np.nan
             for value_S, among_S in zip(value_OS, among_OS, strict=True)]  # fmt: skip
    return np.array(edges)[:, None]


def is_hot(share_OS: np.ndarray, part: float) -> np.ndarray:
    """Which styles of each origin are in the top part of those that have a share, bool; none where it is not known."""
    return share_OS >= top_edges(share_OS, share_OS > 0, part)


def f1(truth_N: np.ndarray, said_N: np.ndarray) -> float:
    """F1 of yes (bool arrays); 0 where yes was neither so nor said."""
    hit, both = int((truth_N & said_N).sum()), int(truth_N.sum() + said_N.sum())
    return 2 * hit / both if both else 0.0


def auc(truth_N: np.ndarray, score_N: np.ndarray) -> float:
    """Chance that a yes scores above a no, ties counting half (area under the ROC curve); NaN where all are alike."""
    yes = int(truth_N.sum())
    no = len(truth_N) - yes
    if yes == 0 or no == 0:
        return float("nan")
    return float((rankdata(score_N)[truth_N].sum() - yes * (yes + 1) / 2) / (yes * no))


def change_class(growth_N: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """0 down, 1 flat, 2 up: below the first edge, between (an edge itself is), above the second; edges of each cell."""
    return (growth_N >= edges[0]).astype(int) + (growth_N > edges[1]).astype(int)
