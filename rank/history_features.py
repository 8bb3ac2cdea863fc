"""Features of a style's past shares: levels, changes, slopes, season, noise. Shapes: S styles, B blocks."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from data.windows import DAY
from rank.feature import Feature, log_reference, log_share
from rank.look import Look

SPANS = (7, 14, 28, 56, 91, 182, 364)
CHANGES = (28, 56, 84)
LAGS = (1, 2, 3, 4, 5)


def trailing(days: int) -> Callable[[Look], np.ndarray]:
    """Log share over the last days against the reference."""
    return lambda look: log_share(look, look.origin - (days - 1) * DAY, look.origin) - log_reference(look)


def lag(back: int) -> Callable[[Look], np.ndarray]:
    """Log share of a block before the reference against the reference."""
    return lambda look: log_share(look, *look.target.block(look.origin, back)) - log_reference(look)


def change(days: int) -> Callable[[Look], np.ndarray]:
    """Log share of the last days against as many before."""

    def function(look: Look) -> np.ndarray:
        middle = look.origin - days * DAY
        return log_share(look, middle + DAY, look.origin) - log_share(look, middle - (days - 1) * DAY, middle)

    return function


def run(look: Look) -> np.ndarray:
    """Weeks that the share has risen without a break up to the origin (negative: fallen), at most eight."""
    weeks = min((look.origin - look.sums.first).days // 7, 9)
    if look.monthly or weeks < 2:
        return np.full(len(look.reference_S), np.nan)
    ends = [look.origin - 7 * week * DAY for week in range(weeks)]
    logs_SW = np.stack([log_share(look, end - 6 * DAY, end) for end in ends], axis=1)
    rise_SW = np.sign(np.round(logs_SW[:, :-1] - logs_SW[:, 1:], 9))
    same_SW = np.cumprod((rise_SW == rise_SW[:, :1]) & (rise_SW != 0), axis=1)
    return np.where(np.isnan(rise_SW[:, 0]), np.nan, rise_SW[:, 0] * same_SW.sum(axis=1))


def year_growth(years: int) -> Callable[[Look], np.ndarray]:
    """Growth over the same span so many years ago."""

    def function(look: Look) -> np.ndarray:
        asked = look.year_before(look.asked, years)
        reference = look.year_before(look.target.reference(look.origin), years)
        growth_S = log_share(look, *asked) - log_share(look, *reference)
        return np.where(_seen_by(look, reference[1]), growth_S, np.nan)

    return function


def _seen_by(look: Look, day: pd.Timestamp) -> np.ndarray:
    if day < look.sums.first:
        return np.zeros(len(look.reference_S), dtype=bool)
    return look.sums.count(look.sums.first, day) > 0


def year_level(look: Look) -> np.ndarray:
    """Share of the target's days last year against the reference now."""
    asked = look.year_before(look.asked)
    return np.where(_seen_by(look, asked[1]), log_share(look, *asked) - log_reference(look), np.nan)


def wide_year_growth(look: Look) -> np.ndarray:
    """Last year's growth with both windows half a month wider on each side, against noise."""
    wide = 15 * DAY
    asked, reference = look.year_before(look.asked), look.year_before(look.target.reference(look.origin))
    growth_S = log_share(look, asked[0] - wide, asked[1] + wide) - log_share(
        look, max(reference[0] - wide, look.sums.first), reference[1] + wide
    )
    return np.where(_seen_by(look, reference[1]), growth_S, np.nan)


def against_peak(look: Look) -> np.ndarray:
    """Reference against the highest block of the history."""
    return np.log(look.blocks_SB.max(axis=1) + look.half) - log_reference(look)


def against_trough(look: Look) -> np.ndarray:
    """Reference against the lowest block since birth."""
    alive_SB = np.arange(look.blocks_SB.shape[1]) >= look.born_S[:, None]
    lowest_S = np.where(alive_SB, look.blocks_SB, np.inf).min(axis=1)
    return np.log(lowest_S + look.half) - log_reference(look)


def since_peak(look: Look) -> np.ndarray:
    """Blocks since the highest one."""
    return (look.blocks_SB.shape[1] - 1 - look.blocks_SB.argmax(axis=1)).astype(float)


def volatility(look: Look) -> np.ndarray:
    """Standard deviation of the change of log share from block to block, last year."""
    logs_SB = np.log(look.blocks_SB[:, -13:] + look.half)
    return np.diff(logs_SB, axis=1).std(axis=1) if logs_SB.shape[1] > 2 else np.full(len(logs_SB), np.nan)


def slope(blocks: int) -> Callable[[Look], np.ndarray]:
    """Least-squares slope of log share over the last blocks, per block."""

    def function(look: Look) -> np.ndarray:
        logs_SB = np.log(look.blocks_SB[:, -blocks:] + look.half)
        if logs_SB.shape[1] < blocks:
            return np.full(len(logs_SB), np.nan)
        time_B = np.arange(blocks) - (blocks - 1) / 2
        return logs_SB @ time_B / (time_B @ time_B)

    return function


def noise(look: Look) -> np.ndarray:
    """Relative sampling error of the reference: 1 / sqrt(posts + 1)."""
    posts_S = look.reference_S * 0.5 / look.half
    return np.sqrt((1 - look.reference_S) / (posts_S + 1))


def share_rank(look: Look) -> np.ndarray:
    """Rank of the reference share among the styles seen, 0 to 1."""
    return _rank(np.where(look.seen_S, look.reference_S, np.nan))


def change_rank(look: Look) -> np.ndarray:
    """Rank of the change over four weeks among the styles seen, 0 to 1."""
    return _rank(np.where(look.seen_S, change(28)(look), np.nan))


def _rank(values_S: np.ndarray) -> np.ndarray:
    return pd.Series(values_S).rank(pct=True).to_numpy()


def relative_size(look: Look) -> np.ndarray:
    """Log of the reference share against the mean share of the styles seen."""
    return log_reference(look) + np.log(max(int(look.seen_S.sum()), 1))


def age(look: Look) -> np.ndarray:
    """Log of days since the first post, at most two years; NaN for what was there when the history began."""
    born_S = (look.sums.count_ST > 0).argmax(axis=1)
    days_S = np.clip(look.sums.count_ST.shape[1] - born_S, 1, 730).astype(float)
    return np.where(look.seen_S & (born_S > 28), np.log(days_S), np.nan)


def calendar(function: Callable[[float], float]) -> Callable[[Look], np.ndarray]:
    """Sine or cosine of the middle of the target in its year; NaN before the history holds a year."""

    def of(look: Look) -> np.ndarray:
        middle = look.asked[0] + (look.asked[1] - look.asked[0]) / 2
        angle = 2 * np.pi * middle.dayofyear / 365.25
        return np.full(len(look.reference_S), function(angle) if look.has_year else np.nan)

    return of


RECENT_DAYS = 56
"""A mean over at most so many days speaks of the last weeks; over more, of the style's own level."""
SHARE_FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            f"last_{n}d", f"log share of the last {n} days against the reference", trailing(n),
            "recent" if n <= RECENT_DAYS else "level",
        )
        for n in SPANS
    ),
    *(Feature(f"lag_{n}", f"log share {n} target-lengths before the reference, against it", lag(n), "level")
      for n in LAGS),
    *(Feature(f"change_{n}d", f"log share of the last {n} days against the {n} before", change(n), "recent")
      for n in CHANGES),
    Feature("run", "weeks of rise without a break up to the origin, or of fall (negative)", run, "recent"),
    *(Feature(f"slope_{n}", f"slope of log share over the last {n} target-lengths", slope(n), "recent")
      for n in (3, 6, 12)),
    Feature("peak", "highest share so far against the reference, in logs", against_peak, "level"),
    Feature("trough", "lowest share since birth against the reference, in logs", against_trough, "level"),
    Feature("since_peak", "target-lengths since the highest share", since_peak, "level"),
    Feature("volatility", "how much log share moves between target-lengths", volatility, "noise"),
    Feature("noise", "relative sampling error of the reference", noise, "noise"),
    Feature("share_rank", "rank of the reference share among all styles", share_rank, "size"),
    Feature("change_rank", "rank of the change over four weeks among all styles", change_rank, "recent"),
    Feature("relative_size", "log of the reference share against the mean style's", relative_size, "size"),
    Feature("age", "log days since the first post, for styles born within the history", age, "newcomer"),
)  # fmt: skip
SEASON_FEATURES: tuple[Feature, ...] = (
    *(Feature(f"year_growth_{n}", f"growth over the same span {n} year{'s' * (n > 1)} ago", year_growth(n), "season")
      for n in (1, 2)),
    Feature("wide_year_growth", "last year's growth over the same span, windows half a month wider",
            wide_year_growth, "season"),
    Feature("year_level", "share of the target's days last year against the reference now", year_level, "season"),
    Feature("target_sin", "sine of the target's place in the year", calendar(np.sin), "season"),
    Feature("target_cos", "cosine of the target's place in the year", calendar(np.cos), "season"),
)  # fmt: skip
