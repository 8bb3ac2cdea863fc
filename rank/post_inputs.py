"""What is known of a single post on the day that it is written: vectors, numbers, calendar, and its author's record.

Its own likes, collects and comments are never read: they are what is to be told. An author's record is that of posts
written a week or more before, so that their engagement had come in by then.

Shapes: N posts, C numbers, D dimensions of a vector.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.posts import COUNT_COLUMNS, Posts
from rank.bags import Vectors
from stylecast.errors import UserError

SETTLE_DAYS = 7
"""Engagement of a post counts for its author's record so many days after the post."""
DRAWN = 3.0
"""A mean over past posts is drawn to that of all posts as if by so many posts."""
FEW = 20
"""A month with fewer training posts has the bar of all of them."""
LAST_MONTHS = 3
"""The bar of later months is that of so many last months of training."""


@dataclass(frozen=True)
class PostInputs:
    """Posts as the network reads them, before scaling."""

    names: tuple[str, ...]
    """What the numbers are, [C]."""
    numbers_NC: np.ndarray
    """Numbers; NaN where one is not known."""
    sides: dict[str, np.ndarray]
    """Vectors of each modality, N×D float32; zero where a post has none."""

    def take(self, index: np.ndarray) -> "PostInputs":
        """Some of the posts."""
        return PostInputs(self.names, self.numbers_NC[index], {k: v[index] for k, v in self.sides.items()})


def engagement(table: pd.DataFrame) -> np.ndarray:
    """log(1 + likes + collects + comments) of posts; NaN where none of them is known.

    Raises:
        UserError: no such column.
    """
    counts = [name for name in COUNT_COLUMNS if name in table]
    if not counts:
        raise UserError(f"hot posts are those with much engagement: the posts need one of {', '.join(COUNT_COLUMNS)}")
    return np.log1p(table[counts].astype(float).sum(axis=1, min_count=1).to_numpy())


def bars(engagement_N: np.ndarray, time_N: pd.DatetimeIndex, train_N: np.ndarray, part: float) -> np.ndarray:
    """The engagement above which each post is hot, set by training posts alone.

    In the months of training it is that of the month; later, that of the last months of training together.

    Args:
        engagement_N: log engagement.
        time_N: when posts were written.
        train_N: which posts are for training, bool.
        part: of the posts, the top, that counts as hot.
    """
    month_N = (time_N.year * 12 + time_N.month).to_numpy()
    months = np.unique(month_N[train_N])
    last = engagement_N[train_N & np.isin(month_N, months[-LAST_MONTHS:])]
    bar_N = np.full(len(engagement_N), np.quantile(last, 1 - part))
    for month in months:
        chosen = engagement_N[train_N & (month_N == month)]
        bar = np.quantile(chosen if len(chosen) >= FEW else engagement_N[train_N], 1 - part)
        bar_N[train_N & (month_N == month)] = bar
    return bar_N


def daily_record(keys: pd.Series, time_N: pd.DatetimeIndex, engagement_N: np.ndarray) -> pd.DataFrame:
    """Engagement by key (author or style) and day: `key, day, sum, count`; posts without either are left out."""
    frame = pd.DataFrame({"key": keys.fillna("").astype(str).str.strip().to_numpy(), "day": days_of(time_N),
                          "sum": engagement_N, "count": 1.0})  # fmt: skip
    frame = frame[(frame["key"] != "") & frame["sum"].notna()].sort_values(["key", "day", "sum"])
    return frame.groupby(["key", "day"], as_index=False).sum()


def past(record: pd.DataFrame, keys: pd.Series, time_N: pd.DatetimeIndex, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean engagement of earlier posts of the same key against `mean`, [N], and how many they were, [N].

    Args:
        record: as `daily_record` has it.
        keys: author or style of each post; an empty one has no past.
        time_N: when the posts were written; what is younger than `SETTLE_DAYS` by then is not read.
        mean: of all posts, which a mean over few is drawn to.
    """
    known = pd.Index(record["key"].unique())
    code_N = known.get_indexer(pd.Index(keys.fillna("").astype(str).str.strip()))
    sums, counts = (np.concatenate([[0.0], np.cumsum(record[name])]) for name in ("sum", "count"))
    # One number a key and day; keys lie so far apart that no day reaches into the next.
    span = 10**7
    place_K = known.get_indexer(pd.Index(record["key"])) * span + record["day"].to_numpy()
    stop_N = np.searchsorted(place_K, code_N * span + days_of(time_N) - SETTLE_DAYS, side="right")
    start_N = np.searchsorted(place_K, code_N * span - span // 2)
    stop_N = np.where(code_N >= 0, np.maximum(stop_N, start_N), start_N)
    sum_N, count_N = sums[stop_N] - sums[start_N], counts[stop_N] - counts[start_N]
    return (sum_N - count_N * mean) / (count_N + DRAWN), np.round(count_N)


def days_of(time_N: pd.DatetimeIndex) -> np.ndarray:
    """Days since 1970, int64."""
    return time_N.to_numpy().astype("datetime64[D]").astype(np.int64)


def read_numbers(posts: Posts, numbers: tuple[str, ...], record: pd.DataFrame, mean: float) -> dict[str, np.ndarray]:
    """Numbers of every post that are known when it is written, by name.

    Args:
        posts: dated posts.
        numbers: further columns.
        record: of the authors.
        mean: log engagement of the training posts.

    Raises:
        UserError: a column is not there, or is known only afterwards.
    """
    table = posts.table
    for name in numbers:
        if name in COUNT_COLUMNS:
            raise UserError(f"--numbers {name}: is not known when a post is written; name others")
        if name not in table:
            raise UserError(f"--numbers {name}: the posts have no such column; `stylecast prepare --numeric {name}`")
    time_N = pd.DatetimeIndex(table["time"])
    hour_N = time_N.hour.to_numpy() + time_N.minute.to_numpy() / 60
    if (time_N == time_N.normalize()).all():  # dates without an hour
        hour_N = np.full(len(table), np.nan)
    pictures = posts.pictures["post_id"].value_counts() if len(posts.pictures) else pd.Series(dtype=int)
    author = table["author_id"] if "author_id" in table else pd.Series("", index=table.index)
    author_N, seen_N = past(record, author, time_N, mean)
    found: dict[str, Any] = {}
    for name, angle_N in (("hour", hour_N * 2 * np.pi / 24), ("weekday", time_N.dayofweek * 2 * np.pi / 7)):
        found |= {f"{name}_sin": np.sin(angle_N), f"{name}_cos": np.cos(angle_N)}
    found["pictures"] = np.log1p(table["post_id"].map(pictures).fillna(0))
    found["words"] = np.log1p(table["words"].str.split().str.len())
    found |= {"author_past": author_N, "author_posts": np.log1p(seen_N)}
    for name in numbers:
        values_N = table[name].astype(float)
        found[name] = np.sign(values_N) * np.log1p(np.abs(values_N))
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}


def mean_of_pictures(posts: Posts, vectors: Vectors) -> np.ndarray:
    """Mean vector of each post's pictures, N×D float32 of length one; zero for a post without a picture."""
    ids, vectors_MD = vectors
    row_M = pd.Index(np.asarray(ids, dtype=object)).get_indexer(pd.Index(posts.pictures["picture_id"]))
    post_M = pd.Index(posts.table["post_id"]).get_indexer(pd.Index(posts.pictures["post_id"]))
    use_M = (row_M >= 0) & (post_M >= 0)
    if not use_M.any():
        raise UserError("no picture of the posts has a vector: is the recall run of these posts?")
    sum_ND = np.zeros((len(posts.table), vectors_MD.shape[1]), dtype=np.float32)
    np.add.at(sum_ND, post_M[use_M], vectors_MD[row_M[use_M]])
    length_N1 = np.linalg.norm(sum_ND, axis=1, keepdims=True)
    return sum_ND / np.maximum(length_N1, 1e-12)


def of_posts(posts: Posts, vectors: Vectors) -> np.ndarray:
    """Vector of each post, N×D float32; zero for a post without one."""
    ids, vectors_MD = vectors
    row_N = pd.Index(np.asarray(ids, dtype=object)).get_indexer(pd.Index(posts.table["post_id"]))
    found_ND = np.asarray(vectors_MD[np.maximum(row_N, 0)], dtype=np.float32)
    return np.where(row_N[:, None] >= 0, found_ND, np.float32(0))
