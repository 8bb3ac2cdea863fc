"""Commands `forecast` and `backtest`: a ready panel in, forecasts out. People who have counts need no pictures.

Laptop:   stylecast forecast PANEL.csv --out FORECAST.csv
          stylecast backtest PANEL.csv --out runs/backtest --test-origins 12
A panel of 36 months and 100 styles takes about half a minute on two cores without the fusion-LSTM.
"""

import json
import logging
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tyro

from data.panel import Panel
from data.panel_seen import Partition, Seen, divided
from data.windows import Split, Target, split_origins
from ensemble.combine import Combined
from ensemble.horizons import horizon_text, horizons, per_horizon
from ensemble.plots import draw
from ensemble.record_tables import per_origin, per_style, table_text
from ensemble.score import score
from ensemble.walk import Walk, walk
from ensemble.weights import WEIGHTS
from rank.backtest import Backtest, run_backtest
from rank.boost import BOOST, EPISODES, REASONS, BoostConfig
from rank.fusion_config import FusionConfig, quarter
from rank.train import MEMBERS, build_members
from recall.fonts import look, save
from stylecast.errors import UserError
from stylecast.files import write_csv, write_whole
from stylecast.world import open_world

log = logging.getLogger(__name__)


def short_fusion() -> FusionConfig:
    """The recipe `quarter` with one network and fewer steps."""
    recipe = quarter()
    return replace(recipe, members=1, loop=replace(recipe.loop, epochs=8, min_steps=60, max_steps=150, patience=3))


@dataclass(frozen=True, kw_only=True)
class PanelSettings:
    """How a panel is read and forecast."""

    style_column: str = "style"
    """Column with the style id."""
    time_column: str = ""
    """Column with the date; by default `date` or `time`."""
    target: str = "calendar-month:2"
    """What is asked for: calendar-month:K (the whole month K months after the origin's), days:A-B or weeks:A-B."""
    gap_days: int = 0
    """Days left out between the origin and the first day of a days: or weeks: target, days."""
    history_days: int = 0
    """How far back a forecast may look, days; 0 = as far as the data reach. At least as long as the target."""
    classes: str = "change"
    """What counts as falling, holding and rising: `change`, terciles of change in training; `band:5`, within ±5%; or
    as low, middle and high: `level`, terciles of the share at the target in training."""
    partition: Partition = "auto"
    """Whether every post has one style, so that the shares of an origin sum to one: yes; no, posts may count for
    several styles, and shares are left free; auto: as the counts tell, which then add up to the total of each date."""
    validation_origins: int = 0
    """Origins that weights and intervals are fitted on; 0 takes a third of those there are, at most 12."""
    members: tuple[str, ...] = MEMBERS
    """Forecasters beside the ladder: gaussian-process, lightgbm, fusion-lstm (on numbers alone; the slowest), and, only
    where they are named, life-cycle (curves of rise, decline, birth, end and hype) and lightgbm-rank (by growth)."""
    ladder: Literal["simple", "full"] = "simple"
    """Rules that the forecasters are held against; full: Theta, ETS, CES and ARIMA as statsforecast chooses them for
    each style, and their mean, too. Slow; needs the extra `ladder`."""
    interval: float = 0.8
    """Part of the truths that an interval shall hold."""
    boost: BoostConfig = field(default_factory=BoostConfig)
    """LightGBM."""
    fusion: FusionConfig = field(default_factory=short_fusion)
    """Fusion-LSTM: by default one network, trained briefly, which is what numbers alone need."""


@dataclass(frozen=True, kw_only=True)
class ForecastConfig(PanelSettings):
    """Forecast the styles of a ready panel from its last complete period."""

    panel: tyro.conf.Positional[Path]
    """Table `style,date,count,total` (daily, weekly or monthly; further numbers are used), or of posts with a
    style and a time; .csv, .tsv or .parquet."""
    out: Path = Path("forecast.csv")
    """File to write: style, origin, target_start, target_end, model, share, lower, upper, growth, p_down, p_flat,
    p_up."""


@dataclass(frozen=True, kw_only=True)
class BacktestSettings(PanelSettings):
    """How a panel is read, forecast and held against what came."""

    test_origins: int | None = None
    """How many of the last complete targets are kept for the test; by default a quarter of them, at most 12."""


@dataclass(frozen=True, kw_only=True)
class BacktestConfig(BacktestSettings):
    """Forecast the past of a ready panel from rolling origins, and tell how good that was."""

    panel: tyro.conf.Positional[Path]
    """Table as for `stylecast forecast`."""
    out: Path = Path("runs/backtest")
    """Folder for forecast.csv (test origins), metrics.csv, per_style.csv, per_origin.csv, next.csv (the period to
    come), table.txt and, with --also, per_horizon.csv."""
    also: tuple[str, ...] = ()
    """Further targets, such as calendar-month:1 calendar-month:3, each with a backtest of its own on as many origins in
    a folder below; per_horizon.csv and a figure then tell how the error grows with the distance."""
    figures: bool = True
    """Draw fans of the largest moves, errors, calibration and LightGBM's features, as PNG and SVG."""


@dataclass(frozen=True)
class Outcome:
    """What a backtest of a panel came to."""

    backtest: Backtest
    """Point forecasts of all models."""
    walk: Walk
    """Weights and intervals of each origin, fitted on what was known by it."""
    forecast: pd.DataFrame
    """All models at the test origins."""
    metrics: pd.DataFrame
    """A row for each split and model."""
    following: pd.DataFrame
    """All models at the latest origin."""
    table: str
    """The table as text."""

    @property
    def final(self) -> Combined:
        """Weights and intervals of the latest origin."""
        return self.walk.final


def judge(backtest: Backtest, level: float = 0.8) -> Outcome:
    """From point forecasts to the ensemble, intervals, metrics and the forecast of what is to come.

    Weights and intervals are those of `ensemble.walk`: of the labels known by each test origin, and by the latest.
    """
    split, found = backtest.split, walk(backtest)
    forecast = found.frame(backtest, split.test, level)
    metrics = score(backtest, found, forecast, level)
    following = found.frame(backtest, pd.DatetimeIndex([split.latest]), level)
    return Outcome(backtest, found, forecast, metrics, following, table_text(backtest, found, metrics, level))


def _prepare(settings: PanelSettings, panel: Panel, test_origins: int | None) -> tuple[Target, Split]:
    if not 0 < settings.interval < 1:
        raise UserError(f"--interval {settings.interval} is no part; give one between 0 and 1, such as 0.8")
    target = Target.parse(settings.target, settings.gap_days, settings.history_days)
    return target, split_origins(panel, target, test_origins, settings.validation_origins or None)


def _read(settings: PanelSettings, path: Path) -> Panel:
    panel = divided(Panel.read(path, settings.style_column, settings.time_column or None), settings.partition)
    log.info("%s: %s", path, Seen.of(panel))
    return panel


def told_weights(outcome: Outcome) -> dict[str, Any]:
    """The weights of the models: at the first test origin, at the latest, and at each; the errors on validation.

    `classes` is the rule that the classes were cut by.
    """
    backtest, found = outcome.backtest, outcome.walk

    def named(combined: Combined) -> dict[str, float]:
        return dict(zip(backtest.models, combined.weights_M.tolist(), strict=True))

    later = [origin for origin in backtest.split.all if origin not in backtest.split.validation]
    return {
        "weights": named(found.first), "weights_latest": named(found.final),
        "weights_at": {str(o.date()): named(found.at[backtest.places(pd.DatetimeIndex([o]))[0]]) for o in later},
        "in_sample_mae": found.first.in_sample, "nested_mae": found.first.held_out, "classes": backtest.thresholds.rule,
    }  # fmt: skip


def keep_record(outcome: Outcome, folder: Path) -> None:
    """Writes metrics.csv, and how each style and each origin came off: per_style.csv and per_origin.csv."""
    write_csv(outcome.metrics, folder / "metrics.csv")
    for name, told in (("per_style", per_style), ("per_origin", per_origin)):
        write_csv(told(outcome.backtest, outcome.walk, outcome.forecast), folder / f"{name}.csv")


def keep_reasons(found: Path, folder: Path) -> None:
    """Copies what LightGBM's folder tells of its forecasts, so that they need no other folder to be explained."""
    for name in (REASONS, EPISODES):
        if (found / name).is_file():
            shutil.copyfile(found / name, folder / name)


def forecast_panel(
    settings: PanelSettings, panel: Panel, test_origins: int | None, out: Path | None = None
) -> Outcome:  # fmt: skip
    """Backtest a panel and forecast what is to come; with `out`, what explains it is written to that folder.

    Raises:
        UserError: a setting is out of range, or the history is too short.
    """
    target, split = _prepare(settings, panel, test_origins)
    with open_world() as world, tempfile.TemporaryDirectory() as folder:
        members = build_members(settings.members, settings.boost, settings.fusion, Path(folder), world)
        full = settings.ladder == "full"
        outcome = judge(run_backtest(panel, target, split, members, full, classes=settings.classes), settings.interval)
        if out is not None and world.is_main:
            write_whole(out / WEIGHTS, json.dumps(told_weights(outcome), indent=1) + "\n")
            keep_reasons(Path(folder) / BOOST, out)
            if isinstance(settings, BacktestConfig) and settings.figures:
                draw(outcome.backtest, outcome.walk, out, models=Path(folder) / BOOST)
        return outcome


def forecast_main(config: ForecastConfig) -> str:
    """Writes the forecast of the next target, made from the last complete period.

    Returns:
        What is to be printed: how the models did on the validation origins, and where the file lies.

    Raises:
        UserError: the panel cannot be read or its history is too short.
    """
    outcome = forecast_panel(config, _read(config, config.panel), 0)
    write_csv(outcome.following, config.out)
    return f"{outcome.table}\n\nforecast of {_told(outcome.following)}: {config.out}"


def backtest_main(config: BacktestConfig) -> str:
    """Writes forecast.csv, metrics.csv, next.csv, table.txt, and what `stylecast explain` tells, to a folder.

    Returns:
        The table, to be printed.

    Raises:
        UserError: the panel cannot be read or its history is too short.
    """
    if config.out.is_file():
        raise UserError(f"--out {config.out} is a file; name a folder")
    outcome = _backtest(config)
    told = f"{outcome.table}\n\nforecast of {_told(outcome.following)}: {config.out / 'next.csv'}"
    return told if not config.also else f"{told}\n\n{_by_horizon(config, outcome)}"


def _backtest(config: BacktestConfig) -> Outcome:
    outcome = forecast_panel(config, _read(config, config.panel), config.test_origins, config.out)
    write_csv(outcome.forecast, config.out / "forecast.csv")
    keep_record(outcome, config.out)
    write_csv(outcome.following, config.out / "next.csv")
    write_whole(config.out / "table.txt", outcome.table + "\n")
    return outcome


def _by_horizon(config: BacktestConfig, outcome: Outcome) -> str:
    """Backtests of the further targets, on as many origins: so the same periods are forecast from other distances."""
    split = outcome.backtest.split
    alike = replace(config, also=(), test_origins=len(split.test), validation_origins=len(split.validation))
    outcomes = [outcome]
    for text in config.also:
        target = Target.parse(text, config.gap_days, config.history_days)
        if target in [other.backtest.target for other in outcomes]:
            raise UserError(f"--also {text}: stands twice, or is the --target; name each once")
        folder = config.out / str(target).split(" ")[0].replace(":", "-")
        outcomes.append(_backtest(replace(alike, target=text, out=folder)))
    frame = per_horizon([(found.backtest, found.metrics) for found in outcomes])
    write_csv(frame, config.out / "per_horizon.csv")
    if config.figures:
        with look():
            save(horizons(frame), config.out, "horizons")
    return horizon_text(frame)


def _told(following: pd.DataFrame) -> str:
    row = following.iloc[0]
    return f"{row['target_start'].date()} to {row['target_end'].date()} from {row['origin'].date()}"
