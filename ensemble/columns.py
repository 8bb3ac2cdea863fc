"""The columns of the page's table: what each is called, how its numbers read, how it sorts."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ensemble.figures import age, count, outlook, percent, points, signed

RECENT_DAYS = 28
"""Days of `posts_28d`, of the means per post, and of each half of `momentum`."""
RANKED_BY = {
    "growth": "predicted growth", "share": "predicted share", "rising": "probability of rising",
    "change": "predicted change in percentage points",
}  # fmt: skip
"""What the rank follows, in words."""
Row = Mapping[Hashable, Any]


def _nothing(row: Row) -> str:
    return ""


@dataclass(frozen=True)
class Column:
    """A numeric column of the table."""

    name: str
    """Column of the board that it sorts by."""
    heading: str
    """What stands above it."""
    help: str
    """What it means, in a sentence."""
    text: Callable[[Row], str]
    """How a row reads."""
    under: Callable[[Row], str] = field(default=_nothing)
    """A second, smaller line."""
    coloured: bool = False
    """Whether gains and losses have colours (beside their signs)."""


def per_post(board: pd.DataFrame) -> list[str]:
    """The board's columns of engagement per post, which differ from feed to feed."""
    return [str(name) for name in board.columns if str(name).endswith("_per_post")]


def label(name: str) -> str:
    """`likes_per_post` as `Likes`."""
    return name.removesuffix("_per_post").replace("_", " ").capitalize()


def columns_of(board: pd.DataFrame, interval: float, decimals: int) -> list[Column]:
    """The numeric columns of a board.

    Args:
        board: as `build_leaderboard` gives it.
        interval: nominal coverage of its intervals, 0 to 1.
        decimals: of shares, in percent.
    """

    def band(row: Row) -> str:
        if pd.isna(row["lower"]) or pd.isna(row["upper"]):
            return ""
        return f"{percent(row['lower'], decimals, '')}–{percent(row['upper'], decimals)}"

    def engagement(name: str) -> Column:
        told = f"Mean {label(name).lower()} of the style's posts in the last {RECENT_DAYS} days."
        return Column(name, f"{label(name)} / post", told, lambda row: count(row[name]))

    return [
        Column("share_now", "Share now", "Share of the posts in the days up to the forecast's date, as many days as "
               "the predicted period has.", lambda row: percent(row["share_now"], decimals)),
        Column("share_predicted", "Predicted", "Predicted share, and below it the range that is meant to hold the "
               f"true share {percent(interval)} of the time.",
               lambda row: percent(row["share_predicted"], decimals), band),
        Column("growth", "Growth", "Predicted share against the share now. Half a post is added to both, so that "
               "a style without posts has a growth too.", lambda row: signed(row["growth"]), coloured=True),
        Column("change", "Change, pts", "Predicted share less the share now, in percentage points.",
               lambda row: points(row["change"], decimals), coloured=True),
        Column("p_up", "Outlook", "Probabilities that the style falls, holds or rises, as against past changes of "
               "all styles; the likeliest is named. Sorts by the probability of rising.",
               lambda row: outlook(row["p_down"], row["p_flat"], row["p_up"])),
        Column("momentum", "Momentum", f"Share in the last {RECENT_DAYS} days against the {RECENT_DAYS} days before.",
               lambda row: signed(row["momentum"])),
        Column("posts_28d", f"Posts, {RECENT_DAYS} d", f"Posts of the style in the last {RECENT_DAYS} days. "
               "A post in several styles counts in parts.", lambda row: count(row["posts_28d"])),
        *[engagement(name) for name in per_post(board)],
        Column("age_days", "Age", "Time since the first post of the style in the data.",
               lambda row: age(row["age_days"])),
    ]  # fmt: skip
