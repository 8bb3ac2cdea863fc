"""How each model of a backtest did on validation and test origins, the ladder among them, as numbers.

Shapes: M models, O origins of the split, S styles, N cells.
"""

import numpy as np
import pandas as pd

from data.shares import to_growth
from data.windows import Target
from ensemble.walk import Walk
from rank import metrics
from rank.backtest import Backtest, best_rung
from rank.bootstrap import skill_interval
from rank.edges import LEVEL
from rank.hot import hot_scores
from rank.metrics import CLASSES


def score(backtest: Backtest, walk: Walk, forecast: pd.DataFrame, level: float = 0.8) -> pd.DataFrame:
    """A row for each split and model.

    On validation, which weights and intervals were fitted on, only errors and orders are told, the ensemble's with
    weights that did not see the origin. `skill` is 1 - MAE / MAE of the rung that was best on validation, between
    `skill_low` and `skill_high` in 95% of the draws of styles and origins (`rank.bootstrap`). Which styles will be hot
    is told by a model's own probabilities where it has some, else by its shares.

    Args:
        backtest: the forecasts of rungs and members.
        walk: what was fitted for each origin.
        forecast: what it says at the test origins.
        level: part of the truths that its intervals shall hold.
    """
    rung = walk.models.index(best_rung(backtest, backtest.split.validation))
    share_MOS, hot_MOS, parts = walk.told_shares(backtest), walk.told_hot(backtest), []
    for split, origins in splits(backtest):
        use_OS = backtest.cells(origins)
        error_MOS = np.abs(share_MOS - backtest.truth_OS)
        rows = []
        for number, model in enumerate(walk.models):
            told = {"split": split, "model": model, **_of_shares(backtest, share_MOS[number], origins)}
            told |= hot_scores(
                backtest, np.where(np.isfinite(hot_MOS[number]), hot_MOS[number], share_MOS[number]), origins
            )
            if split == "test":
                told |= _of_rows(backtest, forecast[forecast["model"] == model], level)
                told |= _floors(backtest, origins)
            rows.append(told)
        table = pd.DataFrame(rows)
        low_M, high_M = skill_interval(error_MOS, error_MOS[rung], use_OS)
        table.insert(3, "skill", 1 - table["mae"] / table["mae"][rung])
        table.insert(4, "skill_low", low_M)
        table.insert(5, "skill_high", high_M)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def splits(backtest: Backtest) -> list[tuple[str, pd.DatetimeIndex]]:
    """Validation and test with their origins, where any of these has a truth."""
    parts = [("validation", backtest.split.validation), ("test", backtest.split.test)]
    return [(name, origins) for name, origins in parts if backtest.cells(origins).any()]


def _of_shares(backtest: Backtest, share_OS: np.ndarray, origins: pd.DatetimeIndex) -> dict[str, float]:
    use_OS = backtest.cells(origins)
    truth_N, share_N = backtest.truth_OS[use_OS], share_OS[use_OS]
    places = [place for place in backtest.places(origins) if use_OS[place].any()]
    pairs = [order_of_growth(backtest, share_OS, place, use_OS[place]) for place in places]
    orders, gains = zip(*pairs, strict=True)
    return {
        "mae": metrics.mae(truth_N, share_N),
        "rmse": metrics.rmse(truth_N, share_N),
        "wape": metrics.wape(truth_N, share_N),
        "mase": metrics.mase(truth_N, share_N, backtest.last_error),
        "spearman_growth": float(np.mean(orders)),
        "ndcg10_growth": float(np.nanmean(gains)) if np.isfinite(gains).any() else float("nan"),
        "origins": len(orders),
        "cells": len(truth_N),
    }


def order_of_growth(backtest: Backtest, share_OS: np.ndarray, place: int, use_S: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation and NDCG@10 of the growth that shares tell at an origin, against what came."""
    growth_S = to_growth(share_OS[place], backtest.reference_OS[place], backtest.half_O[place])
    # Rounded: `last` says 0 for all, and must not be ranked by what is left of a division.
    real_S, said_S = backtest.growth_OS[place][use_S], np.round(growth_S[use_S], 9)
    return metrics.spearman(real_S, said_S), metrics.ndcg(real_S, said_S)


def _of_rows(backtest: Backtest, rows: pd.DataFrame, level: float) -> dict[str, float]:
    """Intervals and classes of one model."""
    row_N, column_N = cells_of(backtest, rows)
    truth_N = backtest.truth_OS[row_N, column_N]
    use_N = np.isfinite(truth_N)
    truth_N, rows = truth_N[use_N], rows[use_N]
    lower_N, upper_N = rows["lower"].to_numpy(), rows["upper"].to_numpy()
    label_N = backtest.label_OS[row_N, column_N][use_N]
    said_N = said_classes(rows)
    below, above = (1 - level) / 2, (1 + level) / 2
    return {
        "coverage": metrics.coverage(truth_N, lower_N, upper_N),
        "width": metrics.width(lower_N, upper_N),
        "coverage_95": metrics.coverage(truth_N, rows["lower_95"].to_numpy(), rows["upper_95"].to_numpy()),
        "width_95": metrics.width(rows["lower_95"].to_numpy(), rows["upper_95"].to_numpy()),
        "pinball": (metrics.pinball(truth_N, lower_N, below) + metrics.pinball(truth_N, upper_N, above)) / 2,
        "accuracy": metrics.accuracy(label_N, said_N),
        "macro_f1": metrics.macro_f1(label_N, said_N),
    }


def cells_of(backtest: Backtest, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Where rows of a forecast stand on the axes O and S."""
    row_N = backtest.split.all.get_indexer(pd.Index(rows["origin"]))
    return row_N, pd.Index(list(backtest.panel.styles)).get_indexer(pd.Index(rows["style"]))


def said_classes(rows: pd.DataFrame) -> np.ndarray:
    """The likeliest class of each row of a forecast."""
    return rows[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)


def _floors(backtest: Backtest, origins: pd.DatetimeIndex) -> dict[str, float]:
    """What classes are worth without a model: the class most frequent on validation, and the return to what is usual.

    Of change: what rose will fall, and what fell will rise. Of level: the share goes back to its mean so far.
    """
    use_OS = backtest.cells(origins)
    label_N = backtest.label_OS[use_OS]
    earlier = backtest.label_OS[backtest.cells(backtest.split.validation)]
    most_N = np.full(len(label_N), np.bincount(earlier, minlength=len(CLASSES)).argmax())
    places = range(len(backtest.split.all))
    half_O1 = backtest.half_O[:, None]
    if backtest.thresholds.of == LEVEL:
        back_OS = to_growth(np.array([_usual(backtest, place) for place in places]), backtest.reference_OS, half_O1)
        turned_OS = backtest.thresholds.label(back_OS, backtest.reference_OS, half_O1)
    else:
        past_OS = np.array([_past_growth(backtest, place) for place in places])
        turned_OS = len(CLASSES) - 1 - backtest.thresholds.label(past_OS, backtest.reference_OS, half_O1)
    return {
        "majority_accuracy": metrics.accuracy(label_N, most_N),
        "majority_f1": metrics.macro_f1(label_N, most_N),
        "reversion_accuracy": metrics.accuracy(label_N, turned_OS[use_OS]),
        "reversion_f1": metrics.macro_f1(label_N, turned_OS[use_OS]),
    }


def _usual(backtest: Backtest, place: int) -> np.ndarray:
    """Share of each style over all that may be looked at from an origin, [S]."""
    panel, origin = backtest.panel, backtest.split.all[place]
    start = backtest.target.history_start(origin)
    window = slice(0 if start is None else max(0, (start - panel.days[0]).days), panel.index(origin) + 1)
    total = panel.total_T[window].sum()
    return panel.count_ST[:, window].sum(axis=1) / total if total > 0 else backtest.reference_OS[place]


def _past_growth(backtest: Backtest, place: int) -> np.ndarray:
    """Growth up to the reference over as long as the target lies ahead, [S]; 0 where the history is too short."""
    origin, target = backtest.split.all[place], backtest.target
    start, end = target.block(origin, _ahead(target))
    panel = backtest.panel
    if start < panel.days[0]:
        return np.zeros(len(panel.styles))
    window = slice(panel.index(start), panel.index(end) + 1)
    total = panel.total_T[window].sum()
    before_S = panel.count_ST[:, window].sum(axis=1) / total if total > 0 else backtest.reference_OS[place]
    half = backtest.half_O[place]
    return np.log((backtest.reference_OS[place] + half) / (before_S + half))


def _ahead(target: Target) -> int:
    return target.first if target.kind == "calendar-month" else -(-target.last // (target.last - target.first + 1))
