"""Intervals and class probabilities from the errors on validation origins (split conformal prediction).

Vovk, Gammerman & Shafer, "Algorithmic learning in a random world" (2005); errors are first divided by a scale that
knows the sampling noise of a share. Shapes: N cells (style and origin), C change classes.
"""

from dataclasses import dataclass

import numpy as np

from data.shares import to_share
from rank.metrics import CLASSES, pinball

MOVES = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2])
"""Candidates for how much a share moves by itself, as a part of it."""

WIN = 0.99
"""Spreads must bring the pinball loss to at most so much of what it is without them: less is luck."""


@dataclass(frozen=True)
class Calibration:
    """How far truths lay from a model's forecasts, in units of the scale."""

    move: float
    """Part of a share that it moves by itself: the scale is sqrt(share (1 - share) / posts + (move * share)^2)."""
    errors_N: np.ndarray
    """Sorted (truth - forecast) / scale."""
    spread: bool = False
    """Whether the own moves are taken to be as uneven as the quantiles of growth tell (Romano, Patterson & Candès,
    "Conformalized quantile regression", 2019, in spirit)."""

    @classmethod
    def fit(
        cls, truth_N: np.ndarray, share_N: np.ndarray, half_N: np.ndarray, spread_N: np.ndarray | None = None
    ) -> "Calibration":
        """Learns the errors of a model on validation cells.

        Args:
            truth_N: true shares.
            share_N: forecast shares.
            half_N: half a post of the origin's reference as a share, which tells the sampling noise.
            spread_N: how uncertain a cell is beside others; None for all alike.

        Raises:
            ValueError: there is no cell.
        """
        if len(truth_N) == 0:
            raise ValueError("intervals need at least one validation cell")
        miss_N, uneven_N = truth_N - share_N, np.ones(len(truth_N)) if spread_N is None else spread_N

        def cost(move: float) -> float:
            """Negative log likelihood under a Laplace distribution of free width."""
            scale_N = scale_of(share_N, half_N, move * uneven_N)
            return float(np.log(np.maximum((np.abs(miss_N) / scale_N).mean(), 1e-12)) + np.log(scale_N).mean())

        move = float(MOVES[int(np.argmin([cost(move) for move in MOVES]))])
        return cls(move, np.sort(miss_N / scale_of(share_N, half_N, move * uneven_N)), spread_N is not None)

    @classmethod
    def choose(
        cls, truth_N: np.ndarray, share_N: np.ndarray, half_N: np.ndarray, spread_N: np.ndarray, fold_N: np.ndarray
    ) -> "Calibration":
        """With or without the spreads: they count only where they make the pinball of 80% intervals better by `WIN`.

        Args:
            truth_N: true shares.
            share_N: forecast shares.
            half_N: as for `fit`.
            spread_N: how uncertain a cell is beside others.
            fold_N: 0 or 1; what is fitted on one fold is judged on the other.
        """
        plain = cls.fit(truth_N, share_N, half_N)
        if (spread_N == spread_N[0]).all() or len(np.unique(fold_N)) < 2:
            return plain
        loss = {True: 0.0, False: 0.0}
        for fold in (0, 1):
            own, other = fold_N == fold, fold_N != fold
            for uneven in loss:
                fitted = cls.fit(truth_N[other], share_N[other], half_N[other], spread_N[other] if uneven else None)
                lower, upper = fitted.interval(share_N[own], half_N[own], spread_N=spread_N[own])
                loss[uneven] += (pinball(truth_N[own], lower, 0.1) + pinball(truth_N[own], upper, 0.9)) * own.sum()
        return cls.fit(truth_N, share_N, half_N, spread_N) if loss[True] < WIN * loss[False] else plain

    def _scale(self, share_N: np.ndarray, half_N: np.ndarray | float, spread_N: np.ndarray | float) -> np.ndarray:
        return scale_of(share_N, half_N, self.move * spread_N if self.spread else self.move)

    def interval(
        self,
        share_N: np.ndarray,
        half_N: np.ndarray | float,
        level: float = 0.8,
        spread_N: np.ndarray | float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end around forecasts; they hold the forecast and lie within [0, 1].

        With n validation cells the ends are the floor((n + 1) a)-th smallest and largest error, a = (1 - level) / 2.
        """
        count = len(self.errors_N)
        place = max(int(np.floor((count + 1) * (1 - level) / 2)), 1) - 1
        scale_N = self._scale(share_N, half_N, spread_N)
        lower_N = np.clip(share_N + self.errors_N[place] * scale_N, 0.0, 1.0)
        upper_N = np.clip(share_N + self.errors_N[count - 1 - place] * scale_N, 0.0, 1.0)
        return np.minimum(lower_N, share_N), np.maximum(upper_N, share_N)

    def classes(
        self,
        share_N: np.ndarray,
        reference_N: np.ndarray,
        half_N: np.ndarray | float,
        edges: tuple[np.ndarray, np.ndarray],
        spread_N: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """Probabilities of down, flat and up, [N, C]: how many of the errors would lead there; none is quite 0."""
        scale_N = self._scale(share_N, half_N, spread_N)
        below = []
        for growth_N, side in zip(edges, ("left", "right"), strict=True):
            edge_N = (to_share(growth_N, reference_N, half_N) - share_N) / scale_N
            below.append(np.searchsorted(self.errors_N, edge_N, side=side))  # type: ignore[call-overload]
        down_N, not_up_N = below
        count_NC = np.stack([down_N, not_up_N - down_N, len(self.errors_N) - not_up_N], axis=1)
        return (np.maximum(count_NC, 0) + 1 / len(CLASSES)) / (len(self.errors_N) + 1)


def scale_of(share_N: np.ndarray, half_N: np.ndarray | float, move: float | np.ndarray) -> np.ndarray:
    """Size of an error that is to be expected, as a share: sampling noise (twice half a post is one) and own moves."""
    noise_N = (share_N * (1 - share_N) + half_N) * 2 * half_N
    return np.sqrt(noise_N + (move * share_N) ** 2)
