"""Posts counted by style and day, which becomes the panel; and by week or month, for people.

Shapes: N rows, S styles, T days, P periods.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from data.duplicates import is_further
from data.panel import Panel
from data.posts import COUNT_COLUMNS
from data.sentiment import COLUMN as SENTIMENT
from stylecast.errors import UserError

CAP_DAYS = 28
"""An author's weight follows from his posts of so many days up to the post's own, never from later ones."""
Period = Literal["day", "week", "month"]


@dataclass(frozen=True, kw_only=True)
class CountSettings:
    """How posts are counted."""

    vote: Literal["post", "picture"] = "post"
    """What has one vote: a post, whose pictures split it, or every picture."""
    author_cap: float = 0.0
    """Most that one author's votes of 28 days weigh together: below 1 a share of the feed's votes, from 1 on a number
    of votes; 0 = no cap. No post looks at later ones for its weight."""
    duplicates: Literal["many", "once"] = "many"
    """Whether a copy of an earlier picture counts again, or once: then it has no vote (in a post, no part of one)."""
    period: Period = "month"
    """What a row of `shares.csv` stands for; the panel stays daily."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            UserError: a negative cap.
        """
        if not self.author_cap >= 0:
            raise UserError(f"--author-cap {self.author_cap}: must be 0 (no cap) or more")


def author_weights(rows: pd.DataFrame, cap: float) -> np.ndarray:
    """What each row's vote is worth once no author weighs more than the cap.

    An author with n votes in the 28 days up to a day, his votes of that day included, has weight min(1, limit / n)
    for each of them. The limit is the cap, or that share of the votes of the whole feed in the same days; it is never
    below one vote. So a steady author stays at the limit, whatever he posts.

    Args:
        rows: `author_id` (an empty one is an author of his own), `time`, `votes` (whole numbers).
        cap: see `CountSettings.author_cap`; above 0.

    Returns:
        Weights in (0, 1], N; they depend neither on the order of rows nor on later days.
    """
    day_N = rows["time"].to_numpy().astype("datetime64[D]").astype(np.int64)
    votes_N = rows["votes"].to_numpy(np.float64)
    limit_N = np.full(len(rows), cap)
    if cap < 1:
        limit_N = np.maximum(1.0, cap * _trailing(np.zeros(len(rows), np.int64), day_N, votes_N))
    author = rows["author_id"].fillna("").astype(str).str.strip()
    code_N = pd.factorize(author)[0].astype(np.int64)
    weight_N = np.minimum(1.0, limit_N / _trailing(code_N, day_N, votes_N))
    return np.where(author == "", 1.0, weight_N)


def _trailing(group_N: np.ndarray, day_N: np.ndarray, votes_N: np.ndarray) -> np.ndarray:
    """Votes of the row's group in the 28 days that end on the row's day."""
    # One number a group and day, groups so far apart that no window reaches the one before.
    first = day_N.min(initial=0)
    key_N = group_N * (day_N.max(initial=0) - first + CAP_DAYS + 1) + (day_N - first)
    key_K, place_N = np.unique(key_N, return_inverse=True)
    sums = np.concatenate([[0.0], np.cumsum(np.bincount(place_N, weights=votes_N, minlength=len(key_K)))])
    start_K = np.searchsorted(key_K, key_K - (CAP_DAYS - 1))
    return (sums[1:] - sums[start_K])[place_N]


def numbers_of(posts: pd.DataFrame) -> pd.DataFrame:
    """What the posts' numbers add to the panel: engagement, and the columns of `--numeric` and `--sentiment`.

    A panel sums what cannot be negative. So the sentiment, and a column with a negative value anywhere (a balance, not
    a count), is two: `NAME_plus` holds what is above 0, `NAME_minus` what is below; their difference is the sum.
    """
    found = posts[[c for c in COUNT_COLUMNS if c in posts]].copy()
    further = [c for c in posts if c not in (*COUNT_COLUMNS, "line") and pd.api.types.is_numeric_dtype(posts[c])]
    for name in sorted(further):
        values = posts[name].astype(float)
        if name == SENTIMENT or (values < 0).any():
            found[f"{name}_plus"], found[f"{name}_minus"] = values.clip(lower=0), -values.clip(upper=0)
        else:
            found[name] = values
    return found


def count_styles(assignments: pd.DataFrame, posts: pd.DataFrame, settings: CountSettings | None = None) -> Panel:
    """Count votes by style and day; emerging ones are apart.

    `total` is the sum of the votes as they are weighed, so that shares sum to one under any cap.

    Args:
        assignments: `id, post_id, time, style, emerging`; `duplicate_of` where copies are counted once.
        posts: the posts' engagement numbers; `author_id` for a cap.
        settings: what has a vote, and what an author may weigh.

    Raises:
        UserError: a cap where no author is known, or copies to be counted once where no picture tells its copies.
    """
    settings = settings or CountSettings()
    settings.check()
    numbers = numbers_of(posts)
    counted = ~assignments["emerging"]
    rows = assignments.loc[counted, ["post_id", "time", "style"]]
    known = posts.set_index("post_id")
    by_post = settings.vote == "post"
    weight = None
    if settings.author_cap:
        if "author_id" not in posts or not (posts["author_id"].fillna("").astype(str).str.strip() != "").any():
            raise UserError("--author-cap: these posts name no author; give the column `author_id`, or leave it out")
        voters = rows.drop_duplicates("post_id") if by_post else rows
        voters = voters.join(known["author_id"], on="post_id").assign(votes=1.0)
        weight = pd.Series(author_weights(voters, settings.author_cap), voters["post_id"])
        weight = rows["post_id"].map(weight[~weight.index.duplicated()])
    if settings.duplicates == "once":
        if "duplicate_of" not in assignments:
            raise UserError("--duplicates once: only pictures tell their copies; find styles in pictures or both")
        first = (~is_further(assignments, by_post, "id")).astype(float)[counted]
        weight = first if weight is None else weight * first
    return Panel.from_rows(
        rows.join(numbers.set_index(posts["post_id"]), on="post_id"), "the posts", "style", "time",
        split_votes=by_post, numeric=numbers.columns, weight=weight,
    )  # fmt: skip


def share_table(panel: Panel, period: Period) -> pd.DataFrame:
    """The shares by day, week (from Monday) or month, as a person reads them.

    Returns:
        style, date (first day of the period), days (of it that the panel holds), count, total, share (NaN without
        posts): a row a style and period, periods without a post of the feed included.
    """
    code = {"day": "D", "week": "W-SUN", "month": "M"}[period]
    start_T = panel.days.to_period(code).start_time.normalize()
    first_P = np.flatnonzero(np.concatenate([[True], start_T[1:] != start_T[:-1]]))
    count_SP = np.add.reduceat(panel.count_ST, first_P, axis=1)
    total_P = np.add.reduceat(panel.total_T, first_P)
    days_P = np.diff(np.concatenate([first_P, [len(panel.days)]]))
    styles, periods = len(panel.styles), len(first_P)
    frame = pd.DataFrame(
        {
            "style": np.repeat(np.array(panel.styles, dtype=object), periods),
            "date": np.tile(start_T[first_P], styles),
            "days": np.tile(days_P, styles),
            "count": count_SP.ravel(),
            "total": np.tile(total_P, styles),
        }
    )
    return frame.assign(share=frame["count"] / frame["total"].where(frame["total"] > 0))
