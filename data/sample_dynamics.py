"""How the share of each sample style moves, and how engagement runs ahead of some of them.

Shape legend: S styles, T days, L days of look-ahead past the last one (engagement needs them).

The log-intensity of a style is season + rise or decline + hype, silent before its birth and after its death:
that much an oracle can know. An AR(1) noise is added, which it cannot. Shares are the softmax over styles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.sample_styles import Style

Floats = NDArray[np.float64]

NOISE_SD = 0.25
"""Standard deviation of the AR(1) noise, in log-intensity."""
NOISE_DAYS = 30.0
"""Days over which the noise forgets (its correlation falls to 1/e)."""
LEAD_DAYS = (28, 56)
"""By how much engagement leads the share, where it does: shortest and longest, days."""
LEAD_FRACTION = 1 / 3
"""Part of the styles whose engagement leads their share."""
LOOK_AHEAD = LEAD_DAYS[1]
SILENT = -60.0  # log-intensity of a style that is not alive: a share that is 0 in every printed digit

# day of the year with the most posts, and the swing in log-intensity
SEASONS: dict[str, tuple[int, float]] = {
    "dress": (170, 0.7),
    "qipao": (120, 0.45),
    "hanfu": (100, 0.55),
    "mamian": (30, 0.5),
    "coat": (345, 1.0),
    "trench": (285, 0.8),
    "blazer": (265, 0.45),
    "shirt": (140, 0.5),
    "knitwear": (320, 0.8),
    "jeans": (90, 0.3),
    "pleated": (245, 0.5),
    "puffer": (5, 1.2),
    "hoodie": (290, 0.6),
    "slip": (195, 1.0),
}


@dataclass(frozen=True)
class Process:
    """Everything about a sample world that does not belong to a single post."""

    days_T: NDArray[np.datetime64]
    """The days, in order."""
    expected_ST: Floats
    """Share of each style that follows from what can be known; sums to one over styles."""
    share_ST: Floats
    """Share from which the posts are drawn: noise included; sums to one over styles."""
    noise_ST: Floats
    """The AR(1) noise in log-intensity, T + L days."""
    known_ST: Floats
    """Log-intensity without the noise, T + L days."""
    level_ST: Floats
    """Mean of log likes of a style's posts on a day, relative to the author's habit."""
    lead_S: NDArray[np.int64]
    """Days by which `level_ST` leads the log share; 0 where it is unrelated."""
    born_S: NDArray[np.int64]
    """First day of each style, as an index; 0 when it was there from the start."""
    died_S: NDArray[np.int64]
    """First day without the style, as an index; T when it lives on."""
    posts_T: NDArray[np.int64]
    """Number of posts of each day."""


def stream(seed: int, tag: int, number: int = 0) -> np.random.Generator:
    """A random stream that meets none of the posts' own, which are seeded by [seed, post number]."""
    return np.random.default_rng([seed, number, tag + 1])


def softmax(log_ST: Floats) -> Floats:
    """Shares over styles (axis 0)."""
    exp_ST = np.exp(log_ST - log_ST.max(axis=0, keepdims=True))
    shares_ST: Floats = exp_ST / exp_ST.sum(axis=0, keepdims=True)
    return shares_ST


def ar1(rng: np.random.Generator, length: int, sd: float, memory: float) -> Floats:
    """A stationary AR(1) path: standard deviation `sd`, correlation exp(-lag / memory)."""
    phi = float(np.exp(-1 / memory))
    steps = rng.standard_normal(length) * sd * np.sqrt(1 - phi**2)
    path = np.empty(length)
    value = rng.standard_normal() * sd
    for t in range(length):
        value = phi * value + steps[t]
        path[t] = value
    return path


def _sigmoid(x: Floats) -> Floats:
    value: Floats = 1 / (1 + np.exp(-x))
    return value


def trend_path(kind: str, rng: np.random.Generator, t: Floats, days: int) -> tuple[Floats, int, int]:
    """Log-intensity beside the season, and the days of birth and death."""
    size = rng.uniform(1.6, 2.4)
    middle = rng.uniform(0.25, 0.75) * days
    slope = rng.uniform(0.05, 0.1) * days
    if kind == "rise":
        return size * (_sigmoid((t - middle) / slope) - 0.5), 0, days
    if kind == "decline":
        return -size * (_sigmoid((t - middle) / slope) - 0.5), 0, days
    if kind == "hype":
        trend = np.full_like(t, -0.5)
        jumps = max(1, round(days / 500))  # apart from each other; the fame of a day is gone after a season
        for start in (np.arange(jumps) + rng.uniform(0.15, 0.85, size=jumps)) / jumps * days:
            since = t - start
            decay = rng.uniform(45, 90)
            trend += np.where(since >= 0, size * np.exp(-np.maximum(since, 0) / decay), 0.0)
        return trend, 0, days
    if kind == "late":
        born = int(rng.uniform(0.3, 0.7) * days)
        return 0.4 - 3 * np.exp(-np.maximum(t - born, 0) / (1.5 * slope)), born, days
    if kind == "dying":
        died = int(rng.uniform(0.55, 0.9) * days)
        return 0.5 - 3 * np.exp(-np.maximum(died - t, 0) / (1.5 * slope)), 0, died
    return np.zeros_like(t), 0, days


def _known(style: Style, rng: np.random.Generator, day_of_year: Floats, days: int) -> tuple[Floats, int, int]:
    t = np.arange(len(day_of_year), dtype=np.float64)
    peak, swing = SEASONS[style.garment]
    peak_day = peak + rng.normal(0, 12)
    season = swing * rng.uniform(0.8, 1.2) * np.cos(2 * np.pi * (day_of_year - peak_day) / 365.25)
    base = rng.normal(0, 0.35)
    trend, born, died = trend_path(style.dynamics, rng, t, days)
    log = base + season + trend
    log[:born] = SILENT
    if died < days:
        log[died:] = SILENT
    return log, born, died


def _volume(rng: np.random.Generator, days_T: NDArray[np.datetime64], posts: int) -> NDArray[np.int64]:
    """Posts of each day: more at the week's end, more than twice as many after three years."""
    t = np.arange(len(days_T))
    weekday = (days_T.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 0 is Monday
    weight = np.where(weekday >= 5, 1.25, 1.0) * (1 + 0.45 * t / 365.25) * np.exp(rng.normal(0, 0.1, len(t)))
    return rng.multinomial(posts, weight / weight.sum())


def _levels(
    seed: int, log_share_ST: Floats, alive_ST: NDArray[np.bool_], days: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Engagement: for a third of the styles the log share of 4 to 8 weeks later, for the rest noise like it."""
    styles = len(log_share_ST)
    rng = stream(seed, 3)
    leading = rng.permutation(styles)[: max(1, round(styles * LEAD_FRACTION))]
    lead_S = np.zeros(styles, dtype=np.int64)
    lead_S[leading] = rng.integers(LEAD_DAYS[0], LEAD_DAYS[1] + 1, size=len(leading))
    level_ST = np.empty((styles, days))
    for s in range(styles):
        if lead_S[s]:
            centre = log_share_ST[s, alive_ST[s]].mean() if alive_ST[s].any() else 0.0
            level_ST[s] = np.clip(log_share_ST[s, lead_S[s] : lead_S[s] + days] - centre, -2.0, 2.0)
        else:
            level_ST[s] = ar1(stream(seed, 4, s), days, sd=0.7, memory=60.0)
    return level_ST, lead_S


def simulate(styles: tuple[Style, ...], start: str, days: int, posts: int, seed: int) -> Process:
    """Draw the process of a world.

    The oracle's share is the softmax of the log-intensity without noise. All styles have noise of one size, so
    that the factor exp(var/2) of their means cancels; what remains is of second order.
    """
    whole = np.datetime64(start, "D") + np.arange(days + LOOK_AHEAD)
    day_of_year = (whole - whole.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    drawn: list[tuple[Any, int, int]] = [
        _known(style, stream(seed, 0, s), day_of_year, days) for s, style in enumerate(styles)
    ]
    known_ST = np.stack([log for log, _, _ in drawn])
    noise_ST = np.stack([ar1(stream(seed, 1, s), len(whole), NOISE_SD, NOISE_DAYS) for s in range(len(styles))])
    share_ST = softmax(known_ST + noise_ST)
    alive_ST = known_ST > SILENT / 2
    log_share_ST = np.log(np.maximum(share_ST, 1e-6))
    level_ST, lead_S = _levels(seed, log_share_ST, alive_ST, days)
    return Process(
        days_T=whole[:days],
        expected_ST=softmax(known_ST)[:, :days],
        share_ST=share_ST[:, :days],
        noise_ST=noise_ST,
        known_ST=known_ST,
        level_ST=level_ST,
        lead_S=lead_S,
        born_S=np.array([born for _, born, _ in drawn]),
        died_S=np.array([died for _, _, died in drawn]),
        posts_T=_volume(stream(seed, 2), whole[:days], posts),
    )
