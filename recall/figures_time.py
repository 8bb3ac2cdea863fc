"""Drawings of shares over time: stacked, one small panel a style, lifespans.

Shapes: S styles, P months.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from recall.fonts import COLOURS, FAINT, INK, QUIET, canvas, shorten, spread

STACKED = 12  # styles with a band of their own
PANELS = 60
ROWS = 60
LEAST_DAYS = 15  # of a month that is drawn; fewer days say little
NAME_WIDTH = 17  # of a label, in letters


@dataclass(frozen=True)
class Months:
    """Shares by month, as they are drawn."""

    styles: list[str]
    """Ids, largest mean share first."""
    labels: dict[str, str]
    """What each is called."""
    months: pd.DatetimeIndex
    """First days, [P]."""
    share_SP: np.ndarray
    """NaN where the feed had no posts."""
    count_SP: np.ndarray
    """Votes."""

    @classmethod
    def of(cls, shares: pd.DataFrame, labels: dict[str, str]) -> "Months":
        """From `style, date, days, count, share` by month; months with fewer than 15 days are left out."""
        kept = shares[shares["days"] >= min(LEAST_DAYS, shares["days"].max())]
        share = kept.pivot(index="style", columns="date", values="share")
        count = kept.pivot(index="style", columns="date", values="count")
        means = share.mean(axis=1).fillna(0.0)
        order = sorted(share.index, key=lambda style: (-means[style], style))
        share, count = share.loc[order], count.loc[order]
        return cls(order, labels, pd.DatetimeIndex(share.columns), share.to_numpy(float), count.to_numpy(float))


def _dates(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=2, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def stacked(found: Months) -> Figure:
    """Monthly share of the largest styles as bands, the rest in grey above them; names at the right edge."""
    top, rest = found.share_SP[:STACKED], found.share_SP[STACKED:]
    bands = np.nan_to_num(np.vstack([top, rest.sum(axis=0, keepdims=True)]) if len(rest) else top)
    names = [shorten(found.labels[style], NAME_WIDTH) for style in found.styles[:STACKED]]
    names += [f"{len(rest)} more styles"] if len(rest) else []
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(top))] + ["#d0d0d0"] * bool(len(rest))
    figure = canvas(10, 5.6)
    axes = figure.add_subplot()
    axes.stackplot(found.months, 100 * bands, colors=colours, alpha=0.85, edgecolor="white", linewidth=0.6)
    axes.set_title("Share of the feed by month")
    axes.set_ylabel("% of votes")
    axes.set_ylim(0, max(100 * float(bands.sum(axis=0).max()), 1e-9))
    axes.set_xlim(found.months[0], found.months[-1])
    axes.grid(axis="y")
    _dates(axes)
    edge = np.cumsum(bands[:, -1]) - bands[:, -1] / 2
    height = axes.get_ylim()[1]
    places = spread((100 * edge).tolist(), 0.046 * height, 0.02 * height, 0.98 * height)
    for name, colour, at, to, share in zip(names, colours, 100 * edge, places, bands[:, -1], strict=True):
        axes.annotate(
            f"{name}  {100 * share:.1f}%", (1.0, at), (1.045, to), xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(), va="center", fontsize=8.5, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 1.0, "shrinkA": 1, "shrinkB": 0,
                        "relpos": (0.0, 0.5)},
        )  # fmt: skip
    return figure


def panels(found: Months) -> Figure:
    """One small panel a style, each on its own scale, the largest first; what is last and what was most is told."""
    shown = found.styles[:PANELS]
    across = 5 if len(shown) > 8 else max(1, min(4, len(shown)))
    down = -(-len(shown) // across)
    figure = canvas(2.35 * across, 1.25 * down + 0.5)
    figure.suptitle(_title("Share of the feed by month", len(found.styles), PANELS) + ", each style on its own scale",
                    x=0.01, ha="left", fontweight="bold", fontsize=11)  # fmt: skip
    for place, style in enumerate(shown):
        axes = figure.add_subplot(down, across, place + 1)
        share = 100 * found.share_SP[place]
        colour = COLOURS[0]
        axes.fill_between(found.months, share, color=colour, alpha=0.18, linewidth=0)
        axes.plot(found.months, share, color=colour, linewidth=1.3)
        peak = float(np.nanmax(share)) if np.isfinite(share).any() else 0.0
        axes.set_ylim(0, max(peak, 1e-9) * 1.12)
        axes.set_xlim(found.months[0], found.months[-1])
        axes.set_yticks([peak], [f"{peak:.1f}%" if peak >= 0.1 else f"{peak:.2f}%"])
        axes.tick_params(labelsize=7, length=2)
        axes.grid(axis="y")
        axes.set_title(shorten(found.labels[style], 19), fontsize=8, fontweight="normal", pad=3)
        years = pd.date_range(found.months[0], found.months[-1], freq="YS")
        if len(years) >= 2:
            axes.set_xticks(years, [f"{year:%Y}" for year in years])
        else:
            ends = [found.months[0], found.months[-1]]
            axes.set_xticks(ends, [f"{month:%Y-%m}" for month in ends])
        if place + across < len(shown):
            axes.tick_params(labelbottom=False)
    return figure


def _title(text: str, there: int, most: int) -> str:
    return text if there <= most else f"{text} (the {most} largest of {there} styles)"


def lifespans(found: Months, styles: pd.DataFrame, cut_off: pd.Timestamp | None) -> Figure:
    """From first to last seen, darker where the share is nearer to the style's own peak, which is marked.

    Args:
        found: shares.
        styles: style, first_seen, last_seen.
        cut_off: day before which the styles were fitted.
    """
    dated = styles.dropna(subset=["first_seen"])
    shown = [style for style in found.styles if style in set(dated["style"])][:ROWS]
    first = dated.set_index("style")["first_seen"]
    last = dated.set_index("style")["last_seen"]
    row_of = {style: place for place, style in enumerate(found.styles)}
    peak_of = {style: int(np.nan_to_num(found.share_SP[row_of[style]]).argmax()) for style in shown}
    shown = sorted(shown, key=lambda style: (first[style].to_period("M"), peak_of[style], style))
    figure = canvas(10, 0.235 * len(shown) + 1.1)
    axes = figure.add_subplot()
    ends = found.months + pd.offsets.MonthBegin(1)
    for place, style in enumerate(shown):
        share = np.nan_to_num(found.share_SP[row_of[style]])
        peak = max(float(share.max()), 1e-12)
        end = last[style] if pd.notna(last[style]) else first[style]
        axes.plot([first[style], end], [place, place], color=FAINT, linewidth=7.5, solid_capstyle="butt", zorder=1)
        for start, stop, value in zip(found.months, ends, share, strict=True):
            left, right = max(start, first[style]), min(stop, end)
            if value > 0 and right > left:
                shade = 0.08 + 0.8 * float(value) / peak
                axes.barh(place, right - left, 0.62, left, color=COLOURS[0], alpha=shade, linewidth=0, zorder=2)
        middle = min(max(found.months[peak_of[style]] + pd.Timedelta(days=15), first[style]), end)
        axes.plot([middle], [place], marker="o", markersize=4, color="#d55e00", markeredgecolor="white",
                  markeredgewidth=0.6, zorder=3)  # fmt: skip
        axes.annotate(f"{100 * peak:.1f}% in {found.months[peak_of[style]]:%Y-%m}", (1.01, place), fontsize=7.5,
                      xycoords=axes.get_yaxis_transform(), va="center", color=QUIET, annotation_clip=False)  # fmt: skip
    if cut_off is not None:
        axes.axvline(cut_off, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), zorder=4)
        at = (float(date2num(cut_off)), 1.0)
        axes.annotate("fitted before", at, (-3, 3), xycoords=axes.get_xaxis_transform(), ha="right",
                      textcoords="offset points", fontsize=8, color=QUIET)  # fmt: skip
    axes.set_yticks(range(len(shown)), [shorten(found.labels[style], NAME_WIDTH + 3) for style in shown], fontsize=8,
                    color=INK)  # fmt: skip
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(found.months[0], ends[-1])
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    title = _title("First seen, peak (dot) and last seen", len(found.styles), ROWS)
    axes.set_title(title, pad=18 if cut_off is not None else 6)
    _dates(axes)
    return figure
