from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.windows import Target, split_origins
from rank.backtest import Backtest, run_backtest
from rank.boost import BoostConfig, BoostMember, earned_factor
from rank.member import Answer, Question, from_frame
from rank.process import GaussianProcessMember
from rank.stored import FIELDS, load_backtest, save_backtest
from stylecast.errors import UserError
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")
MEMBERS = (GaussianProcessMember(), BoostMember(BoostConfig(rounds=8, threads=1)))


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    panel = make_panel()
    return run_backtest(panel, TARGET, split_origins(panel, TARGET, 4, 3), MEMBERS)


def test_forecasts_are_shares_that_sum_to_one(backtest: Backtest) -> None:
    assert backtest.models[-2:] == ("gaussian-process", "lightgbm")
    assert np.isfinite(backtest.share_MOS).all()
    assert (backtest.share_MOS >= 0).all()
    assert backtest.share_MOS.sum(axis=2) == pytest.approx(np.ones(backtest.share_MOS.shape[:2]))
    assert not backtest.seen_OS[0, -1]  # not born yet
    assert (backtest.share_MOS[:, 0, -1] == 0).all()
    assert backtest.seen_OS[-1].all()
    classes = backtest.classes_MOSC[-1]
    assert classes.sum(axis=2) == pytest.approx(np.ones(classes.shape[:2]))


def test_truth_is_known_for_all_but_the_latest(backtest: Backtest) -> None:
    known = np.isfinite(backtest.truth_OS).all(axis=1)
    assert known.tolist() == [True] * (len(known) - 1) + [False]
    assert backtest.cells(backtest.split.test).sum() == backtest.seen_OS[backtest.places(backtest.split.test)].sum()


def test_the_future_touches_no_forecast_before_it(backtest: Backtest) -> None:
    # The last training label and the thresholds are known by the first validation origin, so each day serves.
    for day in (backtest.split.validation[1], backtest.split.test[1]):
        moved = run_backtest(with_other_future(backtest.panel, day), TARGET, backtest.split, MEMBERS)
        before = np.asarray(backtest.split.all <= day)
        assert moved.models == backtest.models
        assert np.array_equal(moved.share_MOS[:, before], backtest.share_MOS[:, before])
        assert np.array_equal(moved.classes_MOSC[:, before], backtest.classes_MOSC[:, before], equal_nan=True)
        assert not np.array_equal(moved.share_MOS[:, ~before], backtest.share_MOS[:, ~before])


def test_a_panel_that_ends_at_the_origin_gives_the_same_forecast(backtest: Backtest) -> None:
    origin = backtest.split.test[0]
    cut = backtest.panel.until(origin)
    split = split_origins(cut, TARGET, 0, 3)
    assert split.latest == origin
    again = run_backtest(cut, TARGET, split, (GaussianProcessMember(),))
    place = backtest.places(pd.DatetimeIndex([origin]))[0]
    both = [model for model in again.models if model in backtest.models]
    for model in both:
        now, then = (
            again.share_MOS[again.models.index(model), -1],
            backtest.share_MOS[backtest.models.index(model), place],
        )
        assert now == pytest.approx(then, abs=1e-12)


def test_numbers_of_threads_change_nothing(backtest: Backtest) -> None:
    panel, split = backtest.panel, backtest.split
    both = [
        BoostMember(BoostConfig(rounds=5, threads=threads, refit_every=4)).answer(Question(panel, TARGET, split))
        for threads in (1, 2)
    ]
    assert np.array_equal(both[0].growth_OS, both[1].growth_OS)


def test_a_member_that_says_nan_is_caught(backtest: Backtest) -> None:
    class Broken:
        name = "broken"

        def answer(self, question: Question) -> Answer:
            return Answer(np.full(backtest.truth_OS.shape, np.nan), None)

    with pytest.raises(ValueError, match="broken"):
        run_backtest(backtest.panel, TARGET, backtest.split, (Broken(),))


def test_answers_from_a_frame(backtest: Backtest) -> None:
    question = Question(backtest.panel, TARGET, backtest.split)
    origin, style = backtest.split.all[1], backtest.panel.styles[2]
    row = {"origin": origin, "style": style, "growth": 0.5, "p_down": 0.1, "p_flat": 0.2, "p_up": 0.7}
    answer = from_frame(pd.DataFrame([row]), question)
    assert answer.growth_OS[1, 2] == 0.5
    assert np.count_nonzero(answer.growth_OS) == 1
    assert answer.classes_OSC is not None
    assert answer.classes_OSC[1, 2].tolist() == [0.1, 0.2, 0.7]


def test_the_factor_is_earned_on_known_truths_only(backtest: Backtest) -> None:
    table = Question(backtest.panel, TARGET, backtest.split).table
    place = table.place(backtest.split.test[0])
    assert earned_factor(table, {}, place) == pytest.approx(0.9)
    far = {past: table.growth_OS[past] * 2 for past in range(0, place, 3)}  # twice what came
    known = {past: said for past, said in far.items() if table.known[past] <= table.origins[place]}
    assert earned_factor(table, known, place) == pytest.approx(0.5, abs=0.11)
    wrong = far | {past: -50 * table.growth_OS[past] for past in far if past not in known}
    assert earned_factor(table, wrong, place) == earned_factor(table, known, place)


def test_a_stored_backtest_comes_back(backtest: Backtest, tmp_path: Path) -> None:
    save_backtest(backtest, tmp_path)
    again = load_backtest(tmp_path, backtest.panel)
    assert (again.target, again.models, again.rungs) == (backtest.target, backtest.models, backtest.rungs)
    assert (again.thresholds, again.last_error) == (backtest.thresholds, backtest.last_error)
    assert again.split.all.equals(backtest.split.all)
    for name in FIELDS:
        assert np.array_equal(getattr(again, name), getattr(backtest, name), equal_nan=True)


def test_classes_by_a_fixed_band(tmp_path: Path) -> None:
    panel = make_panel(days=500)
    split = split_origins(panel, TARGET, 2, 2)
    banded = run_backtest(panel, TARGET, split, (BoostMember(BoostConfig(rounds=3, threads=1)),), classes="band:20")
    save_backtest(banded, tmp_path)
    assert load_backtest(tmp_path, panel).thresholds.rule == "band:20"
    assert (banded.thresholds.low, banded.thresholds.high) == pytest.approx((np.log(0.8), np.log(1.2)))
    terciles = run_backtest(panel, TARGET, split, (BoostMember(BoostConfig(rounds=3, threads=1)),))
    assert np.array_equal(banded.share_MOS, terciles.share_MOS)
    assert not np.allclose(banded.classes_MOSC[-1], terciles.classes_MOSC[-1])
    with pytest.raises(UserError, match="--classes level-ish"):
        run_backtest(panel, TARGET, split, (), classes="level-ish")


def test_every_forecast_tells_a_day_that_is_not_after_its_origin(backtest: Backtest) -> None:
    origins = backtest.split.all.to_numpy().astype("datetime64[D]")
    assert (backtest.used_MO <= origins).all()  # NaT would not be
    assert (backtest.used_MO == origins).all()  # each looked at the last day that it may
