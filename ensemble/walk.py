"""The ensemble as it would have been fitted from month to month: at each origin, on every label known by it.

Test origins begin with the weights and intervals of the validation origins. As they roll on, the labels of earlier
ones become known, and weights, intervals and class probabilities are fitted anew with these, as whoever runs `forecast`
every month does. Of an earlier test origin it counts what the ensemble said then, with the weights that it had then.

Shapes: M models, O origins of the split, S styles.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.windows import known_on
from ensemble.combine import Combined, combine, forecast_frame, own_hot
from rank.backtest import Backtest


@dataclass(frozen=True)
class Walk:
    """What was fitted for each origin of a backtest, and what the ensemble said with it."""

    at: tuple[Combined, ...]
    """For each origin of the split: for validation origins what was fitted on all of them."""
    share_OS: np.ndarray
    """The ensemble's shares, on validation with weights that did not see the origin."""

    @property
    def first(self) -> Combined:
        """Fitted on the validation origins."""
        return self.at[0]

    @property
    def final(self) -> Combined:
        """That of the latest origin."""
        return self.at[-1]

    @property
    def models(self) -> tuple[str, ...]:
        """The backtest's models, then the ensemble."""
        return self.first.models

    def frame(self, backtest: Backtest, origins: pd.DatetimeIndex, level: float = 0.8) -> pd.DataFrame:
        """The noun `Forecast` for these origins, each by what was fitted for it; by model, then by origin."""
        parts = [
            forecast_frame(backtest, self.at[place], pd.DatetimeIndex([origin]), level)
            for place, origin in zip(backtest.places(origins), origins, strict=True)
        ]
        if not parts:
            return forecast_frame(backtest, self.first, origins, level)
        whole = pd.concat(parts, ignore_index=True)
        order = {model: number for number, model in enumerate(self.models)}
        return whole.sort_values("model", key=lambda names: names.map(order), kind="stable", ignore_index=True)

    def told_shares(self, backtest: Backtest) -> np.ndarray:
        """What the models are judged by, [M + 1, O, S], the ensemble last."""
        return np.concatenate([backtest.share_MOS, self.share_OS[None]])

    def told_hot(self, backtest: Backtest) -> np.ndarray:
        """Probabilities of being hot, [M + 1, O, S]; NaN for models without."""
        hot_MOS = np.empty((len(self.models), *self.share_OS.shape))
        for place, combined in enumerate(self.at):
            hot_MOS[:, place] = own_hot(backtest, combined.weights_M)[:, place]
        return hot_MOS


def labels_known(backtest: Backtest, origin: pd.Timestamp) -> pd.DatetimeIndex:
    """Validation origins, and the test origins whose targets are complete by an origin."""
    split = backtest.split
    known = [day for day in split.test if known_on(backtest.panel, backtest.target.period(day)) <= origin]
    return pd.DatetimeIndex([*split.validation, *known])


def walk(backtest: Backtest) -> Walk:
    """Fits the ensemble for each origin of the split, on labels that are known by it.

    Raises:
        ValueError: no cell of the validation origins has a truth.
    """
    split = backtest.split
    first = combine(backtest, split.validation)
    share_OS, at = first.out_of_fold_OS.copy(), []
    newest, learnt = first, len(split.validation)
    for place, origin in enumerate(split.all):
        if origin not in split.validation:
            known = labels_known(backtest, origin)
            if len(known) > learnt:
                newest, learnt = combine(backtest, known, share_OS), len(known)
            share_OS[place] = np.tensordot(newest.weights_M, backtest.share_MOS[:, place], axes=1)
        at.append(newest)
    return Walk(tuple(at), share_OS)
