"""Settings of LightGBM: the search, what cannot be combined, what the history does not carry, the ranker."""

from dataclasses import replace

import numpy as np
import pytest

from data.windows import Target, split_origins
from rank.boost import BoostMember
from rank.boost_models import BoostConfig, fit_boosters
from rank.boost_rank import BoostRankMember, fit_ranker
from rank.boost_search import SPACE, draw_config, search_config, trial_places
from rank.edges import Edges
from rank.member import Question
from rank.metrics import spearman
from stylecast.errors import UserError
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")
QUICK = BoostConfig(rounds=8, threads=1, classes=False)


@pytest.fixture(scope="module")
def question() -> Question:
    panel = make_panel(days=760)
    return Question(panel, TARGET, split_origins(panel, TARGET, 3, 3))


def test_settings_are_chosen_on_what_the_first_validation_origin_knows(question: Question) -> None:
    table, first = question.table, question.split.validation[0]
    places = trial_places(question)
    assert len(places) > 2
    assert all(table.origins[place] < first and table.known[place] <= first for place in places)
    chosen, trials = search_config(question, replace(QUICK, search=3))
    moved = Question(with_other_future(question.panel, first), TARGET, question.split)
    again, trials_again = search_config(moved, replace(QUICK, search=3))
    assert chosen == again
    assert trials.equals(trials_again)
    assert len(trials) == 4
    assert chosen.rounds == trials["rounds"][0] or trials["error"].min() <= 0.99 * trials["error"][0]
    assert {getattr(chosen, name) for name in SPACE} == {
        *trials.loc[trials["error"].idxmin() if chosen != replace(QUICK, search=3) else 0, list(SPACE)]
    }


def test_every_draw_is_one_that_lightgbm_can_fit(question: Question) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        drawn = replace(draw_config(QUICK, rng), rounds=2)
        models = fit_boosters(question.table, question.places[0], Edges(0.0, 0.0), drawn)
        assert np.isfinite(models.predict_growth(question.table, question.places[0])).all()


def test_what_lightgbm_cannot_combine_is_said(question: Question) -> None:
    for flag in ("linear_tree", "monotone"):
        with pytest.raises(UserError, match=r"--boost\.objective huber"):
            fit_boosters(question.table, question.places[0], Edges(0.0, 0.0), replace(QUICK, **{flag: True}))


def test_monotone_growth_never_falls_with_what_the_processes_expect(question: Question) -> None:
    table, place = question.table, question.places[-1]
    config = replace(QUICK, rounds=40, objective="huber", monotone=True, feature_fraction=1.0)
    models = fit_boosters(table, place, Edges(0.0, 0.0), config)
    values_SK = np.repeat(table.values_OSK[place][:1], 21, axis=0)
    values_SK[:, table.column("steady_growth")] = np.linspace(-2, 2, 21)
    told = np.asarray(models.growth.predict(values_SK[:, models.used_K]))
    assert (np.diff(told) >= 0).all()
    assert told[-1] > told[0]


def test_columns_that_the_history_does_not_carry_are_left_out() -> None:
    panel = make_panel(days=330)
    question = Question(panel, TARGET, split_origins(panel, TARGET, 1, 1))
    models = fit_boosters(question.table, question.places[-1], Edges(0.0, 0.0), QUICK)
    names = models.growth.feature_name()
    assert "change_28d" in names
    assert not {"year_growth_1", "wide_year_growth", "target_sin"} & set(names)
    assert np.isfinite(BoostMember(QUICK).answer(question).growth_OS).all()


def test_the_ranker_learns_an_order(question: Question) -> None:
    table, place = question.table, question.places[-1]
    column = table.column("last_28d")
    values_OSK = table.values_OSK.copy()
    values_OSK[..., column] = table.growth_OS  # one feature tells the order of what comes
    values_OSK[place, :, column] = np.linspace(0.6, -0.6, len(question.panel.styles))
    told = replace(table, values_OSK=values_OSK)
    score_S = fit_ranker(told, place, replace(QUICK, rounds=40, feature_fraction=1.0)).scores(told, place)
    seen_S = table.seen_OS[place]
    assert spearman(values_OSK[place, seen_S, column], score_S[seen_S]) > 0.8
    assert score_S[seen_S].mean() == pytest.approx(0, abs=1e-9)


def test_the_ranker_does_not_look_ahead(question: Question) -> None:
    split, day = question.split, question.split.test[0]
    moved = Question(with_other_future(question.panel, day), TARGET, split)
    member, before = BoostRankMember(QUICK), np.asarray(split.all <= day)
    first, second = member.answer(question), member.answer(moved)
    assert np.isfinite(first.growth_OS).all()
    assert first.used_O is not None
    assert (first.used_O <= split.all).all()
    assert np.array_equal(first.growth_OS[before], second.growth_OS[before])
