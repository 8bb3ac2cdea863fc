"""The ensemble: members and rungs weighted by their errors on validation origins, with conformal intervals.

Shapes: M models, O origins of the split, S styles, N cells, C change classes.
"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.shares import to_growth
from data.windows import known_on
from rank.backtest import Backtest
from rank.calibration import Calibration
from rank.metrics import CLASSES
from stylecast.weights import Loss, NestedWeights, Weights, fold_parts, nested_cross_validation, search_weights

log = logging.getLogger(__name__)

ENSEMBLE = "ensemble"
PATIENCE = 12
"""Validation origins at which the searched weights and the prior count alike."""
CLOSE = 1.03
"""The prior is equal weights over the models whose loss is within this of the best."""
FOLDS = 5
"""Of the nested cross-validation, at most."""
WIDE = 0.95
"""Part of the truths that the wide interval (`lower_95`, `upper_95`) shall hold."""
FORECAST_COLUMNS = (
    "style", "origin", "target_start", "target_end", "model", "share", "lower", "upper", "lower_95", "upper_95",
    "growth", "p_down", "p_flat", "p_up", "p_hot",
)  # fmt: skip


@dataclass(frozen=True)
class Combined:
    """What was fitted on some origins: the weights, and each model's intervals and class probabilities."""

    models: tuple[str, ...]
    """The backtest's models, then the ensemble."""
    weights_M: np.ndarray
    """Weight of each of the backtest's models."""
    fitted_on: pd.DatetimeIndex
    """The origins whose labels were used."""
    in_sample: float
    """MAE of the ensemble on these origins."""
    held_out: float
    """Its MAE there by nested cross-validation; NaN with a single origin."""
    calibrations: tuple[Calibration, ...]
    """For each of `models`."""
    belief: tuple[float, ...]
    """For each of `models`: how much its own class probabilities count beside those from its errors."""
    out_of_fold_OS: np.ndarray
    """The ensemble's shares on `fitted_on` with weights that did not see the origin; elsewhere its shares."""


def shrunk_search(loss: Loss, members: int, origins: int) -> Weights:
    """Searched weights, drawn to equal weights over the good models while the origins are few."""
    found = search_weights(loss, members)
    single_M = np.array([loss(one_M) for one_M in np.eye(members)])
    good_M = (single_M <= CLOSE * single_M.min()).astype(float)
    trust = origins / (origins + PATIENCE)
    weights_M = trust * found.weights_M + (1 - trust) * good_M / good_M.sum()
    return Weights(weights_M, float(loss(weights_M)))


def combine(backtest: Backtest, origins: pd.DatetimeIndex, told_OS: np.ndarray | None = None) -> Combined:
    """Fits weights, intervals and class probabilities on origins whose targets are complete.

    Args:
        backtest: the forecasts.
        origins: those to fit on; what is forecast with the result must lie after their targets.
        told_OS: shares that the ensemble told for these origins with weights that did not see them; then no origin is
            held out once more. None: nested cross-validation tells them.

    Raises:
        ValueError: no cell of these origins has a truth.
    """
    origins = pd.DatetimeIndex([origin for origin in origins if backtest.cells(pd.DatetimeIndex([origin])).any()])
    if len(origins) == 0:
        raise ValueError("the ensemble needs at least one origin with a complete target")
    places, models = backtest.places(origins), len(backtest.models)
    use_OS = backtest.cells(origins)

    def loss_on(index: np.ndarray) -> Loss:
        chosen = places[index]
        use = use_OS[chosen]
        truth_N, share_MN = backtest.truth_OS[chosen][use], backtest.share_MOS[:, chosen][:, use]
        return lambda weights_M: float(np.abs(truth_N - weights_M @ share_MN).mean())

    def search(loss: Loss, members: int) -> Weights:
        return shrunk_search(loss, members, len(origins))

    if told_OS is None:
        nested = nested_cross_validation(loss_on, len(origins), models, FOLDS, search)
    else:
        found = search(loss_on(np.arange(len(origins))), models)
        held_out = float(np.abs(backtest.truth_OS - told_OS)[use_OS].mean())
        nested = NestedWeights(found.weights_M, found.loss, held_out, np.zeros((0, models)))
    blend_OS = np.tensordot(nested.weights_M, backtest.share_MOS, axes=1)
    blend_OS[places] = blend_OS[places] if told_OS is None else told_OS[places]
    for part, weights_M in zip(fold_parts(len(origins), FOLDS), nested.fold_weights_FM, strict=False):
        blend_OS[places[part]] = np.tensordot(weights_M, backtest.share_MOS[:, places[part]], axes=1)
    told_MOS = np.concatenate([backtest.share_MOS, blend_OS[None]])
    half_N = np.broadcast_to(backtest.half_O[:, None], use_OS.shape)[use_OS]
    truth_N, spread_N, fold_N = backtest.truth_OS[use_OS], backtest.spread_OS[use_OS], np.nonzero(use_OS)[0] % 2
    calibrations = tuple(
        Calibration.choose(truth_N, share_OS[use_OS], half_N, spread_N, fold_N) for share_OS in told_MOS
    )
    own_MOSC = own_classes(backtest, nested.weights_M)
    belief = tuple(
        _belief(backtest, calibration, share_OS, own_OSC, use_OS)
        for calibration, share_OS, own_OSC in zip(calibrations, told_MOS, own_MOSC, strict=True)
    )
    return Combined(
        (*backtest.models, ENSEMBLE), nested.weights_M, origins, nested.in_sample, nested.held_out, calibrations,
        belief, blend_OS,
    )  # fmt: skip


def used_until(backtest: Backtest, fitted_on: pd.DatetimeIndex) -> pd.Timestamp:
    """The latest day behind what was fitted on origins: when their labels were all known."""
    periods = [backtest.target.period(origin) for origin in fitted_on]
    return max(known_on(backtest.panel, period) for period in periods)


def own_classes(backtest: Backtest, weights_M: np.ndarray) -> np.ndarray:
    """Class probabilities that the models tell themselves, the ensemble's last: [M + 1, O, S, C], NaN without.

    The ensemble's is the weighted mean of its members' (of equal weights when those with classes have none).
    """
    return _with_blend(backtest.classes_MOSC, weights_M)


def own_hot(backtest: Backtest, weights_M: np.ndarray) -> np.ndarray:
    """Likewise the probabilities of being hot, [M + 1, O, S]."""
    return _with_blend(backtest.hot_MOS, weights_M)


def _with_blend(told_MX: np.ndarray, weights_M: np.ndarray) -> np.ndarray:
    has_M = np.isfinite(told_MX).reshape(len(told_MX), -1).all(axis=1)
    blend_X = np.full(told_MX.shape[1:], np.nan)
    if has_M.any():
        part_M = weights_M[has_M] if weights_M[has_M].sum() > 0 else np.ones(int(has_M.sum()))
        blend_X = np.tensordot(part_M / part_M.sum(), told_MX[has_M], axes=1)
    return np.concatenate([told_MX, blend_X[None]])


def _belief(
    backtest: Backtest, calibration: Calibration, share_OS: np.ndarray, own_OSC: np.ndarray, use_OS: np.ndarray
) -> float:
    """Which part of its own class probabilities gives a model the least log loss."""
    own_NC = own_OSC[use_OS]
    if not np.isfinite(own_NC).all():
        return 0.0
    from_errors_NC = _from_errors(backtest, calibration, share_OS, use_OS)
    label_N = backtest.label_OS[use_OS]
    rows = np.arange(len(label_N))
    parts = np.linspace(0.0, 1.0, 11)
    losses = [
        -np.log(np.maximum((part * own_NC + (1 - part) * from_errors_NC)[rows, label_N], 1e-9)).mean() for part in parts
    ]
    return float(parts[int(np.argmin(losses))])


def _from_errors(backtest: Backtest, calibration: Calibration, share_OS: np.ndarray, use_OS: np.ndarray) -> np.ndarray:
    half_N = np.broadcast_to(backtest.half_O[:, None], use_OS.shape)[use_OS]
    reference_N = backtest.reference_OS[use_OS]
    edges = backtest.thresholds.growth(reference_N, half_N)
    return calibration.classes(share_OS[use_OS], reference_N, half_N, edges, backtest.spread_OS[use_OS])


def forecast_frame(
    backtest: Backtest, combined: Combined, origins: pd.DatetimeIndex, level: float = 0.8
) -> pd.DataFrame:
    """The noun `Forecast` for these origins: a row for every style seen, origin and model.

    `p_hot`, the probability to be among the largest at the target, is NaN for a model that does not tell it.

    Args:
        backtest: the forecasts.
        combined: fitted on labels that were known by these origins.
        origins: of the backtest's split.
        level: part of the truths that the interval `lower`, `upper` shall hold.
    """
    use_OS = np.asarray(backtest.split.all.isin(origins))[:, None] & backtest.seen_OS
    row_N, column_N = np.nonzero(use_OS)
    half_N, reference_N = backtest.half_O[row_N], backtest.reference_OS[use_OS]
    every, styles = backtest.split.all, np.array(backtest.panel.styles, dtype=object)
    periods = [backtest.target.period(origin) for origin in every]
    starts, ends = (pd.DatetimeIndex([period[side] for period in periods]) for side in (0, 1))
    own_MOSC, hot_MOS = own_classes(backtest, combined.weights_M), own_hot(backtest, combined.weights_M)
    blend_OS = np.tensordot(combined.weights_M, backtest.share_MOS, axes=1)
    parts = []
    for number, model in enumerate(combined.models):
        share_OS = blend_OS if model == ENSEMBLE else backtest.share_MOS[number]
        share_N = np.clip(share_OS[use_OS], 0.0, 1.0)
        calibration, belief = combined.calibrations[number], combined.belief[number]
        spread_N = backtest.spread_OS[use_OS]
        lower_N, upper_N = calibration.interval(share_N, half_N, level, spread_N)
        lowest_N, highest_N = calibration.interval(share_N, half_N, WIDE, spread_N)
        classes_NC = _from_errors(backtest, calibration, share_OS, use_OS)
        if belief > 0:
            classes_NC = belief * own_MOSC[number][use_OS] + (1 - belief) * classes_NC
        classes_NC = classes_NC / classes_NC.sum(axis=1, keepdims=True)
        columns = {
            "style": styles[column_N], "origin": every[row_N], "target_start": starts[row_N],
            "target_end": ends[row_N], "model": model, "share": share_N, "lower": lower_N, "upper": upper_N,
            "lower_95": lowest_N, "upper_95": highest_N,
            "growth": to_growth(share_N, reference_N, half_N),
            **{f"p_{name}": classes_NC[:, place] for place, name in enumerate(CLASSES)},
            "p_hot": hot_MOS[number][use_OS],
        }  # fmt: skip
        parts.append(pd.DataFrame(columns)[list(FORECAST_COLUMNS)])
    return pd.concat(parts, ignore_index=True)
