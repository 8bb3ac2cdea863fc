"""The table that the members learn from: features and labels of every style at every origin.

A row sees nothing after its origin, and a model fitted at an origin takes only the rows whose label is known by it.
Shapes: O origins, S styles, K features, N rows (an origin and a style).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.panel import Panel
from data.shares import to_growth
from data.sums import Sums
from data.windows import Split, Target, known_on, origin_days, training_days
from rank.features import Feature, declared_features
from rank.gaussian import WALK, Bins, Kernel, fit_kernel
from rank.look import Look

log = logging.getLogger(__name__)

REFIT_DAYS = 56
"""How long a fitted kernel serves."""
MOST_CELLS = 30_000
"""Above so many styles times weeks the training origins between month ends are thinned, for time and memory."""


@dataclass(frozen=True)
class Table:
    """Features, references and labels of all origins, in order of time."""

    origins: pd.DatetimeIndex
    """The training origins and those that are forecast from, [O]."""
    known: pd.DatetimeIndex
    """The day by which the label of an origin is known, [O]."""
    features: tuple[Feature, ...]
    """What the columns are, [K]."""
    values_OSK: np.ndarray
    """The features, float32; NaN where one cannot be said."""
    reference_OS: np.ndarray
    """Share of the reference."""
    half_O: np.ndarray
    """Half a post of the reference, as a share."""
    seen_OS: np.ndarray
    """Whether the style had a post by the origin; only then it is forecast."""
    truth_OS: np.ndarray
    """Share of the target; NaN where it is not complete."""
    looked: pd.DatetimeIndex
    """The last day of the counts that the features were made from, [O]."""
    kernels: dict[str, Kernel]
    """The Gaussian processes of the last origin."""

    @property
    def growth_OS(self) -> np.ndarray:
        """The label: growth of the target against the reference."""
        return to_growth(self.truth_OS, self.reference_OS, self.half_O[:, None])

    def place(self, origin: pd.Timestamp) -> int:
        """Where an origin stands."""
        return int(self.origins.get_indexer(pd.DatetimeIndex([origin]))[0])

    def column(self, name: str) -> int:
        """Where a feature stands; ValueError when there is none of this name."""
        return [feature.name for feature in self.features].index(name)

    def rows_known_by(self, origin: pd.Timestamp) -> np.ndarray:
        """What may be learnt from at `origin`: rows with a label that is known by then, [O, S] bool."""
        return (self.known <= origin)[:, None] & self.seen_OS & np.isfinite(self.truth_OS)

    def used_by(self, rows_OS: np.ndarray) -> pd.Timestamp:
        """The latest day that rows use: of their features and of their labels. NaT without rows."""
        rows_O = rows_OS.any(axis=1)
        return max(self.known[rows_O].max(), self.looked[rows_O].max()) if rows_O.any() else pd.NaT


def build_table(
    panel: Panel,
    target: Target,
    split: Split,
    vectors_SV: np.ndarray | None = None,
    kernels: dict[str, Kernel] | None = None,
) -> Table:
    """Computes the features at all training origins and at those of the split.

    Origins within a month look as far ahead as month ends do (`Target.training_period`).

    Args:
        panel: the counts.
        target: what is asked for.
        split: the origins.
        vectors_SV: of the styles, if there are some, fitted on nothing after the first validation origin.
        kernels: Gaussian processes that were fitted before; then nothing is, and the split's origins stand alone.
    """
    sums = Sums.of(panel)
    regular = origin_days(panel, target)
    origins = _origins(panel, target, split) if kernels is None else split.all
    features = declared_features(tuple(panel.numeric))
    parts = []
    fits = _with_kernels(panel, target, sums, origins) if kernels is None else ((day, kernels) for day in origins)
    for origin, used in fits:
        asked = target.period(origin) if origin in regular else target.training_period(origin)
        look = Look(sums, target, origin, asked, used, panel.granularity == "month", vectors_SV)
        known = known_on(panel, asked)
        truth_S = sums.share(*asked) if known <= panel.last else np.full(len(panel.styles), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            values_SK = np.stack([feature.function(look) for feature in features], axis=1).astype(np.float32)
        values_SK[~np.isfinite(values_SK)] = np.nan
        parts.append((known, values_SK, look.reference_S, look.half, look.seen_S, truth_S, look.sums.held))
    known_O, values_OSK, reference_OS, half_O, seen_OS, truth_OS, looked_O = (list(p) for p in zip(*parts, strict=True))
    return Table(
        origins,
        pd.DatetimeIndex(known_O),
        features,
        np.array(values_OSK),
        np.array(reference_OS),
        np.array(half_O),
        np.array(seen_OS),
        np.array(truth_OS),
        pd.DatetimeIndex(looked_O),
        used,
    )


def _origins(panel: Panel, target: Target, split: Split) -> pd.DatetimeIndex:
    regular, dense = origin_days(panel, target), training_days(panel, target)
    thin = -(-len(panel.styles) * len(dense) // MOST_CELLS)
    if thin > 1:
        log.info("training origins between those of the split are thinned to one in %d", thin)
        dense = dense[::thin]
    chosen = regular.union(dense).union(split.all)
    has_reference = [target.reference(origin)[0] >= panel.days[0] and origin <= split.latest for origin in chosen]
    return pd.DatetimeIndex(chosen[has_reference])


def _with_kernels(
    panel: Panel, target: Target, sums: Sums, origins: pd.DatetimeIndex
) -> Iterator[tuple[pd.Timestamp, dict[str, Kernel]]]:
    """Each origin with the kernels as they were fitted at it or at most eight weeks before, never after."""
    steady = replace(Kernel(), trend_sd=1e-3)
    fit_on: pd.Timestamp | None = None
    for origin in origins:
        if fit_on is None or (origin - fit_on).days >= REFIT_DAYS:
            bins = Bins.of(sums.until(origin, target.history_start(origin)), origin, panel.granularity == "month")
            steady = fit_kernel(bins, steady, fixed=("trend_sd", "trend_days"))
            fit_on = origin
        yield origin, {"plain": Kernel(), "steady": steady, "walk": WALK}
