"""A backtest on disk: arrays as safetensors, names and origins as JSON; the panel stays with the styles.

Shapes: those of `rank.backtest.Backtest`.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from data.panel import Panel
from data.windows import Split, Target
from rank.backtest import Backtest
from rank.edges import Edges
from rank.gaussian import Kernel
from stylecast.errors import UserError

ARRAYS, ABOUT = "backtest.safetensors", "backtest.json"
FIELDS = ("share_MOS", "classes_MOSC", "hot_MOS", "seen_OS", "truth_OS", "reference_OS", "half_O", "spread_OS")


def _days(index: pd.DatetimeIndex) -> list[str]:
    return [str(day.date()) for day in index]


def save_backtest(backtest: Backtest, folder: Path) -> None:
    """Write a backtest's numbers into a folder; its panel is not written again."""
    save_file({name: np.ascontiguousarray(getattr(backtest, name)) for name in FIELDS}, folder / ARRAYS)
    split = backtest.split
    about = {
        "target": str(backtest.target), "models": backtest.models, "rungs": backtest.rungs,
        "styles": backtest.panel.styles, "thresholds": asdict(backtest.thresholds), "last_error": backtest.last_error,
        "hot_part": backtest.hot_part, "kernels": {name: asdict(kernel) for name, kernel in backtest.kernels.items()},
        "partition": backtest.panel.partition, "settled": backtest.panel.settled,
        "train": _days(split.train), "validation": _days(split.validation), "test": _days(split.test),
        "latest": str(split.latest.date()),
        "used": {m: [str(d) for d in days] for m, days in zip(backtest.models, backtest.used_MO, strict=True)},
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_backtest(folder: Path, panel: Panel) -> Backtest:
    """Read what `save_backtest` wrote.

    Args:
        folder: a run folder of `rank`.
        panel: the panel that it was made from.

    Raises:
        UserError: the panel has other styles.
    """
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if missing := [name for name in ("used", "hot_part", "kernels") if name not in about]:
        raise UserError(f"{folder}: made by an earlier version, without `{missing[0]}`; run `stylecast rank --force`")
    if not isinstance(about["thresholds"], dict):
        raise UserError(f"{folder}: made by an earlier version; run `stylecast rank --force`")
    if tuple(about["styles"]) != panel.styles:
        raise UserError(
            f"{folder}: was made from other styles than those given; name the `styles` run of that rank run"
        )
    if about.get("settled"):  # by --partition, which earlier versions did not have
        panel = replace(panel, partition=about["partition"], settled=True)
    unit = panel.days.unit  # or what comes back would tell its days in another one than what was written
    parts = {name: pd.DatetimeIndex(about[name]).as_unit(unit) for name in ("train", "validation", "test")}
    split = Split(**parts, latest=pd.Timestamp(about["latest"]).as_unit(unit))
    arrays = load_file(folder / ARRAYS)
    if missing := [name for name in FIELDS if name not in arrays]:
        raise UserError(f"{folder}: made by an earlier version, without `{missing[0]}`; run `stylecast rank --force`")
    return Backtest(
        panel=panel, target=Target.parse(about["target"]), split=split, models=tuple(about["models"]),
        rungs=tuple(about["rungs"]), thresholds=Edges(**about["thresholds"]), last_error=about["last_error"],
        hot_part=about["hot_part"], kernels={name: Kernel(**told) for name, told in about["kernels"].items()},
        used_MO=np.array([about["used"][model] for model in about["models"]], dtype="datetime64[D]"),
        **arrays,
    )  # fmt: skip
