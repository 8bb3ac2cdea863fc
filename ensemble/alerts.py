"""Command `alerts`: what of a finished run a person should look at before others see its leaderboard.

    stylecast alerts runs/mine
    stylecast alerts runs/mine --rejected 0.02 --stale-days 10 --out alerts.csv

For a scheduled run (docs/schedule.md). Each check is a number of the run's own artifacts and a bound; one out of bounds
ends with exit code 2. What was learnt from the future is another question: `stylecast audit`.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro
from pyarrow.parquet import read_schema

from data.values import parse_day
from ensemble.board import recent_emerging
from ensemble.columns import RECENT_DAYS
from ensemble.combine import ENSEMBLE
from ensemble.train import EnsembleConfig
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import load_config, load_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlertsConfig:
    """Hold numbers of a finished run against bounds; one out of bounds ends with exit code 2."""

    run: tyro.conf.Positional[Path]
    """Folder of a whole `stylecast run`."""
    rejected: float = 0.05
    """Most rows of the table of posts of which something could not be used, part of all rows."""
    stale_days: int = 3
    """Greatest age of the newest post, days."""
    today: str = ""
    """The day from which that age counts (YYYY-MM-DD); by default today."""
    emerging: float = 0.1
    """Most items of the last 28 days that belong to no known style, part of all: above it, fit the styles anew."""
    coverage_off: float = 0.15
    """Most that the part of test truths within the interval may differ from what the interval was made to hold."""
    skill: float = 0.0
    """Least gain in test error over the rung that was best on validation; below 0 a simple rule does better."""
    out: Path | None = None
    """CSV `check,value,least,most,alert`, a row a check."""

    def check(self) -> pd.Timestamp:
        """Refuse what cannot be; the day from which ages count.

        Raises:
            UserError: a part that is none, or a day that is none.
        """
        for name in ("rejected", "emerging", "coverage_off"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: a part of all, 0 to 1")
        if self.stale_days < 0:
            raise UserError(f"--stale-days {self.stale_days}: days, 0 or more")
        return parse_day(self.today, "--today") or pd.Timestamp.now().normalize()


def _of_posts(folder: Path, today: pd.Timestamp) -> tuple[float, float]:
    """Part of the rows of which something was rejected, and the age of the newest post, days."""
    rows = load_manifest(folder, "prepare")["metrics"]["rows"]
    # Of a row with nine pictures nine may be rejected: rows are counted, by their line.
    lines = pd.read_csv(folder / "rejected.csv", usecols=["line"])["line"].nunique()
    posts = folder / "posts.parquet"
    if "time" not in read_schema(posts).names:
        raise UserError(f"{folder}: its posts have no `time`, so that nothing tells how old they are")
    newest = pd.read_parquet(posts, columns=["time"])["time"].max()
    return lines / rows, float((today - newest.normalize()).days)


def _of_styles(folder: Path) -> float:
    load_manifest(folder, "styles")
    items = pd.read_parquet(folder / "assignments.parquet", columns=["time", "emerging"])
    part = recent_emerging(items, items["time"].max().normalize())
    assert part is not None  # the newest item is one of the last days
    return part


def _of_forecasts(folder: Path) -> tuple[float, float, float]:
    """Coverage and skill of the ensemble on test origins, and what its interval was made to hold."""
    load_manifest(folder, "ensemble")
    metrics = pd.read_csv(folder / "metrics.csv")
    told = metrics[(metrics["split"] == "test") & (metrics["model"] == ENSEMBLE)]
    if told.empty or told[["coverage", "skill"]].isna().to_numpy().any():
        raise UserError(f"{folder / 'metrics.csv'}: tells no coverage and skill of test origins; run with more history")
    row = told.iloc[0]
    return float(row["coverage"]), float(row["skill"]), load_config(folder, EnsembleConfig).interval


def checks(config: AlertsConfig) -> pd.DataFrame:
    """`check, value, least, most, alert`, a row a check; a bound that there is not is NaN.

    Raises:
        UserError: a run of a stage is missing or damaged, or its posts have no dates.
    """
    today = config.check()
    rejected, age = _of_posts(config.run / "prepare", today)
    emerging = _of_styles(config.run / "styles")
    coverage, skill, level = _of_forecasts(config.run / "ensemble")
    none = float("nan")
    rows = [
        ("rows with something rejected", rejected, none, config.rejected),
        ("age of the newest post, days", age, none, float(config.stale_days)),
        (f"items of {RECENT_DAYS} days in no style", emerging, none, config.emerging),
        (f"truths in the {100 * level:.0f}% interval", coverage, level - config.coverage_off,
         level + config.coverage_off),
        ("skill against the best rung", skill, config.skill, none),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["check", "value", "least", "most"])
    return table.assign(alert=(table["value"] < table["least"]) | (table["value"] > table["most"]))


def _as_text(table: pd.DataFrame) -> str:
    lines = [f"{'check':<34}{'value':>8}{'least':>8}{'most':>8}"]
    for row in table.itertuples():
        numbers = ("" if pd.isna(number) else f"{number:.4g}" for number in (row.value, row.least, row.most))
        lines.append(f"{row.check:<34}" + "".join(f"{number:>8}" for number in numbers) + "  ALERT" * bool(row.alert))
    return "\n".join(lines)


def main(config: AlertsConfig) -> str:
    """Check a run.

    Returns:
        A line a check, none of which is out of bounds.

    Raises:
        UserError: one is out of bounds; a run of a stage is missing or damaged.
    """
    table = checks(config)
    if config.out is not None:
        write_csv(table, config.out)
    told, out = _as_text(table), table[table["alert"]]
    if len(out):
        log.error("%s:\n%s", config.run, told)
        raise UserError(f"{len(out)} of {len(table)} checks out of bounds: {'; '.join(out['check'])}")
    return told
