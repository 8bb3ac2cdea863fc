"""Contact sheets: the largest and the fastest-growing styles of each month, and what is proposed as new, in pictures.

Shapes: N pictures, H×W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.posts import Posts
from recall.fonts import INK, QUIET, canvas, shorten

SHOWN_MONTHS = 6
PLACES = 5
PICTURES = 3
PROPOSED, PROPOSED_PICTURES = 12, 8
CELL, SIDE, GAP, TEXT = 2.5, 0.74, 0.05, 0.46  # inches: width of a cell, side of a picture, between, room for text
LEAST_COUNT = 3.0  # votes of a month below which no growth is told


@dataclass(frozen=True)
class Shelf:
    """The pictures of a feed, by style and month."""

    table: pd.DataFrame
    """style, month, row (of the images); the nearest to the centroid first, one a post."""
    images: np.ndarray
    """uint8 N×H×W×3 RGB."""

    @classmethod
    def of(cls, assignments: pd.DataFrame, posts: Posts) -> "Shelf":
        """From assignments whose items are pictures."""
        row_of = pd.Series(np.arange(len(posts.pictures)), index=posts.pictures["picture_id"])
        rows = assignments[~assignments["emerging"] & assignments["id"].isin(row_of.index)]
        rows = rows.sort_values(["distance", "id"]).drop_duplicates(["style", "post_id"])
        table = pd.DataFrame({"style": rows["style"], "month": rows["time"].dt.to_period("M"),
                              "row": row_of[rows["id"]].to_numpy()})  # fmt: skip
        return cls(table, posts.images)

    def rows(self, style: str, month: pd.Period, count: int) -> list[int]:
        """Pictures of a style in a month."""
        mine = self.table[(self.table["style"] == style) & (self.table["month"] == month)]
        return mine["row"].head(count).tolist()


def with_growth(shares: pd.DataFrame) -> pd.DataFrame:
    """Monthly shares with `before`, the share of the month before, and `pace`, by which growth is ordered.

    The pace is log((share + half) / (before + half)), half being half a vote as a share, so that a style of three
    votes does not lead because it had one; it is NaN in the first month and below three votes.
    """
    rows = shares.sort_values(["style", "date"])
    before = rows.groupby("style")["share"].shift()
    half = 0.5 / rows[["total"]].assign(before=rows.groupby("style")["total"].shift()).min(axis=1)
    pace = np.log((rows["share"] + half) / (before + half))
    return rows.assign(before=before, pace=pace.where(rows["count"] >= LEAST_COUNT))


def _strip(axes: Axes, rows: Sequence[int], images: np.ndarray, left: float, top: float) -> None:
    for place, row in enumerate(rows):
        x = left + place * (SIDE + GAP)
        axes.imshow(images[row], extent=(x, x + SIDE, top - SIDE, top), interpolation="bilinear", zorder=2)


def _page(width: float, height: float) -> tuple[Figure, Axes]:
    figure = canvas(width, height, arranged=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _frame(axes: Axes, width: float, height: float) -> None:
    axes.set_xlim(0, width)  # after the pictures, which set limits of their own
    axes.set_ylim(0, height)
    axes.set_aspect("equal")


def _growth(share: float, before: float) -> str:
    if not np.isfinite(before):
        return ""
    return " · new" if before == 0 else f" · {signed(share / before - 1)}"


def signed(part: float) -> str:
    """A change in percent with its sign; what rounds to nothing has none."""
    return f"{round(100 * part):+d}%".replace("-", "−").replace("+0%", "±0%")


def monthly(shares: pd.DataFrame, labels: Mapping[str, str], shelf: Shelf | None) -> Figure:
    """The five largest and the five fastest-growing styles of each of the last six months.

    Args:
        shares: style, date, days, count, total, share by month; partial months left out.
        labels: what the styles are called.
        shelf: their pictures; None where items have none.
    """
    rows = with_growth(shares)
    months = sorted(rows["date"].unique())[-SHOWN_MONTHS:]
    side = SIDE if shelf is not None else 0.0
    cell, head, block = side + TEXT, 0.62, 0.36
    width, height = 0.2 + CELL * len(months), head + 2 * (block + PLACES * cell) + 0.1
    figure, axes = _page(width, height)
    axes.text(0.15, height - 0.12, "Styles of each month", fontsize=12, fontweight="bold", va="top")
    for column, month in enumerate(months):
        left = 0.15 + column * CELL
        axes.text(left, height - 0.42, f"{pd.Timestamp(month):%Y-%m}", fontsize=10.5, fontweight="bold", va="top")
        now = rows[rows["date"] == month]
        for place, (title, by) in enumerate((("largest", "share"), ("growing fastest", "pace"))):
            top = height - head - place * (block + PLACES * cell)
            axes.plot([left, left + CELL - 0.25], [top - 0.1] * 2, color="#c8c8c8", linewidth=0.8)
            axes.text(left, top - 0.17, title, fontsize=8.5, color=QUIET, va="top")
            kept = now[now[by] > 0].sort_values([by, "style"], ascending=[False, True]).head(PLACES)
            for number, row in enumerate(kept.itertuples()):
                y = top - block - number * cell
                if shelf is not None:
                    found = shelf.rows(row.style, pd.Timestamp(month).to_period("M"), PICTURES)
                    _strip(axes, found, shelf.images, left, y)
                axes.text(left, y - side - 0.04, shorten(labels[row.style], 18), fontsize=8.5, va="top", color=INK)
                told = f"{100 * row.share:.1f}% · {row.count:.0f} votes{_growth(row.share, row.before)}"
                axes.text(left, y - side - 0.2, told, fontsize=7.5, va="top", color=QUIET)
    _frame(axes, width, height)
    return figure


def proposed(proposals: pd.DataFrame, labels: Mapping[str, str], posts: Posts) -> Figure:
    """Pictures of what is proposed as new: the latest row of each group that is not accepted, the largest first.

    Args:
        proposals: as `emerging.csv`.
        labels: what proposals and styles are called.
        posts: their pictures.
    """
    row_of = pd.Series(np.arange(len(posts.pictures)), index=posts.pictures["picture_id"])
    done = set(proposals.loc[proposals["accepted"] != "", "first"])
    latest = proposals[~proposals["first"].isin(done)].drop_duplicates("first", keep="last")
    latest = latest.sort_values(["posts", "proposal"], ascending=[False, True]).head(PROPOSED)
    row_height, head, text = SIDE + 0.16, 0.5, 3.4
    width, height = text + PROPOSED_PICTURES * (SIDE + GAP) + 0.3, head + row_height * max(len(latest), 1)
    figure, axes = _page(width, height)
    axes.text(0.15, height - 0.12, "Proposed as new styles", fontsize=12, fontweight="bold", va="top")
    for place, row in enumerate(latest.itertuples()):
        top = height - head - place * row_height
        found = [int(row_of[i]) for i in row.items.split(";") if i in row_of.index][:PROPOSED_PICTURES]
        _strip(axes, found, posts.images, text, top)
        growth = f", {signed(row.growth)} on the month before" if row.growth == row.growth else ""
        axes.text(0.15, top, shorten(labels[row.proposal], 26), fontsize=9, va="top", fontweight="bold")
        axes.text(0.15, top - 0.2, f"{row.posts} posts, {row.new} in {row.month}{growth}", fontsize=8, va="top",
                  color=QUIET)  # fmt: skip
        axes.text(0.15, top - 0.37, f"first seen {row.since:%Y-%m-%d}", fontsize=8, va="top", color=QUIET)
        axes.text(0.15, top - 0.54, f"nearest: {shorten(labels[row.nearest], 22)}", fontsize=8, va="top", color=QUIET)
    _frame(axes, width, height)
    return figure
