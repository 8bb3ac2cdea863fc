"""Forecast fans: what was said of the styles that move most, and what came.

Shapes: M models, O origins of the split, S styles, B blocks of the history.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from data.sums import Sums
from ensemble.combine import ENSEMBLE, WIDE
from ensemble.walk import Walk
from rank.backtest import Backtest
from recall.fonts import COLOURS, INK, QUIET, canvas, shorten

MOVERS = 6  # styles that gain, and as many that lose
BLOCKS = 30  # periods of history, each as long as a target
ACROSS = 4
SAID, NOW = COLOURS[0], "#d55e00"


def movers(rows: pd.DataFrame, reference: Mapping[str, float], most: int = MOVERS) -> list[str]:
    """The styles that are said to gain most in points, the most first, then those that are said to lose most.

    Args:
        rows: the ensemble's at one origin.
        reference: share now.
        most: of either.
    """
    change = (rows["share"] - rows["style"].map(reference)).set_axis(rows["style"])
    order = sorted(change.index, key=lambda style: (-change[style], style))
    gains = [style for style in order if change[style] > 0][:most]
    losses = [style for style in reversed(order) if change[style] < 0][:most]
    return gains + losses


def _middle(start: pd.Timestamp, end: pd.Timestamp) -> pd.Timestamp:
    return start + (end - start) / 2


def _history(backtest: Backtest) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Middles of the periods up to the latest origin, and the shares over each, [B, S]; NaN without posts."""
    panel, target, latest = backtest.panel, backtest.target, backtest.split.latest
    sums = Sums.of(panel)
    blocks = [target.block(latest, back) for back in range(BLOCKS)][::-1]
    blocks = [block for block in blocks if block[0] >= panel.days[0]]
    share_BS = np.array([sums.share(*b) if sums.total(*b) > 0 else np.full(len(panel.styles), np.nan) for b in blocks])
    return pd.DatetimeIndex([_middle(*block) for block in blocks]), share_BS.reshape(len(blocks), len(panel.styles))


def fans(backtest: Backtest, walk: Walk, labels: Mapping[str, str]) -> Figure:
    """A panel a style: shares by period; each test forecast beside the truth; the fan of what is to come.

    Args:
        backtest: the forecasts.
        walk: what was fitted for each origin.
        labels: what the styles are called.
    """
    latest = pd.DatetimeIndex([backtest.split.latest])
    now = walk.frame(backtest, latest)
    now = now[now["model"] == ENSEMBLE].set_index("style")
    before = walk.frame(backtest, backtest.split.test) if len(backtest.split.test) else now.iloc[:0]
    before = before[before["model"] == ENSEMBLE].reset_index()
    styles = list(backtest.panel.styles)
    reference = dict(zip(styles, backtest.reference_OS[backtest.places(latest)[0]], strict=True))
    shown = movers(now.reset_index(), reference) or styles[:1]
    when, share_BS = _history(backtest)
    down = -(-len(shown) // ACROSS)
    across = min(ACROSS, len(shown))
    figure = canvas(2.75 * across + 0.4, 1.85 * down + 1.1)
    axes_of = figure.subplots(down, across, squeeze=False).ravel()
    for place, axes in enumerate(axes_of):
        if place >= len(shown):
            axes.set_axis_off()
            continue
        style = shown[place]
        _past(axes, before[before["style"] == style])
        axes.plot(when, 100 * share_BS[:, styles.index(style)], color=INK, linewidth=1.2, zorder=4)
        _ahead(axes, when[-1], reference[style], now.loc[style])
        axes.set_ylim(bottom=0)
        axes.set_title(shorten(labels[style], 19), fontsize=8.5, fontweight="normal", pad=13)
        moved = f"{100 * reference[style]:.1f}% → {100 * now.loc[style, 'share']:.1f}%"
        axes.text(0, 1.03, moved, transform=axes.transAxes, fontsize=8, color=NOW, va="bottom")
        locator = AutoDateLocator(minticks=2, maxticks=4)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
        axes.yaxis.set_major_formatter("{x:g}%")
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelsize=7, length=2)
        axes.grid(axis="y")
    row = now.iloc[0]
    figure.suptitle(
        f"The largest moves that are said for {row['target_start'].date()} to {row['target_end'].date()}, "
        f"from {latest[0].date()}; share of the feed", x=0.01, ha="left", fontsize=11, fontweight="bold",
    )  # fmt: skip
    handles = [
        Line2D([], [], color=INK, linewidth=1.2, label="what came"),
        Line2D([], [], color=SAID, marker="o", markersize=3.5, linewidth=3, alpha=0.75,
               label="said before, with its 80% and 95% intervals"),
        Line2D([], [], color=NOW, marker="o", markersize=3.5, linewidth=1, linestyle=(0, (2, 1.5)), label="said now"),
        Patch(color=NOW, alpha=0.3, linewidth=0, label=f"80% and {WIDE:.0%}"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=8, labelcolor=QUIET)
    return figure


def _past(axes: Axes, rows: pd.DataFrame) -> None:
    """Forecasts of the test origins, at the middle of their targets."""
    for row in rows.itertuples():
        at = _middle(row.target_start, row.target_end)
        axes.plot([at, at], [100 * row.lower_95, 100 * row.upper_95], color=SAID, linewidth=1, alpha=0.35, zorder=2)
        axes.plot([at, at], [100 * row.lower, 100 * row.upper], color=SAID, linewidth=3, alpha=0.35, zorder=2,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([at], [100 * row.share], color=SAID, marker="o", markersize=2.8, zorder=3)


def _ahead(axes: Axes, start: pd.Timestamp, share: float, row: pd.Series) -> None:
    """The fan from the share now to the target."""
    at = _middle(row["target_start"], row["target_end"])
    for low, high, shade in (("lower_95", "upper_95", 0.16), ("lower", "upper", 0.26)):
        axes.fill_between([start, at], [100 * share, 100 * row[low]], [100 * share, 100 * row[high]], color=NOW,
                          alpha=shade, linewidth=0, zorder=1)  # fmt: skip
    axes.plot([start, at], [100 * share, 100 * row["share"]], color=NOW, linewidth=1, linestyle=(0, (2, 1.5)), zorder=3)
    axes.plot([at], [100 * row["share"]], color=NOW, marker="o", markersize=3.5, zorder=5)
