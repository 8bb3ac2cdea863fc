"""Features of a style at an origin, declared as data: a name, what it says, and the function that computes it.

All are scale-free: logs of ratios against the reference share, ranks, and counts only as sampling noise. None sees
anything after the origin (`rank.look`). Shapes: S styles.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from data.windows import DAY
from rank.feature import NUMBER, Feature, log_reference
from rank.history_features import SEASON_FEATURES, SHARE_FEATURES
from rank.lead import shrunk_level
from rank.look import Look
from rank.newcomer_features import NEWCOMER_FEATURES


def outlook_growth(name: str) -> Callable[[Look], np.ndarray]:
    """Growth that a Gaussian process expects."""
    return lambda look: look.outlooks[name].mean_S - log_reference(look)


def outlook_now(name: str) -> Callable[[Look], np.ndarray]:
    """Smoothed share at the origin against the reference."""
    return lambda look: look.outlooks[name].now_S - log_reference(look)


def outlook_season(name: str) -> Callable[[Look], np.ndarray]:
    """Growth due to the season."""
    return lambda look: look.outlooks[name].season_S


def outlook_sd(name: str) -> Callable[[Look], np.ndarray]:
    """Standard deviation of the growth."""
    return lambda look: look.outlooks[name].sd_S


def post_level(look: Look, number: str, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
    """What a style's posts carry on average in a window against the feed's, in logs, [S].

    NaN for all when the window is not in the history.
    """
    if not look.held((start, end)):
        return np.full(len(look.reference_S), np.nan)
    sum_S, count_S = look.sums.number(number, start, end), look.sums.count(start, end)
    mean = sum_S.sum() / max(count_S.sum(), 1e-9)
    return shrunk_level(sum_S, count_S, mean, number.endswith("_log"))


def level(number: str, days: int) -> Callable[[Look], np.ndarray]:
    """Level of the last days."""
    return lambda look: post_level(look, number, look.origin - (days - 1) * DAY, look.origin)


def level_change(number: str, days: int, before: int) -> Callable[[Look], np.ndarray]:
    """Level of the last days against that of so many days before them."""

    def function(look: Look) -> np.ndarray:
        middle = look.origin - days * DAY
        start = max(middle - (before - 1) * DAY, look.sums.first)
        return post_level(look, number, middle + DAY, look.origin) - post_level(look, number, start, middle)

    return function


def number_features(number: str) -> tuple[Feature, ...]:
    """Features of one further number of the panel, such as likes."""
    name = number.removesuffix("_log")
    kind = f"{NUMBER}{name}"
    return (
        Feature(f"{number}_14d", f"{name} per post in the last 2 weeks against the feed's", level(number, 14), kind),
        Feature(f"{number}_28d", f"{name} per post in the last 4 weeks against the feed's", level(number, 28), kind),
        *(
            Feature(
                f"{number}_change_{weeks}w",
                f"{name} per post in the last 4 weeks against the {weeks} before",
                change,
                kind,
            )
            for weeks, change in ((w, level_change(number, 28, 7 * w)) for w in (4, 8, 12))
        ),
        Feature(
            f"{number}_own",
            f"{name} per post in the last 4 weeks against the 48 before",
            level_change(number, 28, 336),
            kind,
        ),
    )


PROCESSES = {
    "plain": "smooth trends go on for a while",
    "steady": "no smooth trends, parameters fitted",
    "walk": "a walk that does not return, noise in every bin",
}
"""The Gaussian processes (`rank.gaussian`) whose word is a feature."""
PROCESS_FEATURES: tuple[Feature, ...] = tuple(
    feature
    for name, kind in PROCESSES.items()
    for feature in (
        Feature(
            f"{name}_growth", f"growth expected by a Gaussian process; {kind}", outlook_growth(name), "level", True
        ),
        Feature(
            f"{name}_season",
            f"part of the growth expected by a Gaussian process that the season brings; {kind}",
            outlook_season(name),
            "season",
        ),
        Feature(
            f"{name}_now",
            f"share now as a Gaussian process smooths it, against the reference; {kind}",
            outlook_now(name),
            "recent",
        ),
        Feature(
            f"{name}_sd",
            f"standard deviation of the growth that a Gaussian process expects; {kind}",
            outlook_sd(name),
            "noise",
        ),
    )
)


def declared_features(numbers: tuple[str, ...] = ()) -> tuple[Feature, ...]:
    """All features of a panel with these further numbers.

    Where a number has a `NAME_log` beside it, that one is used: a mean of logs is not moved by a single famous post.
    """
    used = [name for name in sorted(numbers) if f"{name}_log" not in numbers]
    return (
        *SHARE_FEATURES,
        *SEASON_FEATURES,
        *NEWCOMER_FEATURES,
        *PROCESS_FEATURES,
        *(feature for name in used for feature in number_features(name)),
    )
