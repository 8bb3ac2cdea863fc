"""Stage `rank`: the forecasters learn from the panel and the posts, and forecast every origin of the split.

Laptop:   stylecast rank --styles runs/styles --posts runs/prepare --recall runs/recall --out runs/rank
          (24 styles, 36 months, recipe demo: about a minute on 2 cores)
Many:     torchrun --nproc-per-node 4 -m rank.train --styles runs/styles --posts runs/prepare --out runs/rank
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from data.panel import Panel
from data.panel_seen import Partition, Seen, divided
from data.windows import DAY, Target, split_origins
from rank.backtest import run_backtest
from rank.bags import Bags
from rank.boost import BOOST, BoostConfig, BoostMember
from rank.boost_rank import BOOST_RANK, BoostRankMember
from rank.fusion_config import FusionConfig, quarter
from rank.fusion_member import FusionMember
from rank.life_cycle import LIFE_CYCLE, LifeCycleMember
from rank.member import Member
from rank.modalities import Modality, Sources, choose_modalities, panel_read, read_bags
from rank.process import PROCESS, GaussianProcessMember
from rank.stored import save_backtest
from rank.style_vectors import style_vectors
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.runs import load_manifest, open_run, read_manifest
from stylecast.world import World, open_world

log = logging.getLogger(__name__)

MEMBERS = (PROCESS, BOOST, "fusion-lstm")
"""Forecasters that are asked unless others are named; `life-cycle` and `lightgbm-rank` may be, too."""


@dataclass(frozen=True, kw_only=True)
class RankSettings:
    """How shares are forecast."""

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
    test_origins: int | None = None
    """How many of the last complete targets are kept for the test; by default a quarter of them, at most 12."""
    validation_origins: int | None = None
    """Origins that weights and intervals are fitted on; by default a third of the rest, at most 12."""
    members: tuple[str, ...] = MEMBERS
    """Forecasters beside the ladder: gaussian-process, lightgbm, fusion-lstm; life-cycle (curves of rise, decline,
    birth, end and hype) and lightgbm-rank (orders by growth) only where they are named."""
    modalities: tuple[Modality, ...] = ()
    """What is read beside the history of shares, which always is: any of picture, garment, text (the fusion-LSTM alone
    reads these) and numbers (engagement and further numbers, for all forecasters); by default all that are there."""
    ladder: Literal["simple", "full"] = "simple"
    """Rules that the forecasters are held against; full: Theta, ETS, CES and ARIMA as statsforecast chooses them for
    each style, and their mean, too. Slow; needs the extra `ladder`."""
    boost: BoostConfig = field(default_factory=BoostConfig)
    """LightGBM."""
    fusion: FusionConfig = field(default_factory=quarter)
    """Fusion-LSTM: by default 13 weeks, week by week, trained briefly; `--recipe 60-day` and `5-day` go by days."""


@dataclass(frozen=True, kw_only=True)
class RankConfig(RankSettings, Sources):
    """Train the forecasters and let them forecast the past from rolling origins, and what is to come."""

    out: Path = Path("runs/rank")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


def build_members(
    names: tuple[str, ...],
    boost: BoostConfig,
    fusion: FusionConfig,
    folder: Path,
    world: World,
    bags: Bags | None = None,
) -> list[Member]:
    """The members by name.

    Args:
        names: of `MEMBERS`, `life-cycle` or `lightgbm-rank`.
        boost: settings of LightGBM.
        fusion: settings of the fusion-LSTM.
        folder: where members keep their models, LightGBM its reasons, the fusion-LSTM its checkpoints, each in its own.
        world: the processes.
        bags: pictures and texts of the posts; None for numbers alone.

    Raises:
        UserError: a name is unknown or stands twice.
    """
    made: dict[str, Member] = {
        PROCESS: GaussianProcessMember(folder / PROCESS if world.is_main else None),
        LIFE_CYCLE: LifeCycleMember(folder / LIFE_CYCLE if world.is_main else None),
        BOOST: BoostMember(boost, folder / BOOST if world.is_main else None),
        BOOST_RANK: BoostRankMember(boost, folder / BOOST_RANK if world.is_main else None),
        "fusion-lstm": FusionMember(world, folder / "fusion-lstm", fusion, bags),
    }
    for name in names:
        if name not in made:
            raise UserError(f"--members {name}: unknown; there are: {', '.join(made)}")
    if len(set(names)) < len(names):
        raise UserError(f"--members {' '.join(names)}: one stands twice; name each once")
    return [made[name] for name in names]


def _warn_of_look_ahead(inputs: Mapping[str, Path], first: pd.Timestamp) -> None:
    """Tell which inputs learnt from posts that are later than the first origin that is judged."""
    for name, folder in inputs.items():
        for part, told in read_manifest(folder).get("fitted_on", {}).items():
            if told["until"] is None or pd.Timestamp(told["until"]) > first:
                log.warning(
                    "--%s %s: its %s learnt from posts up to %s, later than the first validation origin: errors may "
                    "look smaller than they are; make it with --cut-off %s, and see `stylecast audit`",
                    name, folder, part, told["until"] or "a day that is not told", (first + DAY).date(),
                )  # fmt: skip


def main(config: RankConfig) -> Path:
    """Run the stage.

    Returns:
        The run folder: the forecasts of every rung and member, the models of the latest origin, and LightGBM's reasons.

    Raises:
        UserError: an input is missing, or the history is too short.
    """
    seed = config.boost.seed
    with (
        open_world() as world,
        open_run(config.out, "rank", config, config.inputs, force=config.force, seed=seed, world=world) as run,
    ):
        if run is None:
            return config.out
        load_manifest(config.styles, "styles")
        panel = divided(Panel.read(config.styles / "panel.parquet", granularity="day"), config.partition)
        log.info("panel: %s", Seen.of(panel))
        target = Target.parse(config.target, config.gap_days, config.history_days)
        split = split_origins(panel, target, config.test_origins, config.validation_origins)
        log.info(
            "%d training, %d validation, %d test origins; the latest is %s",
            len(split.train), len(split.validation), len(split.test), split.latest.date(),
        )  # fmt: skip
        read = choose_modalities(config.modalities, config, panel)
        log.info("read beside the history of shares: %s", ", ".join(read))
        bags = read_bags(config, panel, config.modalities) if "fusion-lstm" in config.members else None
        learnt = ("styles",) if bags is None else ("styles", "recall", "garment")
        inputs = {name: path for name, path in config.inputs.items() if name in learnt}
        _warn_of_look_ahead(inputs, split.validation[0])
        members = build_members(config.members, config.boost, config.fusion, run.folder, world, bags)
        backtest = run_backtest(
            panel_read(panel, read), target, split, members, config.ladder == "full", config.fusion.hot_part,
            config.classes, style_vectors(config.styles, panel.styles),
        )  # fmt: skip
        if world.is_main:
            save_backtest(backtest, run.folder)
            every = backtest.used_MO[:, backtest.places(split.all)]
            run.fitted_on["forecasts"] = {"origins": len(split.all), "until": str(np.nanmax(every))}
            run.metrics |= {
                "modalities": list(read),
                "panel": asdict(Seen.of(panel)),
                "test_origins": len(split.test),
                "latest": str(split.latest.date()),
            }
    return config.out


if __name__ == "__main__":
    sys.exit(run_command("rank", sys.argv[1:]))
