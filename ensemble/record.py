"""How good the forecast has been so far: the backtest's metrics as a page tells them, and whether it was worth it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rank.ladder import RUNGS
from rank.ladder_full import FULL_RUNGS

ENSEMBLE = "ensemble"
KINDS = (ENSEMBLE, "member", "rung")
METRICS = ("mae", "skill", "skill_low", "skill_high", "coverage", "coverage_95", "spearman_growth", "accuracy")
Verdict = Literal["none", "incomplete", "won", "lost"]


@dataclass(frozen=True)
class Record:
    """The record table, and what it comes to."""

    rows: tuple[dict[str, Any], ...]
    """The ensemble, its members, then the ladder, the least error first: `model`, `kind` (`KINDS`), `gain` (1 - mae /
    mae of the rung with the least, in hindsight) and those of `METRICS` that are known; None where not told."""
    verdict: Verdict
    """Whether the ensemble beat the best rung; `none` without a backtest, `incomplete` where one of both is missing."""
    rung: str
    """The rung with the least error on test, in hindsight; "" = none."""
    chosen: str
    """The rung that was best on validation, which skill is against; "" = not known."""
    origins: int | None
    """Past forecasts behind it."""

    @property
    def good(self) -> bool:
        """Whether the ensemble beat the best rung, and by more than chance may do where an interval is known."""
        return self.verdict == "won" and not self.doubtful

    @property
    def doubtful(self) -> bool:
        """Whether the interval of the ensemble's skill holds 0."""
        mine = next((row for row in self.rows if row["kind"] == ENSEMBLE), {})
        low = mine.get("skill_low")
        return low is not None and low <= 0


def kind_of(model: str) -> str:
    """What a model of the metrics is: `ensemble`, `member` or `rung`."""
    return ENSEMBLE if model == ENSEMBLE else "rung" if model in (*RUNGS, *FULL_RUNGS) else "member"


def _number(value: object) -> float | None:
    return None if not isinstance(value, int | float) or math.isnan(value) else float(value)


def build_record(metrics: pd.DataFrame | None) -> Record:
    """Arranges the metrics of the test origins, and says whether the ensemble was worth it.

    Args:
        metrics: a row a split and model: `split`, `model`, `mae`, and those of `METRICS` and `origins` where known;
            None or without test rows when no backtest was run.
    """
    if metrics is None or not (metrics["split"] == "test").any():
        return Record((), "none", "", "", None)
    test = metrics[metrics["split"] == "test"].copy()
    test["kind"] = test["model"].map(kind_of)
    rungs = test[test["kind"] == "rung"].sort_values(["mae", "model"])
    test["gain"] = 1 - test["mae"] / rungs["mae"].iloc[0] if len(rungs) else math.nan
    test["order"] = test["kind"].map(KINDS.index)
    test = test.sort_values(["order", "mae", "model"])
    known = ["gain", *(name for name in METRICS if name in test.columns)]
    rows = tuple(
        {"model": row["model"], "kind": row["kind"]} | {name: _number(row[name]) for name in known}
        for row in test.to_dict("records")
    )
    mine = test[test["kind"] == ENSEMBLE]
    origins = int(mine["origins"].iloc[0]) if len(mine) and "origins" in mine else None
    verdict: Verdict = "incomplete"
    if len(mine) and len(rungs):
        verdict = "won" if mine["mae"].iloc[0] < rungs["mae"].iloc[0] else "lost"
    return Record(rows, verdict, str(rungs["model"].iloc[0]) if len(rungs) else "", _chosen(metrics), origins)


def _chosen(metrics: pd.DataFrame) -> str:
    """The rung with the least error on validation; "" where none is known."""
    rungs = metrics[(metrics["split"] == "validation") & (metrics["model"].map(kind_of) == "rung")]
    errors = dict(zip(rungs["model"], rungs["mae"], strict=True))
    order = [*RUNGS, *FULL_RUNGS]
    # As `rank.backtest.best_rung`: of equals the earlier one.
    return min(rungs["model"], key=lambda model: (errors[model], order.index(model)), default="")


def calibration(past: pd.DataFrame, interval: float) -> list[tuple[float, float]]:
    """How often the truth lay below what the ensemble said: (said, seen) for each end of the intervals and the middle.

    A truth that is just the value counts half. An honest forecast has the two alike.

    Args:
        past: forecasts with `truth` (`ensemble.history.past_forecasts`).
        interval: nominal coverage of `lower` to `upper`, 0 to 1.
    """
    rows = past[past["model"] == ENSEMBLE]
    half = (1 - interval) / 2
    levels = {"lower_95": 0.025, "lower": half, "share": 0.5, "upper": 1 - half, "upper_95": 0.975}
    if rows.empty or not np.isfinite(rows[[*levels]].to_numpy(float)).all():
        return []
    return [
        (level, float((rows["truth"] < rows[name]).mean() + (rows["truth"] == rows[name]).mean() / 2))
        for name, level in levels.items()
    ]


def errors(past: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error of each model at each origin: origins as rows, models as columns, shares."""
    missed = past.assign(error=(past["share"] - past["truth"]).abs())
    return missed.pivot_table(index="origin", columns="model", values="error", aggfunc="mean").sort_index()
