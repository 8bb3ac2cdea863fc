"""What the ensemble of the latest origin was fitted to, on disk: weights, intervals, class probabilities.

Later origins are forecast with it, so that nothing is fitted for them.
"""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from ensemble.combine import Combined
from rank.calibration import Calibration
from stylecast.errors import UserError

ARRAYS, ABOUT = "latest.safetensors", "latest.json"


def save_combined(combined: Combined, folder: Path) -> None:
    """Write `latest.safetensors` and `latest.json`; what the ensemble said of its own origins is not kept."""
    parts = [asdict(calibration) for calibration in combined.calibrations]
    arrays = {"weights": combined.weights_M} | {
        f"{number}.{name}": value
        for number, part in enumerate(parts)
        for name, value in part.items()
        if isinstance(value, np.ndarray)
    }
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, folder / ARRAYS)
    about = {
        "models": combined.models, "fitted_on": [str(day.date()) for day in combined.fitted_on],
        "in_sample": combined.in_sample, "held_out": combined.held_out, "belief": combined.belief,
        "calibrations": [{n: v for n, v in part.items() if not isinstance(v, np.ndarray)} for part in parts],
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_combined(folder: Path) -> Combined:
    """Read what `save_combined` wrote; `out_of_fold_OS` is empty.

    Args:
        folder: a run folder of `ensemble`.

    Raises:
        UserError: the run does not have it, because it is older than this.
    """
    if not (folder / ABOUT).is_file():
        raise UserError(f"{folder / ABOUT}: missing: made by an earlier version; run `stylecast ensemble --force`")
    about, arrays = json.loads((folder / ABOUT).read_text(encoding="utf-8")), load_file(folder / ARRAYS)
    names = [field.name for field in fields(Calibration)]
    calibrations = []
    for number, told in enumerate(about["calibrations"]):
        own: dict[str, Any] = {n: arrays[f"{number}.{n}"] for n in names if f"{number}.{n}" in arrays}
        calibrations.append(Calibration(**own, **told))
    return Combined(
        tuple(about["models"]), arrays["weights"], pd.DatetimeIndex(about["fitted_on"]), about["in_sample"],
        about["held_out"], tuple(calibrations), tuple(about["belief"]), np.zeros((0, 0)),
    )  # fmt: skip
