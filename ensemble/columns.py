"""The columns of a board that its page shows, in order; their names and meanings stand in `templates/words.json`."""

import pandas as pd

RECENT_DAYS = 28
"""Days of `posts_28d`, of the means per post, and of each half of `momentum`."""


def per_post(board: pd.DataFrame) -> list[str]:
    """The board's columns of engagement per post, which differ from feed to feed."""
    return [str(name) for name in board.columns if str(name).endswith("_per_post")]


def shown(board: pd.DataFrame) -> list[str]:
    """The numeric columns of the table; of engagement likes alone, else the first: a style's view tells the others."""
    told = sorted(per_post(board), key=lambda name: name != "likes_per_post")
    return [
        "share_now", "share_predicted", "growth", "change", "p_up", "momentum", "posts_28d", *told[:1],
        "age_days",
    ]  # fmt: skip
