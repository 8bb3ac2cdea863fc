"""Error by horizon: the same periods, forecast from nearer and from farther away.

A target has one distance from its origin. Backtests of several targets on as many origins each, counted back from the
last complete period, ask for the same periods; what differs is how long before they are asked.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ensemble.combine import ENSEMBLE
from rank.backtest import Backtest, best_rung
from recall.fonts import COLOURS, INK, QUIET, canvas

RUNG = "best rung"
"""The rung that was best on the validation origins of a target, which may be another for each."""
LAST = "last"
COLUMNS = ("mae", "skill", "skill_low", "skill_high", "spearman_growth", "coverage", "width")


def per_horizon(told: Sequence[tuple[Backtest, pd.DataFrame]]) -> pd.DataFrame:
    """A row for each target and model, the nearest first.

    Args:
        told: the backtest of each target and its metrics, a row for each split and model.

    Returns:
        target, days_ahead (from the origin to the middle of the target, mean), best_rung, model, origins, cells, and of
        the test origins mae, skill, skill_low, skill_high, spearman_growth, coverage, width.
    """
    parts = []
    for backtest, metrics in told:
        test = metrics[metrics["split"] == "test"]
        ahead = [
            (start - origin).days + ((end - start).days / 2)
            for origin in backtest.split.test
            for start, end in [backtest.target.period(origin)]
        ]
        part = test[["model", "origins", "cells", *COLUMNS]].copy()
        part.insert(0, "target", str(backtest.target))
        part.insert(1, "days_ahead", float(np.mean(ahead)))
        part.insert(2, "best_rung", best_rung(backtest, backtest.split.validation))
        parts.append(part)
    return pd.concat(parts, ignore_index=True).sort_values("days_ahead", kind="stable", ignore_index=True)


def _rows(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    name = frame["best_rung"] if model == RUNG else model
    return frame[frame["model"] == name].set_index("target")


def horizon_text(frame: pd.DataFrame) -> str:
    """The ensemble beside the last value and the best rung, a line a target."""
    lines = [f"{'target':<22}{'days ahead':>11}{'MAE':>10}{LAST:>10}{RUNG:>11}{'skill':>8}{'growth ρ':>10}{'held':>7}"]
    mine, last, rung = (_rows(frame, model) for model in (ENSEMBLE, LAST, RUNG))
    for target, row in mine.iterrows():
        lines.append(
            f"{target:<22}{row['days_ahead']:>11.0f}{row['mae']:>10.4g}{last.loc[target, 'mae']:>10.4g}"
            f"{rung.loc[target, 'mae']:>11.4g}{row['skill']:>8.1%}{row['spearman_growth']:>10.2f}"
            f"{row['coverage']:>7.0%}"
        )
    return "\n".join(lines)


def horizons(frame: pd.DataFrame) -> Figure:
    """Left: mean error by days ahead. Right: skill against the best rung, with its 95% interval."""
    figure = canvas(10, 3.7)
    left, right = figure.subplots(1, 2)
    shown = ((LAST, "#c4c4c4", "last value"), (RUNG, "#8a8a8a", "best rule on validation"),
             (ENSEMBLE, COLOURS[0], ENSEMBLE))  # fmt: skip
    for model, colour, name in shown:
        rows = _rows(frame, model)
        left.plot(rows["days_ahead"], 100 * rows["mae"], color=colour, linewidth=1.6, marker="o", markersize=5,
                  label=name)  # fmt: skip
    mine = _rows(frame, ENSEMBLE)
    skill_H = 100 * mine["skill"].to_numpy()
    ends_H2 = 100 * mine[["skill_low", "skill_high"]].to_numpy()
    away_2H = np.abs(ends_H2 - skill_H[:, None]).T
    right.errorbar(mine["days_ahead"], skill_H, np.where(np.isfinite(away_2H), away_2H, 0.0), color=COLOURS[0],
                   linewidth=1.6, elinewidth=1, capsize=4, marker="o", markersize=5)  # fmt: skip
    right.axhline(0, color=INK, linewidth=0.8)
    for axes in (left, right):
        axes.set_xticks(mine["days_ahead"], [f"{day:.0f}\n{name}" for name, day in mine["days_ahead"].items()])
        axes.set_xlim(0, 1.15 * mine["days_ahead"].max())
        axes.grid(axis="y")
        axes.set_xlabel("days from the origin to the middle of the target")
    left.set_ylim(bottom=0)
    left.set_ylabel("points of share")
    left.set_title(f"Mean error on the test origins ({mine['origins'].iloc[0]} of each target)")
    right.set_ylabel("% better than the best rule")
    right.set_title("Skill, and 95% of the draws of styles and origins")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False, labelcolor=QUIET)
    return figure
