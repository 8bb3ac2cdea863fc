"""Numbers of posts on their way into the panel: engagement, a user's own, and what may be negative."""

import numpy as np
import pandas as pd

from recall.counts import count_styles, numbers_of

POSTS = pd.DataFrame(
    {
        "post_id": ["a", "b", "c", "d"],
        "line": [2, 3, 4, 5],
        "title": "t",
        "likes": [1.0, 2.0, 3.0, np.nan],
        "followers": [10.0, 20.0, 30.0, 40.0],
        "sentiment": [0.5, -0.25, np.nan, -1.0],
    }
)


def test_a_signed_column_is_two() -> None:
    found = numbers_of(POSTS)
    assert list(found) == ["likes", "followers", "sentiment_plus", "sentiment_minus"]
    assert found["sentiment_plus"].fillna(9).tolist() == [0.5, 0, 9, 0]
    assert found["sentiment_minus"].fillna(9).tolist() == [0, 0.25, 9, 1]
    assert list(numbers_of(POSTS.assign(sentiment=0.5))) == [*found]
    assert list(numbers_of(POSTS.assign(followers=[-1.0, 2, 3, 4]))) == [
        "likes", "followers_plus", "followers_minus", "sentiment_plus", "sentiment_minus",
    ]  # fmt: skip


def test_sums_reach_the_panel_whatever_the_order() -> None:
    rows = pd.DataFrame({"post_id": list("abcd"), "style": ["s0", "s0", "s1", "s1"], "emerging": False})
    rows["id"], rows["time"] = rows["post_id"], pd.Timestamp("2024-01-01")
    panel = count_styles(rows, POSTS)
    sums = {name: values.sum(axis=1).tolist() for name, values in panel.numeric.items()}
    assert sums["followers"] == [30, 70]
    assert sums["sentiment_plus"] == [0.5, 0]
    assert sums["sentiment_minus"] == [0.25, 1]
    assert sums["likes"] == [3, 3]
    turned = count_styles(rows.iloc[::-1], POSTS.iloc[[2, 0, 3, 1]])
    for name, values in panel.numeric.items():
        np.testing.assert_array_equal(turned.numeric[name], values)
