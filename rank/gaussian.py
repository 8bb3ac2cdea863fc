"""A Gaussian process over the log share of a style: season, slow and fast moves, and the sampling noise of counts.

Counts are Poisson around total * exp(f); f is found by Newton steps (Laplace approximation, Rasmussen & Williams,
"Gaussian Processes for Machine Learning", 2006, chapter 3). One kernel serves all styles, so that a short or thin
history borrows its strength. Its parameters are given, or fitted on what lies before an origin, never after.

Shapes: S styles, P bins (the newest first).
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import torch

from data.sums import Sums
from data.windows import DAY, Window

YEAR = 365.25
STEPS = (7, 7, 14, 14)
"""Days of the newest bins; those before them have 28."""
LONGEST = 1100
"""Days of history that are looked at: three years."""
ITERATIONS = 4
TOGETHER = 64
"""Styles that are solved for at once: their matrices fit into a processor's cache."""
SPREAD = 0.8
"""Standard deviation of the prior of a parameter, in logs."""


@dataclass(frozen=True)
class Kernel:
    """Standard deviations (in log share) and memories (in days) of what moves a share."""

    level_sd: float = 0.4
    """How far a style's long-run level lies from its mean so far."""
    slow_sd: float = 0.7
    """Slow moves (Ornstein-Uhlenbeck)."""
    slow_days: float = 400.0
    """Their memory."""
    fast_sd: float = 0.2
    """Fast moves (Ornstein-Uhlenbeck)."""
    fast_days: float = 30.0
    """Their memory."""
    season_sd: float = 0.4
    """The yearly wave; a fifth of its variance is in the half-yearly one."""
    trend_sd: float = 0.2
    """Smooth moves that carry on for a while (Matern 3/2)."""
    trend_days: float = 120.0
    """Their memory."""

    def covariance(self, days: np.ndarray) -> np.ndarray:
        """Covariance of log shares so many days apart."""
        wave = 2 * np.pi * days / YEAR
        bend = np.sqrt(3) * days / self.trend_days
        return (
            self.level_sd**2
            + self.slow_sd**2 * np.exp(-days / self.slow_days)
            + self.fast_sd**2 * np.exp(-days / self.fast_days)
            + self.season_sd**2 * (0.8 * np.cos(wave) + 0.2 * np.cos(2 * wave))
            + self.trend_sd**2 * (1 + bend) * np.exp(-bend)
        )

    def season(self, days: np.ndarray) -> np.ndarray:
        """The part of the covariance that repeats each year."""
        wave = 2 * np.pi * days / YEAR
        return self.season_sd**2 * (0.8 * np.cos(wave) + 0.2 * np.cos(2 * wave))


WALK = Kernel(level_sd=2.0, slow_sd=1.8, slow_days=3000.0, fast_sd=0.45, fast_days=1.0, trend_sd=1e-3)
"""What comes stays: a walk of an eighth a week, whatever a style's mean so far; what one bin alone says is noise."""


@dataclass(frozen=True)
class Bins:
    """Counts before an origin, in bins."""

    count_SP: np.ndarray
    """Posts of a style in a bin."""
    total_P: np.ndarray
    """Posts of the feed in a bin."""
    middle_P: np.ndarray
    """Middle of the bin, in days after the origin (negative)."""

    @classmethod
    def of(cls, sums: Sums, origin: pd.Timestamp, monthly: bool = False) -> "Bins":
        """Cuts the history before `origin` into bins; calendar months where the panel knows no more."""
        windows = _month_bins(sums, origin) if monthly else _day_bins(sums, origin)
        windows = [window for window in windows if sums.total(*window) > 0]
        count_SP = np.stack([sums.count(*window) for window in windows], axis=1)
        total_P = np.array([sums.total(*window) for window in windows])
        middle_P = np.array([middle(window, origin) for window in windows])
        return cls(count_SP, total_P, middle_P)

    def take(self, rows: np.ndarray) -> "Bins":
        """The same for some styles."""
        return replace(self, count_SP=self.count_SP[rows])


def middle(window: Window, origin: pd.Timestamp) -> float:
    """Days from the origin to the middle of a window."""
    return ((window[0] - origin).days + (window[1] - origin).days) / 2


def _day_bins(sums: Sums, origin: pd.Timestamp) -> list[Window]:
    windows: list[Window] = []
    end = origin
    while True:
        start = end - ((STEPS[len(windows)] if len(windows) < len(STEPS) else 28) - 1) * DAY
        if start < sums.first or (origin - start).days > LONGEST:
            return windows or [(sums.first, origin)]
        windows.append((start, end))
        end = start - DAY


def _month_bins(sums: Sums, origin: pd.Timestamp) -> list[Window]:
    months = pd.period_range(max(sums.first, origin - LONGEST * DAY), origin, freq="M")
    return [(max(m.start_time, sums.first), min(m.end_time.normalize(), origin)) for m in months[::-1]]


@dataclass(frozen=True)
class Posterior:
    """What the process says of each style."""

    mean_SP: np.ndarray
    """Log share of each bin."""
    centre_S: np.ndarray
    """The mean log share that the process moves around."""
    pull_SP: np.ndarray
    """K^-1 (f - centre): a covariance with the bins times this is a prediction."""
    root_SP: np.ndarray
    """Square root of the Poisson curvature of each bin."""
    factor_SPP: np.ndarray
    """Cholesky factor (lower) of I + root K root, at the last step of Newton's method."""
    evidence_S: np.ndarray
    """Approximate log marginal likelihood, up to a constant of the counts."""


def infer(bins: Bins, kernel: Kernel) -> Posterior:
    """Newton's method to the most probable log shares.

    Bins before a style's first post are not seen: a style that was not there yet is not a style at zero.
    """
    covariance_PP = kernel.covariance(np.abs(bins.middle_P[:, None] - bins.middle_P))
    covariance_PP += 1e-6 * np.eye(len(covariance_PP))
    parts = [
        _infer_some(bins.count_SP[start : start + TOGETHER], bins.total_P, covariance_PP)
        for start in range(0, max(len(bins.count_SP), 1), TOGETHER)
    ]
    return Posterior(*(np.concatenate(found) for found in zip(*parts, strict=True)))


def _infer_some(count_SP: np.ndarray, total_P: np.ndarray, covariance_PP: np.ndarray) -> tuple[np.ndarray, ...]:
    """The fields of a `Posterior`. One factor a step serves its solution, the evidence and the predictions."""
    alive_SP = np.cumsum(count_SP[:, ::-1], axis=1)[:, ::-1] > 0
    posts_S = np.maximum((total_P * alive_SP).sum(axis=1), total_P[0])
    centre_S = np.log((count_SP.sum(axis=1) + 0.5) / posts_S)
    f_SP = np.log((count_SP + 0.5) / total_P) - centre_S[:, None]
    place_P = np.arange(len(total_P))
    for _ in range(ITERATIONS):
        expected_SP = _expected(total_P, f_SP, centre_S)
        root_SP = np.sqrt(expected_SP * alive_SP)
        inner_SPP = covariance_PP * root_SP[:, None, :]
        inner_SPP *= root_SP[:, :, None]
        inner_SPP[:, place_P, place_P] += 1.0
        factor_SPP = torch.linalg.cholesky(torch.from_numpy(inner_SPP)).numpy()
        aim_SP = f_SP + np.clip(count_SP / expected_SP - 1, -1.0, 5.0)
        pull_SP = root_SP * _solve(factor_SPP, root_SP * aim_SP)
        f_SP = f_SP + np.clip(pull_SP @ covariance_PP - f_SP, -2.0, 2.0)
    expected_SP = _expected(total_P, f_SP, centre_S)
    fit_S = ((count_SP * f_SP - expected_SP) * alive_SP).sum(axis=1) + count_SP.sum(axis=1) * centre_S
    half_log_S = np.log(factor_SPP[:, place_P, place_P]).sum(axis=1)
    evidence_S = fit_S - 0.5 * (pull_SP * f_SP).sum(axis=1) - half_log_S
    return f_SP + centre_S[:, None], centre_S, pull_SP, root_SP, factor_SPP, evidence_S


def _solve(factor_SPP: np.ndarray, right_SP: np.ndarray) -> np.ndarray:
    """Solutions by Cholesky factors, [S, P]."""
    found = torch.cholesky_solve(torch.from_numpy(right_SP)[..., None], torch.from_numpy(factor_SPP))
    return found[..., 0].numpy()


def _expected(total_P: np.ndarray, f_SP: np.ndarray, centre_S: np.ndarray) -> np.ndarray:
    return np.maximum(total_P * np.exp(np.clip(f_SP + centre_S[:, None], -30.0, 0.0)), 1e-3)


@dataclass(frozen=True)
class Outlook:
    """Prediction of the process for a window, [S] each, in log share."""

    mean_S: np.ndarray
    """Median log share."""
    sd_S: np.ndarray
    """Its standard deviation, without the sampling noise of the window itself."""
    season_S: np.ndarray
    """Growth from the origin to the window that is due to the season."""
    now_S: np.ndarray
    """Log share at the origin, smoothed."""


def predict(bins: Bins, posterior: Posterior, kernel: Kernel, days: float) -> Outlook:
    """Log share so many days after the origin."""
    to_P = kernel.covariance(np.abs(days - bins.middle_P))
    part_SP = _solve(posterior.factor_SPP, posterior.root_SP * to_P) * posterior.root_SP
    variance_S = kernel.covariance(np.zeros(1))[0] - part_SP @ to_P
    season_P = kernel.season(np.abs(days - bins.middle_P)) - kernel.season(np.abs(bins.middle_P))
    now_P = kernel.covariance(np.abs(bins.middle_P))
    return Outlook(
        posterior.centre_S + posterior.pull_SP @ to_P,
        np.sqrt(np.maximum(variance_S, 0.0)),
        posterior.pull_SP @ season_P,
        posterior.centre_S + posterior.pull_SP @ now_P,
    )


def fit_kernel(
    bins: Bins, start: Kernel, sweeps: int = 2, most_styles: int = 200, fixed: tuple[str, ...] = ()
) -> Kernel:
    """Raises the evidence by one parameter at a time, under a log-normal prior around the defaults.

    Args:
        bins: what is seen.
        start: where to begin.
        sweeps: rounds over the parameters; the step halves each round.
        most_styles: the largest styles speak for all of them.
        fixed: parameters that stay as they are.
    """
    largest = np.argsort(-bins.count_SP.sum(axis=1), kind="stable")[:most_styles]
    bins = bins.take(largest[bins.count_SP[largest].sum(axis=1) > 0])
    best, score = start, _score(bins, start)
    step = 2.0
    for _ in range(sweeps):
        for field in fields(Kernel):
            if field.name in fixed:
                continue
            for factor in (step, 1 / step):
                while True:
                    tried = replace(best, **{field.name: getattr(best, field.name) * factor})
                    if (value := _score(bins, tried)) <= score + 1e-9:
                        break
                    best, score = tried, value
        step = np.sqrt(step)
    return best


def _score(bins: Bins, kernel: Kernel) -> float:
    prior = sum(
        (np.log(getattr(kernel, field.name) / getattr(Kernel, field.name)) / SPREAD) ** 2 for field in fields(Kernel)
    )
    return float(infer(bins, kernel).evidence_S.sum() - 0.5 * prior)
