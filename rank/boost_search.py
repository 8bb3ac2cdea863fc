"""Settings of LightGBM, searched at random within a budget of trials, on month ends before the validation origins.

What is chosen was seen by no forecast that is judged: each trial forecasts the last month ends before the first
validation origin, from models fitted on what each of them knew, by labels known at that origin.
"""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from data.windows import origin_days
from rank.boost_models import BoostConfig, fit_boosters
from rank.edges import Edges
from rank.member import Question
from stylecast.logs import progress

log = logging.getLogger(__name__)

SPACE: dict[str, tuple[Any, ...]] = {
    "rounds": (30, 60, 100, 160),
    "learning_rate": (0.03, 0.06, 0.1),
    "leaves": (4, 8, 16, 31),
    "leaf_rows": (20, 60, 150),
    "feature_fraction": (0.15, 0.3, 0.6),
    "ridge": (1.0, 5.0, 20.0),
    "objective": ("l1", "huber", "l2"),
    "monotone": (False, True),
    "linear_tree": (False, False, True),
}
"""What a trial draws from, each setting alike likely."""
ORIGINS = 8
"""Month ends that a trial is tried on, at most."""
BELIEF = 0.9
"""Part of the growth that is believed while trials are compared."""
BETTER = 0.99
"""A trial must have at most so much of the given settings' error to be taken: less is luck."""


def draw_config(config: BoostConfig, rng: np.random.Generator) -> BoostConfig:
    """Settings drawn from `SPACE`; what LightGBM cannot combine is drawn again as l1 plain."""
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in SPACE.items()}
    if drawn["objective"] == "l1":
        drawn |= {"monotone": False, "linear_tree": False}
    return replace(config, **drawn)


def search_config(question: Question, config: BoostConfig) -> tuple[BoostConfig, pd.DataFrame]:
    """The settings to use, and the trials: their settings and `error`, mean error against the last value's.

    Without a budget, or without past month ends to try on, the given settings and no trials.
    """
    places = trial_places(question)
    if config.search < 1 or not places:
        if config.search > 0:
            log.info("no settings are searched: no month end before the validation origins knows a label")
        return config, pd.DataFrame()
    rng = np.random.default_rng(config.seed)
    tried = [config, *(draw_config(config, rng) for _ in range(config.search))]
    errors = [trial_error(question, places, trial) for trial in progress(tried, "settings", unit="trial")]
    trials = pd.DataFrame([{name: getattr(trial, name) for name in SPACE} for trial in tried]).assign(error=errors)
    best = int(np.argmin(errors))
    if errors[best] > BETTER * errors[0]:
        best = 0
    told = ", ".join(f"{name} {value}" for name, value in trials.loc[best].items() if name != "error")
    log.info(
        "settings of LightGBM: %s (error %.3f of the last value's, given ones %.3f)", told, errors[best], errors[0]
    )
    return tried[best], trials


def trial_places(question: Question) -> list[int]:
    """Places of the last month ends before the first validation origin whose label it knows."""
    table, first = question.table, question.split.validation[0]
    regular = origin_days(question.panel, question.target)
    return [
        place
        for place, day in enumerate(table.origins)
        if day in regular and day < first and table.known[place] <= first and table.rows_known_by(day).any()
    ][-ORIGINS:]


def trial_error(question: Question, places: list[int], config: BoostConfig) -> float:
    """Mean absolute error of share against that of the last value, mean over origins."""
    table, ratios = question.table, []
    for place in places:
        models = fit_boosters(table, place, Edges(0.0, 0.0), replace(config, classes=False, quantiles=False))
        seen_S = table.seen_OS[place] & np.isfinite(table.truth_OS[place])
        reference_S, half = table.reference_OS[place][seen_S], table.half_O[place]
        said_S = (reference_S + half) * np.exp(BELIEF * models.predict_growth(table, place)[seen_S]) - half
        truth_S = table.truth_OS[place][seen_S]
        ratios.append(np.abs(said_S - truth_S).sum() / max(np.abs(reference_S - truth_S).sum(), 1e-12))
    return float(np.mean(ratios))
