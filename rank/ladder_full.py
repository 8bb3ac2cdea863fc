"""The upper rungs: Theta, ETS, CES and ARIMA as statsforecast chooses them for each style, and their mean.

The mean of such models is hard to beat in published comparisons (the M4's "Comb" and its kin: Makridakis, Spiliotis &
Assimakopoulos, 2020; Petropoulos & Svetunkov, 2020). Each is fitted to each style at each origin, which is slow: hence
behind `--ladder full`, over processes. statsforecast comes with the extra `ladder`.
Shapes: S styles, B blocks (see `rank.ladder`), R rungs.
"""

import logging
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from data.parallel import in_parallel
from rank.look import Look
from stylecast.errors import UserError

log = logging.getLogger(__name__)

MODELS = {"auto-theta": "AutoTheta", "auto-ets": "AutoETS", "auto-ces": "AutoCES", "auto-arima": "AutoARIMA"}
"""Rungs and the classes of statsforecast that make them."""
MEAN = "auto-mean"
FULL_RUNGS = (*MODELS, MEAN)
LEAST_BLOCKS = 5
"""A shorter history is no series: the rungs say what `last` says."""
YEAR = 12
TASK = 50
"""Series that a process takes at a time."""


@dataclass(frozen=True)
class Series:
    """The history of a style up to an origin."""

    values_B: np.ndarray
    """Share of each block since the style's birth."""
    ahead: int
    """Blocks from the last to the target."""
    season: int
    """Blocks of a year, 1 where the history tells no season."""


@cache
def _models(season: int) -> tuple[Any, ...]:
    try:
        from statsforecast import models
    except ImportError as error:
        raise UserError("--ladder full needs statsforecast; install it with: pip install '.[ladder]'") from error
    return tuple(getattr(models, name)(season_length=season) for name in MODELS.values())


def forecast_series(several: list[Series]) -> np.ndarray:
    """What each model says of each series, [series, 4]; NaN where it could not be fitted."""
    said = np.full((len(several), len(MODELS)), np.nan)
    for row, series in enumerate(several):
        for column, model in enumerate(_models(series.season)):
            try:
                said[row, column] = model.forecast(series.values_B, h=series.ahead)["mean"][-1]
            except Exception:  # statsforecast raises bare ones where no model can be fitted; the caller tells how many
                said[row, column] = np.nan
    return said


def _series(look: Look) -> dict[int, Series]:
    """The series of the styles that have one, by number."""
    found = {}
    for style in np.flatnonzero(look.seen_S):
        values_B = look.blocks_SB[style, look.born_S[style] :]
        # Nothing can be estimated from a constant, and `last` is its forecast.
        if len(values_B) >= LEAST_BLOCKS and np.ptp(values_B) > 0:
            seasonal = look.target.kind == "calendar-month" and len(values_B) >= 2 * YEAR
            found[int(style)] = Series(values_B.astype(np.float64), look.ahead, YEAR if seasonal else 1)
    return found


def full_shares(looks: list[Look]) -> dict[str, list[np.ndarray]]:
    """Shares that the upper rungs say, rung → [S] for each look.

    What a model says beyond [0, 1] is clipped. A series too short or constant, or one that a model cannot be fitted
    to (told in the log), is forecast by `last`.

    Args:
        looks: what is seen from each origin.

    Raises:
        UserError: statsforecast is not installed.
    """
    _models(1)
    series = [_series(look) for look in looks]
    flat = [one for styles in series for one in styles.values()]
    tasks = [flat[i : i + TASK] for i in range(0, len(flat), TASK)]
    parts = list(in_parallel(forecast_series, tasks, os.cpu_count() or 1, "upper rungs"))
    said = np.concatenate(parts) if parts else np.zeros((0, len(MODELS)))
    failed = {name: int(count) for name, count in zip(MODELS, np.isnan(said).sum(axis=0), strict=True) if count}
    if failed:
        told = ", ".join(f"{name} {count}" for name, count in failed.items())
        log.warning("of %d series some could not be fitted, and `last` stands in: %s", len(said), told)
    shares: dict[str, list[np.ndarray]] = {name: [] for name in FULL_RUNGS}
    start = 0
    for look, styles in zip(looks, series, strict=True):
        share_RS = np.tile(look.reference_S, (len(MODELS), 1))
        told_RS = said[start : start + len(styles)].T
        rows = list(styles)
        share_RS[:, rows] = np.where(np.isnan(told_RS), share_RS[:, rows], np.clip(told_RS, 0.0, 1.0))
        start += len(styles)
        for name, share_S in zip(MODELS, share_RS, strict=True):
            shares[name].append(share_S)
        shares[MEAN].append(share_RS.mean(axis=0))
    return shares


def full_frame(looks: list[Look], styles: np.ndarray) -> pd.DataFrame:
    """The upper rungs as `origin, style, model, share`, for styles seen by then."""
    shares = full_shares(looks)
    parts = [
        pd.DataFrame(
            {"origin": look.origin, "style": styles[look.seen_S], "model": name, "share": share_S[look.seen_S]}
        )
        for name, several in shares.items()
        for look, share_S in zip(looks, several, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
