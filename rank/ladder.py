"""The ladder: simple rules for the share to come, which a model must beat before it is worth anything.

Every rung sees a `Look`, which holds nothing after its origin. Shapes: S styles, B blocks (target-lengths, the oldest
first, the last one ending at the origin).

Where an origin has no last year, or a style was not there yet, the seasonal rungs say what `last` says.
"""

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums
from data.windows import Target
from rank.ladder_full import full_frame
from rank.look import Look

log = logging.getLogger(__name__)

ALPHAS = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
YEAR = 12
"""Blocks of a year, where a block is a month."""
LONGEST_GROWTH = 4.0
"""Last year's growth is held within a quarter and this: a few posts more or less make wilder ones."""


def last(look: Look) -> np.ndarray:
    """The share of the reference."""
    return look.reference_S


def mean_3(look: Look) -> np.ndarray:
    """Mean share of the last three blocks."""
    return look.blocks_SB[:, -3:].mean(axis=1)


def mean_12(look: Look) -> np.ndarray:
    """Mean share of the last twelve blocks."""
    return look.blocks_SB[:, -12:].mean(axis=1)


def ses(look: Look) -> np.ndarray:
    """Simple exponential smoothing of the blocks from a style's birth on.

    One alpha for all styles, by the absolute error that far ahead within the history: a single style's history is
    too short to choose from.
    """
    alpha = _best_alpha(look.blocks_SB, look.born_S, look.ahead)
    return _levels(look.blocks_SB, look.born_S, alpha)[:, -1]


def theta(look: Look) -> np.ndarray:
    """Theta method: smoothing with half of the linear trend as drift.

    Assimakopoulos & Nikolopoulos (2000), in the form of Hyndman & Billah (2003). With two years or more of months,
    styles whose autocorrelation at a year is significant at 90% are seasonally adjusted first, as in the M3.
    """
    season_SB, season_S = np.ones_like(look.blocks_SB), np.ones(len(look.blocks_SB))
    if look.target.kind == "calendar-month" and look.blocks_SB.shape[1] >= 2 * YEAR:
        season_SB, season_S = _season(look.blocks_SB, look.ahead)
    adjusted_SB = look.blocks_SB / season_SB
    alpha = _best_alpha(adjusted_SB, look.born_S, 1)
    level_S = _levels(adjusted_SB, look.born_S, alpha)[:, -1]
    blocks = adjusted_SB.shape[1]
    age_S = np.maximum(blocks - look.born_S, 1)
    drift_S = _slopes(adjusted_SB, look.born_S) / 2
    steps_S = look.ahead - 1 + (1 - (1 - alpha) ** age_S) / alpha
    return np.clip((level_S + drift_S * steps_S) * season_S, 0.0, 1.0)


def seasonal_naive(look: Look) -> np.ndarray:
    """The share of the same period last year."""
    return np.where(look.has_year_S, look.last_year_S, look.reference_S)


def seasonal_growth(look: Look) -> np.ndarray:
    """The share of the reference times last year's growth over the same span."""
    growth_S = (look.last_year_S + look.last_year_half) / (look.last_year_reference_S + look.last_year_half)
    growth_S = np.clip(growth_S, 1 / LONGEST_GROWTH, LONGEST_GROWTH)
    return np.where(look.has_year_S, look.reference_S * growth_S, look.reference_S)


def seasonal_blend(look: Look) -> np.ndarray:
    """Half `last`, half `seasonal-naive`."""
    return (last(look) + seasonal_naive(look)) / 2


RUNGS: dict[str, Callable[[Look], np.ndarray]] = {
    "last": last,
    "mean-3": mean_3,
    "mean-12": mean_12,
    "ses": ses,
    "theta": theta,
    "seasonal-naive": seasonal_naive,
    "seasonal-growth": seasonal_growth,
    "seasonal-blend": seasonal_blend,
}
SEASONAL = ("seasonal-naive", "seasonal-growth", "seasonal-blend")


def ladder_shares(panel: Panel, target: Target, origins: pd.DatetimeIndex, full: bool = False) -> pd.DataFrame:
    """What each rung says at each origin: `origin, style, model, share, used`, for styles seen by then.

    `used` is the last day of the counts that it was handed. The seasonal rungs are left out (told) when not even the
    last origin has a last year to look at.

    Args:
        panel: the counts.
        target: what is asked for.
        origins: the days that are forecast from.
        full: whether the upper rungs are climbed as well (`rank.ladder_full`).

    Raises:
        UserError: the upper rungs are asked for and statsforecast is not installed.
    """
    sums = Sums.of(panel)
    names = list(RUNGS)
    if not Look(sums, target, origins.max(), target.period(origins.max())).has_year:
        log.info("the history holds no whole year: no seasonal rungs")
        names = [name for name in names if name not in SEASONAL]
    styles = np.array(panel.styles, dtype=object)
    parts = []
    looks = [Look(sums, target, origin, target.period(origin)) for origin in origins]
    for origin, look in zip(origins, looks, strict=True):
        if look.has_year is False and SEASONAL[0] in names:
            log.info("%s has no last year to look at: the seasonal rungs say what `last` says", origin.date())
        seen_S = look.seen_S
        for name in names:
            share_S = RUNGS[name](look)[seen_S]
            parts.append(pd.DataFrame({"origin": origin, "style": styles[seen_S], "model": name, "share": share_S}))
    if full:
        parts.append(full_frame(looks, styles))
    frame = pd.concat(parts, ignore_index=True)
    held = {origin: look.sums.held for origin, look in zip(origins, looks, strict=True)}
    return frame.assign(used=frame["origin"].map(held))


def _levels(values_SB: np.ndarray, born_S: np.ndarray, alpha: float) -> np.ndarray:
    """Smoothed level after each block, [S, B]; at a style's birth it is the first value."""
    levels_SB = np.empty_like(values_SB)
    levels_SB[:, 0] = values_SB[:, 0]
    for block in range(1, values_SB.shape[1]):
        smoothed_S = alpha * values_SB[:, block] + (1 - alpha) * levels_SB[:, block - 1]
        levels_SB[:, block] = np.where(block <= born_S, values_SB[:, block], smoothed_S)
    return levels_SB


def _best_alpha(values_SB: np.ndarray, born_S: np.ndarray, ahead: int) -> float:
    """The alpha with the least absolute error `ahead` blocks on; 0.5 while the history is too short to tell."""
    blocks = values_SB.shape[1]
    if blocks <= ahead + 1:
        return 0.5
    alive_SB = np.arange(blocks - ahead) >= born_S[:, None]
    errors = [
        float((np.abs(_levels(values_SB, born_S, alpha)[:, :-ahead] - values_SB[:, ahead:]) * alive_SB).sum())
        for alpha in ALPHAS
    ]
    return float(ALPHAS[int(np.argmin(errors))])


def _slopes(values_SB: np.ndarray, born_S: np.ndarray) -> np.ndarray:
    """Slope per block of the least-squares line from birth on, [S]; 0 with fewer than four blocks."""
    blocks = values_SB.shape[1]
    alive_SB = (np.arange(blocks) >= born_S[:, None]).astype(float)
    count_S = np.maximum(alive_SB.sum(axis=1), 1.0)
    time_SB = (np.arange(blocks) - (np.arange(blocks) * alive_SB).sum(axis=1)[:, None] / count_S[:, None]) * alive_SB
    slope_S = (time_SB * values_SB).sum(axis=1) / np.maximum((time_SB**2).sum(axis=1), 1e-12)
    return np.where(count_S >= 4, slope_S, 0.0)


def _season(values_SB: np.ndarray, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """Multiplicative seasonal index of each block, [S, B], and of the target, [S]; ones where it is not significant."""
    blocks = values_SB.shape[1]
    kernel = np.r_[0.5, np.ones(YEAR - 1), 0.5] / YEAR
    trend_SB = np.stack([np.convolve(row, kernel, mode="valid") for row in values_SB])
    middle_SB = values_SB[:, YEAR // 2 : blocks - YEAR // 2]
    ratio_SB = np.where(trend_SB > 0, middle_SB / np.where(trend_SB > 0, trend_SB, 1.0), 1.0)
    place_B = np.arange(blocks) % YEAR
    inner_B = place_B[YEAR // 2 : blocks - YEAR // 2]
    index_SY = np.stack([ratio_SB[:, inner_B == place].mean(axis=1) for place in range(YEAR)], axis=1)
    index_SY = np.clip(index_SY / np.maximum(index_SY.mean(axis=1, keepdims=True), 1e-12), 0.1, 10.0)
    index_SY = np.where(_significant(values_SB)[:, None], index_SY, 1.0)
    return index_SY[:, place_B], index_SY[:, (blocks - 1 + ahead) % YEAR]


def _significant(values_SB: np.ndarray) -> np.ndarray:
    """Whether the autocorrelation at a year passes the 90% test of the M3 competition's Theta, [S]."""
    centred_SB = values_SB - values_SB.mean(axis=1, keepdims=True)
    power_S = np.maximum((centred_SB**2).sum(axis=1), 1e-300)
    lags = [(centred_SB[:, lag:] * centred_SB[:, :-lag]).sum(axis=1) / power_S for lag in range(1, YEAR + 1)]
    limit_S = 1.645 * np.sqrt((1 + 2 * sum(lag**2 for lag in lags[:-1])) / values_SB.shape[1])
    return np.abs(lags[-1]) > limit_S
