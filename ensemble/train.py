"""Stage `ensemble`: weights of the forecasters, searched on validation origins; forecasts with intervals; the record.

Laptop:   stylecast ensemble --rank runs/rank --styles runs/styles --out runs/ensemble     (seconds)
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.panel import Panel
from ensemble.combine import used_until
from ensemble.combined import save_combined
from ensemble.forecast import judge, keep_reasons, keep_record, told_weights
from ensemble.plots import draw
from ensemble.weights import WEIGHTS
from rank.boost import BOOST
from rank.stored import load_backtest
from stylecast.errors import UserError
from stylecast.runs import load_manifest, open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings:
    """How forecasts are combined."""

    interval: float = 0.8
    """Part of the truths that an interval shall hold, 0..1."""
    figures: bool = True
    """Draw fans of the largest moves, errors, calibration and LightGBM's features, as PNG and SVG."""


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig(EnsembleSettings):
    """Weigh the forecasters by their errors on validation origins, and judge the result on test origins."""

    rank: Path = Path("runs/rank")
    """Run folder of `rank`."""
    styles: Path = Path("runs/styles")
    """Run folder of `styles` that it was made from."""
    out: Path = Path("runs/ensemble")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


def main(config: EnsembleConfig) -> str:
    """Run the stage.

    Returns:
        The table of the backtest, to be printed; the run folder holds `forecast.parquet` (test origins and the
        latest), `metrics.csv`, `per_style.csv`, `per_origin.csv`, `weights.json`,
        `table.txt` and, where LightGBM is a member, `reasons.parquet` and `episodes.parquet`.

    Raises:
        UserError: an input is missing, or the two do not belong together.
    """
    if not 0 < config.interval < 1:
        raise UserError(f"--interval {config.interval} is no part; give one between 0 and 1, such as 0.8")
    inputs = {"rank": config.rank, "styles": config.styles}
    with open_run(config.out, "ensemble", config, inputs, force=config.force) as run:
        if run is not None:
            load_manifest(config.rank, "rank")
            load_manifest(config.styles, "styles")
            panel = Panel.read(config.styles / "panel.parquet", granularity="day")
            backtest = load_backtest(config.rank, panel)
            outcome = judge(backtest, config.interval)
            forecast = pd.concat([outcome.forecast, outcome.following], ignore_index=True)
            forecast.to_parquet(run.folder / "forecast.parquet", index=False)
            keep_record(outcome, run.folder)
            save_combined(outcome.final, run.folder)
            told = told_weights(outcome)
            (run.folder / WEIGHTS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            keep_reasons(config.rank / BOOST, run.folder)
            if config.figures:
                known = pd.read_parquet(config.styles / "styles.parquet")
                names = dict(zip(known["style"], known["name"], strict=True)) if "name" in known else {}
                draw(backtest, outcome.walk, run.folder, names, config.rank / BOOST)
            (run.folder / "table.txt").write_text(outcome.table + "\n", encoding="utf-8")
            run.metrics |= told
            for place, origin in enumerate(backtest.split.all):
                fitted = outcome.walk.at[place].fitted_on
                if origin not in backtest.split.validation:
                    days = [str(day.date()) for day in fitted]
                    told_until = str(used_until(backtest, fitted).date())
                    run.fitted_on[f"weights of {origin.date()}"] = {"origins": days, "until": told_until}
    return (config.out / "table.txt").read_text(encoding="utf-8").rstrip("\n")
