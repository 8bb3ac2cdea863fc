"""The table of a backtest: each model's metrics on validation and test origins, the ladder among them.

Shapes: M models, O origins of the split, S styles, N cells.
"""

import numpy as np
import pandas as pd

from data.panel_seen import Seen
from data.windows import Target
from ensemble.combine import ENSEMBLE, Combined, own_hot
from rank import metrics
from rank.backtest import Backtest, best_rung
from rank.hot import hot_scores
from rank.metrics import CLASSES


def score(backtest: Backtest, combined: Combined, forecast: pd.DataFrame) -> pd.DataFrame:
    """A row for each split and model.

    On validation, which weights and intervals were fitted on, only errors and orders are told, the ensemble's with
    weights that did not see the origin. `skill` is 1 - MAE / MAE of the rung that was best on validation. Which styles
    will be hot is told by a model's own probabilities where it has some, else by its shares.

    Args:
        backtest: the forecasts of rungs and members.
        combined: fitted on the validation origins.
        forecast: what it says at the test origins.
    """
    rung = best_rung(backtest, backtest.split.validation)
    rows = []
    for split, origins in (("validation", backtest.split.validation), ("test", backtest.split.test)):
        if not backtest.cells(origins).any():
            continue
        for number, model in enumerate(combined.models):
            share_OS = combined.out_of_fold_OS if model == ENSEMBLE else backtest.share_MOS[number]
            if split == "test":
                weights_M = combined.weights_M
                share_OS = np.tensordot(weights_M, backtest.share_MOS, axes=1) if model == ENSEMBLE else share_OS
            hot_OS = own_hot(backtest, combined.weights_M)[number]
            told = {"split": split, "model": model, **_of_shares(backtest, share_OS, origins)}
            told |= hot_scores(backtest, np.where(np.isfinite(hot_OS), hot_OS, share_OS), origins)
            if split == "test":
                told |= _of_rows(backtest, forecast[forecast["model"] == model])
                told |= _floors(backtest, origins)
            rows.append(told)
    table = pd.DataFrame(rows)
    base = table[table["model"] == rung].set_index("split")["mae"]
    table.insert(3, "skill", 1 - table["mae"] / table["split"].map(base))
    return table


def _of_shares(backtest: Backtest, share_OS: np.ndarray, origins: pd.DatetimeIndex) -> dict[str, float]:
    use_OS = backtest.cells(origins)
    truth_N, share_N = backtest.truth_OS[use_OS], share_OS[use_OS]
    half_O1 = backtest.half_O[:, None]
    growth_OS = np.log((share_OS + half_O1) / (backtest.reference_OS + half_O1))
    orders, gains = [], []
    for place in backtest.places(origins):
        seen_S = use_OS[place]
        if seen_S.any():
            # Rounded: `last` says 0 for all, and must not be ranked by what is left of a division.
            real_S, said_S = backtest.growth_OS[place][seen_S], np.round(growth_OS[place][seen_S], 9)
            orders.append(metrics.spearman(real_S, said_S))
            gains.append(metrics.ndcg(real_S, said_S))
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


def _of_rows(backtest: Backtest, rows: pd.DataFrame) -> dict[str, float]:
    """Intervals and classes of one model."""
    row_N = backtest.split.all.get_indexer(pd.Index(rows["origin"]))
    column_N = pd.Index(list(backtest.panel.styles)).get_indexer(pd.Index(rows["style"]))
    truth_N, growth_N = backtest.truth_OS[row_N, column_N], backtest.growth_OS[row_N, column_N]
    use_N = np.isfinite(truth_N)
    truth_N, rows = truth_N[use_N], rows[use_N]
    lower_N, upper_N = rows["lower"].to_numpy(), rows["upper"].to_numpy()
    label_N = metrics.change_class(growth_N[use_N], backtest.thresholds)
    said_N = rows[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    return {
        "coverage": metrics.coverage(truth_N, lower_N, upper_N),
        "width": metrics.width(lower_N, upper_N),
        "coverage_95": metrics.coverage(truth_N, rows["lower_95"].to_numpy(), rows["upper_95"].to_numpy()),
        "width_95": metrics.width(rows["lower_95"].to_numpy(), rows["upper_95"].to_numpy()),
        "pinball": (metrics.pinball(truth_N, lower_N, 0.1) + metrics.pinball(truth_N, upper_N, 0.9)) / 2,
        "accuracy": metrics.accuracy(label_N, said_N),
        "macro_f1": metrics.macro_f1(label_N, said_N),
    }


def _floors(backtest: Backtest, origins: pd.DatetimeIndex) -> dict[str, float]:
    """What classes are worth without a model: the class most frequent on validation, and "what rose will fall"."""
    use_OS = backtest.cells(origins)
    label_N = metrics.change_class(backtest.growth_OS[use_OS], backtest.thresholds)
    earlier = metrics.change_class(backtest.growth_OS[backtest.cells(backtest.split.validation)], backtest.thresholds)
    most_N = np.full(len(label_N), np.bincount(earlier, minlength=len(CLASSES)).argmax())
    past_OS = np.array([_past_growth(backtest, place) for place in range(len(backtest.split.all))])
    turned_N = len(CLASSES) - 1 - metrics.change_class(past_OS[use_OS], backtest.thresholds)
    return {
        "majority_accuracy": metrics.accuracy(label_N, most_N),
        "majority_f1": metrics.macro_f1(label_N, most_N),
        "reversion_accuracy": metrics.accuracy(label_N, turned_N),
        "reversion_f1": metrics.macro_f1(label_N, turned_N),
    }


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


def table_text(backtest: Backtest, combined: Combined, scores: pd.DataFrame) -> str:
    """The printed table: the ladder first, then members and the ensemble."""
    validation = scores[scores["split"] == "validation"].set_index("model")
    test = scores[scores["split"] == "test"].set_index("model")
    head = f"{'model':<18}{'MAE val.':>10}{'MAE test':>10}{'skill':>8}{'growth ρ':>10}{'NDCG@10':>9}"
    lines = [head + f"{'accuracy':>10}{'macro F1':>10}{'hot F1':>8}{'coverage':>10}{'width':>10}"]
    for model in combined.models:
        line = f"{model:<18}{validation['mae'][model]:>10.4g}"
        if model in test.index:
            row = test.loc[model]
            line += f"{row['mae']:>10.4g}{row['skill']:>8.1%}{row['spearman_growth']:>10.2f}"
            line += f"{row['ndcg10_growth']:>9.2f}{row['accuracy']:>10.1%}{row['macro_f1']:>10.2f}"
            line += f"{row['hot_f1']:>8.2f}"
            line += f"{row['coverage']:>10.1%}{row['width']:>10.4g}"
        lines.append(line)
    lines.append("")
    if len(test):
        any_row = test.iloc[0]
        lines.append(
            f"floors of accuracy (macro F1): majority {any_row['majority_accuracy']:.1%} "
            f"({any_row['majority_f1']:.2f}), mean reversion {any_row['reversion_accuracy']:.1%} "
            f"({any_row['reversion_f1']:.2f})"
        )
    return "\n".join([*lines, *notes(backtest, combined)])


def notes(backtest: Backtest, combined: Combined) -> list[str]:
    """What a reader of the table must know: panel, target, origins, and what the ensemble is made of."""
    split = backtest.split
    told = [
        f"{model} {weight:.2f}"
        for model, weight in zip(backtest.models, combined.weights_M, strict=True)
        if weight >= 0.005
    ]
    test = f", test {split.test[0].date()} to {split.test[-1].date()} ({len(split.test)})" if len(split.test) else ""
    return [
        f"panel: {Seen.of(backtest.panel)}",
        f"target {backtest.target}; origins: validation {split.validation[0].date()} to "
        f"{split.validation[-1].date()} ({len(split.validation)}){test}",
        f"skill is against `{best_rung(backtest, split.validation)}`, the rung that was best on validation",
        f"ensemble: {', '.join(told)}",
        f"its MAE on the origins it was fitted on: {combined.in_sample:.4g}; by nested cross-validation: "
        f"{combined.held_out:.4g}",
    ]
