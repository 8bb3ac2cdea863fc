"""Votes: of posts or pictures, with no author above the cap, and no look at later days."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.counts import CAP_DAYS, CountSettings, author_weights, count_styles, share_table
from stylecast.errors import UserError

DAY = pd.Timestamp("2024-01-01")
FEED = Path(os.environ.get("STYLECAST_DATA", "../shared/data")) / "red" / "posts.csv.gz"


def rows_of(pairs: list[tuple[str, int]]) -> pd.DataFrame:
    """Rows of (author, day number), a vote each."""
    times = [DAY + pd.Timedelta(days=day, hours=7) for _, day in pairs]
    return pd.DataFrame({"author_id": [author for author, _ in pairs], "time": times, "votes": 1.0})


def slow_weights(rows: pd.DataFrame, cap: float) -> list[float]:
    """Each row by itself, as the rule is told."""
    found = []
    day = rows["time"].dt.normalize()
    for author, today in zip(rows["author_id"], day, strict=True):
        window = rows[(day <= today) & (day > today - pd.Timedelta(days=CAP_DAYS))]
        limit = cap if cap >= 1 else max(1.0, cap * window["votes"].sum())
        own = window.loc[window["author_id"] == author, "votes"].sum()
        found.append(1.0 if author == "" else min(1.0, limit / own))
    return found


def two_posts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A post with two pictures of two styles, and one with a single picture, on two days."""
    assignments = pd.DataFrame(
        {"id": ["a/0", "a/1", "b/0"], "post_id": ["a", "a", "b"], "time": [DAY, DAY, DAY + pd.Timedelta(days=31)],
         "style": ["s0", "s1", "s1"], "emerging": False}
    )  # fmt: skip
    return assignments, pd.DataFrame({"post_id": ["a", "b"], "likes": [10, 4], "author_id": ["x", "x"]})


def test_a_cap_by_hand() -> None:
    # Loud posts 4 on day 0 and 2 on day 10; at 2 votes a window each of day 0 weighs 2/4, each of day 10 2/6.
    rows = rows_of([("loud", 0)] * 4 + [("loud", 10)] * 2 + [("quiet", 10), ("loud", 28)])
    # On day 28 the window begins on day 1: 2 + 1 votes.
    np.testing.assert_allclose(author_weights(rows, 2.0), [0.5] * 4 + [1 / 3] * 2 + [1.0, 2 / 3])
    # A quarter of the feed: 4 votes on day 0 (limit 1), 7 on day 10 (1.75), 4 on day 28 (1).
    np.testing.assert_allclose(author_weights(rows, 0.25), [0.25] * 4 + [1.75 / 6] * 2 + [1.0, 1 / 3])


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(0, 70)), min_size=1, max_size=40),
    cap=st.sampled_from([0.1, 0.5, 1.0, 3.0]),
    seed=st.integers(0, 5),
)
def test_weights_are_the_slow_ones_in_any_order_and_never_look_ahead(
    pairs: list[tuple[str, int]], cap: float, seed: int
) -> None:
    rows = rows_of(pairs)
    whole_N = author_weights(rows, cap)
    np.testing.assert_allclose(whole_N, slow_weights(rows, cap))
    order = np.random.default_rng(seed).permutation(len(rows))
    np.testing.assert_array_equal(author_weights(rows.iloc[order], cap), whole_N[order])
    early_N = (rows["time"] < DAY + pd.Timedelta(days=30)).to_numpy()
    np.testing.assert_array_equal(author_weights(rows[early_N], cap), whole_N[early_N])


def test_ten_loud_authors_make_no_trend() -> None:
    rng = np.random.default_rng(0)
    loud = [(f"loud{n}", day) for n in range(10) for day in range(60) for _ in range(5)]
    quiet = [(f"quiet{rng.integers(400)}", day) for day in range(60) for _ in range(50)]
    rows = rows_of(loud + quiet)
    assignments = pd.DataFrame(
        {"id": np.arange(len(rows)).astype(str), "post_id": np.arange(len(rows)).astype(str), "time": rows["time"],
         "style": np.where(rows["author_id"].str.startswith("loud"), "s1", "s0"), "emerging": False}
    )  # fmt: skip
    posts = assignments[["post_id"]].assign(author_id=rows["author_id"])
    free = share_table(count_styles(assignments, posts), "month").set_index(["style", "date"])["share"]
    capped_panel = count_styles(assignments, posts, CountSettings(author_cap=0.002))
    capped = share_table(capped_panel, "month").set_index(["style", "date"])["share"]
    assert free["s1", pd.Timestamp("2024-02-01")] == pytest.approx(0.5)
    assert capped["s1", pd.Timestamp("2024-02-01")] < 0.06
    assert capped_panel.partition
    np.testing.assert_allclose(capped_panel.count_ST.sum(axis=0), capped_panel.total_T)


def test_votes_of_posts_and_of_pictures() -> None:
    assignments, posts = two_posts()
    by_post = count_styles(assignments, posts).to_frame().groupby("style")[["count", "likes"]].sum()
    assert by_post["count"].tolist() == [0.5, 1.5]
    assert by_post["likes"].tolist() == [5.0, 9.0]
    by_picture = count_styles(assignments, posts, CountSettings(vote="picture"))
    assert by_picture.count_ST.sum(axis=1).tolist() == [1.0, 2.0]


def test_periods_by_hand() -> None:
    panel = count_styles(*two_posts())
    month = share_table(panel, "month")
    assert month["share"].tolist() == [0.5, 0.0, 0.5, 1.0]
    assert month["days"].tolist() == [31, 1] * 2
    week = share_table(panel, "week")
    assert (week["date"].dt.dayofweek == 0).all()
    assert week["days"].tolist() == [7, 7, 7, 7, 4] * 2
    assert week["share"].isna().sum() == 2 * 3
    assert len(share_table(panel, "day")) == 2 * 32


def test_a_cap_needs_authors() -> None:
    assignments, posts = two_posts()
    with pytest.raises(UserError, match="author_id"):
        count_styles(assignments, posts.drop(columns="author_id"), CountSettings(author_cap=1))
    with pytest.raises(UserError, match="--author-cap -1"):
        count_styles(assignments, posts, CountSettings(author_cap=-1))


@pytest.mark.realdata
@pytest.mark.skipif(not FEED.exists(), reason=f"{FEED} is absent; set STYLECAST_DATA")
def test_loud_authors_of_a_real_feed() -> None:
    table = pd.read_csv(FEED)
    rows = table.assign(time=pd.to_datetime(table["time"]), votes=1.0)[table["time"] >= "2023-06-01"]
    loud_N = rows["author_id"].isin(rows["author_id"].value_counts().index[:10]).to_numpy()
    weight_N = author_weights(rows, 0.01)
    assert loud_N.mean() > 0.25  # ten authors, a quarter of the pictures
    assert weight_N[loud_N].sum() / weight_N.sum() < 0.14
