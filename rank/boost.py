"""LightGBM: one model over all styles that learns growth, not level, and how much of it to believe.

Two regressions are averaged: one of growth, one of what the Gaussian processes leave over. Their mean is then shrunk
by a factor that the forecasts of earlier origins earned. Refitted as the origins roll on.
Shapes: O origins, S styles, N rows, K features, C change classes.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import pandas as pd

from data.windows import origin_days
from rank.member import Answer, Question
from rank.metrics import CLASSES, change_class
from rank.process import columns, mix, row_weights
from rank.table import Table
from stylecast.logs import progress

log = logging.getLogger(__name__)

FACTORS = np.linspace(0.0, 1.2, 13)
"""What the growth may be multiplied by."""
MANY_ROWS = 50_000
"""Below so many rows threads wait for each other longer than they work."""
WARM_UP = 4
"""Origins before the first of the split whose forecasts the first factor is earned on."""


@dataclass(frozen=True)
class BoostConfig:
    """Settings of the LightGBM member; the defaults hold from hundreds of rows to hundreds of thousands."""

    rounds: int = 60
    """Trees of a model."""
    learning_rate: float = 0.06
    """Step of a tree."""
    leaves: int = 8
    """Leaves of a tree, at most."""
    leaf_rows: int = 60
    """Rows of a leaf, at least; a twentieth of all rows where these are few."""
    feature_fraction: float = 0.3
    """Part of the features that a tree may use."""
    row_fraction: float = 0.7
    """Part of the rows that a tree sees."""
    ridge: float = 5.0
    """L2 penalty of leaf values."""
    objective: Literal["l1", "l2", "huber"] = "l1"
    """Loss of the regressions; l1 aims at the median, which is what MAE asks for."""
    classes: bool = True
    """Whether a model of the change classes is fitted too."""
    refit_every: int = 1
    """Origins that one fit serves."""
    most_rows: int = 200_000
    """The newest so many rows are learnt from."""
    threads: int = 0
    """Threads of LightGBM; 0 takes one for small tables and all cores for large ones. It changes no result."""
    seed: int = 0
    """Seed of the draws of rows and features."""


@dataclass(frozen=True)
class Boosters:
    """The models of one fit."""

    growth: lgb.Booster
    """Growth itself."""
    rest: lgb.Booster
    """Growth that the Gaussian processes leave over."""
    mix_G: np.ndarray
    """Weights of the processes in what `rest` was fitted to."""
    classes: lgb.Booster | None
    """Down, flat or up."""

    def predict_growth(self, table: Table, place: int) -> np.ndarray:
        """Mean of both regressions for the styles at an origin, [S]."""
        values_SK = table.values_OSK[place]
        direct_S = np.asarray(self.growth.predict(values_SK))
        over_S = columns(table, place) @ self.mix_G + np.asarray(self.rest.predict(values_SK))
        return (direct_S + over_S) / 2

    def predict_classes(self, table: Table, place: int) -> np.ndarray | None:
        """Probabilities of the change classes, [S, C]."""
        return None if self.classes is None else np.asarray(self.classes.predict(table.values_OSK[place]))

    def save(self, folder: Path) -> None:
        """Writes the models as LightGBM's text."""
        folder.mkdir(parents=True, exist_ok=True)
        models = {"growth": self.growth, "rest": self.rest, "classes": self.classes}
        for name, model in models.items():
            if model is not None:
                model.save_model(folder / f"{name}.txt")


class BoostMember:
    """LightGBM in a backtest."""

    name = "lightgbm"

    def __init__(self, config: BoostConfig | None = None, folder: Path | None = None) -> None:
        """Takes settings, and a folder where the models of the last origin are written."""
        self.config = config or BoostConfig()
        self.folder = folder

    def answer(self, question: Question) -> Answer:
        """Refits at each origin (or every `refit_every`) on the labels known by it."""
        table, config = question.table, self.config
        first = question.places[0]
        # Forecasts of month ends before the split, each from its own past, tell how far the first factor can go.
        earlier = [
            place for place in _regular_before(question, first) if table.rows_known_by(table.origins[place]).any()
        ]
        places = earlier[-WARM_UP:] + question.places
        growth: dict[int, np.ndarray] = {}
        classes: dict[int, np.ndarray | None] = {}
        models: Boosters | None = None
        fitted: dict[int, pd.Timestamp] = {}
        for turn, place in enumerate(progress(places, "lightgbm", unit="fit")):
            if models is None or turn % config.refit_every == 0 or place == places[-1]:
                models = fit_boosters(table, place, question.thresholds, config)
                until = table.used_by(table.rows_known_by(table.origins[place]))
            fitted[place] = until
            growth[place], classes[place] = models.predict_growth(table, place), models.predict_classes(table, place)
        if self.folder is not None and models is not None:
            models.save(self.folder)
        shrunk = [growth[place] * earned_factor(table, growth, place) for place in question.places]
        told = [said for place in question.places if (said := classes[place]) is not None]
        used = [max(table.looked[place], fitted[place]) for place in question.places]
        return Answer(np.array(shrunk), np.array(told) if told else None, pd.DatetimeIndex(used))


def _regular_before(question: Question, first: int) -> list[int]:
    regular = origin_days(question.panel, question.target)
    return [place for place in range(first) if question.table.origins[place] in regular]


def fit_boosters(table: Table, place: int, thresholds: tuple[float, float], config: BoostConfig) -> Boosters:
    """Fits all models on the rows whose label is known by the origin at `place`.

    Raises:
        ValueError: there is no such row.
    """
    use_OS = table.rows_known_by(table.origins[place])
    if not use_OS.any():
        raise ValueError(f"no label is known by {table.origins[place].date()}: nothing to learn from")
    newest = np.cumsum(use_OS[::-1].sum(axis=1))[::-1] <= config.most_rows
    newest[np.flatnonzero(use_OS.any(axis=1))[-1]] = True  # one origin may hold more rows than that
    use_OS = use_OS & newest[:, None]
    values_NK, growth_N = table.values_OSK[use_OS], table.growth_OS[use_OS]
    weight_N = row_weights(table, use_OS)
    mix_G = mix(table, place)
    expected_N = columns(table, np.arange(len(table.origins)))[use_OS] @ mix_G
    classes = None
    if config.classes:
        label_N = change_class(growth_N, thresholds)
        classes = _fit(values_NK, label_N, None, table, config, {"objective": "multiclass", "num_class": len(CLASSES)})
    regression: dict[str, Any] = {"objective": config.objective, "alpha": 0.3}
    return Boosters(
        _fit(values_NK, growth_N, weight_N, table, config, regression),
        _fit(values_NK, growth_N - expected_N, weight_N, table, config, regression),
        mix_G,
        classes,
    )


def _fit(
    values_NK: np.ndarray,
    label_N: np.ndarray,
    weight_N: np.ndarray | None,
    table: Table,
    config: BoostConfig,
    objective: dict[str, Any],
) -> lgb.Booster:
    parameters = {
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": min(config.leaf_rows, max(len(label_N) // 20, 5)),
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.row_fraction,
        "bagging_freq": 1,
        "lambda_l2": config.ridge,
        "num_threads": config.threads or (1 if len(label_N) < MANY_ROWS else 0),
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        **objective,
    }
    names = [feature.name for feature in table.features]
    data = lgb.Dataset(values_NK, label_N, weight=weight_N, feature_name=names, free_raw_data=True)
    return lgb.train(parameters, data, num_boost_round=config.rounds)


def earned_factor(table: Table, growth: dict[int, np.ndarray], place: int) -> float:
    """What growth is multiplied by at an origin: the best on earlier forecasts whose truth is known by then.

    Drawn to 0.9 as if by two origins more, at which that were best by a twentieth.
    """
    day = table.origins[place]
    earlier = [past for past in growth if past < place and table.known[past] <= day]
    loss_F = 0.05 * 2 * np.abs(FACTORS - 0.9)
    for past in earlier:
        seen_S = table.seen_OS[past] & np.isfinite(table.truth_OS[past])
        reference_S, half = table.reference_OS[past][seen_S], table.half_O[past]
        truth_S, said_S = table.truth_OS[past][seen_S], growth[past][seen_S]
        error_F = np.array(
            [np.abs((reference_S + half) * np.exp(factor * said_S) - half - truth_S).sum() for factor in FACTORS]
        )
        loss_F += error_F / max(error_F[0], 1e-12)
    return float(FACTORS[int(np.argmin(loss_F))])
