"""How well models tell which styles will be hot: among the largest at the target.

A model without a word of its own says it by its shares, so that `last` is the floor "hot now is hot then".
Shapes: O origins of the split, S styles.
"""

import numpy as np
import pandas as pd

from rank.backtest import Backtest
from rank.metrics import auc, f1, is_hot


def hot_scores(backtest: Backtest, score_OS: np.ndarray, origins: pd.DatetimeIndex) -> dict[str, float]:
    """Means over origins: how well a score orders the styles, and F1 where it names as many as are called hot.

    Args:
        backtest: the truth.
        score_OS: probabilities of being hot, or shares: the more, the likelier.
        origins: of the backtest's split.

    Returns:
        `hot_auc` and `hot_f1`; NaN where no origin has a truth. Who names no style has an F1 of 0.
    """
    use_OS = backtest.cells(origins)
    areas, scores = [], []
    for place in backtest.places(origins):
        use_S = use_OS[place]
        if not use_S.any():
            continue
        hot_S, score_S = is_hot(backtest.truth_OS[[place]], backtest.hot_part)[0, use_S], score_OS[place, use_S]
        least = np.sort(score_S)[-hot_S.sum()] if hot_S.any() else np.inf
        said_S = (score_S >= least) & (score_S > 0)
        areas.append(auc(hot_S, score_S))
        scores.append(f1(hot_S, said_S))
    known = np.isfinite(areas)
    return {
        "hot_auc": float(np.mean(np.array(areas)[known])) if known.any() else float("nan"),
        "hot_f1": float(np.mean(scores)) if scores else float("nan"),
    }
