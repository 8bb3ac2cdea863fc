"""Command `explain`: what moved the forecast of a style, what became of styles like it, and who said what.

Laptop:   stylecast explain runs/mine --style s07                          (a second)
          stylecast explain runs/backtest --style s07 --origin 2023-06-30 --out why.json
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from data.values import parse_day
from ensemble.classes import told_chances
from ensemble.record import ENSEMBLE
from ensemble.weights import Weights
from rank.boost import BOOST, EPISODES, REASONS
from rank.reasons import TEXTS
from stylecast.errors import UserError
from stylecast.files import write_whole
from stylecast.runs import load_manifest


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Tell what moved the forecast of a style."""

    run: tyro.conf.Positional[Path]
    """Folder of `run`, `ensemble` or `backtest`."""
    style: str
    """Id of the style."""
    origin: str = ""
    """Last day that the forecast looked at (YYYY-MM-DD), the latest or one of the test; by default the latest."""
    out: Path | None = None
    """File for the same as JSON."""


@dataclass(frozen=True)
class Told:
    """What a folder tells of its forecasts."""

    forecast: pd.DataFrame
    """All models at the test origins and the latest."""
    reasons: pd.DataFrame
    """As `rank.reasons` tells them."""
    episodes: pd.DataFrame
    """As `rank.episodes` tells them."""
    weights: Weights
    """Who weighs how much, and what the classes are."""

    @classmethod
    def of(cls, run: Path) -> "Told":
        """Reads a folder of `run`, `ensemble` or `backtest`.

        Raises:
            UserError: it is none of these, or LightGBM was not among its members.
        """
        if (run / "next.csv").is_file():
            folder = run
            parts = [_read(run / name) for name in ("forecast.csv", "next.csv")]
            forecast = pd.concat([part for part in parts if len(part)], ignore_index=True)
        else:
            folder = run if (run / "forecast.parquet").is_file() else run / "ensemble"
            if not folder.is_dir():
                raise UserError(f"{run}: no forecasts here; name a folder of `run`, `ensemble` or `backtest`")
            load_manifest(folder, "ensemble")
            forecast = pd.read_parquet(folder / "forecast.parquet")
        if not (folder / EPISODES).is_file():
            raise UserError(f"{folder}: holds no {EPISODES}; make it again with `{BOOST}` among the --members")
        reasons = pd.read_parquet(folder / REASONS) if (folder / REASONS).is_file() else pd.DataFrame()
        return cls(forecast, reasons, pd.read_parquet(folder / EPISODES), Weights.load(folder))


def _read(path: Path) -> pd.DataFrame:
    dates = ["origin", "target_start", "target_end"]
    columns = ["style", *dates, "model", "share", "lower", "upper", "growth", "p_down", "p_flat", "p_up"]
    # A style may be called NA.
    return pd.read_csv(path, usecols=columns, dtype={"style": str}, keep_default_na=False, parse_dates=dates)


def explain(told: Told, style: str, origin: pd.Timestamp | None = None) -> dict[str, Any]:
    """What is known of a forecast, ready for JSON; shares are fractions, growth and points are percent.

    Args:
        told: the artifacts.
        style: id.
        origin: which forecast; None takes the latest.

    Raises:
        UserError: there is no such style or origin.
    """
    days = pd.DatetimeIndex(told.forecast["origin"].unique()).sort_values()
    day = days[-1] if origin is None else origin
    if day not in days:
        raise UserError(f"--origin {day.date()}: no forecast; there are {', '.join(str(d.date()) for d in days)}")
    rows = told.forecast[told.forecast["origin"] == day]
    rows = rows[rows["style"] == style].set_index("model")
    if rows.empty:
        known = sorted(told.forecast.loc[told.forecast["origin"] == day, "style"].unique())
        raise UserError(f"--style {style}: not forecast from {day.date()}; there are {len(known)}, such as {known[0]}")
    whole = rows.loc[ENSEMBLE]
    why = (
        told.reasons[(told.reasons["origin"] == day) & (told.reasons["style"] == style)] if len(told.reasons) else None
    )
    like = told.episodes[(told.episodes["origin"] == day) & (told.episodes["style"] == style)]
    return {
        "style": style,
        **{name: str(whole[name].date()) for name in ("target_start", "target_end")},
        "origin": str(day.date()),
        **{name: float(whole[name]) for name in ("share", "lower", "upper", "p_down", "p_flat", "p_up")},
        "growth": _percent(whole["growth"]), "classes": told.weights.classes,
        "reasons": [] if why is None else why[[*TEXTS.values(), "kind", "points"]].to_dict("records"),
        "episodes": [
            {"style": row.other, "origin": str(row.episode.date()), "distance": float(row.distance),
             "growth": _percent(row.growth)}
            for row in like.sort_values("number").itertuples()
        ],
        "models": [
            {"model": model, "weight": told.weights.of(model, day), "share": float(rows.loc[model, "share"]),
             "growth": _percent(rows.loc[model, "growth"])}
            for model in sorted(rows.index.drop(ENSEMBLE), key=lambda name: -told.weights.of(name, day))
        ],
    }  # fmt: skip


def _percent(logs: float) -> float:
    return float(100 * np.expm1(logs))


def _signed(percent: float, width: int) -> str:
    """Rounded, with its sign; no minus before a zero."""
    return f"{round(percent):+{width}d}" if round(percent) else f"{0:{width}d}"


def as_text(why: dict[str, Any]) -> str:
    """The explanation for a terminal."""
    lines = [
        f"Style {why['style']}, its share of {why['target_start']} to {why['target_end']}, seen from {why['origin']}",
        "",
        f"  {100 * why['share']:.2f}% ({100 * why['lower']:.2f}% to {100 * why['upper']:.2f}%): growth "
        f"{_signed(why['growth'], 0)}%; {told_chances(why['p_down'], why['p_flat'], why['p_up'], why['classes'])}",
        "",
    ]
    weight = next((m["weight"] for m in why["models"] if m["model"] == BOOST), 0.0)
    if why["reasons"]:
        lines.append(f"What moved {BOOST} ({weight:.0%} of the ensemble), in percentage points of its growth:")
        lines += [f"  {_signed(reason['points'], 5)}  {reason['text']}" for reason in why["reasons"]]
        lines.append("")
    if why["episodes"]:
        lines.append("Other styles that were like it, and what became of them:")
        wide = max(len(episode["style"]) for episode in why["episodes"])
        lines += [
            f"  {_signed(episode['growth'], 5)}%  {episode['style']:<{wide}}  from {episode['origin']}"
            f"  (distance {episode['distance']:.2f})"
            for episode in why["episodes"]
        ]
        lines.append("")
    lines.append("What each model says, by its weight in the ensemble:")
    wide = max(len(model["model"]) for model in why["models"])
    lines += [f"  {_signed(m['growth'], 5)}%  {m['model']:<{wide}}  {m['weight']:5.0%}" for m in why["models"]]
    return "\n".join(lines)


def main(config: ExplainConfig) -> str:
    """The explanation, to be printed; with `--out` also written as JSON.

    Raises:
        UserError: the folder tells nothing, or has no such style or origin.
    """
    why = explain(Told.of(config.run), config.style, parse_day(config.origin, "--origin"))
    if config.out is not None:
        write_whole(config.out, json.dumps(why, indent=1, ensure_ascii=False) + "\n")
    return as_text(why)
