"""What the server answers: the JSON of each endpoint, as OpenAPI tells it.

Shares are fractions, `growth` and `momentum` percent, `change` percentage points, as on the leaderboard.
"""

from collections.abc import Hashable, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str
    """The reason, and what to do."""


class Share(BaseModel):
    """A share of a period."""

    end: date
    """Last day of the period."""
    share: float | None
    """Share of the posts; null where the feed had none."""


class Style(BaseModel):
    """A style's place on the leaderboard; feeds of other numbers have further columns, such as `saves_per_post`."""

    model_config = ConfigDict(extra="allow")

    rank: int
    rank_growth: int | None
    rank_share: int | None
    rank_rising: int | None
    previous_rank: int | None
    """On the leaderboard of `previous_origin`; null where that does not have the style."""
    rank_change: int | None
    """Positive where the style climbed since."""
    previous_origin: date | None
    style: str
    name: str
    share_now: float | None
    share_predicted: float | None
    lower: float | None
    upper: float | None
    lower_95: float | None
    upper_95: float | None
    growth: float | None
    change: float | None
    p_down: float | None
    p_flat: float | None
    p_up: float | None
    momentum: float | None
    posts_28d: float | None
    age_days: int | None
    keywords: list[str]
    pictures: list[str]
    """Ids; `/pictures?id=` shows one."""


class Board(BaseModel):
    """The leaderboard at an origin."""

    origin: date
    target_start: date
    target_end: date
    origins: list[date]
    """Those that can be asked for."""
    found: int
    """Styles that pass the filter."""
    emerging_share: float | None
    """Share of the recent posts that belong to no known style."""
    styles: list[Style]


class Reason(BaseModel):
    """What moved a forecast."""

    kind: str
    text: str
    points: float
    """Percentage points of the growth."""


class StyleDetail(BaseModel):
    """All that is known of a style at an origin."""

    origin: date
    target_start: date
    target_end: date
    style: Style
    """Its row: forecast with both intervals, class probabilities."""
    reasons: list[Reason]
    """The largest first; none where no member of the ensemble tells them."""
    period_days: int
    """Days of a period of the history."""
    history: list[Share]
    """Shares up to the origin, oldest first."""
    first_seen: date | None
    last_seen: date | None


class Hit(BaseModel):
    """A picture that was found."""

    rank: int
    picture: str
    """Id; `/pictures?id=` shows it."""
    post: str
    title: str
    score: float
    style: str | None
    """Null where the run has no styles, or the picture is of none."""
    style_name: str | None
    emerging: bool
    """Far from every style; `style` is then the nearest."""


class Hits(BaseModel):
    """Pictures that match a phrase, best first."""

    q: str
    words: list[str]
    """Words of the phrase that the run knows."""
    unknown: list[str]
    """Words that no training post holds; they were left out."""
    told: str
    """Why there are no hits, else empty."""
    hits: list[Hit]


class NearestStyle(BaseModel):
    """The style whose centroid is nearest to a picture."""

    style: str
    name: str
    distance: float
    far: float
    """Distance beyond which a picture belongs to no style."""
    emerging: bool
    """Whether it is beyond."""


class Alike(BaseModel):
    """A picture's style, and the pictures nearest to it; scores are cosines."""

    style: NearestStyle | None
    told: str
    """Why there is no style, else empty."""
    hits: list[Hit]


class Health(BaseModel):
    """Whether the server can answer."""

    state: str
    """`ready`, `loading` or `damaged`."""
    problem: str
    """What is wrong with the run, or with the one that should replace it."""
    runs: dict[str, str]
    """Stage → hash of what it wrote."""
    versions: dict[str, str]


def plain(value: Any) -> Any:  # noqa: ANN401  (a cell of any table)
    """A cell as JSON has it: null for what is missing, a date for a time, lists for arrays."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date()
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def style_of(row: Mapping[Hashable, Any]) -> Style:
    """A row of the leaderboard."""
    told = {str(name): plain(value) for name, value in row.items()}
    split = {"keywords": told["keywords"].split(), "pictures": [p for p in told["pictures"].split(";") if p]}
    dates = {"origin", "target_start", "target_end"}
    return Style(**{name: value for name, value in (told | split).items() if name not in dates})
