"""The member that knows how styles live: Gaussian processes around curves of rise, decline, birth, end and hype.

A style's log share is such a curve, a level, a yearly wave and moves that are soon forgotten (`rank.gaussian.Kernel`).
Curves are drawn before anything is seen; each counts as the posts up to the origin are likely under it, level, wave and
moves being integrated out (Bayes' rule by importance sampling), and the forecast is the weighted median. What is
merely smooth goes on in any way; a rise, an end or a hype goes on in a way of its own.

Shapes: S styles, P bins (the newest first), N curves, X days.
"""

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.shares import reference_share, to_growth
from data.sums import Sums
from rank.gaussian import LONGEST, SPREAD, Bins, Kernel, middle
from rank.member import Answer, Question
from stylecast.logs import progress

log = logging.getLogger(__name__)

LIFE_CYCLE = "life-cycle"
"""Name of the member and of its folder."""
KERNEL = "kernel.json"
DRAWS = 1000
"""Curves of each kind but the first."""
CHANCES = {"steady": 0.3, "turn": 0.3, "birth": 0.12, "end": 0.12, "hype": 0.16}
"""How likely each kind is before anything is seen."""
HYPES = 3
"""Hypes of one style within the history, at most."""
FLOOR = -6.0
"""Log share, against the style's mean, of a style that is not there."""
START = Kernel(level_sd=1.0, slow_sd=0.05, fast_sd=0.25, fast_days=30.0, season_sd=0.4, trend_sd=1e-3)
FITTED = ("slow_sd", "fast_sd", "fast_days", "season_sd")
"""Parameters of the kernel that are fitted; the curves stand for its smooth moves."""
REFIT = 6
"""Origins that fitted parameters serve."""
LEAST_DAYS = 540
"""Of less history, a year and a half, a wave cannot be told from a rise: it says "as it was"."""
MOST_STYLES, FEW = 60, 5
"""The parameters are fitted on the largest styles, with every so many-th curve."""


@dataclass(frozen=True)
class Curves:
    """Curves of log share around the level, drawn for a history of some length."""

    history: float
    """Days of history, before day 0."""
    log_chance_N: np.ndarray
    """Log of how likely each curve is before anything is seen."""
    draws: dict[str, np.ndarray]
    """Uniform numbers in (0, 1) of each kind of curve, [DRAWS, …]."""

    @classmethod
    def draw(cls, history: float, draws: int = DRAWS) -> "Curves":
        """The same curves at each call, laid over the history."""
        rng = np.random.default_rng(0)
        uniform = {"turn": rng.random((draws, 4)), "birth": rng.random((draws, 3)), "end": rng.random((draws, 3)),
                   "hype": rng.random((draws, 3, HYPES)), "hypes": rng.random((draws, 1))}  # fmt: skip
        log_chance = [np.log([CHANCES["steady"]])]
        log_chance += [np.full(draws, np.log(CHANCES[kind] / draws)) for kind in ("turn", "birth", "end", "hype")]
        return cls(history, np.concatenate(log_chance), uniform)

    def at(self, days_X: np.ndarray) -> np.ndarray:
        """The curves on days after the origin (before it: negative), [N, X]."""
        parts = (np.zeros((1, len(days_X))), self._turn(days_X), self._birth(days_X), self._end(days_X),
                 self._hype(days_X))  # fmt: skip
        return np.concatenate(parts)

    def _day(self, uniform: np.ndarray, after: float) -> np.ndarray:
        """Days from the start of the history to so many after the origin."""
        return uniform * (self.history + after) - self.history

    def _turn(self, days_X: np.ndarray) -> np.ndarray:
        """A rise or decline from one level to another: 20 to 150 days to either side of its middle, up to 20-fold."""
        sign_N, size_N, day_N, width_N = self.draws["turn"].T[..., None]
        step_NX = np.clip((days_X - self._day(day_N, 90)) / (20 + 130 * width_N), -40, 40)
        return np.where(sign_N < 0.5, -1, 1) * (0.5 + 2.5 * size_N) * (1 / (1 + np.exp(-step_NX)) - 0.5)

    def _birth(self, days_X: np.ndarray) -> np.ndarray:
        """Nothing, then a rise that slows down over 40 to 250 days."""
        day_N, size_N, width_N = self.draws["birth"].T[..., None]
        since_NX = days_X - self._day(day_N, 0)
        rise_NX = -(1 + 3 * size_N) * np.exp(-np.maximum(since_NX, 0) / (40 + 210 * width_N))
        return np.where(since_NX < 0, FLOOR, rise_NX)

    def _end(self, days_X: np.ndarray) -> np.ndarray:
        """A fall that quickens towards the end, which may lie over a year after the origin; then nothing."""
        day_N, size_N, width_N = self.draws["end"].T[..., None]
        left_NX = self._day(day_N, 500) - days_X
        fall_NX = -(1 + 3 * size_N) * np.exp(-np.maximum(left_NX, 0) / (40 + 210 * width_N))
        return np.where(left_NX < 0, FLOOR, fall_NX)

    def _hype(self, days_X: np.ndarray) -> np.ndarray:
        """One to three jumps, up to 12-fold, that are forgotten within 30 to 120 days."""
        several_N = np.floor(1 + HYPES * self.draws["hypes"])
        curve_NX = np.zeros((len(several_N), len(days_X)))
        for number in range(HYPES):
            day_N, size_N, width_N = self.draws["hype"][:, :, number].T[..., None]
            since_NX = days_X - self._day(day_N, 60)
            jump_NX = (0.5 + 2 * size_N) * np.exp(-np.maximum(since_NX, 0) / (30 + 90 * width_N))
            curve_NX += np.where((since_NX >= 0) & (number < several_N), jump_NX, 0.0)
        return curve_NX


@dataclass(frozen=True)
class Seen:
    """Log shares of a history as the member reads them."""

    log_SP: np.ndarray
    """Log share of each bin around the style's own mean, not below `FLOOR`."""
    noise_SP: np.ndarray
    """Variance of its sampling noise."""
    centre_S: np.ndarray
    """The mean log share since the style's first post."""
    middle_P: np.ndarray
    """Middle of each bin, in days after the origin."""

    @classmethod
    def of(cls, bins: Bins) -> "Seen":
        """Reads counts as log-normal, half a post added."""
        count_SP, total_P = bins.count_SP, bins.total_P
        alive_SP = np.cumsum(count_SP[:, ::-1], axis=1)[:, ::-1] > 0
        posts_S = np.maximum((total_P * alive_SP).sum(axis=1), total_P[0])
        centre_S = np.log((count_SP.sum(axis=1) + 0.5) / posts_S)
        log_SP = np.log((count_SP + 0.5) / total_P) - centre_S[:, None]
        return cls(np.maximum(log_SP, FLOOR), 1 / (count_SP + 0.5), centre_S, bins.middle_P)


def weigh(
    seen: Seen, style: int, kernel_PP: np.ndarray, curves_NP: np.ndarray, log_chance_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much each curve counts for a style, in logs, and what the kernel has to explain beside it.

    Returns:
        Log of chance times likelihood, [N]; the rests, whitened, [N, P]; the matrix that whitens, [P, P].
    """
    whiten_PP = np.linalg.inv(np.linalg.cholesky(kernel_PP + np.diag(seen.noise_SP[style])))
    rest_NP = (seen.log_SP[style] - curves_NP) @ whiten_PP.T
    log_weight_N = log_chance_N - 0.5 * (rest_NP**2).sum(axis=1) + np.log(np.diag(whiten_PP)).sum()
    return log_weight_N, rest_NP, whiten_PP


def log_shares(seen: Seen, kernel: Kernel, curves: Curves, days: float) -> np.ndarray:
    """Median log share of each style so many days after the origin, [S]."""
    curves_NX = curves.at(np.append(seen.middle_P, days))
    kernel_PP = kernel.covariance(np.abs(seen.middle_P[:, None] - seen.middle_P))
    to_P = kernel.covariance(np.abs(days - seen.middle_P))
    told_S = np.empty(len(seen.log_SP))
    for style in range(len(told_S)):
        log_weight_N, rest_NP, whiten_PP = weigh(seen, style, kernel_PP, curves_NX[:, :-1], curves.log_chance_N)
        log_N = curves_NX[:, -1] + rest_NP @ (whiten_PP @ to_P)
        order_N = np.argsort(log_N, kind="stable")
        sum_N = np.cumsum(np.exp(log_weight_N - log_weight_N.max())[order_N])
        told_S[style] = log_N[order_N[np.searchsorted(sum_N, 0.5 * sum_N[-1])]]
    return told_S + seen.centre_S


def fit(seen: Seen, curves: Curves, start: Kernel) -> Kernel:
    """Raises the evidence of the largest styles by one parameter at a time, under a log-normal prior around `START`."""
    chosen = np.argsort(-seen.centre_S, kind="stable")[:MOST_STYLES]
    curves_NP, log_chance_N = curves.at(seen.middle_P)[::FEW], curves.log_chance_N[::FEW].copy()
    log_chance_N[1:] += np.log(FEW)  # all but the steady one stand for so many
    days_PP = np.abs(seen.middle_P[:, None] - seen.middle_P)

    def score(kernel: Kernel) -> float:
        kernel_PP = kernel.covariance(days_PP)
        prior = sum((np.log(getattr(kernel, name) / getattr(START, name)) / SPREAD) ** 2 for name in FITTED)
        each = (weigh(seen, style, kernel_PP, curves_NP, log_chance_N)[0] for style in chosen)
        return float(sum(np.logaddexp.reduce(log_N) for log_N in each) - 0.5 * prior)

    best, value = start, score(start)
    for name in FITTED:
        for factor in (1.6, 1 / 1.6):
            while (found := score(tried := replace(best, **{name: getattr(best, name) * factor}))) > value + 1e-9:
                best, value = tried, found
    return best


def answer(question: Question, kernel: Kernel | None = None) -> tuple[Answer, Kernel]:
    """What the curves say of the origins of a question, each from the history up to it, and the last kernel.

    Args:
        question: panel, target and origins.
        kernel: fitted before; None fits one at every sixth origin, on no more than its history.
    """
    panel, target = question.panel, question.target
    sums, found = Sums.of(panel), kernel or START
    growth, used = [], []
    fits = 0
    for origin in progress(question.split.all, LIFE_CYCLE, unit="origin"):
        history = sums.until(origin, target.history_start(origin))
        used.append(history.held)
        if (origin - history.first).days < LEAST_DAYS:
            growth.append(np.zeros(len(panel.styles)))
            continue
        seen = Seen.of(Bins.of(history, origin, panel.granularity == "month"))
        curves = Curves.draw(min(float((origin - history.first).days), LONGEST))
        if kernel is None and fits % REFIT == 0:
            found = fit(seen, curves, found)
            log.debug("%s: %s", origin.date(), found)
        fits += 1
        share_S = np.exp(log_shares(seen, found, curves, middle(target.period(origin), origin)))
        growth.append(to_growth(np.minimum(share_S, 1.0), *reference_share(history, target, origin)))
    return Answer(np.array(growth), None, pd.DatetimeIndex(used)), found


class LifeCycleMember:
    """Growth by the curve of life that fits a style's posts, and how it goes on."""

    name = LIFE_CYCLE

    def __init__(self, folder: Path | None = None) -> None:
        """Takes a folder for the kernel of the latest origin."""
        self.folder = folder

    def answer(self, question: Question) -> Answer:
        """Reads the history up to each origin."""
        told, kernel = answer(question)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / KERNEL).write_text(json.dumps(asdict(kernel), indent=1) + "\n", encoding="utf-8")
        return told
