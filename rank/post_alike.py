"""What became of posts that look or read alike: their engagement of late, beyond what their authors' records told.

A style that is rising is liked more than usual; a network that was trained months ago cannot know which styles those
are now, but the posts of the last month tell it.

Shapes: N posts asked for, M posts remembered, C of them that one day may look at, D dimensions of a vector.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from rank.post_inputs import DRAWN, SETTLE_DAYS, days_of

FILE = "memory.safetensors"
WINDOW_DAYS = 30
"""How long a post is looked back at, days."""
SHARPNESS = 0.1
"""A post counts as exp((cosine - 1) / this)."""
MOST = 2000
"""At most about so many posts are looked back at from one day, evenly spaced."""


@dataclass(frozen=True)
class Memory:
    """Posts with known engagement, in order of time."""

    day_M: np.ndarray
    """Day of each, since 1970 (int64)."""
    surprise_M: np.ndarray
    """Log engagement beyond the mean and its author's record."""
    sides: dict[str, np.ndarray]
    """Vectors of each modality, M×D float16; zero where a post has none."""

    @classmethod
    def of(cls, time_M: pd.DatetimeIndex, surprise_M: np.ndarray, sides: dict[str, np.ndarray]) -> "Memory":
        """Remembers posts, which are in order of time."""
        half = {side: values.astype(np.float16) for side, values in sides.items()}
        return cls(days_of(time_M), surprise_M, half)

    def alike(self, side: str, vectors_ND: np.ndarray, time_N: pd.DatetimeIndex) -> np.ndarray:
        """Mean surprise of posts by how alike they are, drawn to 0 as if by three posts, [N]; 0 without a vector.

        A post looks back at those that are a week to five weeks older than itself. What it finds does not depend on
        the posts that are asked for beside it.
        """
        day_N, found_N = days_of(time_N), np.zeros(len(vectors_ND))
        vectors_MD, there_N = self.sides[side], np.any(vectors_ND != 0, axis=1)
        there_M: np.ndarray = np.any(vectors_MD != 0, axis=1)
        for day in np.unique(day_N[there_N]):
            first, last = np.searchsorted(
                self.day_M, [day - SETTLE_DAYS - WINDOW_DAYS, day - SETTLE_DAYS], side="right"
            )
            near_C = first + np.flatnonzero(there_M[first:last])
            if len(near_C) == 0:
                continue
            near_C = near_C[:: -(-len(near_C) // MOST)]
            asked = np.flatnonzero(there_N & (day_N == day))
            # einsum, not BLAS: its sums do not depend on what else is asked for.
            cosine = np.einsum("nd,cd->nc", vectors_ND[asked].astype(np.float32), vectors_MD[near_C].astype(np.float32))
            weight = np.exp((cosine.astype(float) - 1) / SHARPNESS)
            found_N[asked] = np.einsum("nc,c->n", weight, self.surprise_M[near_C]) / (weight.sum(axis=1) + DRAWN)
        return found_N

    def numbers(self, sides: dict[str, np.ndarray], time_N: pd.DatetimeIndex) -> dict[str, np.ndarray]:
        """`SIDE_alike` of posts, for each side."""
        return {f"{side}_alike": self.alike(side, vectors_ND, time_N) for side, vectors_ND in sides.items()}

    def save(self, folder: Path) -> None:
        """Writes `memory.safetensors`."""
        sides = {f"side.{side}": np.ascontiguousarray(values) for side, values in self.sides.items()}
        save_file({"day": self.day_M, "surprise": self.surprise_M, **sides}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Memory":
        """Reads what `save` wrote."""
        parts = load_file(folder / FILE)
        sides = {name.removeprefix("side."): v for name, v in parts.items() if name.startswith("side.")}
        return cls(parts["day"], parts["surprise"], sides)
