"""Reasons and episodes: what LightGBM's forecast is made of, in words, and what was like it before."""

from string import Formatter

import numpy as np
import pandas as pd
import pytest

from data.sums import Sums
from data.windows import Target, split_origins
from rank.boost_models import BoostConfig, Boosters, fit_boosters
from rank.edges import Edges
from rank.episodes import MOST, nearest_episodes
from rank.history_features import run
from rank.look import Look
from rank.member import Question
from rank.reason_words import WORDS, said
from rank.reasons import COMMON, effects, facts_of, reasons_frame, summary
from tests.rank.world import make_panel

TARGET = Target.parse("calendar-month:2")


@pytest.fixture(scope="module")
def question() -> Question:
    panel = make_panel(days=760)
    return Question(panel, TARGET, split_origins(panel, TARGET, 2, 2))


@pytest.fixture(scope="module")
def models(question: Question) -> Boosters:
    return fit_boosters(question.table, question.places[-1], Edges(-0.1, 0.1), BoostConfig(rounds=20, threads=1))


def test_the_effects_add_up_to_the_forecast(question: Question, models: Boosters) -> None:
    place = question.places[-1]
    effect_SJ, kinds = effects(models, question.table, place, 0.8)
    assert effect_SJ.sum(axis=1) == pytest.approx(0.8 * models.predict_growth(question.table, place), abs=1e-6)
    assert kinds[-1] == COMMON
    assert len(set(kinds)) == len(kinds)


def test_the_points_add_up_to_the_growth(question: Question, models: Boosters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rank.reasons.MOST", 99)
    place = question.places[-1]
    told = reasons_frame(question, models, place, 1.0)
    growth_S = 100 * np.expm1(models.predict_growth(question.table, place))
    assert told.groupby("style")["points"].sum().to_numpy() == pytest.approx(growth_S, abs=1e-4)
    largest = told.groupby("style")["effect"].apply(lambda effects: effects.abs().is_monotonic_decreasing)
    assert largest.all()
    assert (told["text"].str.len() > 5).all()


@pytest.mark.parametrize(
    ("kind", "facts", "effect", "text", "chinese"),
    [
        ("recent", {"run": 4}, 0.1, "rose 4 weeks running", "连续 4 周上升"),
        ("recent", {"run": -3}, 0.1, "fell 3 weeks running, which tends to recover",
         "连续 3 周下降，这样的跌势往往会回升"),
        ("recent", {"run": 1, "change_28d": np.log(1.25)}, -0.1,
         "up 25% on the four weeks before, which seldom lasts", "较前四周上升 25%，这样的涨势通常不持久"),
        ("number:collects", {"collects_log_change_4w": np.log(1.4)}, 0.1, "collects per post up 40% in four weeks",
         "篇均收藏四周内上升 40%"),
        ("number:likes", {"likes_change_4w": 0.0, "likes_28d": np.log(0.9)}, -0.1,
         "likes per post 10% below the feed's", "篇均点赞比全部帖子低 10%"),
        ("number:saves", {}, -0.1, "saves per post as in the feed", "篇均 saves 与全部帖子相当"),
        ("season", {"fitted_season": 0.2}, 0.1, "season starts", "旺季将至"),
        ("season", {"fitted_season": -0.2, "year_growth_1": -0.5}, -0.1, "season ends, as last year it fell 39% then",
         "旺季将过，去年同期下降 39%"),
        ("season", {"fitted_season": 0.2, "year_growth_1": -0.5}, 0.1,
         "season starts, though last year it fell 39% then", "旺季将至，但去年同期下降 39%"),
        ("season", {"fitted_season": 0.01, "year_growth_1": -0.5}, 0.1, "last year it fell 39% then",
         "去年同期下降 39%"),
        ("level", {"last_364d": np.log(2)}, 0.1, "stands 50% below its mean of the past year",
         "比过去一年的均值低 50%"),
        ("newcomer", {"young_growth": np.log(1.3), "age": np.log(80)}, 0.1,
         "styles like it rose 30% at its age of 80 days", "同类风格满 80 天时上升 30%"),
        ("size", {"share_rank": 0.9}, 0.1, "one of the largest styles", "属于最大的一批风格"),
    ],
)  # fmt: skip
def test_words_say_what_was_seen(kind: str, facts: dict[str, float], effect: float, text: str, chinese: str) -> None:
    told = facts_of(kind, lambda name: facts.get(name, float("nan")), effect)
    assert (said(told, "en"), said(told, "zh")) == (text, chinese)


def test_both_languages_tell_the_same_values() -> None:
    for key, (english, chinese) in WORDS.items():
        places = [sorted(place for _, place, _, _ in Formatter().parse(text) if place) for text in (english, chinese)]
        assert places[0] == places[1], key


def test_a_run_counts_the_weeks_without_a_break() -> None:
    panel = make_panel(days=70, styles=3)
    week_ST = np.array([[5, 1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 9, 9, 9, 5, 6, 7, 9, 8, 7], [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]])
    count_ST = np.repeat(week_ST, 7, axis=1).astype(float)
    panel = type(panel)(panel.styles, panel.days, count_ST, np.full(70, 100.0), {}, "day", False)
    look = Look(Sums.of(panel), Target.parse("days:1-14"), panel.last, TARGET.period(panel.last))
    assert run(look).tolist() == [8, -2, 0]


def test_the_line_of_reasons_is_the_first_three() -> None:
    frame = pd.DataFrame({"number": [2, 1, 4, 3], "text": list("bacd"), "text_zh": list("乙甲丙丁"),
                          "points": [-3.4, 12.0, 1.0, 2.0]})  # fmt: skip
    assert summary(frame) == "a (+12%); b (-3%); d (+2%)"
    assert summary(frame, "zh") == "甲 (+12%)；乙 (-3%)；丁 (+2%)"


def test_episodes_are_the_nearest_past_rows_of_other_styles(question: Question) -> None:
    table, place = question.table, question.places[-1]
    told = nearest_episodes(question, place)
    known_OS = table.rows_known_by(table.origins[place])
    past_NK = table.values_OSK[known_OS].astype(float)
    kept_K = np.isfinite(past_NK).any(axis=0)
    mean_K, sd_K = np.nanmean(past_NK[:, kept_K], axis=0), np.nanstd(past_NK[:, kept_K], axis=0)
    sd_K[sd_K == 0] = np.inf

    def place_of(values_K: np.ndarray) -> np.ndarray:
        return np.clip(np.nan_to_num((values_K[kept_K] - mean_K) / sd_K), -MOST, MOST)

    style = 3
    here_K, best = place_of(table.values_OSK[place, style].astype(float)), {}
    for origin, other in np.argwhere(known_OS):
        there_K = place_of(table.values_OSK[origin, other].astype(float))
        distance = float(np.sqrt(np.mean((here_K - there_K) ** 2)))
        if other != style and distance < best.get(other, (np.inf, 0))[0] - 1e-9:
            best[other] = (distance, origin)
    nearest = sorted((distance, other, origin) for other, (distance, origin) in best.items())[:3]
    rows = told[told["style"] == question.panel.styles[style]].sort_values("number")
    assert rows["other"].tolist() == [question.panel.styles[other] for _, other, _ in nearest]
    assert rows["distance"].to_numpy() == pytest.approx([distance for distance, _, _ in nearest], abs=1e-5)
    assert rows["growth"].to_numpy() == pytest.approx([table.growth_OS[origin, other] for _, other, origin in nearest])
    assert (rows["episode"] < table.origins[place]).all()
