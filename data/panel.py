"""The panel: how many posts each style had on each day, out of how many.

Shapes: S styles, T days. A share is count / total over a window of days; the volume of a feed grows, so that only
shares compare, and a day without posts says nothing.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel_grid import Granularity, Grid, dense_start, detect_granularity, is_partition
from data.panel_table import (
    checked_totals,
    need_columns,
    numeric_columns,
    parse_dates,
    parse_numbers,
    parse_styles,
    read_table,
    refuse_duplicates,
)
from stylecast.errors import UserError

log = logging.getLogger(__name__)

ENGAGEMENT = ("likes", "collects", "comments")


@dataclass(frozen=True)
class Panel:
    """Counts on an unbroken grid of days; weekly and monthly counts lie evenly on their days."""

    styles: tuple[str, ...]
    """Style ids, sorted as text, so that the order of rows changes nothing."""
    days: pd.DatetimeIndex
    """Every day from the first to the last, [T]."""
    count_ST: np.ndarray
    """Posts of a style on a day (float64: a post's pictures may split its vote)."""
    total_T: np.ndarray
    """Posts of the whole feed on a day; 0 where there was none."""
    numeric: dict[str, np.ndarray]
    """Further sums per style and day, [S, T] each; `NAME_log` holds sums of log(1 + NAME) over posts."""
    granularity: Granularity
    """What a row of the source was; between ends of its periods there is nothing to see."""
    partition: bool
    """Whether the counts of all styles add up to the total: shares then sum to one."""
    settled: bool = False
    """Whether `partition` was said by the user, and is not to be asked anew where the history is cut."""

    @property
    def last(self) -> pd.Timestamp:
        """The last day of the panel."""
        return self.days[-1]

    def until(self, origin: pd.Timestamp) -> "Panel":
        """The panel as it was on the evening of `origin`: no later day is in it (styles born later are all zero).

        Raises:
            ValueError: `origin` is not a day of the panel.
        """
        return self._cut(0, self.index(origin) + 1)

    def _cut(self, start: int, stop: int) -> "Panel":
        count_ST, total_T = self.count_ST[:, start:stop], self.total_T[start:stop]
        numeric = {name: sums_ST[:, start:stop] for name, sums_ST in self.numeric.items()}
        # Asked anew: whether later counts add up must not touch what is seen before.
        partition = self.partition if self.settled else self.partition or is_partition(count_ST, total_T)
        days = self.days[start:stop]
        return Panel(self.styles, days, count_ST, total_T, numeric, self.granularity, partition, self.settled)

    def index(self, day: pd.Timestamp) -> int:
        """Position of a day; ValueError when it is outside of the panel."""
        position = (day - self.days[0]).days
        if not 0 <= position < len(self.days):
            raise ValueError(f"{day.date()} is outside of the panel ({self.days[0].date()} to {self.last.date()})")
        return position

    def period_end(self, day: pd.Timestamp) -> pd.Timestamp:
        """The day on which the counts of `day` are known: itself, or the end of its week or month."""
        if self.granularity == "day":
            return day
        if self.granularity == "month":
            return day + pd.offsets.MonthEnd(0)
        return day + pd.Timedelta(days=6 - (day - self.days[0]).days % 7)

    def to_frame(self) -> pd.DataFrame:
        """The long frame `style, date, count, total, share, …`: a row for each style and period.

        A period is dated by its first day. `share` is NaN where the total is 0.
        """
        ends_T = self.days == pd.DatetimeIndex([self.period_end(day) for day in self.days])
        first_P = np.concatenate([[0], np.flatnonzero(ends_T)[:-1] + 1])

        def by_period(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values, first_P, axis=-1)

        count_SP, total_P = by_period(self.count_ST), by_period(self.total_T)
        styles, periods = len(self.styles), len(first_P)
        frame = pd.DataFrame(
            {
                "style": np.repeat(np.array(self.styles, dtype=object), periods),
                "date": np.tile(self.days[first_P], styles),
                "count": count_SP.ravel(),
                "total": np.tile(total_P, styles),
            }
        )
        frame["share"] = frame["count"] / frame["total"].where(frame["total"] > 0)
        for name, sums_ST in self.numeric.items():
            frame[name] = by_period(sums_ST).ravel()
        return frame

    @classmethod
    def read(
        cls,
        path: Path,
        style_column: str = "style",
        time_column: str | None = None,
        granularity: Granularity | None = None,
        split_votes: bool = True,
    ) -> "Panel":
        """Reads a table of counts (`style, date, count, total`, numbers) or of posts (a style and a time a row).

        Which of the two it is, the column `count` tells.

        Args:
            path: CSV, TSV or Parquet.
            style_column: the column with the style id.
            time_column: the column with the date; None takes `date` or `time`.
            granularity: what a row of counts stands for; None finds it from the dates.
            split_votes: whether rows of one `post_id` share one vote.

        Raises:
            UserError: what is wrong with which row, and the remedy.
        """
        path = Path(path)
        return cls.of(read_table(path), str(path), style_column, time_column, granularity, split_votes)

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        source: str = "the frame",
        style_column: str = "style",
        time_column: str | None = None,
        granularity: Granularity | None = None,
        split_votes: bool = True,
    ) -> "Panel":
        """Likewise, of a table in memory; errors call it `source`.

        Raises:
            UserError: as `read`.
        """
        time = time_column or next((name for name in ("date", "time") if name in frame.columns), "date")
        if "count" in frame.columns:
            return cls.from_frame(frame, source, style_column, time, granularity)
        if style_column not in frame.columns or time not in frame.columns:
            need_columns(frame, [style_column, time, "count"], source)
        return cls.from_rows(frame, source, style_column, time, split_votes)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        source: str = "the panel",
        style_column: str = "style",
        time_column: str = "date",
        granularity: Granularity | None = None,
    ) -> "Panel":
        """Builds the panel from the long frame of counts; gaps become zero counts.

        Without `total` the total of a date is the sum of its counts (told). A week is dated by its first day,
        or by its last when that is a Sunday (as pandas writes weeks); a month by any day of it.

        Raises:
            UserError: as `read`.
        """
        need_columns(frame, [style_column, time_column, "count"], source)
        taken = {style_column, time_column, "style", "date", "count", "total", "share"}
        clean = pd.DataFrame(
            {
                "style": parse_styles(frame[style_column], source),
                "date": parse_dates(frame[time_column], source),
                "count": parse_numbers(frame["count"], "count", source),
            },
            index=frame.index,
        )
        refuse_duplicates(clean, source)
        clean["total"] = checked_totals(clean, frame, source)
        numbers = numeric_columns(frame, taken, source)
        found = granularity or detect_granularity(clean["date"])
        log.info("%s: %d rows, dates a %s apart", source, len(clean), found)
        return _spread(clean, numbers, found)

    @classmethod
    def from_rows(
        cls,
        frame: pd.DataFrame,
        source: str = "the posts",
        style_column: str = "style",
        time_column: str = "time",
        split_votes: bool = True,
        numeric: Iterable[str] | None = None,
        weight: pd.Series | None = None,
    ) -> "Panel":
        """Counts dated rows by style and day; numbers are summed, and the sum of their logs beside.

        A row without a style counts in the total only. Leading months that hold next to nothing are left out (told).

        Args:
            frame: a row a picture or post, with a style and a time.
            source: how errors name it.
            style_column: the column with the style id.
            time_column: the column with the date.
            split_votes: whether rows of one `post_id` share one vote.
            numeric: columns to sum; None takes those of likes, collects and comments that are there.
            weight: what the vote of a row is worth, on the rows' index; None = 1. Counts, totals and sums follow it.

        Raises:
            UserError: as `read`.
        """
        wanted = [name for name in ENGAGEMENT if name in frame.columns] if numeric is None else list(numeric)
        need_columns(frame, [style_column, time_column, *wanted], source)
        rows = pd.DataFrame(
            {
                "style": parse_styles(frame[style_column], source, allow_empty=True),
                "date": parse_dates(frame[time_column], source),
            },
            index=frame.index,
        )
        rows["count"] = 1.0
        if split_votes and "post_id" in frame.columns:
            rows["count"] = 1.0 / frame.groupby("post_id")[style_column].transform("size")
        if weight is not None:
            rows["count"] *= weight
        for name in wanted:
            values = parse_numbers(frame[name], name, source, allow_missing=True).fillna(0.0)
            rows[name] = values * rows["count"]
            rows[f"{name}_log"] = np.log1p(values) * rows["count"]
        start = dense_start(rows.groupby("date")["count"].sum())
        if (early := int((rows["date"] < start).sum())) > 0:
            log.info("%s: %d rows before %s are left out: the feed is not dense yet", source, early, start.date())
        rows = rows[rows["date"] >= start]
        rows = rows.sort_values(list(rows.columns))  # so that sums do not depend on the order of rows, to the last bit
        total = rows.groupby("date")["count"].sum()
        rows = rows[rows["style"] != ""]
        if rows.empty:
            raise UserError(f"{source}: no row has a `{style_column}`; name the column with --style-column")
        sums = rows.groupby(["style", "date"], sort=True).sum().reset_index()
        sums["total"] = sums["date"].map(total)
        numbers = {name: sums[name] for name in sums.columns if name not in {"style", "date", "count", "total"}}
        return _spread(sums, numbers, "day", total)


def _spread(
    clean: pd.DataFrame, numbers: dict[str, pd.Series], granularity: Granularity, total: pd.Series | None = None
) -> Panel:
    """Lays checked rows on the daily grid; `total` per date where dates may be without any style."""
    if total is None:
        total = clean.groupby("date")["total"].first()
    if total.sum() <= 0:
        raise UserError("the panel has no posts: every total is 0; give counts above 0")
    styles = tuple(sorted(clean["style"].unique()))
    row_N = clean["style"].map({style: place for place, style in enumerate(styles)}).to_numpy()
    grid = Grid.of(pd.DatetimeIndex(total.index), granularity)
    period_N = pd.Index(total.index).get_indexer(pd.Index(clean["date"]))
    count_ST = grid.lay(row_N, period_N, clean["count"].to_numpy(), len(styles))
    total_T = grid.lay(np.zeros(len(total), dtype=int), np.arange(len(total)), total.to_numpy(), 1)[0]
    numeric = {name: grid.lay(row_N, period_N, values.to_numpy(), len(styles)) for name, values in numbers.items()}
    partition = is_partition(count_ST, total_T)
    panel = Panel(styles, grid.days, count_ST, total_T, numeric, granularity, partition)
    # What lies before the first post says nothing, and no history begins there.
    return panel._cut(int(np.flatnonzero(total_T > 0)[0]), len(grid.days))
