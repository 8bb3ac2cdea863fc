"""Command `audit`: whether anything behind a forecast is later than its origin.

    stylecast audit runs/mine
    python -m ensemble.audit runs/mine --out audit.csv

For each forecast of a run, the latest day that each of its inputs used: encoders, vocabularies, clusters, word vectors,
the history and labels of the model, weights and intervals. It is told from the artifacts, and worked out again where
that can be done. A leak ends with exit code 2 and the name of the forecast.

Shapes: M models, O origins of the split, S styles.
"""

import json
import logging
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from data.panel import Panel
from data.posts import Posts
from data.shares import reference_shares
from ensemble.audit_parts import Runs, fitted_parts, panel_problem
from ensemble.combine import ENSEMBLE, used_until
from ensemble.forecast import judge, told_weights
from ensemble.train import EnsembleConfig
from rank.backtest import Backtest
from rank.ladder import RUNGS, ladder_shares
from rank.stored import load_backtest
from recall.style_tables import PANEL
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import load_config

log = logging.getLogger(__name__)

HISTORY, WEIGHTS = "history and labels", "weights and intervals"
_close = partial(np.isclose, rtol=1e-7, atol=1e-10)


@dataclass(frozen=True)
class AuditConfig:
    """Check from the artifacts of a run that no forecast used anything later than its origin."""

    run: tyro.conf.Positional[Path]
    """Folder of a whole `stylecast run`, or of its `ensemble` or `rank` run."""
    out: Path | None = None
    """CSV `origin,split,model,input,until,leak`, a row for each forecast and input."""


def _split_of(backtest: Backtest, origin: pd.Timestamp) -> str:
    parts = {"validation": backtest.split.validation, "test": backtest.split.test}
    return next((name for name, origins in parts.items() if origin in origins), "latest")


def _uses(
    backtest: Backtest, parts: dict[str, pd.Timestamp], weights: dict[pd.Timestamp, pd.Timestamp]
) -> pd.DataFrame:
    """`origin, split, model, input, until, leak`: a row for each forecast and input.

    Args:
        backtest: of the rank run.
        parts: the latest day of what was fitted on posts; every forecast rests on all of them.
        weights: the latest day of weights and intervals, for the origins that have such.
    """
    rows = []
    for number, origin in enumerate(backtest.split.all):
        split = _split_of(backtest, origin)
        used_M = dict(zip(backtest.models, backtest.used_MO[:, number], strict=True))
        models = {model: pd.Timestamp(day) for model, day in used_M.items()}
        if origin in weights:
            models[ENSEMBLE] = max(models.values())
        for model, day in models.items():
            inputs = parts | {HISTORY: day} | ({WEIGHTS: weights[origin]} if origin in weights else {})
            rows += [(origin, split, model, name, until) for name, until in inputs.items()]
    table = pd.DataFrame(rows, columns=["origin", "split", "model", "input", "until"])
    # A day that is not told may be any.
    return table.assign(leak=~(table["until"] <= table["origin"]))


def history_problems(backtest: Backtest) -> list[str]:
    """Works out again what the simple rules and the references say when the panel ends at the origin."""
    problems = []
    for number, origin in enumerate(backtest.split.all):
        cut = backtest.panel.until(origin)
        at = pd.DatetimeIndex([origin])
        told = ladder_shares(cut, backtest.target, at).pivot(index="style", columns="model", values="share")
        told = told.reindex(backtest.panel.styles).fillna(0.0)
        if cut.partition:
            told = told / told.sum().where(lambda total: total > 0, 1.0)
        reference_OS, _ = reference_shares(cut, backtest.target, at)
        seen_S = backtest.seen_OS[number]
        if not _close(reference_OS[0][seen_S], backtest.reference_OS[number][seen_S]).all():
            problems.append(f"from {origin.date()}: the shares of the reference are not those of the panel up to then")
        for model in backtest.rungs:
            if model not in RUNGS:
                continue  # the upper rungs: minutes, and by the same looks
            name = model if model in told else "last"  # no last year to look at
            stored_S = backtest.share_MOS[backtest.models.index(model), number]
            if not _close(told[name][seen_S], stored_S[seen_S]).all():
                problems.append(f"from {origin.date()}, {model}: is not what the panel up to then says")
    return problems


def ensemble_problems(backtest: Backtest, folder: Path) -> list[str]:
    """Fits weights and intervals of each origin again, on labels known by it, and compares every forecast."""
    outcome = judge(backtest, load_config(folder, EnsembleConfig).interval)
    again = pd.concat([outcome.forecast, outcome.following], ignore_index=True)
    stored = pd.read_parquet(folder / "forecast.parquet")
    told = json.loads((folder / "weights.json").read_text(encoding="utf-8"))["weights_at"]
    problems = [
        f"weights.json: not the weights that the labels known by {origin} give"
        for origin, weights in told_weights(outcome)["weights_at"].items()
        if not _close([told.get(origin, {}).get(model, -1.0) for model in weights], list(weights.values())).all()
    ]
    keys = ["origin", "model", "style"]
    one, two = (frame.set_index(keys).sort_index() for frame in (stored, again))
    if not one.index.equals(two.index):
        return [*problems, "forecast.parquet: other forecasts than the rank run gives"]
    columns = [name for name in ("share", "lower", "upper") if name in one]
    differs = ~np.asarray(_close(one[columns], two[columns])).all(axis=1)
    for origin, model in dict.fromkeys((key[0], key[1]) for key in one.index[differs]):
        problems.append(f"from {origin.date()}, {model}: not what weights and intervals of earlier origins give")
    return problems


def _weights(runs: Runs, backtest: Backtest) -> tuple[dict[pd.Timestamp, pd.Timestamp], list[str]]:
    """The latest day of weights and intervals, by origin, from the origins that they are told to be fitted on."""
    folder, told = runs.folders["ensemble"], runs.manifests["ensemble"].get("fitted_on", {})
    days, problems = {}, []
    for origin in backtest.split.all:
        part = f"weights of {origin.date()}"
        if origin in backtest.split.validation:
            continue
        if part not in told:
            raise UserError(f"{folder}: does not tell what it was fitted on; run `stylecast ensemble --force`")
        days[origin] = used_until(backtest, pd.DatetimeIndex(told[part]["origins"]))
        if str(days[origin].date()) != told[part]["until"]:
            told_day, day = told[part]["until"], days[origin].date()
            problems.append(f"{part}: the manifest tells {told_day}, its labels reach to {day}")
    return days, problems


def _as_text(uses: pd.DataFrame) -> str:
    """A row an origin, a column an input: the latest day that any model used."""
    table = uses.pivot_table(index=["origin", "split"], columns="input", values="until", aggfunc="max", sort=False)
    leak = uses.groupby(["origin", "split"])["leak"].any()
    wide = {name: max(len(str(name)), 10) + 2 for name in table.columns}
    lines = [f"{'origin':<12}{'split':<12}" + "".join(f"{name:>{w}}" for name, w in wide.items()) + "  verdict"]
    for key, row in table.iterrows():
        origin, split = key
        days = ("" if pd.isna(row[name]) else f"{row[name].date()}" for name in wide)
        cells = "".join(f"{day:>{w}}" for day, w in zip(days, wide.values(), strict=True))
        lines.append(f"{origin.date()!s:<12}{split:<12}{cells}  {'LEAK' if leak[key] else 'ok'}")
    return "\n".join(lines)


def _refuse(uses: pd.DataFrame, problems: list[str]) -> None:
    """Names the first leak, or the first thing that does not hold."""
    leaks = uses[uses["leak"]]
    for problem in problems:
        log.error("%s", problem)
    if len(leaks):
        log.error("\n%s", _as_text(uses))
        first = leaks.iloc[0]
        every = uses.groupby(["origin", "model"])["leak"].any()
        until = "a day that is not told" if pd.isna(first["until"]) else str(first["until"].date())
        raise UserError(
            f"leak: the forecast of {first['model']} from {first['origin'].date()} ({first['split']}): "
            f"{first['input']} used {until}; {int(every.sum())} of {len(every)} forecasts used what came after them"
        )
    if problems:
        raise UserError(f"does not hold: {problems[0]} ({len(problems)} such); run the stage again with --force")


def main(config: AuditConfig) -> str:
    """Audit a run.

    Returns:
        The latest day of each input, for each origin.

    Raises:
        UserError: a leak, something that does not hold, or a run that is missing, damaged, or does not tell.
    """
    runs = Runs.below(config.run)
    posts = Posts.load(runs.folders["prepare"])
    panel = Panel.read(runs.folders["styles"] / PANEL, granularity="day")
    backtest = load_backtest(runs.folders["rank"], panel)
    parts = list(fitted_parts(runs))
    problems = [f"{part.name}: {part.problem}" for part in parts if part.problem]
    problems += [problem] if (problem := panel_problem(runs, posts)) else []
    problems += history_problems(backtest)
    weights: dict[pd.Timestamp, pd.Timestamp] = {}
    if "ensemble" in runs.folders:
        weights, found = _weights(runs, backtest)
        problems += [*found, *ensemble_problems(backtest, runs.folders["ensemble"])]
    uses = _uses(backtest, {part.name: part.until for part in parts}, weights)
    if config.out is not None:
        write_csv(uses, config.out)
    _refuse(uses, problems)
    forecasts = uses.groupby(["origin", "model"]).ngroups
    return f"{_as_text(uses)}\n\n{forecasts} forecasts, each from what was known on its day; {len(parts)} fitted parts"


if __name__ == "__main__":
    sys.exit(run_command("audit", sys.argv[1:]))
