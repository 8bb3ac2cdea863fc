"""Posts counted by style and day: what becomes the panel."""

import pandas as pd

from data.panel import Panel
from data.posts import COUNT_COLUMNS


def count_styles(assignments: pd.DataFrame, posts: pd.DataFrame) -> Panel:
    """Count posts by style and day: the pictures of a post split its one vote; emerging ones are apart.

    Args:
        assignments: `id, post_id, time, style, emerging`.
        posts: the posts' engagement numbers.
    """
    counts = [c for c in COUNT_COLUMNS if c in posts]
    rows = assignments.loc[~assignments["emerging"], ["post_id", "time", "style"]]
    numbers = posts.set_index("post_id")[counts]
    return Panel.from_rows(rows.join(numbers, on="post_id"), "the posts", "style", "time")
