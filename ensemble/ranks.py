"""Places of styles on a leaderboard, by one order or another, and how far each climbed since the one before."""

from typing import Literal

import numpy as np
import pandas as pd

Order = Literal["growth", "share", "rising", "change"]
ORDERS: dict[Order, str] = {"growth": "growth", "share": "share_predicted", "rising": "p_up", "change": "change"}
"""The column of the board that an order follows, largest first."""
COLUMNS = ["rank", "rank_growth", "rank_share", "rank_rising", "previous_rank", "rank_change", "previous_origin"]


def places(board: pd.DataFrame, by: Order, least_posts: float) -> pd.Series:
    """The place of each row, 1 the best; those with too few posts come after all others, ties go by style id.

    Args:
        board: `style, posts_28d` and the column of the order.
        by: the order.
        least_posts: of the last 28 days; fewer are too few.

    Returns:
        Int64, on the board's index.
    """
    few = ~(board["posts_28d"] >= least_posts)
    order = pd.DataFrame({"few": few, "value": -board[ORDERS[by]], "style": board["style"]})
    order = order.sort_values(["few", "value", "style"], na_position="last")
    return pd.Series(np.arange(1, len(order) + 1), order.index).reindex(board.index).astype("Int64")


def add_ranks(board: pd.DataFrame, by: Order, least_posts: float, previous: pd.DataFrame | None) -> pd.DataFrame:
    """The board in its order, with `COLUMNS` before all others.

    Args:
        board: a row a style.
        by: the order of `rank`.
        least_posts: as for `places`.
        previous: an earlier board, whose places by the same order are `previous_rank`; None = there is none.

    Returns:
        `rank_change` is positive where a style climbed; it and `previous_rank` are empty where the earlier board does
        not have the style. `previous_origin` is that board's.
    """
    ranked = board.assign(
        rank=places(board, by, least_posts).astype(np.int64),
        **{f"rank_{name}": places(board, name, least_posts) for name in ("growth", "share", "rising")},
    )
    before = pd.Series(dtype="Int64")
    if previous is not None:
        before = places(previous, by, least_posts).set_axis(previous["style"])
    ranked["previous_rank"] = before.reindex(ranked["style"]).astype("Int64").to_numpy()
    ranked["rank_change"] = ranked["previous_rank"] - ranked["rank"]
    ranked["previous_origin"] = pd.NaT if previous is None else previous["origin"].iloc[0]
    ranked["previous_origin"] = ranked["previous_origin"].astype(board["origin"].dtype)
    ranked = ranked.astype({"previous_rank": "Int64", "rank_change": "Int64"}).sort_values("rank", ignore_index=True)
    return ranked[[*COLUMNS, *(name for name in ranked.columns if name not in COLUMNS)]]
