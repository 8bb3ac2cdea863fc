"""The LightGBM models of one origin: their settings, how they are fitted, what they say.

Two regressions are averaged: one of growth, one of what the Gaussian processes leave over.
Shapes: O origins, S styles, N rows, K features, G processes, C change classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightgbm as lgb
import numpy as np

from rank.edges import Edges
from rank.metrics import CLASSES
from rank.process import columns, mix, row_weights
from rank.table import Table
from stylecast.errors import UserError

LEVELS = (0.1, 0.9)
"""Quantiles of growth that are learnt."""
MANY_ROWS = 50_000
"""Below so many rows threads wait for each other longer than they work."""


@dataclass(frozen=True)
class BoostConfig:
    """Settings of the LightGBM members; the defaults hold from hundreds of rows to hundreds of thousands."""

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
    linear_tree: bool = False
    """Whether a leaf holds a line, not a number; needs the objective l2 or huber, and then no reasons are told."""
    monotone: bool = False
    """Whether growth may only rise with what the Gaussian processes expect; needs the objective l2 or huber."""
    search: int = 0
    """Settings that are drawn at random and tried on month ends before the validation origins, trials; 0 = none."""
    classes: bool = True
    """Whether a model of the change classes is fitted too."""
    quantiles: bool = True
    """Whether quantiles of growth are fitted too (0.1 and 0.9, beside the regression): they tell whose intervals are
    to be wide, where that held on validation origins."""
    refit_every: int = 1
    """Origins that one fit serves."""
    most_rows: int = 200_000
    """The newest so many rows are learnt from."""
    threads: int = 0
    """Threads of LightGBM; 0 takes one for small tables and all cores for large ones. It changes no result."""
    seed: int = 0
    """Seed of the draws of rows, features and settings."""


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
    quantiles: tuple[lgb.Booster, ...]
    """The quantiles `LEVELS` of growth, or none."""
    used_K: np.ndarray
    """Which columns of the table they read: those that say something in the rows that were learnt from."""

    def predict_growth(self, table: Table, place: int) -> np.ndarray:
        """Mean of both regressions for the styles at an origin, [S]."""
        values_SK = table.values_OSK[place][:, self.used_K]
        direct_S = np.asarray(self.growth.predict(values_SK))
        over_S = columns(table, place) @ self.mix_G + np.asarray(self.rest.predict(values_SK))
        return (direct_S + over_S) / 2

    def predict_classes(self, table: Table, place: int) -> np.ndarray | None:
        """Probabilities of the change classes, [S, C]."""
        values_SK = table.values_OSK[place][:, self.used_K]
        return None if self.classes is None else np.asarray(self.classes.predict(values_SK))

    def predict_spread(self, table: Table, place: int) -> np.ndarray | None:
        """Distance of the outer of the quantiles and the regression, sorted so that none cross, [S]."""
        values_SK = table.values_OSK[place][:, self.used_K]
        told_QS = np.array([np.asarray(model.predict(values_SK)) for model in (self.growth, *self.quantiles)])
        return np.ptp(told_QS, axis=0) if self.quantiles else None

    @classmethod
    def load(cls, folder: Path, mix_G: np.ndarray, used_K: np.ndarray) -> "Boosters":
        """Reads what `save` wrote.

        Args:
            folder: of the models.
            mix_G: weights of the processes.
            used_K: which columns of the table the models read.

        Raises:
            UserError: a model is not there, or not LightGBM's.
        """
        try:
            found = {path.stem: lgb.Booster(model_file=path) for path in sorted(folder.glob("*.txt"))}
            quantiles = tuple(found[name] for level in LEVELS if (name := f"quantile-{level}") in found)
            return cls(found["growth"], found["rest"], mix_G, found.get("classes"), quantiles, used_K)
        except (KeyError, lgb.basic.LightGBMError) as error:
            raise UserError(f"{folder} holds no whole LightGBM ({error}); run `stylecast rank --force`") from error

    def save(self, folder: Path) -> None:
        """Writes the models as LightGBM's text."""
        folder.mkdir(parents=True, exist_ok=True)
        models = {"growth": self.growth, "rest": self.rest, "classes": self.classes}
        models |= {f"quantile-{level}": model for level, model in zip(LEVELS, self.quantiles, strict=False)}
        for name, model in models.items():
            if model is not None:
                model.save_model(folder / f"{name}.txt")


def learnt_rows(table: Table, place: int, most: int) -> np.ndarray:
    """Rows whose label is known by the origin at `place`, the newest so many, [O, S] bool.

    Raises:
        ValueError: there is no such row.
    """
    use_OS = table.rows_known_by(table.origins[place])
    if not use_OS.any():
        raise ValueError(f"no label is known by {table.origins[place].date()}: nothing to learn from")
    newest = np.cumsum(use_OS[::-1].sum(axis=1))[::-1] <= most
    newest[np.flatnonzero(use_OS.any(axis=1))[-1]] = True  # one origin may hold more rows than that
    return use_OS & newest[:, None]


def fit_boosters(table: Table, place: int, thresholds: Edges, config: BoostConfig) -> Boosters:
    """Fits all models on the rows whose label is known by the origin at `place`.

    Raises:
        ValueError: there is no such row.
        UserError: the settings do not go together.
    """
    if config.objective == "l1" and (config.linear_tree or config.monotone):
        flag = "linear-tree" if config.linear_tree else "monotone"
        raise UserError(f"--boost.{flag}: LightGBM cannot with the objective l1; give --boost.objective huber too")
    use_OS = learnt_rows(table, place, config.most_rows)
    values_NK, growth_N = table.values_OSK[use_OS], table.growth_OS[use_OS]
    used_K = np.flatnonzero(np.isfinite(values_NK).any(axis=0))
    values_NK = values_NK[:, used_K]
    names = [table.features[column].name for column in used_K]
    weight_N = row_weights(table, use_OS)
    mix_G = mix(table, place)
    expected_N = columns(table, np.arange(len(table.origins)))[use_OS] @ mix_G
    classes = None
    if config.classes:
        half_OS = np.broadcast_to(table.half_O[:, None], use_OS.shape)
        label_N = thresholds.label(growth_N, table.reference_OS[use_OS], half_OS[use_OS])
        objective: dict[str, Any] = {"objective": "multiclass", "num_class": len(CLASSES)}
        classes = train(values_NK, label_N, names, config, objective)
    regression: dict[str, Any] = {"objective": config.objective, "alpha": 0.3, "linear_tree": config.linear_tree}
    levels = LEVELS if config.quantiles else ()
    rising = {"monotone_constraints": [int(table.features[column].rising) for column in used_K]}
    return Boosters(
        train(values_NK, growth_N, names, config, regression | (rising if config.monotone else {}), weight_N),
        train(values_NK, growth_N - expected_N, names, config, regression, weight_N),
        mix_G,
        classes,
        tuple(train(values_NK, growth_N, names, config, {"objective": "quantile", "alpha": at}) for at in levels),
        used_K,
    )


def train(
    values_NK: np.ndarray,
    label_N: np.ndarray,
    names: list[str],
    config: BoostConfig,
    objective: dict[str, Any],
    weight_N: np.ndarray | None = None,
    group: np.ndarray | None = None,
) -> lgb.Booster:
    """Fits one model.

    Args:
        values_NK: features.
        label_N: what is learnt.
        names: of the features.
        config: settings of the trees.
        objective: LightGBM's, with its own parameters.
        weight_N: of the rows.
        group: rows of each list, in order, where lists are ordered.
    """
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
    linear = {"linear_tree": True} if objective.get("linear_tree") else {}
    data = lgb.Dataset(values_NK, label_N, weight=weight_N, group=group, feature_name=names, params=linear)
    return lgb.train(parameters, data, num_boost_round=config.rounds)
