"""Past episodes of other styles that were like a style now, and what became of them.

Near means near in the space of the features, each standardised over the rows whose label is known by the origin, what
cannot be said counting as average. Nothing after the origin is looked at.
Shapes: S styles, N past rows (an origin and a style), K features.
"""

import numpy as np
import pandas as pd

from rank.member import Question

NEAREST = 3
"""Episodes of a style, each of another style."""
MOST_ROWS = 6000
"""Past rows that are looked through; of more, so many drawn at random, the same ones each time."""
MOST = 3.0
"""A feature is at most so many standard deviations from its mean, so that one alone keeps no two apart."""
CHUNK = 512


def nearest_episodes(question: Question, place: int) -> pd.DataFrame:
    """The nearest episodes at an origin: `origin, style, number, other, episode, distance, growth`.

    `number` counts from 1, the nearest; `episode` is the day that `other` was then at, `growth` what became of it, in
    log share; `distance` is the root of the mean squared difference of the features, in standard deviations.
    """
    table = question.table
    rows_N2 = np.argwhere(table.rows_known_by(table.origins[place]))
    if len(rows_N2) > MOST_ROWS:
        rows_N2 = rows_N2[np.sort(np.random.default_rng(0).permutation(len(rows_N2))[:MOST_ROWS])]
    values_NK = table.values_OSK[rows_N2[:, 0], rows_N2[:, 1]].astype(np.float64)
    used_K = np.isfinite(values_NK).any(axis=0)
    values_NK = values_NK[:, used_K]
    mean_K, sd_K = np.nanmean(values_NK, axis=0), np.nanstd(values_NK, axis=0)

    def standard(values_XK: np.ndarray) -> np.ndarray:
        scaled_XK = np.where(sd_K > 0, (values_XK - mean_K) / np.where(sd_K > 0, sd_K, 1.0), 0.0)
        return np.clip(np.nan_to_num(scaled_XK, nan=0.0), -MOST, MOST)

    past_NK, styles = standard(values_NK), np.flatnonzero(table.seen_OS[place])
    growth_N = table.growth_OS[rows_N2[:, 0], rows_N2[:, 1]]
    found: list[tuple[int, int, int, float]] = []
    for start in range(0, len(styles), CHUNK):
        some = styles[start : start + CHUNK]
        now_XK = standard(table.values_OSK[place][some][:, used_K].astype(np.float64))
        square_XN = (now_XK**2).sum(axis=1)[:, None] + (past_NK**2).sum(axis=1) - 2 * now_XK @ past_NK.T
        square_XN = np.where(rows_N2[:, 1] == some[:, None], np.inf, np.maximum(square_XN, 0.0))
        for style, square_N in zip(some, np.round(square_XN, 9), strict=True):
            for number, row in enumerate(_distinct(square_N, rows_N2), start=1):
                found.append((style, number, row, square_N[row]))
    style_M, number_M, row_M = np.array([row[:3] for row in found], int).reshape(-1, 3).T
    square_M = np.array([row[3] for row in found])
    names = np.array(question.panel.styles, dtype=object)
    return pd.DataFrame({
        "origin": table.origins[place], "style": names[style_M], "number": number_M,
        "other": names[rows_N2[row_M, 1]], "episode": table.origins[rows_N2[row_M, 0]],
        "distance": np.sqrt(square_M / max(int(used_K.sum()), 1)), "growth": growth_N[row_M],
    })  # fmt: skip


def _distinct(square_N: np.ndarray, rows_N2: np.ndarray) -> list[int]:
    """The nearest rows, each of another style."""
    found: list[int] = []
    for row in np.argsort(square_N, kind="stable"):
        if not np.isfinite(square_N[row]) or len(found) == NEAREST:
            break
        if rows_N2[row, 1] not in rows_N2[found, 1]:
            found.append(int(row))
    return found
