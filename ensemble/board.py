"""The leaderboard as a table: every style at an origin, ranked by its predicted growth or otherwise.

Shapes: S styles, T days. Shares are fractions; `growth` and `momentum` are percent, `change` is percentage points.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from data.panel import Panel
from data.shares import reference_share, to_growth
from data.sums import Sums
from data.windows import DAY, Target, Window
from ensemble.columns import RECENT_DAYS
from ensemble.ranks import Order, add_ranks
from ensemble.record import ENSEMBLE
from rank.reason_words import Language
from rank.reasons import summary
from stylecast.errors import UserError

PER_FORECAST = [
    "style", "target_start", "target_end", "share", "lower", "upper", "lower_95", "upper_95", "growth",
    "p_down", "p_flat", "p_up",
]  # fmt: skip


def target_of(origin: pd.Timestamp, start: pd.Timestamp, end: pd.Timestamp) -> Target:
    """The target whose period, seen from the origin, is these days: a calendar month when it is a whole one."""
    months = (start.year - origin.year) * 12 + start.month - origin.month
    if months > 0:
        month = Target("calendar-month", months, months)
        if month.period(origin) == (start, end):
            return month
    return Target("days", (start - origin).days, (end - origin).days)


def _choose(forecast: pd.DataFrame, panel: Panel, origin: pd.Timestamp | None) -> tuple[pd.DataFrame, pd.Timestamp]:
    """The ensemble's rows at the origin, a row a style."""
    rows = forecast[forecast["model"] == ENSEMBLE]
    if rows.empty:
        raise UserError(f"the forecast has no rows of the model `{ENSEMBLE}`; run `stylecast ensemble` first")
    origins = pd.DatetimeIndex(rows["origin"].unique()).sort_values()
    day = origins[-1] if origin is None else origin
    if day not in origins:
        told = f"{origins[0].date()} to {origins[-1].date()}"
        raise UserError(f"--origin {day.date()}: the forecast has no such origin; it has {len(origins)}, from {told}")
    rows = rows[rows["origin"] == day]
    if rows["style"].duplicated().any():
        twice = rows.loc[rows["style"].duplicated(), "style"].iloc[0]
        raise UserError(f"the forecast has two rows of style {twice} at {day.date()}; give a forecast with one")
    unknown = sorted(set(rows["style"]) - set(panel.styles))
    if unknown:
        raise UserError(f"the panel has no style {unknown[0]}, which the forecast has; both must come from one run")
    if not panel.days[0] <= day <= panel.last:
        told = f"{panel.days[0].date()} to {panel.last.date()}"
        raise UserError(f"the origin {day.date()} is outside of the panel ({told}); both must come from one run")
    return rows[[*PER_FORECAST]].sort_values("style", ignore_index=True), day


def _join_pictures(value: object) -> str:
    """Picture ids as text; an empty list, or none, for a style from text."""
    return ";".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else ""


def _recent(sums: Sums, panel: Panel, origin: pd.Timestamp) -> pd.DataFrame:
    """What the posts of the last days say, a row a style of the panel."""
    now: Window = (origin - (RECENT_DAYS - 1) * DAY, origin)
    before: Window = (origin - (2 * RECENT_DAYS - 1) * DAY, origin - RECENT_DAYS * DAY)
    half = 0.5 / max(sums.total(*now), 1.0)
    posts_S = sums.count(*now)
    recent = pd.DataFrame({"style": list(panel.styles)})
    recent["momentum"] = 100 * np.expm1(to_growth(sums.share(*now), sums.share(*before), half))
    recent["posts_28d"] = posts_S
    for name in sorted(sums.numeric):
        # `NAME_log` are sums of logarithms, which a forecaster wants and a person does not.
        if not (name.endswith("_log") and name.removesuffix("_log") in sums.numeric):
            mean_S = sums.number(name, *now) / np.where(posts_S > 0, posts_S, 1.0)
            recent[f"{name}_per_post"] = np.where(posts_S > 0, mean_S, np.nan)
    seen_ST = sums.count_ST[:, 1:] > 0
    age_S = seen_ST.shape[1] - 1 - seen_ST.argmax(axis=1)
    recent["age_days"] = pd.array(np.where(seen_ST.any(axis=1), age_S, 0), dtype="Int64")
    recent.loc[~seen_ST.any(axis=1), "age_days"] = pd.NA
    return recent


LEAST_POSTS = 5.0
"""A style with fewer posts in the last 28 days ranks after all others: a few more make any growth."""
REASONS: dict[str, Language] = {"reasons": "en", "reasons_zh": "zh"}
"""The columns of reasons, and their languages."""


def build_leaderboard(
    forecast: pd.DataFrame,
    panel: Panel,
    styles: pd.DataFrame | None = None,
    origin: pd.Timestamp | None = None,
    by: Order = "growth",
    reasons: pd.DataFrame | None = None,
    least_posts: float = LEAST_POSTS,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Ranks the styles at an origin, by their predicted growth or otherwise; nothing after the origin is looked at.

    Args:
        forecast: the noun `Forecast`; its rows of the model `ensemble` are taken.
        panel: the counts that the forecast was made from.
        styles: style, name, keywords (space separated), medoids (picture ids, or none), size; None or a missing
            style shows its id as its name.
        origin: which forecast; None takes the latest.
        by: what the rank follows; ties go by style id.
        reasons: what moved the forecasts, as `rank.reasons` tells it, of any origins.
        least_posts: styles with fewer posts in the last 28 days come after all others.
        previous: the board of an earlier origin, to tell who climbed since.

    Returns:
        A row a style, best rank first: rank (by `by`), rank_growth, rank_share, rank_rising, previous_rank,
        rank_change (positive: climbed), style, name, share_now (over as many days up to the origin as the
        target has), share_predicted, lower, upper, lower_95, upper_95 (fractions), growth (percent; with half a post
        added to both shares, as the forecast tells it), change (percentage points), p_down, p_flat, p_up, momentum
        (percent: share in the last 28 days against the 28 before), posts_28d, NAME_per_post for each further number
        of the panel (mean over those posts), age_days, keywords, pictures (picture ids joined by `;`), origin,
        target_start, target_end, reasons and reasons_zh (the first three in English and Chinese, empty where none
        are known).

    Raises:
        UserError: the forecast has no such origin or no ensemble, or belongs to another panel.
    """
    rows, day = _choose(forecast, panel, origin)
    sums = Sums.of(panel).until(day)
    target = target_of(day, rows["target_start"].iloc[0], rows["target_end"].iloc[0])
    now_S, _ = reference_share(sums, target, day)
    rows["share_now"] = rows["style"].map(dict(zip(panel.styles, now_S, strict=True)))
    rows = rows.rename(columns={"share": "share_predicted"})
    rows["growth"] = 100 * np.expm1(rows["growth"])
    rows["change"] = 100 * (rows["share_predicted"] - rows["share_now"])
    known = pd.DataFrame({"style": []}, dtype=object) if styles is None else styles.drop_duplicates("style")
    for name, missing in (("name", None), ("keywords", ""), ("medoids", None)):
        values = dict(zip(known["style"], known[name], strict=True)) if name in known else {}
        rows[name] = pd.Series([values.get(style, missing) for style in rows["style"]], dtype=object)
    named = rows["name"].map(lambda name: isinstance(name, str) and name.strip() != "")
    rows["name"] = rows["name"].where(named, rows["style"])
    rows["keywords"] = rows["keywords"].map(lambda words: words if isinstance(words, str) else "")
    rows["pictures"] = rows["medoids"].map(_join_pictures)
    rows = rows.merge(_recent(sums, panel, day), on="style", how="left")
    rows["origin"] = day
    for name, language in REASONS.items():
        rows[name] = rows["style"].map(_first_reasons(reasons, day, language)).fillna("")
    text = ["style", "name", "keywords", "pictures", *REASONS]
    rows[text] = rows[text].astype(str)
    per_post = [name for name in rows.columns if name.endswith("_per_post")]
    rows = rows[[
        "style", "name", "share_now", "share_predicted", "lower", "upper", "lower_95", "upper_95",
        "growth", "change",
        "p_down", "p_flat", "p_up", "momentum", "posts_28d", *per_post, "age_days", "keywords", "pictures",
        "origin", "target_start", "target_end", *REASONS,
    ]]  # fmt: skip
    return add_ranks(rows, by, least_posts, previous)


def _first_reasons(reasons: pd.DataFrame | None, day: pd.Timestamp, language: Language) -> dict[str, str]:
    """The line of reasons of each style at an origin."""
    if reasons is None:
        return {}
    rows = reasons[reasons["origin"] == day]
    return {str(style): summary(mine, language) for style, mine in rows.groupby("style")}


def recent_emerging(assignments: pd.DataFrame, origin: pd.Timestamp) -> float | None:
    """Share of the items of the last 28 days up to the origin that belong to no known style; None without items."""
    days = assignments["time"].dt.normalize()
    recent = assignments[(days <= origin) & (days > origin - RECENT_DAYS * DAY)]
    return float(recent["emerging"].mean()) if len(recent) else None
