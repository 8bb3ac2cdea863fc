"""What is called down, flat and up: edges of growth, or of the share itself, told once for training and judging.

Shapes: N cells (style and origin), whatever their axes.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data.shares import to_growth
from rank.metrics import change_class
from stylecast.errors import UserError

LEVEL = "level"
NAMES = {"change": ("falls", "holds", "rises"), LEVEL: ("low", "middle", "high")}
"""What the three classes are called, by what the edges are of."""


def class_names(classes: str) -> tuple[str, str, str]:
    """What the three classes are called by a rule of `Edges.fit`."""
    return NAMES[LEVEL if classes == LEVEL else "change"]


def band_of(classes: str) -> float:
    """Percent that a band of `Edges.fit` goes down and up, 0 for another rule."""
    return float(classes.removeprefix("band:")) if classes.startswith("band:") else 0.0


@dataclass(frozen=True)
class Edges:
    """Where one class ends and the next begins."""

    low: float
    """Below it: the first class."""
    high: float
    """Above it: the third."""
    of: Literal["change", "level"] = "change"
    """Of growth (log share against the reference), or of the share at the target (0..1)."""
    band: float = 0.0
    """Percent down and up that the edges were set at; 0 = they are terciles."""

    @property
    def rule(self) -> str:
        """The rule of `fit` that they were found by."""
        return f"band:{self.band:g}" if self.band else self.of

    @classmethod
    def fit(cls, classes: str, growth_N: np.ndarray, share_N: np.ndarray) -> "Edges":
        """The edges by a rule, from what came of training origins; NaN is left out.

        Args:
            classes: `change`: terciles of growth; `level`: terciles of the shares at the target, over all styles and
                origins; `band:P`: P percent down and up, whatever it was. Without any label both edges are 0.
            growth_N: growth.
            share_N: shares at the target.

        Raises:
            UserError: another rule.
        """
        if found := re.fullmatch(r"band:(\d+(?:\.\d+)?)", classes):
            part = float(found[1]) / 100
            if not 0 < part < 1:
                raise UserError(f"--classes {classes}: give a band between 0 and 100 percent, such as band:5")
            return cls(float(np.log1p(-part)), float(np.log1p(part)), band=float(found[1]))
        if classes not in NAMES:
            raise UserError(
                f"--classes {classes}: unknown; give change (terciles of it), level (terciles of share) or band:5 "
                "(percent)"
            )
        of: Literal["change", "level"] = "level" if classes == LEVEL else "change"
        values_N = share_N if of == LEVEL else growth_N
        values_N = values_N[np.isfinite(values_N)]
        low, high = np.quantile(values_N, [1 / 3, 2 / 3]) if len(values_N) else (0.0, 0.0)
        return cls(float(low), float(high), of)

    def growth(self, reference_N: np.ndarray, half_N: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Both edges as growth, for each cell: that of a share is reached by another growth from another reference.

        Args:
            reference_N: shares that growth is told against.
            half_N: half a post of the reference as a share.
        """
        shape = np.shape(reference_N)
        if self.of == LEVEL:
            low_N, high_N = (to_growth(np.full(shape, edge), reference_N, half_N) for edge in (self.low, self.high))
            return low_N, high_N
        return np.full(shape, self.low), np.full(shape, self.high)

    def label(self, growth_N: np.ndarray, reference_N: np.ndarray, half_N: np.ndarray | float) -> np.ndarray:
        """The class of each cell: 0, 1 or 2."""
        return change_class(growth_N, self.growth(reference_N, half_N))
