"""Ten thousand styles over three years: features, LightGBM's fit and batch scoring beside AutoETS on the same series.

    pip install '.[cpu,ladder]'
    OMP_NUM_THREADS=1 python benchmarks/forecast_scale.py                    # 10,000 styles
    OMP_NUM_THREADS=1 python benchmarks/forecast_scale.py --styles 1000      # a minute

A daily panel is drawn (level, season, trend, slow noise; Poisson counts; engagement), and every style's share of the
month after next is forecast from its last day. Ours builds the features of all training origins, fits the regressions
and the classes, and scores all styles. statsforecast's AutoETS is fitted to the monthly shares of each style, on a
part of the styles of this run, its time scaled up by their number. Both use one thread. Memory is the whole process's.
"""

import resource
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import tyro

from data.panel import Panel
from data.sums import Sums
from data.windows import Target, split_origins
from rank.boost import BoostConfig, fit_boosters
from rank.ladder_full import YEAR
from rank.look import Look
from rank.member import Question
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging

TARGET = Target.parse("calendar-month:2")
MEMORY_DAYS = 60.0


@dataclass(frozen=True)
class ScaleConfig:
    """How many styles, and how many of them AutoETS is timed on."""

    styles: int = 10_000
    """Styles of the panel, at least 10."""
    days: int = 1096
    """Days of the panel."""
    posts: int = 3_000_000
    """Posts of the feed."""
    ets_styles: int = 300
    """Styles, drawn at random, that AutoETS is fitted to."""
    boost: BoostConfig = field(default_factory=lambda: BoostConfig(threads=1))
    """Settings of LightGBM."""
    seed: int = 0
    """Seed of the panel."""


def draw_panel(config: ScaleConfig) -> Panel:
    """Counts of styles that rise and fall, and the likes of their posts."""
    rng = np.random.default_rng(config.seed)
    day_T, count = np.arange(config.days), config.styles
    level_S = rng.normal(0, 1.2, count)
    swing_S, peak_S = rng.uniform(0, 0.8, count), rng.uniform(0, 365.25, count)
    slope_S = rng.normal(0, 0.4, count)
    log_ST = level_S[:, None] + swing_S[:, None] * np.cos(2 * np.pi * (day_T - peak_S[:, None]) / 365.25)
    log_ST += slope_S[:, None] * (day_T / config.days - 0.5)
    keep = np.exp(-1 / MEMORY_DAYS)
    noise_S = rng.normal(0, 0.3, count)
    for day in day_T:
        log_ST[:, day] += noise_S
        noise_S = keep * noise_S + rng.normal(0, 0.3 * np.sqrt(1 - keep**2), count)
    share_ST = np.exp(log_ST)
    share_ST /= share_ST.sum(axis=0)
    count_ST = rng.poisson(share_ST * config.posts / config.days).astype(np.float64)
    likes_ST = np.maximum(count_ST * 3.0 + rng.normal(0, 1, count_ST.shape) * np.sqrt(count_ST), 0.0)
    days = pd.date_range("2021-01-01", periods=config.days, freq="D")
    styles = tuple(f"s{number:05d}" for number in range(count))
    return Panel(styles, days, count_ST, count_ST.sum(axis=0), {"likes_log": likes_ST}, "day", partition=True)


def score_all(panel: Panel, config: BoostConfig) -> tuple[np.ndarray, dict[str, float]]:
    """Growth of every style from the last day, [S], and the seconds of each part."""
    started = time.perf_counter()
    question = Question(panel, TARGET, split_origins(panel, TARGET, 1, 1))
    table = question.table
    built = time.perf_counter()
    place = table.place(question.split.latest)
    models = fit_boosters(table, place, question.thresholds, config)
    fitted = time.perf_counter()
    growth_S = models.predict_growth(table, place)
    models.predict_classes(table, place)
    scored = time.perf_counter()
    return growth_S, {"features": built - started, "fit": fitted - built, "scoring": scored - fitted}


def ets_seconds(panel: Panel, config: ScaleConfig) -> float:
    """Seconds of AutoETS a style, on the monthly shares that the ladder would give it."""
    try:
        from statsforecast.models import AutoETS
    except ImportError as error:
        raise UserError("this benchmark needs statsforecast; install it with: pip install '.[ladder]'") from error
    sums, origin = Sums.of(panel), panel.last
    look = Look(sums, TARGET, origin, TARGET.period(origin))
    rows = np.random.default_rng(config.seed).permutation(config.styles)[: config.ets_styles]
    model = AutoETS(season_length=YEAR)
    model.forecast(look.blocks_SB[rows[0]], h=look.ahead)  # compiles, or loads what is compiled
    started = time.perf_counter()
    for row in rows:
        model.forecast(look.blocks_SB[row], h=look.ahead)
    return (time.perf_counter() - started) / len(rows)


def main(config: ScaleConfig) -> str:
    """The table, as text.

    Raises:
        UserError: too few styles, or statsforecast is not there.
    """
    if config.styles < 10 or config.ets_styles < 1:
        raise UserError(f"--styles {config.styles} --ets-styles {config.ets_styles}: give at least 10 and 1")
    panel = draw_panel(config)
    drawn = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    growth_S, parts = score_all(panel, config.boost)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if not np.isfinite(growth_S).all():
        raise ValueError("a style was not scored")
    ets = ets_seconds(panel, config) * config.styles
    whole = sum(parts.values())
    rows = [
        f"{config.styles:,} styles, {config.days} days; one thread",
        "",
        "| part | of AutoETS's time |",
        "|---|---|",
    ]
    rows += [f"| {name} | {took / ets:.3f} |" for name, took in parts.items()]
    rows += [f"| all three | {whole / ets:.3f} |", ""]
    rows.append(
        f"ours {whole:.0f} s; AutoETS {ets:.0f} s, from {min(config.ets_styles, config.styles)} styles; "
        f"peak memory {peak:.2f} GiB (the panel alone, as it was made: {drawn:.2f})"
    )
    return "\n".join(rows)


if __name__ == "__main__":
    set_up_logging()
    sys.exit(guarded(lambda: main(tyro.cli(ScaleConfig, description=__doc__)), verbose=True))
