"""What a page draws of the past: shares over equal periods, and earlier forecasts beside what came.

Shapes: S styles, P points of the history, N rows of a forecast.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums
from data.windows import DAY

YEARS = 2
"""History that is drawn: two years show whether a rise comes every year."""
PAST_COLUMNS = [
    "style", "origin", "target_start", "target_end", "model", "share", "lower", "upper", "lower_95", "upper_95",
]  # fmt: skip


@dataclass(frozen=True)
class History:
    """Shares of all styles over equal periods that end at the origin."""

    ends: pd.DatetimeIndex
    """Last day of each period, [P]."""
    share_SP: np.ndarray
    """Share in each period; NaN where the feed had no posts."""
    days: int
    """Days of a period."""


def share_history(panel: Panel, origin: pd.Timestamp, points: int = 52) -> History:
    """Shares over at most `points` equal periods of whole weeks, at most two years back from the origin.

    Args:
        panel: the counts; nothing after the origin is read.
        origin: the last day.
        points: most points of a line.
    """
    sums = Sums.of(panel).until(origin)
    known = min((origin - panel.days[0]).days + 1, YEARS * 364)
    weeks = max(1, -(-known // (7 * points)))
    count = max(1, known // (7 * weeks))
    ends = [origin - 7 * weeks * back * DAY for back in range(count)][::-1]
    shares = [sums.share(end - (7 * weeks - 1) * DAY, end) for end in ends]
    return History(pd.DatetimeIndex(ends), np.stack(shares, axis=1), 7 * weeks)


def came(panel: Panel, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray | None:
    """The shares of a period, [S]; None while it is not over, or where it has no posts."""
    if end > panel.last:
        return None
    share_S = Sums.of(panel).share(start, end)
    return share_S if np.isfinite(share_S).all() else None


def past_forecasts(
    forecast: pd.DataFrame, panel: Panel, origin: pd.Timestamp, models: list[str], most: int = 12
) -> pd.DataFrame:
    """Forecasts whose period was over at an origin, with what came: what was known of their worth on that day.

    Args:
        forecast: the noun `Forecast`, of several origins.
        panel: the counts; nothing after the origin is read.
        origin: the day that one looks back from.
        models: whose forecasts.
        most: the latest so many origins.

    Returns:
        `PAST_COLUMNS` and `truth`, the earliest origin first; no rows where nothing was over.
    """
    rows = forecast.loc[
        forecast["model"].isin(models) & (forecast["target_end"] <= min(origin, panel.last)), PAST_COLUMNS
    ]
    rows = rows[rows["origin"].isin(sorted(rows["origin"].unique())[-most:])]
    sums, places = Sums.of(panel).until(origin), pd.Index(panel.styles)
    parts = []
    for (_, start, end), part in rows.groupby(["origin", "target_start", "target_end"], sort=True):
        share_S, place_N = sums.share(start, end), places.get_indexer(pd.Index(part["style"]))
        parts.append(part.assign(truth=np.where(place_N >= 0, share_S[place_N], np.nan)))
    past = pd.concat(parts) if parts else rows.assign(truth=np.zeros(0))
    return past.dropna(subset=["truth"]).sort_values(["origin", "model", "style"], ignore_index=True)
