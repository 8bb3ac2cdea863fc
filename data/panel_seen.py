"""What a panel turned out to be: how often, from when to when, and what of it is missing, zero, late or partial."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from data.panel import Panel
from stylecast.errors import UserError

Partition = Literal["auto", "yes", "no"]
FAR = 0.02
"""Counts that miss the totals by more than this part of them are no partition, whatever is said."""


def divided(panel: Panel, said: Partition) -> Panel:
    """The panel, with what the user says of its styles: whether every post has one, so that shares sum to one.

    Args:
        panel: the counts.
        said: `auto` leaves what the counts tell: whether they add up to the total of every date.

    Raises:
        UserError: `yes`, and the counts do not add up to the totals.
    """
    if said == "auto":
        return panel
    part = float(panel.count_ST.sum() / panel.total_T.sum())
    if said == "yes" and abs(part - 1) > FAR:
        raise UserError(
            f"--partition yes: the counts of all styles are {part:.0%} of the totals, so that posts have "
            f"{'several styles' if part > 1 else 'no style'}; leave the flag out, or give a row for what is missing"
        )
    return replace(panel, partition=said == "yes", settled=True)


@dataclass(frozen=True)
class Seen:
    """What a reader of a forecast should know of the panel behind it."""

    every: str
    """What a row stands for: day, week or month."""
    first: str
    """The first day with a post, YYYY-MM-DD."""
    last: str
    """The last day."""
    styles: int
    """How many."""
    periods: int
    """Days, weeks or months on the grid."""
    empty: int
    """Periods without any post: a gap of the source, or nothing was posted. They say nothing of shares."""
    zeros: float
    """Part of the periods with posts in which a style has none, mean over styles from their first post on, 0..1."""
    born_later: int
    """Styles whose first post lies more than a month after the panel's first."""
    partial: str
    """The last month when days of it are missing, YYYY-MM: no label and no origin of a month target; "" when whole."""
    partition: bool
    """Whether every post has one style, so that the shares of an origin are made to sum to one."""

    @classmethod
    def of(cls, panel: Panel) -> "Seen":
        """Looks at a panel."""
        frame = panel.to_frame()
        total_P = frame.groupby("date", sort=True)["total"].first().to_numpy()
        count_SP = frame["count"].to_numpy().reshape(len(panel.styles), -1)
        has_SP = count_SP > 0
        born_S = np.where(has_SP.any(axis=1), has_SP.argmax(axis=1), has_SP.shape[1])
        alive_SP = (np.arange(has_SP.shape[1]) >= born_S[:, None]) & (total_P > 0)
        zeros = float((alive_SP & ~has_SP).sum() / max(int(alive_SP.sum()), 1))
        starts = pd.DatetimeIndex(frame["date"].to_numpy()[: len(total_P)])
        month_on = int(np.searchsorted(starts, panel.days[0] + pd.DateOffset(months=1)))
        return cls(
            panel.granularity, str(panel.days[0].date()), str(panel.last.date()), len(panel.styles), len(total_P),
            int((total_P <= 0).sum()), zeros, int((born_S > month_on).sum()),
            "" if panel.last.is_month_end else str(panel.last.to_period("M")), panel.partition,
        )  # fmt: skip

    def __str__(self) -> str:
        told = [f"{self.styles} styles, {self.periods} {self.every}s from {self.first} to {self.last}"]
        if self.empty:
            told.append(f"{self.empty} {self.every}s without any post")
        told.append(f"a style has no post in {self.zeros:.0%} of the {self.every}s since its first")
        if self.born_later:
            styles = "1 style begins" if self.born_later == 1 else f"{self.born_later} styles begin"
            told.append(f"{styles} later than a month after the first day")
        if self.partial:
            told.append(f"{self.partial} is partial: no label and no origin of a month target")
        told.append(
            "every post has one style: shares sum to one" if self.partition
            else "posts have several styles, or none: shares need not sum to one"
        )  # fmt: skip
        return "; ".join(told)
