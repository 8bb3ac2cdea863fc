"""The page of a board: gathers what a run holds for it."""

from collections.abc import Sequence

import pandas as pd

from data.posts import Posts
from ensemble.beside import Beside
from ensemble.board import recent_emerging
from ensemble.history import past_forecasts
from ensemble.page import render_page
from ensemble.page_data import MANY, NEW, NEW_PICTURES, PageMeta, Sources, page_data
from ensemble.record import ENSEMBLE, build_record
from ensemble.scored import LeaderboardSettings, Scored
from ensemble.thumbnails import encode_thumbnails, limit_pictures
from rank.boost import BOOST


def _wanted(shown: pd.DataFrame, emerging: pd.DataFrame) -> set[str]:
    """Ids of the pictures that the page may show."""
    ids = {name for names in shown["pictures"] for name in names.split(";") if name}
    return ids | {name for names in emerging["pictures"].head(NEW) for name in names.split(";")[:NEW_PICTURES] if name}


def draw_page(
    board: pd.DataFrame, scored: Scored, posts: Sequence[Posts], settings: LeaderboardSettings,
    beside: Beside | None = None, search: str = "", origins: tuple[pd.Timestamp, ...] = (),
) -> tuple[str, int]:  # fmt: skip
    """The page of a board, and how many pictures were at hand for it.

    Args:
        board: as `Scored.board` gives it.
        scored: what it was made of.
        posts: their pictures, of the run and of new posts; none = words only.
        settings: how it is shown.
        beside: what the run of styles tells beside; None = nothing.
        search: address of a page that searches the pictures, which a server has.
        origins: days that a server has leaderboards of.
    """
    beside, origin = beside or Beside.nothing(), board["origin"].iloc[0]
    many, emerging = len(board) > MANY, scored.proposed(origin)
    # Ten thousand styles: one small picture each is what a page of a few megabytes has room for.
    shown = limit_pictures(board, 1 if many else settings.pictures)
    thumbnails: dict[str, bytes] = {}
    side = settings.picture_side // 2 if many else settings.picture_side
    for part in posts:
        thumbnails |= encode_thumbnails(part, _wanted(shown, emerging), max(side, 16))
    models = [ENSEMBLE, build_record(scored.metrics).chosen]
    sources = Sources(
        scored.panel, scored.metrics, past_forecasts(scored.forecast, scored.panel, origin, models), scored.reasons,
        beside, emerging, thumbnails,
    )  # fmt: skip
    meta = PageMeta(
        title=settings.title, feed=settings.feed, ranked_by=settings.by, language=settings.language,
        emerging_share=recent_emerging(scored.assignments, origin), picture_bytes=settings.picture_bytes,
        search=search, origins=origins, interval=scored.interval, classes=scored.weights.classes,
        reasons_weight=scored.weights.of(BOOST, origin),
    )  # fmt: skip
    return render_page(page_data(shown, sources, meta)), len(thumbnails)
