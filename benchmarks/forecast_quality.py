"""How good the forecasts are, held against the full ladder on dates that nothing was fitted or chosen on.

    pip install '.[cpu,ladder]'
    python benchmarks/forecast_quality.py --data ../shared/data --out runs/forecast_quality
    python benchmarks/forecast_quality.py --sets sample --seeds 3 --ladder simple

sample: `stylecast run --recipe demo` on sample worlds of several seeds, styles found and not given, beside an oracle
that knows each world's process but not its noise; then, on the first world, without engagement, pictures or texts.
red: monthly shares of the 100 and of the 20 largest given clusters. weibo: monthly shares of 200 clusters of titles.
On these two a seed is one of the forecasters. Told are medians over seeds (least and most): MAE of share in points,
as a part of that of the rung best on validation ("of rung") and of the oracle; Spearman of growth; accuracy and
macro-F1 of change classes beside their floors; part of the truths within 80% intervals.
"""

import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tyro
from sample import BenchmarkConfig as SampleBenchmark
from sample import oracle_mae, spread, table, true_styles

from data.panel import Panel
from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.sample import SampleConfig
from data.sample import main as make_world
from data.windows import Split, Target, split_origins
from ensemble.forecast import judge, short_fusion
from ensemble.pipeline import main as run_stages
from ensemble.pipeline import split_of
from ensemble.recipes import demo
from ensemble.train import EnsembleConfig
from ensemble.train import main as ensemble
from rank.backtest import run_backtest
from rank.bags import Bags
from rank.boost import BoostConfig
from rank.train import MEMBERS, RankConfig, build_members, read_bags
from rank.train import main as rank
from recall.styles import StylesConfig
from recall.styles import main as styles
from stylecast.cli import guarded
from stylecast.logs import set_up_logging
from stylecast.world import open_world

log = logging.getLogger(__name__)

TARGET = Target.parse("calendar-month:2")
MODALITIES = ("picture", "text", "numbers")
COLUMNS = {
    "of rung": ("ratio", "{:.3f}"),
    "MAE, points": ("points", "{:.3f}"),
    "growth ρ": ("spearman_growth", "{:.2f}"),
    "accuracy": ("accuracy", "{:.2f}"),
    "macro F1": ("macro_f1", "{:.2f}"),
    "80% held": ("coverage", "{:.2f}"),
}


@dataclass(frozen=True)
class BenchmarkConfig:
    """Forecasts against the ladder."""

    data: Path = Path("data")
    """Folder that holds red/ and weibo/."""
    sets: tuple[Literal["sample", "red-100", "red-20", "weibo"], ...] = ("sample", "red-100", "red-20", "weibo")
    """Which sets."""
    seeds: int = 3
    """Sample worlds, or seeds of the forecasters."""
    ladder: Literal["simple", "full"] = "full"
    """Rungs; full needs the extra `ladder`."""
    members: tuple[str, ...] = MEMBERS
    """Forecasters beside the ladder, on red and weibo."""
    weibo_posts: int = 0
    """Titles that are clustered and counted; 0 = all."""
    ablate: bool = True
    """Whether engagement, pictures and texts are left out in turn, on the first sample world."""
    out: Path = Path("runs/forecast_quality")
    """Folder for worlds and runs; what is up to date is not made again."""


def _test_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    rows = metrics[metrics["split"] == "test"].copy()
    return rows.assign(ratio=1 - rows["skill"], points=100 * rows["mae"]).set_index("model")


def _world_run(config: BenchmarkConfig, seed: int) -> tuple[Path, Path]:
    world, run = config.out / f"world-{seed}", config.out / f"run-{seed}"
    if not (world / "sample.json").exists():
        make_world(SampleConfig(out=world, seed=seed))
    recipe = demo()
    settings = replace(recipe.rank, ladder=config.ladder)
    run_stages(replace(recipe, posts=world / "posts.csv", out=run, rank=settings))
    return world, run


def sample_set(config: BenchmarkConfig) -> Iterator[str]:
    """Tables of the sample worlds."""
    several, oracles = [], []
    for seed in range(config.seeds):
        world, run = _world_run(config, seed)
        several.append(_test_rows(pd.read_csv(run / "ensemble" / "metrics.csv")))
        posts = Posts.load(run / "prepare")
        oracles.append(100 * oracle_mae(SampleBenchmark(world, run), posts, true_styles(world, posts)))
    yield _table(f"Sample worlds, {config.seeds} seeds, styles as found", several, oracles)
    if config.ablate:
        run, whole = config.out / "run-0", several[0]
        left_out = {f"without {'engagement' if m == 'numbers' else m + 's'}": m for m in MODALITIES}
        rows = [_row("all", [whole.loc["ensemble"]]), _row("all: fusion-lstm", [whole.loc["fusion-lstm"]])]
        for name, modality in left_out.items():
            told = _without(config, run, modality)
            rows += [_row(name, [told.loc["ensemble"]]), _row(f"{name}: fusion-lstm", [told.loc["fusion-lstm"]])]
        yield table("What each modality brings: ensemble and fusion-LSTM on the first world", ("", *COLUMNS), rows)


def _without(config: BenchmarkConfig, run: Path, modality: str) -> pd.DataFrame:
    """Test rows of a run whose forecasters do without a modality."""
    kept = tuple(m for m in MODALITIES if m != modality)
    settings = replace(demo().rank, ladder=config.ladder, modalities=kept)
    split = split_of(Posts.load(run / "prepare"), settings, demo().styles.source)
    origins = {"test_origins": len(split.test), "validation_origins": len(split.validation)}
    rank_run, ensemble_run = (config.out / f"{stage}-without-{modality}" for stage in ("rank", "ensemble"))
    places = {name: run / name for name in ("styles", "recall")}
    rank(RankConfig(**{**vars(settings), **origins}, posts=run / "prepare", out=rank_run, **places))
    ensemble(EnsembleConfig(rank=rank_run, styles=run / "styles", out=ensemble_run))
    return _test_rows(pd.read_csv(ensemble_run / "metrics.csv"))


def _red(config: BenchmarkConfig, largest: int) -> tuple[Panel, Split, Bags | None]:
    table = pd.read_csv(config.data / "red" / "posts.csv.gz", dtype={"style": str, "post_id": str, "author_id": str})
    # The largest by what was posted before the first test origin: which styles are judged is no look ahead.
    panel = Panel.from_rows(table.assign(time=pd.to_datetime(table["time"])), "red", "style", "time")
    split = split_origins(panel, TARGET)
    early = panel.count_ST[:, : panel.index(split.validation[0]) + 1].sum(axis=1)
    kept = np.sort(np.argsort(-early, kind="stable")[:largest])
    if largest < len(panel.styles):
        panel = replace(
            panel,
            styles=tuple(np.array(panel.styles)[kept]),
            count_ST=panel.count_ST[kept],
            numeric={name: values_ST[kept] for name, values_ST in panel.numeric.items()},
        )
    return panel, split, None


def _weibo(config: BenchmarkConfig) -> tuple[Panel, Split, Bags | None]:
    run = config.out / "weibo"
    titles = config.data / "weibo" / "titles.csv.gz"
    prepare(PrepareConfig(posts=titles, out=run / "prepare", sample=config.weibo_posts))
    ranked = RankConfig(posts=run / "prepare", styles=run / "styles")
    split = split_of(Posts.load(run / "prepare"), ranked, "text")
    cut_off = str((split.validation[0] + pd.Timedelta(days=1)).date())
    found = StylesConfig(posts=run / "prepare", out=run / "styles", source="text", cut_off=cut_off)
    styles(replace(found, cluster=replace(found.cluster, k=200)))
    panel = Panel.read(run / "styles" / "panel.parquet", granularity="day")
    return panel, split, read_bags(ranked, panel)


GIVEN: dict[str, Callable[[BenchmarkConfig], tuple[Panel, Split, Bags | None]]] = {
    "red-100": lambda config: _red(config, 100),
    "red-20": lambda config: _red(config, 20),
    "weibo": _weibo,
}


def given_set(name: str, config: BenchmarkConfig) -> str:
    """The table of a panel over seeds of the forecasters."""
    panel, split, bags = GIVEN[name](config)
    several = []
    for seed in range(config.seeds):
        fusion = short_fusion()
        fusion = replace(fusion, loop=replace(fusion.loop, seed=seed))
        with open_world() as world, tempfile.TemporaryDirectory() as folder:
            members = build_members(config.members, BoostConfig(seed=seed), fusion, Path(folder), world, bags)
            outcome = judge(run_backtest(panel, TARGET, split, members, config.ladder == "full"))
        several.append(_test_rows(outcome.metrics))
    title = f"{name}: {len(panel.styles)} styles, {len(split.validation)} validation and {len(split.test)} test origins"
    return _table(title, several, None)


def _row(name: str, rows: list[pd.Series], oracles: list[float] | None = None) -> tuple[str, ...]:
    cells = [spread([float(row[column]) for row in rows], form) for column, form in COLUMNS.values()]
    if oracles is not None:
        cells.append(spread([row["points"] / best for row, best in zip(rows, oracles, strict=True)], "{:.2f}"))
    return (name, *cells)


def _table(title: str, several: list[pd.DataFrame], oracles: list[float] | None) -> str:
    models = [model for model in several[0].index if all(model in rows.index for rows in several)]
    rows = [_row(model, [metrics.loc[model] for metrics in several], oracles) for model in models]
    for floor in ("majority", "reversion"):
        told = [metrics.iloc[0] for metrics in several]
        cells = dict.fromkeys(COLUMNS, "")
        cells["accuracy"] = spread([float(row[f"{floor}_accuracy"]) for row in told], "{:.2f}")
        cells["macro F1"] = spread([float(row[f"{floor}_f1"]) for row in told], "{:.2f}")
        rows.append((f"floor: {floor}", *cells.values(), *([""] if oracles is not None else [])))
    heads = ("", *COLUMNS, *(["of oracle"] if oracles is not None else []))
    return table(title, heads, rows)


def main(config: BenchmarkConfig) -> str:
    """The tables, as text; each is also logged as soon as it is there."""
    set_up_logging(0)
    told = []
    for name in config.sets:
        for text in sample_set(config) if name == "sample" else [given_set(name, config)]:
            log.info("%s", text)
            told.append(text)
    return "\n".join(told)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(tyro.cli(BenchmarkConfig, description=__doc__)), verbose=True))
