"""The page of a board: gathers what a run holds for it."""

from typing import TYPE_CHECKING

import pandas as pd

from data.posts import Posts
from ensemble.board import recent_emerging
from ensemble.columns import RANKED_BY
from ensemble.page import PageMeta, render_page
from ensemble.thumbnails import encode_thumbnails, limit_pictures

if TYPE_CHECKING:  # only for types: the stage `leaderboard` itself draws with this
    from ensemble.leaderboard import LeaderboardSettings, Scored


def draw_page(
    board: pd.DataFrame, scored: "Scored", posts: Posts | None, settings: "LeaderboardSettings", search: str = ""
) -> tuple[str, int]:
    """The page of a board, and how many pictures were at hand for it.

    Args:
        board: as `Scored.board` gives it.
        scored: what it was made of.
        posts: their pictures; None = words only.
        settings: how it is shown.
        search: address of a page that searches the pictures, which a server has.
    """
    shown = limit_pictures(board, settings.pictures)
    thumbnails: dict[str, bytes] = {}
    if posts is not None:
        ids = {name for names in shown["pictures"] for name in names.split(";") if name}
        thumbnails = encode_thumbnails(posts, ids, settings.picture_side)
    meta = PageMeta(
        title=settings.title, feed=settings.feed, ranked_by=RANKED_BY[settings.by],
        emerging_share=recent_emerging(scored.assignments, board["origin"].iloc[0]),
        picture_bytes=settings.picture_bytes, search=search,
    )  # fmt: skip
    return render_page(shown, scored.panel, scored.metrics, thumbnails, meta), len(thumbnails)
