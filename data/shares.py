"""Shares of targets and references, and the growth between them.

Shapes: S styles, O origins.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums
from data.windows import DAY, Target, known_on


def target_shares(panel: Panel, target: Target, origins: Iterable[pd.Timestamp], training: bool = False) -> np.ndarray:
    """True shares of the targets, [O, S]: NaN where the target is not complete or holds no post.

    Args:
        panel: the counts.
        target: what is asked for.
        origins: the days that are forecast from.
        training: whether origins within a month look only as far ahead as month ends do (`training_period`).
    """
    sums = Sums.of(panel)
    rows = []
    for origin in origins:
        window = target.training_period(origin) if training else target.period(origin)
        known = known_on(panel, window) <= panel.last
        rows.append(sums.share(*window) if known else np.full(len(panel.styles), np.nan))
    return np.array(rows).reshape(len(rows), len(panel.styles))


def reference_shares(panel: Panel, target: Target, origins: Iterable[pd.Timestamp]) -> tuple[np.ndarray, np.ndarray]:
    """Share of each style over the reference of each origin, [O, S], and half a post as a share, [O].

    A reference without posts is moved back to the last days that have some. `growth` is told with the second
    number added to both shares, so that it is finite for a style without posts.
    """
    sums = Sums.of(panel)
    pairs = [reference_share(sums.until(origin), target, origin) for origin in origins]
    share_OS = np.array([share_S for share_S, _ in pairs]).reshape(len(pairs), len(panel.styles))
    return share_OS, np.array([half for _, half in pairs])


def reference_share(sums: Sums, target: Target, origin: pd.Timestamp) -> tuple[np.ndarray, float]:
    """As `reference_shares` for one origin, from sums that end there."""
    start, end = target.reference(origin)
    if sums.total(start, end) <= 0:
        posts_T = np.diff(sums.total_T)
        if not posts_T.any():
            return np.zeros(len(sums.count_ST)), 0.5
        start, end = target.reference(sums.first + int(np.flatnonzero(posts_T > 0)[-1]) * DAY)
    return sums.share(start, end), 0.5 / max(sums.total(start, end), 1.0)


def to_growth(share: np.ndarray, reference: np.ndarray, half: np.ndarray | float) -> np.ndarray:
    """log((share + half) / (reference + half)), `half` being half a post as a share."""
    return np.log((share + half) / (reference + half))


def to_share(growth: np.ndarray, reference: np.ndarray, half: np.ndarray | float) -> np.ndarray:
    """The share that a growth leads to, within [0, 1]; the inverse of `to_growth`."""
    return np.clip((reference + half) * np.exp(np.minimum(growth, 50.0)) - half, 0.0, 1.0)
