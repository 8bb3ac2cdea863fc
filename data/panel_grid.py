"""From checked rows to the daily grid: what a row stands for, which days it covers, where a feed begins.

Shapes: S styles, T days, N rows, P periods (dates of the source).
"""

import logging
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from stylecast.errors import UserError

log = logging.getLogger(__name__)

Granularity = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Grid:
    """Where the periods of a source lie on the days."""

    days: pd.DatetimeIndex
    """Every day from the first period's first to the last one's last, [T]."""
    place_P: np.ndarray
    """Position of the first day of each period."""
    length_P: np.ndarray
    """Days of each period."""

    @classmethod
    def of(cls, dates: pd.DatetimeIndex, granularity: Granularity) -> "Grid":
        """The grid of the distinct dates of a source.

        Raises:
            UserError: the granularity is unknown.
        """
        if granularity not in get_args(Granularity):
            raise UserError(f"granularity `{granularity}` is unknown; give one of {', '.join(get_args(Granularity))}")
        starts, length_P = _periods(dates, granularity)
        stops = starts + pd.to_timedelta(length_P - 1, unit="D")
        days = pd.date_range(starts.min(), stops.max()).as_unit("ns")
        return cls(days, np.asarray((starts - days[0]).days), length_P)

    def lay(self, row_N: np.ndarray, period_N: np.ndarray, values_N: np.ndarray, rows: int) -> np.ndarray:
        """Spreads values evenly over the days of their periods, [rows, T]; what meets in a cell is added up."""
        grid = np.zeros((rows, len(self.days)))
        length_N = self.length_P[period_N]
        for offset in range(int(self.length_P.max())):
            use_N = length_N > offset
            cell = (row_N[use_N], self.place_P[period_N[use_N]] + offset)
            np.add.at(grid, cell, values_N[use_N] / length_N[use_N])
        return grid


def detect_granularity(dates: pd.Series) -> Granularity:
    """Month when all dates are the same day of the month or all month ends, week when 7 days divide all gaps."""
    days = pd.DatetimeIndex(np.sort(dates.unique()))
    if len(days) < 2:
        return "day"
    months = days.to_period("M")
    if months.is_unique and ((days.day == days[0].day).all() or days.is_month_end.all()):
        return "month"
    gaps = np.diff(days.to_numpy()).astype("timedelta64[D]").astype(int)
    return "week" if (gaps % 7 == 0).all() else "day"


def dense_start(count: pd.Series) -> pd.Timestamp:
    """The first day of the first month that is neither ten times smaller nor larger than each of the next two.

    The rule sees two months after the start it finds and nothing later. Where no month passes, all days stay.

    Args:
        count: rows per day, indexed by day.
    """
    month = count.groupby(pd.DatetimeIndex(count.index).to_period("M")).sum()
    month = month.reindex(pd.period_range(month.index[0], month.index[-1], freq="M"), fill_value=0.0)
    for position in range(len(month) - 2):
        here, after = month.iloc[position], month.iloc[position + 1 : position + 3]
        if here > 0 and after.min() * 10 >= here and after.max() <= here * 10:
            start = month.index[position].start_time
            return max(start, count.index.min()) if position == 0 else start
    return count.index.min()


def is_partition(count_ST: np.ndarray, total_T: np.ndarray) -> bool:
    """Whether the counts of all styles add up to the total on every day."""
    return bool(np.allclose(count_ST.sum(axis=0), total_T, rtol=1e-6, atol=1e-6))


def _periods(dates: pd.DatetimeIndex, granularity: Granularity) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """First day and length in days of the period that each date stands for."""
    if granularity == "day":
        return dates, np.ones(len(dates), dtype=int)
    if granularity == "month":
        return dates.to_period("M").start_time.normalize(), dates.days_in_month.to_numpy()
    # Weeks that are dated by a Sunday end on it; any other day is taken as the first: the later reading, so no leak.
    ends_on_date = dates[0].dayofweek == 6
    log.info("a week is dated by its %s day", "last" if ends_on_date else "first")
    return dates - pd.Timedelta(days=6 if ends_on_date else 0), np.full(len(dates), 7)
