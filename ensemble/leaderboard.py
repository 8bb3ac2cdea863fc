"""Stage `leaderboard`: a forecast, the panel and the styles in; the ranked styles out, as tables and as a page.

Laptop:   stylecast leaderboard --ensemble runs/ensemble --styles runs/styles --posts runs/prepare
          (24 styles with pictures: a few seconds; 10,000 styles: about 15 s, a page of 10 MB)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from data.panel import Panel
from data.posts import Posts
from ensemble.beside import Beside
from ensemble.board import LEAST_POSTS, build_leaderboard
from ensemble.columns import RANKED_BY
from ensemble.draw import draw_page
from ensemble.terminal import terminal_table
from rank.boost import REASONS
from stylecast.errors import UserError
from stylecast.runs import Run, load_manifest, open_run


@dataclass(frozen=True, kw_only=True)
class LeaderboardSettings:
    """How the styles are ranked and shown."""

    origin: str = ""
    """Last day that the forecast looked at (YYYY-MM-DD); by default the latest forecast."""
    by: Literal["growth", "change"] = "growth"
    """What the rank follows: growth against the share now, or change in percentage points."""
    least_posts: float = LEAST_POSTS
    """Styles with fewer posts in the last 28 days rank after all others, posts: a few more make any growth."""
    pictures: int = 6
    """Most pictures of a style on the page; one where there are more than a thousand styles."""
    picture_side: int = 160
    """Side of the pictures on the page, pixels; half of it where there are more than a thousand styles."""
    picture_bytes: int = 4_000_000
    """Most bytes of the page that pictures may take; the movers come first, then the ranks in order."""
    top: int = 10
    """Rows of the leaderboard that are printed at the end."""
    title: str = "Style leaderboard"
    """Heading of the page."""
    feed: str = "the feed"
    """What the posts are called within a sentence of the page."""
    language: Literal["auto", "en", "zh"] = "auto"
    """Of the page when it opens; auto: the browser's. A switch on the page changes it."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardConfig(LeaderboardSettings):
    """Rank the styles at an origin, and write tables and a page."""

    ensemble: Path = Path("runs/ensemble")
    """Run folder of `ensemble`: forecasts and the record of the backtest."""
    styles: Path = Path("runs/styles")
    """Run folder of `styles`: names, words, medoid pictures and the panel."""
    posts: Path | None = None
    """Run folder of `prepare`, for the pictures; without it the page shows words only."""
    out: Path = Path("runs/leaderboard")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


def write_leaderboard(folder: Path, board: pd.DataFrame, page: str) -> None:
    """Writes `leaderboard.csv` (UTF-8), `leaderboard.parquet` and `index.html`; the same input gives the same bytes."""
    board.to_csv(
        folder / "leaderboard.csv", index=False, encoding="utf-8", lineterminator="\n",
        float_format="%.10g", date_format="%Y-%m-%d",
    )  # fmt: skip
    board.to_parquet(folder / "leaderboard.parquet", index=False)
    (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")


def parse_origin(text: str) -> pd.Timestamp | None:
    """The day that `--origin` names, None for an empty one.

    Raises:
        UserError: it is no date.
    """
    if not text:
        return None
    try:
        return pd.to_datetime(text, format="%Y-%m-%d")  # strictly: a guess would take "May" for a day of year 1
    except ValueError as error:
        raise UserError(f"--origin {text}: no date; write YYYY-MM-DD") from error


@dataclass(frozen=True)
class Scored:
    """What leaderboards are made of: forecasts of some origins, and what they are about."""

    forecast: pd.DataFrame
    """The noun `Forecast`."""
    panel: Panel
    """The counts that it was made from."""
    styles: pd.DataFrame
    """Names, words, medoid pictures."""
    assignments: pd.DataFrame
    """Which item belongs to which style."""
    metrics: pd.DataFrame
    """Of the backtest."""
    reasons: pd.DataFrame | None
    """What moved the forecasts; None where it is not known."""

    @classmethod
    def load(cls, ensemble: Path, styles: Path) -> "Scored":
        """Read runs of `ensemble` and `styles`.

        Raises:
            UserError: one is missing, damaged or of another stage.
        """
        load_manifest(ensemble, "ensemble")
        load_manifest(styles, "styles")
        why = ensemble / REASONS
        return cls(
            pd.read_parquet(ensemble / "forecast.parquet"), Panel.read(styles / "panel.parquet"),
            pd.read_parquet(styles / "styles.parquet"), pd.read_parquet(styles / "assignments.parquet"),
            pd.read_csv(ensemble / "metrics.csv"), pd.read_parquet(why) if why.is_file() else None,
        )  # fmt: skip

    def board(self, origin: pd.Timestamp | None, settings: LeaderboardSettings) -> pd.DataFrame:
        """Every style at an origin, ranked (`build_leaderboard`)."""
        return build_leaderboard(
            self.forecast, self.panel, self.styles, origin, settings.by, self.reasons, settings.least_posts
        )


def _make(config: LeaderboardConfig, run: Run) -> None:
    scored = Scored.load(config.ensemble, config.styles)
    board = scored.board(parse_origin(config.origin), config)
    posts = Posts.load(config.posts) if config.posts is not None else None
    page, pictures = draw_page(board, scored, posts, config, Beside.load(config.styles, scored.panel.styles))
    write_leaderboard(run.folder, board, page)
    run.metrics |= {"styles": len(board), "origin": f"{board['origin'].iloc[0]:%Y-%m-%d}", "pictures": pictures}


def main(config: LeaderboardConfig) -> str:
    """Run the stage: a run folder with `leaderboard.csv`, `leaderboard.parquet` and `index.html`.

    Returns:
        What is to be printed: the top of the leaderboard, and where the page lies.

    Raises:
        UserError: an input is missing or damaged, or has no such origin.
    """
    if config.pictures < 0 or config.picture_side < 16 or config.top < 0:
        raise UserError("--pictures and --top must be 0 or more, and --picture-side 16 or more")
    inputs = {"ensemble": config.ensemble, "styles": config.styles}
    inputs |= {"posts": config.posts} if config.posts else {}
    with open_run(config.out, "leaderboard", config, inputs, force=config.force) as run:
        if run is not None:
            _make(config, run)
    board = pd.read_parquet(config.out / "leaderboard.parquet")
    first = board.iloc[0]
    head = f"Leaderboard of {first['origin']:%Y-%m-%d} for {first['target_start']:%Y-%m-%d} to"
    head += f" {first['target_end']:%Y-%m-%d}, by {RANKED_BY[config.by]}"
    head += f" ({min(config.top, len(board))} of {len(board)} styles):"
    return f"{head}\n\n{terminal_table(board, config.top)}\n\n{config.out / 'index.html'}"
