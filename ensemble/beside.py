"""What a run of styles tells of its styles beside the counts: which are alike, and where they came from.

Shapes: S styles, V dimensions of the clusters' space.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rank.style_vectors import style_vectors
from recall.lineage import LINEAGE, read_lineage

NEAREST = 5
"""Styles that are told to be like another, the most alike first."""
CHUNK = 1024


@dataclass(frozen=True)
class Beside:
    """Neighbours and lineage of a run of styles."""

    near: dict[str, list[tuple[str, float]]]
    """Style → the styles most like it with the cosine of their centroids; empty where the run keeps no centroids."""
    lineage: pd.DataFrame | None
    """What happened to styles at refits (`recall.lineage.COLUMNS`); None where the run tells none."""

    @classmethod
    def load(cls, folder: Path, styles: tuple[str, ...]) -> "Beside":
        """Read a run of `styles`.

        Args:
            folder: of the run.
            styles: of its panel, in order.
        """
        vectors_SV = style_vectors(folder, styles)
        return cls(
            {} if vectors_SV is None else nearest(vectors_SV, styles),
            read_lineage(folder) if (folder / LINEAGE).is_file() else None,
        )

    @classmethod
    def nothing(cls) -> "Beside":
        """For a board that stands alone."""
        return cls({}, None)

    def of(self, style: str) -> pd.DataFrame:
        """The lineage of a style: rows that it came from, or went into."""
        if self.lineage is None:
            return pd.DataFrame()
        return self.lineage[(self.lineage["previous"] == style) | (self.lineage["current"] == style)]


def nearest(vectors_SV: np.ndarray, styles: tuple[str, ...], most: int = NEAREST) -> dict[str, list[tuple[str, float]]]:
    """For each style those with the largest cosine, itself left out.

    Args:
        vectors_SV: of length 1.
        styles: what the rows are called.
        most: how many.
    """
    most = min(most, len(styles) - 1)
    found: dict[str, list[tuple[str, float]]] = {}
    for start in range(0, len(styles), CHUNK):
        cosine_CS = vectors_SV[start : start + CHUNK] @ vectors_SV.T
        rows_C = np.arange(len(cosine_CS))
        cosine_CS[rows_C, start + rows_C] = -np.inf
        # Sorting all ten thousand of each row would take a minute.
        first_CN = np.argpartition(-cosine_CS, max(most - 1, 0), axis=1)[:, :most]
        for row, first_N in enumerate(first_CN):
            order = sorted(first_N.tolist(), key=lambda place: (-cosine_CS[row, place], place))
            found[styles[start + row]] = [(styles[place], float(cosine_CS[row, place])) for place in order]
    return found
