"""What a forecast sees from one origin: blocks of the past, last year, the reference, and nothing later.

Shapes: S styles, B blocks (target-lengths, the oldest first, the last one ending at the origin).
"""

from functools import cached_property

import numpy as np
import pandas as pd

from data.shares import reference_share
from data.sums import Sums
from data.windows import DAY, Target, Window
from rank.gaussian import Bins, Kernel, Outlook, infer, middle, predict

MOST_BLOCKS = 36
"""Blocks beyond these are too old to matter (three years of months)."""


class Look:
    """A view of the running sums up to an origin; what several rungs or features need is computed once."""

    def __init__(
        self,
        sums: Sums,
        target: Target,
        origin: pd.Timestamp,
        asked: Window,
        kernels: dict[str, Kernel] | None = None,
        monthly: bool = False,
        vectors_SV: np.ndarray | None = None,
    ) -> None:
        """Cuts the sums at `origin`.

        Args:
            sums: of the panel.
            target: what is asked for.
            origin: the last day to look at.
            asked: the days of the target (`period` or `training_period` of it).
            kernels: Gaussian processes by name, fitted on nothing after `origin`.
            monthly: whether the panel's rows are months.
            vectors_SV: what the styles look like, where that is known: the larger the product of two, the more alike.
        """
        self.sums = sums.until(origin, target.history_start(origin))
        self.target = target
        self.origin = origin
        self.asked = asked
        self.kernels = kernels or {}
        self.monthly = monthly
        self.vectors_SV = vectors_SV
        self.reference_S, self.half = reference_share(self.sums, target, origin)

    @cached_property
    def seen_S(self) -> np.ndarray:
        """Whether a style had a post by the origin."""
        return self.sums.count_ST[:, -1] > 0

    @cached_property
    def ahead(self) -> int:
        """How many blocks the target lies ahead of the reference."""
        length = (self.asked[1] - self.asked[0]).days + 1
        return max(round((self.asked[1] - self.origin).days / length), 1)

    @cached_property
    def blocks(self) -> list[Window]:
        """The windows of the blocks that lie wholly in the history (at least the reference), oldest first."""
        found = [self.target.reference(self.origin)]
        while len(found) < MOST_BLOCKS and found[-1][0] > self.sums.first:
            window = self.target.block(self.origin, len(found))
            if window[0] < self.sums.first:
                break
            found.append(window)
        return found[::-1]

    @cached_property
    def blocks_SB(self) -> np.ndarray:
        """Share of each block; one without posts repeats the block before it (the first: the reference)."""
        share_SB = np.stack([self.sums.share(*window) for window in self.blocks], axis=1)
        empty_B = np.isnan(share_SB[0]) if len(share_SB) else np.zeros(share_SB.shape[1], dtype=bool)
        for block in np.flatnonzero(empty_B):
            share_SB[:, block] = share_SB[:, block - 1] if block > 0 else self.reference_S
        return share_SB

    @cached_property
    def born_S(self) -> np.ndarray:
        """The first block in which a style has a post (the last block for one that has none)."""
        has_SB = self.blocks_SB > 0
        return np.where(has_SB.any(axis=1), has_SB.argmax(axis=1), has_SB.shape[1] - 1)

    def year_before(self, window: Window, years: int = 1) -> Window:
        """The same days so many years earlier; for short targets a whole number of weeks, so that weekdays match."""
        if self.target.kind == "days":
            return window[0] - 364 * years * DAY, window[1] - 364 * years * DAY
        after = window[1] + DAY  # so that a month's end stays one, 29 February too
        return window[0] - pd.DateOffset(years=years), after - pd.DateOffset(years=years) - DAY

    def held(self, window: Window) -> bool:
        """Whether a window lies in the history and holds a post."""
        return bool(window[0] >= self.sums.first and window[1] <= self.origin and self.sums.total(*window) > 0)

    @cached_property
    def has_year(self) -> bool:
        """Whether the history holds the target and the reference of a year ago."""
        return self.held(self.year_before(self.asked)) and self.held(
            self.year_before(self.target.reference(self.origin))
        )

    @cached_property
    def has_year_S(self) -> np.ndarray:
        """Whether a style had been seen by the end of last year's reference."""
        if not self.has_year:
            return np.zeros(len(self.reference_S), dtype=bool)
        return self.sums.count(self.sums.first, self.year_before(self.target.reference(self.origin))[1]) > 0

    @cached_property
    def last_year_S(self) -> np.ndarray:
        """Share of the target's days a year ago; NaN where there is no such year."""
        return self._share(self.year_before(self.asked))

    @cached_property
    def last_year_reference_S(self) -> np.ndarray:
        """Share of the reference's days a year ago; NaN where there is no such year."""
        return self._share(self.year_before(self.target.reference(self.origin)))

    @cached_property
    def last_year_half(self) -> float:
        """Half a post as a share of last year's reference."""
        if not self.has_year:
            return self.half
        return 0.5 / max(self.sums.total(*self.year_before(self.target.reference(self.origin))), 1.0)

    @cached_property
    def bins(self) -> Bins:
        """The history in the bins of the Gaussian process."""
        return Bins.of(self.sums, self.origin, self.monthly)

    @cached_property
    def outlooks(self) -> dict[str, Outlook]:
        """What each Gaussian process says of the target."""
        days = middle(self.asked, self.origin)
        return {
            name: predict(self.bins, infer(self.bins, kernel), kernel, days) for name, kernel in self.kernels.items()
        }

    def _share(self, window: Window) -> np.ndarray:
        return self.sums.share(*window) if self.has_year else np.full(len(self.reference_S), np.nan)
