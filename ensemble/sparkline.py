"""A style's share over time as a small drawing: the line so far, the forecast and its interval.

Shapes: S styles, P points of the history. Coordinates are whole tenths of a unit of the drawing, so that ten thousand
of them stay small.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums

WIDTH, HEIGHT, MARGIN = 168, 42, 3
"""Size of the drawing and the room left at its edges, for the point and the thickness of lines."""
YEARS = 2
"""History that is drawn: two years show whether a rise comes every year."""
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class History:
    """Shares of all styles over equal periods that end at the origin."""

    ends: pd.DatetimeIndex
    """Last day of each period, [P]."""
    share_SP: np.ndarray
    """Share in each period; NaN where the feed had no posts."""
    days: int
    """Days of a period."""


@dataclass(frozen=True)
class Sparkline:
    """What the page draws, as SVG path data and coordinates."""

    line: str
    """The history."""
    to: str
    """From the last known point to the forecast."""
    interval: str
    """The forecast's interval, upright."""
    x: float
    """Where the forecast lies."""
    y: float
    """Its height."""


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


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def draw(
    history: History, place: int, target: tuple[pd.Timestamp, pd.Timestamp], share: float, lower: float, upper: float
) -> Sparkline:
    """Draws one style: time to the right (to the end of the target), share upward from zero.

    Args:
        history: of all styles.
        place: which style.
        target: first and last day of the forecast.
        share: predicted share.
        lower: lower end of its interval; NaN where there is none.
        upper: upper end.
    """
    share_P = history.share_SP[place]
    known_P = np.isfinite(share_P)
    start = history.ends[0] - history.days * DAY / 2  # the middle of the first period
    per_day = (WIDTH - 2 * MARGIN) / ((target[1] - start) / DAY)
    top = max([*share_P[known_P], *(value for value in (share, lower, upper) if np.isfinite(value)), 1e-12])

    def y_of(value: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top

    # A period is drawn at its middle, as the target is.
    x_P = MARGIN + per_day * history.days * np.flatnonzero(known_P)
    points = [f"{_number(x)} {_number(y_of(value))}" for x, value in zip(x_P, share_P[known_P], strict=True)]
    x = MARGIN + per_day * ((target[0] - start + (target[1] - target[0]) / 2) / DAY)
    y = y_of(share)
    to = f"M{points[-1]}L{_number(x)} {_number(y)}" if points else ""
    interval = ""
    if np.isfinite(lower) and np.isfinite(upper):
        interval = f"M{_number(x)} {_number(y_of(lower))}V{_number(y_of(upper))}"
    return Sparkline("M" + "L".join(points) if points else "", to, interval, round(x, 1), round(y, 1))
