"""What leaderboards are made of: forecasts of some origins, and what they are about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from data.panel import Panel
from data.windows import DAY
from ensemble.board import LEAST_POSTS, build_leaderboard, target_of
from ensemble.proposed import proposed_at
from ensemble.ranks import Order
from ensemble.record import ENSEMBLE
from ensemble.train import EnsembleConfig
from ensemble.weights import Weights
from rank.boost import REASONS
from recall.accept import read_proposals
from recall.emerging import COLUMNS, PROPOSALS
from recall.style_tables import ASSIGNMENTS, PANEL, STYLES
from stylecast.runs import load_config, load_manifest


@dataclass(frozen=True, kw_only=True)
class LeaderboardSettings:
    """How the styles are ranked and shown."""

    origin: str = ""
    """Last day that the forecast looked at (YYYY-MM-DD), or FIRST:LAST for all origins between, either of which may be
    left out; by default the latest."""
    by: Order = "growth"
    """What `rank` follows: growth against the share now, share (as predicted), rising (its probability; of a high
    share where `rank --classes level` was asked for), or change in percentage points."""
    least_posts: float = LEAST_POSTS
    """Styles with fewer posts in the last 28 days rank after all others, posts: a few more make any growth."""
    pictures: int = 6
    """Most pictures of a style on the page; one where there are more than a thousand styles."""
    picture_side: int = 160
    """Side of the pictures on the page, pixels; half of it where there are more than a thousand styles."""
    picture_bytes: int = 4_000_000
    """Most bytes of the page that pictures may take; movers come first, then new styles, then the ranks in order."""
    top: int = 10
    """Rows of the leaderboard that are printed at the end."""
    title: str = "Style leaderboard"
    """Heading of the page."""
    feed: str = "the feed"
    """What the posts are called within a sentence of the page."""
    language: Literal["auto", "en", "zh"] = "auto"
    """Of the page when it opens; auto: the browser's. A switch on the page changes it."""


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
    proposals: pd.DataFrame
    """New styles that are proposed."""
    interval: float
    """What part of the true shares `lower` to `upper` are meant to hold, 0 to 1."""
    weights: Weights
    """Who weighs how much, and what the classes are."""
    before: Panel | None = None
    """The counts without the posts that were taken in later; None where all are of the run."""
    since: pd.Timestamp | None = None
    """The first origin that is forecast from the posts that were taken in later; those before it stay as they were."""

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
            pd.read_parquet(ensemble / "forecast.parquet"), Panel.read(styles / PANEL, granularity="day"),
            pd.read_parquet(styles / STYLES), pd.read_parquet(styles / ASSIGNMENTS),
            pd.read_csv(ensemble / "metrics.csv"), pd.read_parquet(why) if why.is_file() else None,
            read_proposals(styles) if (styles / PROPOSALS).is_file() else pd.DataFrame(columns=COLUMNS),
            load_config(ensemble, EnsembleConfig).interval, Weights.load(ensemble),
        )  # fmt: skip

    @property
    def origins(self) -> pd.DatetimeIndex:
        """Days that there is a leaderboard of, earliest first."""
        rows = self.forecast[self.forecast["model"] == ENSEMBLE]
        return pd.DatetimeIndex(rows["origin"].unique()).sort_values()

    def board(
        self, origin: pd.Timestamp | None, settings: LeaderboardSettings, previous: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Every style at an origin, ranked (`build_leaderboard`).

        Args:
            origin: which; None takes the latest.
            settings: how they are ranked.
            previous: the board that changes of rank are told against; None takes the origin before, where there is one.

        Raises:
            UserError: there is no such origin.
        """
        if previous is None and len(self.origins):
            earlier = self._before(self.origins[-1] if origin is None else origin)
            previous = None if earlier is None else self._ranked(earlier, settings, None)
        return self._ranked(origin, settings, previous)

    def proposed(self, origin: pd.Timestamp) -> pd.DataFrame:
        """The new styles that are proposed at an origin (`proposed_at`)."""
        pictures = "medoids" in self.styles and bool(self.styles["medoids"].notna().any())
        return proposed_at(self.proposals, origin, pictures)

    def _before(self, origin: pd.Timestamp) -> pd.Timestamp | None:
        known = self.origins[self.origins <= origin - apart(self.forecast, origin) * DAY]
        return known[-1] if len(known) else None

    def _ranked(
        self, origin: pd.Timestamp | None, settings: LeaderboardSettings, previous: pd.DataFrame | None
    ) -> pd.DataFrame:
        old = self.since is not None and origin is not None and origin < self.since
        panel = self.before if old and self.before is not None else self.panel
        return build_leaderboard(
            self.forecast, panel, self.styles, origin, settings.by, self.reasons, settings.least_posts, previous
        )


def apart(forecast: pd.DataFrame, origin: pd.Timestamp) -> int:
    """Days between an origin and the latest one whose leaderboard is told as the one before it.

    A month's is the month's before. A target of days has an origin every day; the one before is a target away, as the
    origins of a backtest are.
    """
    rows = forecast[forecast["origin"] == origin]
    if rows.empty:
        return 1
    target = target_of(origin, rows["target_start"].iloc[0], rows["target_end"].iloc[0])
    return target.last if target.kind == "days" else 1
