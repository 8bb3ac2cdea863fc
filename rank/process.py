"""The member that needs no training but that of a few numbers: Gaussian processes, mixed by what they were worth.

Shapes: S styles, N rows, G processes.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rank.features import PROCESSES
from rank.member import Answer, Question
from rank.table import Table

PROCESS = "gaussian-process"
"""Name of the member and of its folder."""
MIX = "mix.json"
PRIOR = 0.9
"""Sum of the weights that the mix is drawn to: a little less than all of the growth that the processes expect."""
PULL = 10.0
"""How hard, as if by so much squared growth of earlier labels."""
WEIGHT_POWER = 0.5
"""A row weighs as its reference share to this power: errors of large styles cost more, small ones are noisy."""


class GaussianProcessMember:
    """Growth as a mix of three Gaussian processes; the mix is a ridge regression on the labels known so far."""

    name = PROCESS

    def __init__(self, folder: Path | None = None) -> None:
        """Takes a folder for the mix of the latest origin."""
        self.folder = folder

    def answer(self, question: Question) -> Answer:
        """Mixes anew at each origin."""
        table = question.table
        mixes = [mix(table, place) for place in question.places]
        growth = [columns(table, place) @ mix_G for place, mix_G in zip(question.places, mixes, strict=True)]
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / MIX).write_text(json.dumps({"mix": mixes[-1].tolist()}) + "\n", encoding="utf-8")
        # The mix is fitted at the origin on all labels known by it.
        rows = [table.rows_known_by(table.origins[place]) for place in question.places]
        used = [
            max(table.looked[place], table.used_by(rows_OS)) if rows_OS.any() else table.looked[place]
            for place, rows_OS in zip(question.places, rows, strict=True)
        ]
        return Answer(np.array(growth), None, pd.DatetimeIndex(used))


def columns(table: Table, place: int | np.ndarray) -> np.ndarray:
    """Growth that each process expects, the last axis G."""
    return table.values_OSK[place][..., [table.column(f"{name}_growth") for name in PROCESSES]].astype(float)


def mix(table: Table, place: int) -> np.ndarray:
    """Weights of the processes at an origin, [G], from rows whose label is known by then."""
    use_OS = table.rows_known_by(table.origins[place])
    prior_G = np.full(len(PROCESSES), PRIOR / len(PROCESSES))
    expected_NG, growth_N = columns(table, np.arange(len(table.origins)))[use_OS], table.growth_OS[use_OS]
    weight_N = row_weights(table, use_OS)
    gram_GG = expected_NG.T @ (expected_NG * weight_N[:, None]) + PULL * np.eye(len(PROCESSES))
    rest_N = growth_N - expected_NG @ prior_G
    return prior_G + np.linalg.solve(gram_GG, expected_NG.T @ (weight_N * rest_N))


def row_weights(table: Table, use_OS: np.ndarray) -> np.ndarray:
    """Weights of the rows, [N], their mean 1."""
    size_OS = (table.reference_OS + table.half_O[:, None]) ** WEIGHT_POWER
    weight_N = size_OS[use_OS]
    return weight_N / weight_N.mean() if len(weight_N) else weight_N
