"""A backtest told to people: the printed table, and how each style and each origin came off.

Shapes: M models, O origins of the split, S styles.
"""

import math

import numpy as np
import pandas as pd

from data.panel_seen import Seen
from ensemble.classes import told_names
from ensemble.figures import skill_text
from ensemble.score import cells_of, order_of_growth, said_classes, splits
from ensemble.walk import Walk
from rank.backtest import Backtest, best_rung
from rank.metrics import held

OF_ERROR = {
    "MAE test": ("mae", ".4g"), "RMSE": ("rmse", ".4g"), "MASE": ("mase", ".3f"), "WAPE": ("wape", ".1%"),
    "pinball": ("pinball", ".3g"),
}  # fmt: skip
OF_CHANGE = {
    "growth ρ": ("spearman_growth", ".2f"), "NDCG@10": ("ndcg10_growth", ".2f"), "accuracy": ("accuracy", ".1%"),
    "macro F1": ("macro_f1", ".2f"), "hot F1": ("hot_f1", ".2f"),
}  # fmt: skip


def table_text(backtest: Backtest, walk: Walk, scores: pd.DataFrame, level: float = 0.8) -> str:
    """The printed table: errors, then change and intervals; the ladder first, then members and the ensemble.

    Args:
        backtest: the forecasts.
        walk: what was fitted for each origin.
        scores: of `ensemble.score.score`.
        level: part of the truths that `lower` and `upper` shall hold.
    """
    validation = scores[scores["split"] == "validation"].set_index("model")
    test = scores[scores["split"] == "test"].set_index("model")
    told = test if len(test) else validation
    first = pd.DataFrame(index=list(walk.models))
    first["MAE val."] = [f"{validation['mae'][model]:.4g}" for model in walk.models]
    first["skill" if len(test) else "skill val."] = [
        skill_text(float(told["skill"][model]), float(told["skill_low"][model]), float(told["skill_high"][model]))
        for model in walk.models
    ]
    blocks = [first]
    if len(test):
        for name, (column, form) in OF_ERROR.items():
            first[name] = [format(value, form) for value in test[column]]
        near = f"{level:.0%}"
        of_intervals = {
            f"{near} held": ("coverage", ".1%"), f"{near} width": ("width", ".3g"),
            "95% held": ("coverage_95", ".1%"), "95% width": ("width_95", ".3g"),
        }  # fmt: skip
        columns = OF_CHANGE | of_intervals
        blocks.append(
            pd.DataFrame(
                {name: [format(value, form) for value in test[column]] for name, (column, form) in columns.items()},
                index=list(walk.models),
            )
        )
    lines = "\n\n".join(_aligned(block) for block in blocks).split("\n")
    lines.append("")
    if len(test):
        row = test.iloc[0]
        lines.append(
            f"classes: {told_names(backtest.thresholds.rule)}; floors of accuracy (macro F1): majority "
            f"{row['majority_accuracy']:.1%} ({row['majority_f1']:.2f}), mean reversion "
            f"{row['reversion_accuracy']:.1%} ({row['reversion_f1']:.2f})"
        )
    return "\n".join([*lines, *notes(backtest, walk)])


def _aligned(cells: pd.DataFrame) -> str:
    """Names to the left, numbers to the right."""
    wide = {name: max(len(name), *(len(text) for text in cells[name])) + 2 for name in cells.columns}
    names = max(len("model"), *(len(str(name)) for name in cells.index))
    lines = ["model".ljust(names) + "".join(name.rjust(width) for name, width in wide.items())]
    for model, row in cells.iterrows():
        lines.append(str(model).ljust(names) + "".join(row[name].rjust(width) for name, width in wide.items()))
    return "\n".join(lines)


def notes(backtest: Backtest, walk: Walk) -> list[str]:
    """What a reader of the table must know: panel, target, origins, and what the ensemble is made of."""
    split = backtest.split
    told = [
        f"{model} {weight:.2f}"
        for model, weight in zip(backtest.models, walk.first.weights_M, strict=True)
        if weight >= 0.005
    ]
    test = f", test {split.test[0].date()} to {split.test[-1].date()} ({len(split.test)})" if len(split.test) else ""
    return [
        f"panel: {Seen.of(backtest.panel)}",
        f"target {backtest.target}; origins: validation {split.validation[0].date()} to "
        f"{split.validation[-1].date()} ({len(split.validation)}){test}",
        f"skill is against `{best_rung(backtest, split.validation)}`, the rung that was best on validation; in "
        "brackets 95% of the draws of styles and origins",
        f"ensemble: {', '.join(told)}",
        f"its MAE on the origins it was fitted on: {walk.first.in_sample:.4g}; by nested cross-validation: "
        f"{walk.first.held_out:.4g}",
    ]


def per_origin(backtest: Backtest, walk: Walk, forecast: pd.DataFrame) -> pd.DataFrame:
    """A row for each split, origin and model.

    Returns:
        split, origin, target_start, target_end, model, cells, mae, skill (against the rung that was best on
        validation), spearman_growth, ndcg10_growth, and on test coverage, width and accuracy of the classes.
    """
    rows = []
    rung = walk.models.index(best_rung(backtest, backtest.split.validation))
    said = _laid(backtest, walk, forecast)
    for split, origins in splits(backtest):
        share_MOS, use_OS = walk.told_shares(backtest), backtest.cells(origins)
        for place, origin in zip(backtest.places(origins), origins, strict=True):
            use_S = use_OS[place]
            if not use_S.any():
                continue
            start, end = backtest.target.period(origin)
            error_M = np.abs(share_MOS[:, place] - backtest.truth_OS[place])[:, use_S].mean(axis=1)
            for number, model in enumerate(walk.models):
                correlation, gain = order_of_growth(backtest, share_MOS[number], place, use_S)
                rows.append({
                    "split": split, "origin": origin, "target_start": start, "target_end": end, "model": model,
                    "cells": int(use_S.sum()), "mae": error_M[number],
                    "skill": 1 - error_M[number] / error_M[rung] if error_M[rung] > 0 else math.nan,
                    "spearman_growth": correlation, "ndcg10_growth": gain,
                    **({name: said[name][number, place][use_S].mean() for name in said} if split == "test" else {}),
                })  # fmt: skip
    return pd.DataFrame(rows)


def per_style(backtest: Backtest, walk: Walk, forecast: pd.DataFrame) -> pd.DataFrame:
    """A row for each split, style and model.

    Returns:
        split, style, model, origins, share (mean of the truths), mae, bias (mean of forecast less truth), skill
        (against the rung that was best on validation; NaN where that made no error), and on test coverage, width and
        accuracy of the classes.
    """
    rung = walk.models.index(best_rung(backtest, backtest.split.validation))
    said, parts = _laid(backtest, walk, forecast), []
    for split, origins in splits(backtest):
        use_OS = backtest.cells(origins)
        some_S = use_OS.any(axis=0)
        count_S = use_OS.sum(axis=0)[some_S]
        miss_MOS = np.where(use_OS, walk.told_shares(backtest) - backtest.truth_OS, 0.0)
        mae_MS = np.abs(miss_MOS).sum(axis=1)[:, some_S] / count_S
        base_S = np.where(mae_MS[rung] > 0, mae_MS[rung], np.nan)
        for number, model in enumerate(walk.models):
            columns = {
                "split": split, "style": np.array(backtest.panel.styles, dtype=object)[some_S], "model": model,
                "origins": count_S,
                "share": np.where(use_OS, backtest.truth_OS, 0.0).sum(axis=0)[some_S] / count_S,
                "mae": mae_MS[number], "bias": miss_MOS[number].sum(axis=0)[some_S] / count_S,
                "skill": 1 - mae_MS[number] / base_S,
            }  # fmt: skip
            if split == "test":
                for name, value_MOS in said.items():
                    columns[name] = np.where(use_OS, value_MOS[number], 0.0).sum(axis=0)[some_S] / count_S
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _laid(backtest: Backtest, walk: Walk, forecast: pd.DataFrame) -> dict[str, np.ndarray]:
    """`coverage` and `accuracy` (0 or 1) and `width` of each cell of the test origins, [M + 1, O, S]; NaN elsewhere."""
    shape = (len(walk.models), *backtest.truth_OS.shape)
    said = {name: np.full(shape, np.nan) for name in ("coverage", "width", "accuracy")}
    for number, model in enumerate(walk.models):
        rows = forecast[forecast["model"] == model]
        at = (number, *cells_of(backtest, rows))
        truth_N, lower_N, upper_N = backtest.truth_OS[at[1:]], rows["lower"].to_numpy(), rows["upper"].to_numpy()
        said["coverage"][at] = held(truth_N, lower_N, upper_N)
        said["width"][at] = upper_N - lower_N
        said["accuracy"][at] = backtest.label_OS[at[1:]] == said_classes(rows)
    return said
