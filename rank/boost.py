"""LightGBM: one model over all styles that learns growth, not level, and how much of it to believe.

The models of each origin (`rank.boost_models`) are fitted on the labels known by it; their growth is then shrunk by a
factor that the forecasts of earlier origins earned. Refitted as the origins roll on.
Shapes: O origins, S styles, C change classes.
"""

import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from data.windows import origin_days
from rank.boost_models import BoostConfig, Boosters, fit_boosters
from rank.boost_search import search_config
from rank.episodes import nearest_episodes
from rank.member import Answer, Question
from rank.reasons import reasons_frame
from rank.table import Table
from stylecast.logs import progress

log = logging.getLogger(__name__)

FACTORS = np.linspace(0.0, 1.2, 13)
"""What the growth may be multiplied by."""
WARM_UP = 4
"""Origins before the first of the split whose forecasts the first factor is earned on."""
BOOST = "lightgbm"
"""Name of the member and of its folder."""
REASONS, EPISODES, SETTINGS, TRIALS = "reasons.parquet", "episodes.parquet", "boost.json", "search.csv"


class BoostMember:
    """LightGBM in a backtest."""

    name = BOOST

    def __init__(self, config: BoostConfig | None = None, folder: Path | None = None) -> None:
        """Takes settings, and a folder for the models of the last origin, their settings and the reasons."""
        self.config = config or BoostConfig()
        self.folder = folder

    def answer(self, question: Question) -> Answer:
        """Refits at each origin (or every `refit_every`) on the labels known by it."""
        table = question.table
        config, trials = search_config(question, self.config)
        growth: dict[int, np.ndarray] = {}
        classes: dict[int, np.ndarray | None] = {}
        spread: dict[int, np.ndarray | None] = {}
        models: Boosters | None = None
        fitted: dict[int, pd.Timestamp] = {}
        fits: dict[int, Boosters] = {}
        for turn, place in enumerate(progress(rolled(question), "lightgbm", unit="fit")):
            if models is None or turn % config.refit_every == 0 or place == question.places[-1]:
                models = fit_boosters(table, place, question.thresholds, config)
                until = table.used_by(table.rows_known_by(table.origins[place]))
            fitted[place] = until
            growth[place], classes[place] = models.predict_growth(table, place), models.predict_classes(table, place)
            spread[place] = models.predict_spread(table, place)
            fits[place] = models
        factor = {place: earned_factor(table, growth, place) for place in question.places}
        if models is not None:
            _tell_empty(table, models)
        if self.folder is not None and models is not None:
            models.save(self.folder)
            told = asdict(config) | {"mix": models.mix_G.tolist(), "factor": factor[question.places[-1]]}
            told["features"] = [table.features[column].name for column in models.used_K]
            (self.folder / SETTINGS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            if len(trials):
                trials.to_csv(self.folder / TRIALS, index=False)
            _write_reasons(question, config, fits, factor, self.folder)
        shrunk = [growth[place] * factor[place] for place in question.places]
        own = [said for place in question.places if (said := classes[place]) is not None]
        wide = [said for place in question.places if (said := spread[place]) is not None]
        used = [max(table.looked[place], fitted[place]) for place in question.places]
        return Answer(
            np.array(shrunk), np.array(own) if own else None, pd.DatetimeIndex(used),
            spread_OS=np.array(wide) if wide else None,
        )  # fmt: skip


def rolled(question: Question) -> list[int]:
    """Places of the split's origins, and before them of some month ends whose forecasts tell what to believe."""
    table, first = question.table, question.places[0]
    earlier = [place for place in regular_before(question, first) if table.rows_known_by(table.origins[place]).any()]
    return earlier[-WARM_UP:] + question.places


def regular_before(question: Question, first: int) -> list[int]:
    """Places of the origins before one that are like those of the split."""
    regular = origin_days(question.panel, question.target)
    return [place for place in range(first) if question.table.origins[place] in regular]


def _tell_empty(table: Table, models: Boosters) -> None:
    left = [feature.name for number, feature in enumerate(table.features) if number not in set(models.used_K)]
    if left:
        log.info("the history does not carry %d features, left out: %s", len(left), ", ".join(left))


def _write_reasons(
    question: Question, config: BoostConfig, fits: dict[int, Boosters], factor: dict[int, float], folder: Path
) -> None:
    """Reasons and episodes of the test origins and the latest; those of validation nobody is shown."""
    origins = question.split.all
    shown = [
        place
        for place, day in zip(question.places, origins, strict=True)
        if day in question.split.test or day == question.split.latest
    ]
    if config.linear_tree:
        log.info("no reasons are told: LightGBM knows no contributions of linear trees")
    else:
        frames = [reasons_frame(question, fits[place], place, factor[place]) for place in shown]
        pd.concat(frames, ignore_index=True).to_parquet(folder / REASONS, index=False)
    episodes = [nearest_episodes(question, place) for place in shown]
    pd.concat(episodes, ignore_index=True).to_parquet(folder / EPISODES, index=False)


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
