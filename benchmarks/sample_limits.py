"""Where the error of a forecast on the sample world comes from: what anybody could know, and what styles found cost.

    python benchmarks/sample_limits.py --world runs/demo/world --run runs/demo/run
    python benchmarks/sample_limits.py --seeds 11 12 13 14 --members gaussian-process life-cycle

On the panel of the TRUE styles and the test origins of a backtest, the mean absolute error of the month's share of

sampling            one who knows the process and its noise: what is left is the luck of which posts are drawn
informed oracle     one who knows the process, and the noise up to the origin (longer where engagement tells it)
oracle              one who knows the process: every style's season, birth, hypes to come; not the noise
family              one who knows of each style its kind of curve, how the parameters of such curves are drawn, its
                    garment's season and the sum over all styles, but has to infer the parameters from the counts up
                    to the origin, by Bayes' rule
... untold          the same, but the kind is one of all styles' kinds, as often as they have it; the season peaks on
                    any day and swings as one of the garments does; or both. Who learns from counts alone knows less
                    than who is told neither; engagement, which these do not read, leads some styles' shares
ours                the ladder, the forecasters and the ensemble

and, with --run, the ensemble and the oracle on the styles as they were found. With --seeds, only the counts of worlds
of these seeds are drawn, no posts; told are medians over the worlds (least and most).

Shape legend: S styles, T days, N draws of a style's curve, G weeks of a grid, B bins of 28 days, O origins.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from sample import BenchmarkConfig as SampleBenchmark
from sample import oracle_mae, spread, table, true_styles

from data.panel import Panel
from data.posts import Posts
from data.sample import SampleConfig, world_of
from data.sample_chunks import plan_of
from data.sample_dynamics import NOISE_DAYS, NOISE_SD, SEASONS, SILENT, Process, softmax, trend_path
from data.sample_oracle import informed_shares
from data.sample_posts import Plan
from data.values import parse_counts
from data.windows import Target, split_origins
from ensemble.combine import ENSEMBLE
from ensemble.forecast import Outcome, judge, short_fusion
from rank.backtest import Backtest, best_rung, run_backtest
from rank.boost import BoostConfig
from rank.train import MEMBERS, build_members
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.world import open_world

WEEK, BIN = 7, 4
"""Days of a step of the grid on which curves are drawn; steps of a bin of counts."""
BASE_SD, PEAK_SD = 0.35, 12.0
"""How far a style's level and the day of its peak are drawn around 0 and its garment's (`data/sample_dynamics.py`)."""


@dataclass(frozen=True)
class LimitsConfig:
    """Tell apart what cannot be known, what is not learnt, and what styles as found cost."""

    world: Path = Path("runs/demo/world")
    """Folder of the sample world."""
    run: Path | None = None
    """Folder of `stylecast run` on it; None leaves out the styles as found."""
    target: str = "calendar-month:2"
    """What is asked for."""
    members: tuple[str, ...] = MEMBERS
    """Forecasters beside the ladder."""
    draws: int = 4000
    """Curves of a style that are drawn for `family`; two, five and eight times as many where it is told less."""
    seed: int = 0
    """Seed of these draws and of the forecasters."""
    seeds: tuple[int, ...] = ()
    """Worlds of which only the counts are drawn, of the size of the demo's; none: the world at --world."""


@dataclass(frozen=True)
class Family:
    """What a knower of curves is told of each style."""

    kind: bool
    """Which kind of curve it is."""
    season: bool
    """Its garment's season."""
    draws: int
    """How many times the configured number of curves it needs."""


FAMILIES = {
    "family": Family(True, True, 1),
    "family, kind untold": Family(False, True, 2),
    "family, season untold": Family(True, False, 5),
    "family, both untold": Family(False, False, 8),
}


def true_panel(world: Path) -> Panel:
    """Posts counted by the style that they were drawn from, with their likes, collects and comments."""
    posts = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False).drop_duplicates("post_id")
    posts = posts[posts["time"].str.match(r"\d{4}")]
    truth = pd.read_csv(world / "truth" / "posts.csv", dtype=str).set_index("post_id")["style"]
    numbers = {name: parse_counts(posts[name])[0] for name in ("likes", "collects", "comments")}
    rows = posts[["post_id", "time"]].assign(style=posts["post_id"].map(truth), **numbers)
    return Panel.from_rows(rows, str(world))


def world_plan(world: Path) -> Plan:
    """All that the posts of a world were drawn from."""
    told = json.loads((world / "sample.json").read_text(encoding="utf-8"))["config"]
    return plan_of(world_of(SampleConfig(**told)))


def drawn_panel(plan: Plan, seed: int) -> Panel:
    """Counts alone, as the posts of a world with this plan might have been drawn."""
    process, rng = plan.process, np.random.default_rng(seed)
    share_TS = (process.share_ST / process.share_ST.sum(axis=0)).T
    count_ST = rng.multinomial(process.posts_T, share_TS).T
    styles = tuple(style.style for style in plan.styles)
    return Panel(styles, pd.DatetimeIndex(process.days_T), count_ST.astype(float), process.posts_T.astype(float), {},
                 "day", partition=True)  # fmt: skip


def _curves(plan: Plan, style: int, draws: int, seed: int, family: Family) -> np.ndarray:
    """Log-intensities but for the level, as curves of the style are drawn before anything is seen, [N, G]."""
    process, rng = plan.process, np.random.default_rng([seed, style])
    days = len(process.days_T)
    t_G = np.arange(0, days, WEEK).astype(np.float64) + (WEEK - 1) / 2
    start = process.days_T[0]
    day_of_year_G = (t_G + (start - start.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)) % 365.25
    peak, swing = SEASONS[plan.styles[style].garment]
    kind, kinds = plan.styles[style].dynamics, [style.dynamics for style in plan.styles]
    curves = []
    for _ in range(draws):
        day = peak + rng.normal(0, PEAK_SD) if family.season else rng.uniform(0, 365.25)
        size = swing if family.season else rng.choice([swing for _, swing in SEASONS.values()])
        season_G = np.cos(2 * np.pi * (day_of_year_G - day) / 365.25)
        trend_G, born, died = trend_path(kind if family.kind else rng.choice(kinds), rng, t_G, days)
        curve_G = size * rng.uniform(0.8, 1.2) * season_G + trend_G
        curves.append(np.where((t_G < born) | (t_G >= died), SILENT, curve_G))
    return np.array(curves)


def _covariance(a_X: np.ndarray, b_Y: np.ndarray) -> np.ndarray:
    """Of level and noise between days, [X, Y]."""
    return BASE_SD**2 + NOISE_SD**2 * np.exp(-np.abs(a_X[:, None] - b_Y) / NOISE_DAYS)


def family_share(curves_NG: np.ndarray, log_sum_G: np.ndarray, count_G: np.ndarray, total_G: np.ndarray,
                 origin: int, weeks_G: np.ndarray) -> float:  # fmt: skip
    """Median share of a style over target weeks, given its counts up to the origin.

    Counts of 28 days are taken as log-normal around the curve; level and noise are integrated out.

    Args:
        curves_NG: curves as they are drawn before anything is seen.
        log_sum_G: log of the sum of all styles' intensities: known, though nobody could.
        count_G: posts of the style in each week.
        total_G: posts of the feed in each week.
        origin: number of whole weeks that may be looked at.
        weeks_G: part of the target that each week is.
    """
    bins = origin // BIN
    own = slice(origin - bins * BIN, origin)

    def by_bin(values: np.ndarray) -> np.ndarray:
        return values[..., own].reshape(*values.shape[:-1], bins, BIN).sum(axis=-1)

    count_B, total_B = by_bin(count_G), by_bin(total_G)
    log_share_NG = np.minimum(curves_NG - log_sum_G, 0.0)
    expected_NB = by_bin(np.exp(log_share_NG) * total_G)
    rest_NB = np.log((count_B + 0.5) / total_B) - np.log((expected_NB + 0.5) / total_B)
    day_G = WEEK * (np.arange(len(count_G)) + 0.5)
    cov_GG = _covariance(day_G[own], day_G[own])
    cov_BB = cov_GG.reshape(bins, BIN, bins, BIN).mean(axis=(1, 3)) + np.diag(1 / (count_B + 0.5))
    solved_NB = np.linalg.solve(cov_BB, rest_NB.T).T
    log_weight_N = -0.5 * (rest_NB * solved_NB).sum(axis=1)
    weight_N = np.exp(log_weight_N - log_weight_N.max())
    ahead = np.flatnonzero(weeks_G)
    to_BX = _covariance(day_G[own], day_G[ahead]).reshape(bins, BIN, len(ahead)).mean(axis=1)
    share_N = np.exp(log_share_NG[:, ahead] + solved_NB @ to_BX) @ weeks_G[ahead]
    order = np.argsort(share_N)
    at = np.searchsorted(np.cumsum(weight_N[order]), 0.5 * weight_N.sum())
    return float(share_N[order][at])


def family_shares(
    plan: Plan, panel: Panel, backtest: Backtest, config: LimitsConfig, family: Family
) -> np.ndarray:  # fmt: skip
    """Shares of all test origins as one who knows curves tells them, [O, S]; 0 for a style not seen by then."""
    process, origins = plan.process, backtest.split.test
    weeks = len(process.days_T) // WEEK

    def by_week(values: np.ndarray) -> np.ndarray:
        return values[..., : weeks * WEEK].reshape(*values.shape[:-1], weeks, WEEK).sum(axis=-1)

    first = (panel.days[0] - pd.Timestamp(process.days_T[0])).days
    count_ST = np.pad(panel.count_ST, ((0, 0), (first, len(process.days_T) - first - len(panel.days))))
    known_ST = process.known_ST[:, : len(process.days_T)]
    log_sum_G = by_week(np.log(np.exp(known_ST).sum(axis=0))) / WEEK
    count_SG, total_G = by_week(count_ST), by_week(count_ST.sum(axis=0))
    told_OS = np.zeros((len(origins), len(panel.styles)))
    numbers = {style.style: number for number, style in enumerate(plan.styles)}
    for column, name in enumerate(panel.styles):
        curves_NG = _curves(plan, numbers[name], family.draws * config.draws, config.seed, family)[:, :weeks]
        for row, (place, origin) in enumerate(zip(backtest.places(origins), origins, strict=True)):
            if not backtest.seen_OS[place, column]:
                continue
            start, end = (int((day - pd.Timestamp(process.days_T[0])).days) for day in backtest.target.period(origin))
            days_T = ((np.arange(weeks * WEEK) >= start) & (np.arange(weeks * WEEK) <= end)).astype(float)
            seen = ((origin - pd.Timestamp(process.days_T[0])).days + 1) // WEEK
            weeks_G = by_week(days_T) / days_T.sum()
            told_OS[row, column] = family_share(curves_NG, log_sum_G, count_SG[column], total_G, seen, weeks_G)
    return told_OS


def oracle_shares(process: Process, panel: Panel, backtest: Backtest) -> dict[str, np.ndarray]:
    """Shares of all test origins as each oracle tells them, [O, S]."""
    rows: dict[str, list[np.ndarray]] = {"sampling": [], "informed oracle": [], "oracle": []}
    days = pd.DatetimeIndex(process.days_T)
    total_T = pd.Series(panel.total_T, panel.days).reindex(days, fill_value=0.0).to_numpy()
    for origin in backtest.split.test:
        start, end = backtest.target.period(origin)
        own_T = np.asarray((days >= start) & (days <= end))
        weight_T = total_T[own_T] / total_T[own_T].sum()
        informed_ST = informed_shares(process, int(days.get_indexer(pd.DatetimeIndex([origin]))[0]))
        for name, share_ST in (("sampling", process.share_ST), ("informed oracle", informed_ST),
                               ("oracle", softmax(process.known_ST)[:, : len(days)])):  # fmt: skip
            rows[name].append(share_ST[:, own_T] @ weight_T)
    return {name: np.array(several) for name, several in rows.items()}


def _backtest(panel: Panel, config: LimitsConfig) -> Outcome:
    target, test, validation = Target.parse(config.target), None, None
    if config.run is not None:  # the same origins
        told = json.loads((config.run / "rank" / "config.json").read_text(encoding="utf-8"))
        target, test, validation = Target.parse(told["target"]), told["test_origins"], told["validation_origins"]
    split = split_origins(panel, target, test, validation)
    with open_world() as world, tempfile.TemporaryDirectory() as folder:
        members = build_members(config.members, BoostConfig(seed=config.seed), short_fusion(), Path(folder), world)
        return judge(run_backtest(panel, target, split, members))


def limits(plan: Plan, panel: Panel, config: LimitsConfig) -> pd.DataFrame:
    """Errors at the test origins, a row for each knower and forecaster: points, of_oracle, of_rung, held (ours)."""
    outcome = _backtest(panel, config)
    backtest = outcome.backtest
    places = backtest.places(backtest.split.test)
    use_OS, truth_OS = backtest.cells(backtest.split.test)[places], backtest.truth_OS[places]
    told = oracle_shares(plan.process, panel, backtest)
    told |= {name: family_shares(plan, panel, backtest, config, family) for name, family in FAMILIES.items()}
    known = pd.Series({name: np.abs(share_OS - truth_OS)[use_OS].mean() for name, share_OS in told.items()})
    test = outcome.metrics[outcome.metrics["split"] == "test"].set_index("model")
    points = 100 * pd.concat([known, test["mae"]])
    rung = points[best_rung(backtest, backtest.split.validation)]
    return pd.DataFrame({"points": points, "of_oracle": points / points["oracle"], "of_rung": points / rung,
                         "held": test["coverage"].reindex(points.index)})  # fmt: skip


def main(config: LimitsConfig) -> str:
    """The table, as text.

    Raises:
        UserError: both --run and --seeds.
    """
    if config.run is not None and config.seeds:
        raise UserError("--run: of worlds of which only the counts are drawn there is no run; leave out --seeds")
    if config.seeds:
        plans = {seed: plan_of(world_of(SampleConfig(seed=seed))) for seed in config.seeds}
        several = [limits(plan, drawn_panel(plan, seed), config) for seed, plan in plans.items()]
    else:
        several = [limits(world_plan(config.world), true_panel(config.world), config)]
    kept = [name for name in several[0].index if all(name in errors.index for errors in several)]
    columns = {"points": "{:.3f}", "of_oracle": "{:.2f}", "of_rung": "{:.2f}", "held": "{:.2f}"}
    rows = [
        (name, *(spread([errors.loc[name, column] for errors in several], form) for column, form in columns.items()))
        for name in kept
    ]
    title = f"True styles of {len(several)} world(s), test origins, target {config.target}"
    text = table(title, ("", "MAE, points", "of oracle", "of rung", "80% held"), rows)
    return text if config.run is None else text + "\n" + _as_found(config)


def _as_found(config: LimitsConfig) -> str:
    assert config.run is not None
    posts = Posts.load(config.run / "prepare")
    oracle = oracle_mae(SampleBenchmark(config.world, config.run), posts, true_styles(config.world, posts))
    metrics = pd.read_csv(config.run / "ensemble" / "metrics.csv")
    test = metrics[metrics["split"] == "test"].set_index("model")
    rows: list[tuple[str, ...]] = [("oracle", f"{100 * oracle:.3f}", "1.00", "")]
    rows += [
        (model, f"{100 * row['mae']:.3f}", f"{row['mae'] / oracle:.2f}", f"{100 * row['coverage']:.0f}%")
        for model, row in test.iterrows() if model == ENSEMBLE or row["skill"] == 0
    ]  # fmt: skip
    return table("Styles as found", ("", "MAE, points", "of oracle", "80% held"), rows)


if __name__ == "__main__":
    set_up_logging()
    sys.exit(guarded(lambda: main(tyro.cli(LimitsConfig, description=__doc__)), verbose=True))
