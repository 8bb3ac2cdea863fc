"""How good the forecast has been so far: the backtest's metrics as a page shows them, and the verdict in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ensemble.figures import MINUS, MISSING, skill_text
from rank.ladder import RUNGS
from rank.ladder_full import FULL_RUNGS

ENSEMBLE = "ensemble"
KINDS = {"ensemble": "this forecast", "member": "part of it", "rung": "simple rule"}


@dataclass(frozen=True)
class RecordRow:
    """A model's line in the record."""

    model: str
    """Name of the model."""
    kind: str
    """What it is, in words."""
    cells: tuple[str, ...]
    """Its metrics as text."""


@dataclass(frozen=True)
class Record:
    """The record table and what it says."""

    headings: tuple[str, ...]
    """Headings of the metrics."""
    rows: tuple[RecordRow, ...]
    """The ensemble, its members, then the ladder; the best first."""
    verdict: str
    """Whether the ensemble beat the best rung, in one or two sentences."""
    good: bool
    """Whether it did."""


def _points(value: float, decimals: int) -> str:
    """A share's error in percentage points."""
    return MISSING if math.isnan(value) else f"{100 * value:.{decimals}f}"


def _percent(value: float, decimals: int = 0) -> str:
    return MISSING if math.isnan(value) else f"{100 * value:.0f}%".replace("-", MINUS)


def _correlation(value: float, decimals: int = 0) -> str:
    return MISSING if math.isnan(value) else f"{value:.2f}".replace("-", MINUS)


COLUMNS: dict[str, tuple[str, Callable[[float, int], str]]] = {
    "mae": ("Mean error, pts", _points),
    "skill": ("Better than best rule", _percent),
    "coverage": ("Interval held", _percent),
    "spearman_growth": ("Order of growth", _correlation),
}
PROVEN = "Against the rule chosen before"
"""Heading of the skill against the rung that was best on validation, with its 95% interval."""
NO_RECORD = (
    "No backtest came with this forecast, so nothing is known about how good it is. "
    "Run a backtest before you rely on it."
)


def kind_of(model: str) -> str:
    """What a model of the metrics is: `ensemble`, `member` or `rung`."""
    return ENSEMBLE if model == ENSEMBLE else "rung" if model in (*RUNGS, *FULL_RUNGS) else "member"


def build_record(metrics: pd.DataFrame | None) -> Record:
    """Arranges the metrics of the test origins, and says plainly whether the ensemble was worth it.

    Args:
        metrics: a row a split and model: `split`, `model`, `mae`, and `coverage`, `spearman_growth`, `origins`
            where known; None or without test rows when no backtest was run. How much better than the best rule a model
            was (1 - mae / mae of the rung with the least) is worked out here, in hindsight; where the metrics have
            `skill`, `skill_low` and `skill_high`, the skill against the rung chosen on validation is shown beside it.
    """
    if metrics is None or not (metrics["split"] == "test").any():
        return Record((), (), NO_RECORD, False)
    test = metrics[metrics["split"] == "test"].copy()
    test["kind"] = test["model"].map(kind_of)
    rungs = test[test["kind"] == "rung"].sort_values(["mae", "model"])
    sure = {"skill", "skill_low", "skill_high"} <= set(test.columns)
    if sure:
        ends = zip(test["skill"], test["skill_low"], test["skill_high"], strict=True)
        test["proven"] = [skill_text(skill, low, high, 0) for skill, low, high in ends]
    test["skill"] = 1 - test["mae"] / rungs["mae"].iloc[0] if len(rungs) else math.nan
    test["order"] = test["kind"].map(list(KINDS).index)
    test = test.sort_values(["order", "mae", "model"])
    # Three digits of the least error, for all of them.
    decimals = int(min(max(2 - math.floor(math.log10(max(100 * test["mae"].min(), 1e-9))), 1), 6))
    shown = [name for name in COLUMNS if name in test.columns]
    rows = tuple(
        RecordRow(
            row["model"],
            KINDS[row["kind"]],
            (*(COLUMNS[name][1](float(row[name]), decimals) for name in shown), *([row["proven"]] if sure else [])),
        )
        for row in test.to_dict("records")
    )
    verdict, good = _verdict(test, rungs, decimals)
    headings = (*(COLUMNS[name][0] for name in shown), *([PROVEN] if sure else []))
    return Record(headings, rows, verdict + _doubt(test, sure), good)


def _doubt(test: pd.DataFrame, sure: bool) -> str:
    """Whether the gain may be chance, in a sentence; nothing where no interval is known or it is clear of zero."""
    mine = test[test["model"] == ENSEMBLE]
    if not sure or mine.empty or math.isnan(low := float(mine["skill_low"].iloc[0])) or low > 0:
        return ""
    told = mine["proven"].iloc[0]
    return f" Against the rule chosen before the test, {told}: with so few styles and dates that may be chance."


def _verdict(test: pd.DataFrame, rungs: pd.DataFrame, decimals: int) -> tuple[str, bool]:
    ensemble = test[test["model"] == ENSEMBLE]
    if ensemble.empty or rungs.empty:
        return "The backtest lacks the ensemble or the simple rules, so the two cannot be compared.", False
    mine, rung = float(ensemble["mae"].iloc[0]), rungs.iloc[0]
    best = float(rung["mae"])
    over = f" over {int(ensemble['origins'].iloc[0])} past forecasts" if "origins" in test.columns else ""
    told = f"a mean error of {_points(mine, decimals)} points of share{over}, against {_points(best, decimals)}"
    told += f" for {rung['model']}"
    if mine < best:
        gain = 1 - mine / best
        by = f"by {_percent(gain)}" if gain >= 0.01 else "only just (by less than 1%)"
        return f"This forecast beat the best simple rule {by}: {told}.", True
    return (
        f"This forecast did NOT beat the best simple rule: {told}. "
        f"Where the two differ, trust {rung['model']} more.", False,
    )  # fmt: skip
