"""LightGBM that orders: lambdarank on realised growth, its scores made into growth by a line through past origins.

The styles of an origin are a list; a better order of those that grow most is what is learnt (Burges, "From RankNet to
LambdaRank to LambdaMART", 2010). A score has no unit: standardised within its origin it becomes growth by the ridge
regression of realised growth on the scores of earlier origins, each told before its outcome was known.
Shapes: S styles, N rows.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from rank.boost import SETTINGS, rolled
from rank.boost_models import BoostConfig, learnt_rows, train
from rank.member import Answer, Question
from rank.process import row_weights
from rank.table import Table
from stylecast.logs import progress

BOOST_RANK = "lightgbm-rank"
"""Name of the member and of its folder."""
RANKER = "ranker.txt"
GRADES = 16
"""Grades of growth within an origin, alike many styles each; the gain of a grade is its number."""
LIST = 2000
"""Styles of a list, at most; of more, several lists are made."""
PULL = 20.0
"""How hard the line is drawn to no growth, as if by so many rows."""


class BoostRankMember:
    """The ranker in a backtest; it tells no classes of its own."""

    name = BOOST_RANK

    def __init__(self, config: BoostConfig | None = None, folder: Path | None = None) -> None:
        """Takes the settings of LightGBM; the loss is the ranker's own. The folder gets the last origin's model."""
        self.config = config or BoostConfig()
        self.folder = folder

    def answer(self, question: Question) -> Answer:
        """Refits at each origin on the labels known by it."""
        table = question.table
        scores: dict[int, np.ndarray] = {}
        growth, used = [], []
        ranker: Ranker | None = None
        for place in progress(rolled(question), self.name, unit="fit"):
            ranker = fit_ranker(table, place, self.config)
            scores[place] = ranker.scores(table, place)
            if place in question.places:
                growth.append(line(table, scores, place) * scores[place])
                used.append(max(table.looked[place], table.used_by(table.rows_known_by(table.origins[place]))))
        if self.folder is not None and ranker is not None:
            ranker.save(self.folder, table, line(table, scores, question.places[-1]))
        return Answer(np.array(growth), None, pd.DatetimeIndex(used))


@dataclass(frozen=True)
class Ranker:
    """The model of one fit."""

    model: lgb.Booster
    """Tells scores."""
    used_K: np.ndarray
    """Which columns of the table it reads."""

    def scores(self, table: Table, place: int) -> np.ndarray:
        """Scores of the styles at an origin, mean 0 and variance 1 over those seen; 0 for the others, [S]."""
        score_S = np.asarray(self.model.predict(table.values_OSK[place][:, self.used_K]))
        seen_S = table.seen_OS[place]
        middle, spread = score_S[seen_S].mean(), score_S[seen_S].std()
        return np.where(seen_S, (score_S - middle) / (spread if spread > 0 else 1.0), 0.0)

    def save(self, folder: Path, table: Table, line: float) -> None:
        """Writes the model as LightGBM's text, with its features and the growth of a score of 1."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_model(folder / RANKER)
        told = {"line": line, "features": [table.features[column].name for column in self.used_K]}
        (folder / SETTINGS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def fit_ranker(table: Table, place: int, config: BoostConfig) -> Ranker:
    """Fits it on the labels that are known by the origin at `place`.

    Raises:
        ValueError: no label is known by then.
    """
    use_OS = learnt_rows(table, place, config.most_rows)
    growth_OS = table.growth_OS
    values_NK = table.values_OSK[use_OS]
    used_K = np.flatnonzero(np.isfinite(values_NK).any(axis=0))
    grades, lists = [], []
    for origin in np.flatnonzero(use_OS.any(axis=1)):
        growth_N = growth_OS[origin][use_OS[origin]]
        rank_N = growth_N.argsort(kind="stable").argsort(kind="stable")
        grades.append(rank_N * GRADES // len(growth_N))
        lists += [len(part) for part in np.array_split(growth_N, -(-len(growth_N) // LIST))]
    objective: dict[str, Any] = {"objective": "lambdarank", "label_gain": list(range(GRADES))}
    names = [table.features[column].name for column in used_K]
    model: lgb.Booster = train(
        values_NK[:, used_K], np.concatenate(grades), names, config, objective, group=np.array(lists)
    )
    return Ranker(model, used_K)


def line(table: Table, scores: dict[int, np.ndarray], place: int) -> float:
    """Growth of a score of 1 at an origin, from the earlier scores whose outcome is known by then; 0 without one."""
    day, above, below = table.origins[place], 0.0, PULL
    for past, score_S in scores.items():
        if past < place and table.known[past] <= day:
            use_OS = np.zeros_like(table.seen_OS)
            use_OS[past] = table.seen_OS[past] & np.isfinite(table.truth_OS[past])
            weight_N, score_N = row_weights(table, use_OS), score_S[use_OS[past]]
            above += float((weight_N * score_N * table.growth_OS[past][use_OS[past]]).sum())
            below += float((weight_N * score_N**2).sum())
    return max(above / below, 0.0)
