"""The rolling-origin backtest: every rung and member forecasts every origin of the split.

Shapes: M models, O origins of the split, S styles, C change classes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.panel import Panel
from data.shares import reference_shares, target_shares, to_growth, to_share
from data.windows import Split, Target
from rank.edges import Edges
from rank.gaussian import Kernel
from rank.ladder import ladder_shares
from rank.member import Answer, Member, Question
from rank.metrics import CLASSES, HOT_PART, mae

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backtest:
    """Point forecasts of all models beside the truth, where it is known."""

    panel: Panel
    """The counts."""
    target: Target
    """What was asked for."""
    split: Split
    """The origins; axis O is `split.all`."""
    models: tuple[str, ...]
    """Rungs first, then members."""
    rungs: tuple[str, ...]
    """The simple rules among the models."""
    share_MOS: np.ndarray
    """Forecast shares, within [0, 1]; 0 for a style not seen by the origin."""
    classes_MOSC: np.ndarray
    """Class probabilities of members that tell them; NaN otherwise."""
    hot_MOS: np.ndarray
    """Probability of being hot (see `hot_part`) of members that tell it; NaN otherwise."""
    seen_OS: np.ndarray
    """Whether a style had a post by the origin: no other is forecast or scored."""
    truth_OS: np.ndarray
    """True shares; NaN where the target is not complete."""
    reference_OS: np.ndarray
    """Shares that growth is told against."""
    half_O: np.ndarray
    """Half a post of the reference as a share."""
    thresholds: Edges
    """What is called down, flat and up: by default terciles of change among the training labels."""
    last_error: float
    """Mean absolute error of the last value on training origins: the scale of MASE."""
    used_MO: np.ndarray
    """The latest day that anything behind a model's forecasts used (datetime64[D]); NaT where it does not tell."""
    hot_part: float
    """Part of the styles, the largest at the target, that count as hot."""
    spread_OS: np.ndarray
    """How uncertain a style's growth is beside that of the origin's other styles, by the quantiles of the first member
    that tells some; 1 without."""
    kernels: dict[str, Kernel]
    """The Gaussian processes of the latest origin, which features are made with from then on."""

    @property
    def growth_OS(self) -> np.ndarray:
        """True growth."""
        return to_growth(self.truth_OS, self.reference_OS, self.half_O[:, None])

    @property
    def label_OS(self) -> np.ndarray:
        """True change classes; of no meaning where the truth is not known."""
        return self.thresholds.label(self.growth_OS, self.reference_OS, self.half_O[:, None])

    def places(self, origins: pd.DatetimeIndex) -> np.ndarray:
        """Where origins stand on axis O."""
        return self.split.all.get_indexer(origins)

    def cells(self, origins: pd.DatetimeIndex) -> np.ndarray:
        """Cells of these origins that are forecast and whose truth is known, [O, S] bool."""
        chosen_O = np.asarray(self.split.all.isin(origins))
        return chosen_O[:, None] & self.seen_OS & np.isfinite(self.truth_OS)


def run_backtest(
    panel: Panel,
    target: Target,
    split: Split,
    members: Sequence[Member],
    full_ladder: bool = False,
    hot_part: float = HOT_PART,
    classes: str = "change",
    vectors_SV: np.ndarray | None = None,
) -> Backtest:
    """Asks every rung and member; what is said for an origin depends on nothing after it.

    Where the styles divide the feed among them, the shares that a model tells for an origin are made to sum to one.

    Args:
        panel: the counts.
        target: what is asked for.
        split: the origins.
        members: the forecasters.
        full_ladder: whether the slow upper rungs stand in the ladder too.
        hot_part: part of the styles, the largest at the target, that count as hot.
        classes: how the change classes are cut: `change`, `level` or `band:P` (see `rank.edges.Edges.fit`).
        vectors_SV: what the styles look like, where that is known, by which a young one finds its neighbours.

    Raises:
        ValueError: two members have one name.
        UserError: an unknown rule for the classes; the upper rungs are asked for and statsforecast is not installed.
    """
    Edges.fit(classes, np.empty(0), np.empty(0))  # refused before hours of training
    ladder = ladder_shares(panel, target, split.all, full_ladder)
    models = (*dict.fromkeys(ladder["model"]), *(member.name for member in members))
    if len(set(models)) < len(models):
        raise ValueError(f"two models of one name among {', '.join(models)}")
    question = Question(panel, target, split, vectors_SV, classes)
    answers = {member.name: member.answer(question) for member in members}
    backtest = assemble(question, ladder, answers, question.thresholds, _last_error(question), hot_part)
    return replace(backtest, used_MO=np.maximum(backtest.used_MO, _thresholds_used(question)))


def assemble(
    question: Question,
    ladder: pd.DataFrame,
    answers: dict[str, Answer],
    thresholds: Edges,
    last_error: float,
    hot_part: float,
) -> Backtest:
    """Puts what rungs and members say side by side; `used_MO` is what they tell themselves.

    Args:
        question: what they were asked.
        ladder: what the rungs say, as `ladder_shares` tells it.
        answers: of the members, in their order.
        thresholds: of the change classes.
        last_error: mean absolute error of the last value on training origins.
        hot_part: part of the styles, the largest at the target, that count as hot.
    """
    panel, target, split, origins = question.panel, question.target, question.split, question.split.all
    rungs = tuple(dict.fromkeys(ladder["model"]))
    models = (*rungs, *answers)
    reference_OS, half_O = reference_shares(panel, target, origins)
    shape = (len(origins), len(panel.styles))
    share_MOS, classes_MOSC = np.zeros((len(models), *shape)), np.full((len(models), *shape, len(CLASSES)), np.nan)
    hot_MOS = np.full((len(models), *shape), np.nan)
    told_OS: np.ndarray | None = None
    place = {model: number for number, model in enumerate(models)}
    share_MOS[
        ladder["model"].map(place), origins.get_indexer(pd.Index(ladder["origin"])), panel_rows(panel, ladder["style"])
    ] = ladder["share"]
    used_MO = np.full((len(models), len(origins)), np.datetime64("NaT"), dtype="datetime64[D]")
    used = ladder.groupby(["model", "origin"])["used"].max().unstack().reindex(index=list(rungs), columns=origins)
    used_MO[: len(rungs)] = used.to_numpy().astype("datetime64[D]")
    for name, answer in answers.items():
        number = place[name]
        share_MOS[number] = to_share(_checked(answer, name, shape).growth_OS, reference_OS, half_O[:, None])
        if answer.used_O is not None:
            used_MO[number] = answer.used_O.to_numpy().astype("datetime64[D]")
        if answer.classes_OSC is not None:
            classes_MOSC[number] = answer.classes_OSC
        told_OS = answer.spread_OS if told_OS is None else told_OS
        if answer.hot_OS is not None:
            hot_MOS[number] = answer.hot_OS
    seen_OS = np.array([panel.count_ST[:, : panel.index(origin) + 1].any(axis=1) for origin in origins])
    spread_OS = np.ones(shape) if told_OS is None else relative_spread(told_OS, seen_OS)
    share_MOS = np.where(seen_OS, share_MOS, 0.0)
    for number, origin in enumerate(origins):
        if panel.until(origin).partition:
            total_M1 = share_MOS[:, number].sum(axis=1, keepdims=True)
            share_MOS[:, number] /= np.where(total_M1 > 0, total_M1, 1.0)
    return Backtest(
        panel, target, split, models, rungs, share_MOS, classes_MOSC, hot_MOS, seen_OS,
        target_shares(panel, target, origins), reference_OS, half_O, thresholds, last_error, used_MO, hot_part,
        spread_OS, question.table.kernels,
    )  # fmt: skip


def relative_spread(spread_OS: np.ndarray, seen_OS: np.ndarray) -> np.ndarray:
    """Each origin's spreads against the median of the styles seen, within a fifth and five times of it; 1 if not seen.

    Where that median is 0, nothing is told apart.
    """
    rows = [
        np.clip(spread_S / middle, 0.2, 5.0) if seen_S.any() and (middle := np.median(spread_S[seen_S])) > 0 else seen_S
        for spread_S, seen_S in zip(spread_OS, seen_OS, strict=True)
    ]
    return np.where(seen_OS, np.array(rows, dtype=float), 1.0)


def best_rung(backtest: Backtest, origins: pd.DatetimeIndex) -> str:
    """The rung with the least MAE on these origins; the earlier one of equals."""
    use_OS = backtest.cells(origins)
    errors = [
        mae(backtest.truth_OS[use_OS], backtest.share_MOS[backtest.models.index(rung)][use_OS])
        for rung in backtest.rungs
    ]
    return backtest.rungs[int(np.argmin(errors))]


def panel_rows(panel: Panel, styles: pd.Series) -> np.ndarray:
    """Where styles stand in a panel."""
    return pd.Index(list(panel.styles)).get_indexer(pd.Index(styles))


def _checked(answer: Answer, name: str, shape: tuple[int, int]) -> Answer:
    if answer.growth_OS.shape != shape or not np.isfinite(answer.growth_OS).all():
        raise ValueError(f"member `{name}` did not give a finite growth for every origin and style")
    return answer


def _thresholds_used(question: Question) -> np.datetime64:
    """The latest day behind the edges of the change classes, which every model's class probabilities use."""
    day = question.table.used_by(question.training_rows)
    return np.datetime64(question.panel.days[0] if day is pd.NaT else day, "D")


def _last_error(question: Question) -> float:
    """Mean error of the reference share on the training origins, by labels known at the first validation origin."""
    table, use_OS = question.table, question.training_rows
    return float(np.abs(table.truth_OS - table.reference_OS)[use_OS].mean()) if use_OS.any() else float("nan")
