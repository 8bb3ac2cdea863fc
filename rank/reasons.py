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
from rank.reason_words import Said, said
from rank.table import Table

COMMON = "all"
"""Kind of what is alike for all styles: the models' mean."""
MOST = 6
"""Reasons of a style that are kept, the largest effects."""
SHOWN = 3
"""Reasons of a style in a table, at most."""
SMALL = 0.02
"""A change in logs below this is none to speak of."""
TEXTS = {"en": "text", "zh": "text_zh"}
"""Language → the column of a reason's words."""
Fact = Callable[[str], float]


def reasons_frame(question: Question, models: Boosters, place: int, factor: float) -> pd.DataFrame:
    """Why LightGBM said what it said at an origin: `origin, style, number, kind, text, text_zh, effect, points`.

    Args:
        question: the panel and its table.
        models: those that forecast from there.
        place: of the origin.
        factor: what the models' growth was multiplied by.

    Returns:
        A row for each style seen and reason, the largest first (`number` from 1); `text` in English, `text_zh` in
        Chinese; `effect` in log share, `points` in
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
        for number, kind in enumerate(order, start=1):
            effect = effect_SJ[style, kind]
            told = facts_of(kinds[kind], fact, effect)
            rows.append((question.panel.styles[style], number, kinds[kind], said(told, "en"), said(told, "zh"), effect,
                         100 * unit_S[style] * effect))  # fmt: skip
    frame = pd.DataFrame(rows, columns=["style", "number", "kind", *TEXTS.values(), "effect", "points"])
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


def summary(reasons: pd.DataFrame, language: str = "en") -> str:
    """The first reasons of a style in a line: `rose 4 weeks running (+6%); likes per post up 40% (+3%)`."""
    first = reasons.sort_values("number").head(SHOWN)
    told = zip(first[TEXTS[language]], first["points"], strict=True)
    return {"en": "; ", "zh": "；"}[language].join(f"{text} ({points:+.0f}%)" for text, points in told)


def _percent(logs: float) -> str:
    return f"{abs(100 * np.expm1(logs)):.0f}%"


def facts_of(kind: str, fact: Fact, effect: float) -> Said:
    """What a kind of features says of a style: the fact in it that a merchandiser would look at."""
    if kind.startswith(NUMBER):
        return _number(kind.removeprefix(NUMBER), fact)
    return FACTS[kind](fact, effect)


def _recent(fact: Fact, effect: float) -> Said:
    weeks, change = fact("run"), fact("change_28d")
    if abs(weeks) >= 3:
        told, way = ("rose_weeks" if weeks > 0 else "fell_weeks", {"weeks": f"{abs(weeks):.0f}"}), weeks
    elif np.isfinite(change) and abs(change) >= SMALL:
        told, way = ("up" if change > 0 else "down", {"percent": _percent(change)}), change
    else:
        return [("still", {})]
    if way * effect >= 0:
        return [told]
    return [told, ("seldom_lasts" if way > 0 else "recovers", {})]


def _level(fact: Fact, effect: float) -> Said:
    for days in (364, 182, 91):
        if np.isfinite(above := -fact(f"last_{days}d")):
            way = "at" if abs(above) < SMALL else "above" if above > 0 else "below"
            return [(f"{way}_mean", {"percent": _percent(above), "span": str(days)})]
    lag = -fact("lag_1")
    if not np.isfinite(lag):
        return [("level", {})]
    return [("above_month" if lag > 0 else "below_month", {"percent": _percent(lag)})]


def _season(fact: Fact, effect: float) -> Said:
    told, last = fact("fitted_season"), fact("year_growth_1")
    year: Said = []
    if np.isfinite(last):
        year = [("year_rose" if last > 0 else "year_fell", {"percent": _percent(last)})]
    if not np.isfinite(told) or abs(told) < SMALL:
        return year or [("season", {})]
    season: Said = [("season_starts" if told > 0 else "season_ends", {})]
    return [*season, ("as" if last * told > 0 else "though", {}), *year] if year else season


def _size(fact: Fact, effect: float) -> Said:
    rank = fact("share_rank")
    return [("large" if rank >= 0.8 else "small" if rank <= 0.2 else "middling", {})]


def _noise(fact: Fact, effect: float) -> Said:
    noise, moves = fact("noise"), fact("volatility")
    if noise > 0.15:
        return [("few_posts", {"percent": f"{100 * noise:.0f}%"})]
    return [("moves", {"percent": _percent(moves)})] if np.isfinite(moves) else [("moves_unknown", {})]


def _newcomer(fact: Fact, effect: float) -> Said:
    near, age = fact("young_growth"), fact("age")
    days = f"{np.exp(age):.0f}"
    if np.isfinite(near):
        return [("young_rose" if near > 0 else "young_fell", {"percent": _percent(near), "days": days})]
    return [("first_seen", {"days": days})] if np.isfinite(age) else [("always", {})]


def _common(fact: Fact, effect: float) -> Said:
    return [("common", {})]


def _number(name: str, fact: Fact) -> Said:
    """`likes per post up 40%`, or how it stands to the feed's where it did not move."""
    change, level = (
        next((value for key in (f"{name}_log", name) if np.isfinite(value := fact(f"{key}_{end}"))), np.nan)
        for end in ("change_4w", "28d")
    )
    if np.isfinite(change) and abs(change) >= SMALL:
        return [("number_up" if change > 0 else "number_down", {"number": name, "percent": _percent(change)})]
    if np.isfinite(level) and abs(level) >= SMALL:
        return [("number_above" if level > 0 else "number_below", {"number": name, "percent": _percent(level)})]
    return [("number_alike", {"number": name})]


FACTS: dict[str, Callable[[Fact, float], Said]] = {
    "recent": _recent, "level": _level, "season": _season, "size": _size, "noise": _noise, "newcomer": _newcomer,
    COMMON: _common,
}  # fmt: skip
"""What each of `rank.feature.KINDS`, and what is common, has to say."""
