"""What moved a forecast of LightGBM, in words: the contributions of its features, told together by what they speak of.

A contribution is a part of the forecast in log share (Lundberg & Lee's Shapley values of trees, as LightGBM gives
them); those of all kinds sum to the growth. Shapes: S styles, K features, J kinds.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rank.boost_models import Boosters
from rank.feature import NUMBER
from rank.features import PROCESSES
from rank.member import Question
from rank.table import Table

COMMON = "all"
"""Kind of what is alike for all styles: the models' mean."""
MOST = 6
"""Reasons of a style that are kept, the largest effects."""
SHOWN = 3
"""Reasons of a style in a table, at most."""
SMALL = 0.02
"""A change in logs below this is none to speak of."""
Fact = Callable[[str], float]


def reasons_frame(question: Question, models: Boosters, place: int, factor: float) -> pd.DataFrame:
    """Why LightGBM said what it said at an origin: `origin, style, number, kind, text, effect, points`.

    Args:
        question: the panel and its table.
        models: those that forecast from there.
        place: of the origin.
        factor: what the models' growth was multiplied by.

    Returns:
        A row for each style seen and reason, the largest first (`number` from 1); `effect` in log share, `points` in
        percentage points of the style's growth: over all reasons, also those beyond the first, these sum to it.
    """
    table = question.table
    effect_SJ, kinds = effects(models, table, place, factor)
    growth_S = effect_SJ.sum(axis=1)
    unit_S = np.where(np.abs(growth_S) > 1e-9, np.expm1(growth_S) / np.where(growth_S == 0, 1.0, growth_S), 1.0)
    places = {feature.name: number for number, feature in enumerate(table.features)}
    rows = []
    for style in np.flatnonzero(table.seen_OS[place]):
        values_K = table.values_OSK[place, style]

        def fact(name: str, values_K: np.ndarray = values_K) -> float:
            return float(values_K[places[name]]) if name in places else float("nan")

        order = np.argsort(-np.abs(effect_SJ[style]), kind="stable")[:MOST]
        rows += [
            (question.panel.styles[style], number, kinds[kind], words(kinds[kind], fact, effect_SJ[style, kind]),
             effect_SJ[style, kind], 100 * unit_S[style] * effect_SJ[style, kind])
            for number, kind in enumerate(order, start=1)
        ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["style", "number", "kind", "text", "effect", "points"])
    frame.insert(0, "origin", table.origins[place])
    return frame


def effects(models: Boosters, table: Table, place: int, factor: float) -> tuple[np.ndarray, list[str]]:
    """Parts of the growth that LightGBM tells at an origin, [S, J] in log share, and the kinds, J."""
    values_SK = table.values_OSK[place][:, models.used_K]
    effect_SK = np.zeros((len(values_SK), len(table.features)))
    common_S = np.zeros(len(values_SK))
    for model in (models.growth, models.rest):
        told_SK1 = np.asarray(model.predict(values_SK, pred_contrib=True))
        effect_SK[:, models.used_K] += told_SK1[:, :-1] / 2
        common_S += told_SK1[:, -1] / 2
    for process, weight in zip(PROCESSES, models.mix_G, strict=True):
        growth, season = table.column(f"{process}_growth"), table.column(f"{process}_season")
        season_S = weight / 2 * table.values_OSK[place][:, season].astype(float)
        effect_SK[:, season] += season_S
        effect_SK[:, growth] += weight / 2 * table.values_OSK[place][:, growth].astype(float) - season_S
    kinds = [*dict.fromkeys(feature.kind for feature in table.features), COMMON]
    kind_K = np.array([kinds.index(feature.kind) for feature in table.features])
    effect_SJ = np.stack([effect_SK[:, kind_K == number].sum(axis=1) for number in range(len(kinds))], axis=1)
    effect_SJ[:, -1] += common_S
    return factor * effect_SJ, kinds


def summary(reasons: pd.DataFrame) -> str:
    """The first reasons of a style in a line: `rose 4 weeks running (+6%); likes per post up 40% (+3%)`."""
    first = reasons.sort_values("number").head(SHOWN)
    return "; ".join(f"{text} ({points:+.0f}%)" for text, points in zip(first["text"], first["points"], strict=True))


def _percent(logs: float) -> str:
    return f"{abs(100 * np.expm1(logs)):.0f}%"


def words(kind: str, fact: Fact, effect: float) -> str:
    """What a kind of features says of a style: the fact in it that a merchandiser would look at."""
    if kind.startswith(NUMBER):
        return _number(kind.removeprefix(NUMBER), fact)
    return WORDS[kind](fact, effect)


def _recent(fact: Fact, effect: float) -> str:
    weeks, change = fact("run"), fact("change_28d")
    if abs(weeks) >= 3:
        told, way = f"{'rose' if weeks > 0 else 'fell'} {abs(weeks):.0f} weeks running", weeks
    elif np.isfinite(change) and abs(change) >= SMALL:
        told, way = f"{'up' if change > 0 else 'down'} {_percent(change)} on the four weeks before", change
    else:
        return "hardly moved in the last weeks"
    if way * effect >= 0:
        return told
    return told + (", which seldom lasts" if way > 0 else ", which tends to recover")


def _level(fact: Fact, effect: float) -> str:
    spans = {"last_364d": "year", "last_182d": "half-year", "last_91d": "quarter"}
    for name, span in spans.items():
        if np.isfinite(above := -fact(name)):
            if abs(above) < SMALL:
                return f"stands at its mean of the past {span}"
            return f"stands {_percent(above)} {'above' if above > 0 else 'below'} its mean of the past {span}"
    lag = -fact("lag_1")
    return f"{_percent(lag)} {'above' if lag > 0 else 'below'} the month before" if np.isfinite(lag) else "its level"


def _season(fact: Fact, effect: float) -> str:
    told, last = fact("fitted_season"), fact("year_growth_1")
    year = f"last year it {'rose' if last > 0 else 'fell'} {_percent(last)} then" if np.isfinite(last) else ""
    if not np.isfinite(told) or abs(told) < SMALL:
        return year or "the time of the year"
    season = f"season {'starts' if told > 0 else 'ends'}"
    return season + (f"{', as' if last * told > 0 else ', though'} {year}" if year else "")


def _size(fact: Fact, effect: float) -> str:
    rank = fact("share_rank")
    if rank >= 0.8:
        return "one of the largest styles"
    return "one of the smallest styles" if rank <= 0.2 else "a style of middling size"


def _noise(fact: Fact, effect: float) -> str:
    noise, moves = fact("noise"), fact("volatility")
    if noise > 0.15:
        return f"rests on few posts (give or take {100 * noise:.0f}%)"
    return f"moves about {_percent(moves)} from month to month" if np.isfinite(moves) else "how much it moves"


def _newcomer(fact: Fact, effect: float) -> str:
    near, age = fact("young_growth"), fact("age")
    if np.isfinite(near):
        return f"styles like it {'rose' if near > 0 else 'fell'} {_percent(near)} at its age of {np.exp(age):.0f} days"
    return f"first seen {np.exp(age):.0f} days ago" if np.isfinite(age) else "has been there from the start"


def _common(fact: Fact, effect: float) -> str:
    return "what all styles do alike"


def _number(name: str, fact: Fact) -> str:
    """`likes per post up 40%`, or how it stands to the feed's where it did not move."""
    change, level = (
        next((value for key in (f"{name}_log", name) if np.isfinite(value := fact(f"{key}_{end}"))), np.nan)
        for end in ("change_4w", "28d")
    )
    if np.isfinite(change) and abs(change) >= SMALL:
        return f"{name} per post {'up' if change > 0 else 'down'} {_percent(change)} in four weeks"
    if np.isfinite(level) and abs(level) >= SMALL:
        return f"{name} per post {_percent(level)} {'above' if level > 0 else 'below'} the feed's"
    return f"{name} per post as in the feed"


WORDS: dict[str, Callable[[Fact, float], str]] = {
    "recent": _recent, "level": _level, "season": _season, "size": _size, "noise": _noise, "newcomer": _newcomer,
    COMMON: _common,
}  # fmt: skip
"""The words of each of `rank.feature.KINDS` and of what is common."""
