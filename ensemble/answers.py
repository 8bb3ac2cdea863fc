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


class NewStyle(BaseModel):
    """A group of posts that belong to no style, proposed as a new one; it has no forecast."""

    proposal: str
    first_proposal: str
    """The id under which the group was first found."""
    name: str
    keywords: list[str]
    first_seen: date
    posts: int
    new_posts: int
    """Posts in the last month that was scanned."""
    share: float
    """Of that month's posts."""
    growth: float | None
    """Of that share against the month before, percent; null for a new one."""
    authors: int
    nearest: str
    """The known style that is nearest."""
    nearest_name: str
    pictures: list[str]
    """Ids of those nearest to its middle; none where styles come from texts."""
    post_ids: list[str]


class RecordRow(BaseModel):
    """How a model did in the backtest; further metrics as in `metrics.csv`."""

    model_config = ConfigDict(extra="allow")

    model: str
    kind: str
    """`ensemble` (this forecast), `member` or `rung` (a simple rule)."""
    mae: float | None
    """Mean error, a share."""
    gain: float | None
    """1 - mae / mae of the best rung, in hindsight."""


class ForecastRecord(BaseModel):
    """How good the forecast has been so far."""

    verdict: str
    """Against the rung that was best in hindsight: `won`, `lost`, `incomplete`, or `none` without a backtest."""
    doubtful: bool
    """Whether the skill against the rung chosen on validation may be chance."""
    rung: str
    chosen: str
    """The rung that was best on validation, which `skill` is against."""
    origins: int | None
    rows: list[RecordRow]


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
    classes: tuple[str, str, str]
    """What `p_down`, `p_flat`, `p_up` are probabilities of: `falls`, `holds`, `rises`; or `low`, `middle`, `high`."""
    styles: list[Style]
    emerging: list[NewStyle]
    """New styles that are proposed; they stand apart, and the filter does not touch them."""
    record: ForecastRecord


class Reason(BaseModel):
    """What moved a forecast."""

    kind: str
    text: str
    """In English."""
    text_zh: str
    """In Chinese."""
    points: float
    """Percentage points of the growth."""


class Said(BaseModel):
    """An earlier forecast, and what came."""

    origin: date
    target_start: date
    target_end: date
    share: float
    lower: float | None
    upper: float | None
    truth: float


class Neighbour(BaseModel):
    """A style that is like another."""

    style: str
    name: str
    cosine: float
    """Of the centroids."""


class Event(BaseModel):
    """What happened to a style at a refit."""

    refit: int
    relation: str
    """`continues`, `split`, `merge`, `birth`, `death` or `accepted`."""
    previous: str
    current: str
    shared: int
    """Items in common."""


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
    truth: float | None
    """What came of this forecast; null while its period is not over."""
    past: list[Said]
    """Earlier forecasts whose period was over at the origin."""
    nearest: list[Neighbour]
    """The most alike first; none where the run keeps no centroids."""
    lineage: list[Event]
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
