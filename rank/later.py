"""Forecasts of later origins by the models that a run of `rank` keeps on disk. Nothing is fitted.

The Gaussian processes keep the kernels of the run's latest origin and are conditioned on the longer history; LightGBM,
the fusion-LSTM and the mixes are those that forecast that origin. Asked for it with the run's own panel, they say what
the run said.

Shapes: O origins, S styles, V dimensions of what styles look like.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from data.panel import Panel
from data.windows import Split
from rank.backtest import Backtest, assemble
from rank.bags import Bags
from rank.boost import BOOST, SETTINGS
from rank.boost_models import Boosters
from rank.boost_rank import BOOST_RANK, RANKER, Ranker
from rank.features import PROCESSES
from rank.fusion_forecast import FusionForecaster
from rank.gaussian import Kernel
from rank.ladder import ladder_shares
from rank.ladder_full import FULL_RUNGS
from rank.life_cycle import KERNEL, LIFE_CYCLE
from rank.life_cycle import answer as lived
from rank.member import Answer, Question, from_frame
from rank.process import MIX, PROCESS, columns
from rank.reasons import reasons_frame
from stylecast.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Later:
    """What is forecast from later origins."""

    backtest: Backtest
    """The forecasts of every rung and member; no truth is known."""
    reasons: pd.DataFrame | None
    """What moved those of LightGBM; None where it is no member, or tells no reasons."""


def _told(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: missing: made by an earlier version; run `stylecast rank --force`")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _columns(question: Question, path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What a model's settings tell, and which columns of the table it reads."""
    told = _told(path)
    names = [feature.name for feature in question.table.features]
    if "features" not in told:
        raise UserError(f"{path}: made by an earlier version, without `features`; run `stylecast rank --force`")
    if missing := [name for name in told["features"] if name not in names]:
        raise UserError(f"{path}: was trained on `{missing[0]}`, which these posts do not have; give the same numbers")
    return told, np.array([names.index(name) for name in told["features"]], dtype=np.int64)


def _process(folder: Path, question: Question, bags: Bags | None) -> Answer:
    mix_G = np.array(_told(folder / MIX)["mix"])
    return Answer(np.array([columns(question.table, place) @ mix_G for place in question.places]), None)


def _boost(folder: Path, question: Question) -> tuple[Boosters, float, bool]:
    """The models, what their growth is multiplied by, and whether they tell reasons."""
    told, used_K = _columns(question, folder / SETTINGS)
    return Boosters.load(folder, np.array(told["mix"]), used_K), float(told["factor"]), not told["linear_tree"]


def _boosted(folder: Path, question: Question, bags: Bags | None) -> Answer:
    models, factor, _ = _boost(folder, question)
    table, places = question.table, question.places
    classes = [said for place in places if (said := models.predict_classes(table, place)) is not None]
    spread = [said for place in places if (said := models.predict_spread(table, place)) is not None]
    return Answer(
        np.array([factor * models.predict_growth(table, place) for place in places]),
        np.array(classes) if classes else None, spread_OS=np.array(spread) if spread else None,
    )  # fmt: skip


def _ranked(folder: Path, question: Question, bags: Bags | None) -> Answer:
    told, used_K = _columns(question, folder / SETTINGS)
    try:
        ranker = Ranker(lgb.Booster(model_file=folder / RANKER), used_K)
    except lgb.basic.LightGBMError as error:
        raise UserError(f"{folder} holds no whole ranker ({error}); run `stylecast rank --force`") from error
    table = question.table
    return Answer(np.array([told["line"] * ranker.scores(table, place) for place in question.places]), None)


def _fused(folder: Path, question: Question, bags: Bags | None) -> Answer:
    forecaster = FusionForecaster.load(folder / "latest")
    return from_frame(forecaster.predict(question.panel, bags, question.split.all), question)


def _lived(folder: Path, question: Question, bags: Bags | None) -> Answer:
    return lived(question, Kernel(**_told(folder / KERNEL)))[0]


STORED: dict[str, Callable[[Path, Question, Bags | None], Answer]] = {
    PROCESS: _process, LIFE_CYCLE: _lived, BOOST: _boosted, BOOST_RANK: _ranked, "fusion-lstm": _fused,
}  # fmt: skip
"""What a member's folder says of the origins of a question."""


def forecast_later(
    run: Path,
    before: Backtest,
    panel: Panel,
    origins: pd.DatetimeIndex,
    vectors_SV: np.ndarray | None = None,
    bags: Bags | None = None,
) -> Later:
    """What the models of a run say from its latest origin and later ones; nothing after an origin touches that.

    Args:
        run: folder of `rank`.
        before: the backtest that it keeps.
        panel: the counts, at least up to the last of the origins; with the numbers that the models were trained on.
        origins: of this panel, none before the run's latest.
        vectors_SV: what the panel's styles look like, if the run knew.
        bags: the posts of this panel, for a fusion-LSTM that reads pictures or texts.

    Raises:
        ValueError: an origin is earlier than the run's latest, which its models have looked at.
        UserError: a model is missing, damaged, of an earlier version, or reads numbers that are not there.
    """
    if origins.min() < before.split.latest:
        raise ValueError(f"{origins.min().date()} is before {before.split.latest.date()}: its models know what follows")
    if before.kernels.keys() != PROCESSES.keys():
        raise UserError(f"{run}: its processes are those of an earlier version; run `stylecast rank --force`")
    none = pd.DatetimeIndex([])
    # Each origin is a test of its own: nothing is fitted, so that there is nothing to keep apart.
    split = Split(none, none, pd.DatetimeIndex(origins).sort_values().as_unit(panel.days.unit), origins.max())
    question = Question(panel, before.target, split, vectors_SV, kernels=before.kernels)
    ladder = ladder_shares(panel, before.target, split.all, any(rung in FULL_RUNGS for rung in before.rungs))
    members = [model for model in before.models if model not in before.rungs]
    if unknown := [name for name in members if name not in STORED]:
        raise UserError(f"{run}: {unknown[0]} keeps no model that could forecast later origins; run without it")
    answers = {name: STORED[name](run / name, question, bags) for name in members}
    backtest = assemble(
        question, _of_rungs(ladder, before), answers, before.thresholds, before.last_error, before.hot_part
    )
    if backtest.models != before.models:
        gone = ", ".join(set(before.models) - set(backtest.models))
        raise UserError(f"{origins.max().date()}: no forecast by {gone}: the posts have a gap a year before; fill it")
    return Later(backtest, _reasons(run / BOOST, question) if BOOST in members else None)


def _of_rungs(ladder: pd.DataFrame, before: Backtest) -> pd.DataFrame:
    """The rows of the rungs that the run has: with a longer history there may be more, which no weight is known of."""
    known = ladder[ladder["model"].isin(before.rungs)]
    order = known["model"].map({rung: place for place, rung in enumerate(before.rungs)})
    return known.iloc[np.argsort(order.to_numpy(), kind="stable")]


def _reasons(folder: Path, question: Question) -> pd.DataFrame | None:
    models, factor, tells = _boost(folder, question)
    if not tells:
        return None
    return pd.concat([reasons_frame(question, models, place, factor) for place in question.places], ignore_index=True)
