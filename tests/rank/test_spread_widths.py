"""Quantiles of growth tell whose intervals are to be wide, where that held on validation."""

import numpy as np
import pytest

from data.windows import Target, split_origins
from rank.backtest import relative_spread, run_backtest
from rank.boost import BoostMember
from rank.boost_models import BoostConfig, fit_boosters
from rank.calibration import Calibration
from rank.member import Question
from rank.metrics import coverage
from tests.rank.world import make_panel

TARGET = Target.parse("calendar-month:2")


def cells(told: bool, count: int = 4000, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Truth, share, half, spread, fold: errors as uneven as the spread tells, or not at all."""
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.3, 3.0], count)
    share = np.full(count, 0.1)
    truth = share * (1 + 0.1 * (spread if told else 1.0) * rng.normal(size=count))
    return truth, share, np.full(count, 1e-6), spread, np.arange(count) % 2


def test_widths_follow_the_quantiles_where_these_are_right() -> None:
    truth, share, half, spread, fold = cells(told=True)
    uneven, plain = Calibration.choose(truth, share, half, spread, fold), Calibration.fit(truth, share, half)
    assert uneven.spread
    new_truth, *_, new_spread, _ = cells(told=True, seed=1)
    for value in (0.3, 3.0):
        use = new_spread == value
        held = coverage(new_truth[use], *uneven.interval(share[use], half[use], spread_N=new_spread[use]))
        same = coverage(new_truth[use], *plain.interval(share[use], half[use], spread_N=new_spread[use]))
        assert held == pytest.approx(0.8, abs=0.04)
        assert abs(same - 0.8) > 0.1  # one width for all is too wide for some and too narrow for others


def test_widths_are_alike_where_the_quantiles_tell_nothing() -> None:
    truth, share, half, spread, fold = cells(told=False)
    chosen, plain = Calibration.choose(truth, share, half, spread, fold), Calibration.fit(truth, share, half)
    assert not chosen.spread
    assert np.array_equal(chosen.errors_N, plain.errors_N)
    ones = Calibration.choose(truth, share, half, np.ones_like(spread), fold)
    assert not ones.spread


def test_spreads_are_told_beside_the_styles_seen() -> None:
    spread_OS = np.array([[1.0, 2.0, 4.0, 99.0], [0.0, 0.0, 0.0, 1.0], [1.0, 100.0, 1.0, 1.0]])
    seen_OS = np.array([[True, True, True, False], [True, True, True, False], [True, True, True, True]])
    told = relative_spread(spread_OS, seen_OS)
    assert told.tolist() == [[0.5, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 5.0, 1.0, 1.0]]


def test_quantiles_do_not_cross_and_reach_the_backtest() -> None:
    panel = make_panel(days=700)
    split = split_origins(panel, TARGET, 2, 2)
    question, config = Question(panel, TARGET, split), BoostConfig(rounds=20, threads=1)
    table, place = question.table, question.places[0]
    models = fit_boosters(table, place, question.thresholds, config)
    spread_S = models.predict_spread(table, place)
    values_SK = table.values_OSK[place][:, models.used_K]
    low_S, high_S = (np.asarray(model.predict(values_SK)) for model in models.quantiles)
    assert spread_S is not None
    assert (spread_S >= np.abs(high_S - low_S) - 1e-12).all()
    assert (high_S > low_S).mean() > 0.8
    backtest = run_backtest(panel, TARGET, split, (BoostMember(config),))
    seen_S = backtest.seen_OS[0]
    assert backtest.spread_OS[0, seen_S] == pytest.approx(
        np.clip(spread_S / np.median(spread_S[seen_S]), 0.2, 5)[seen_S]
    )
    without = run_backtest(panel, TARGET, split, (BoostMember(BoostConfig(rounds=5, threads=1, quantiles=False)),))
    assert (without.spread_OS == 1).all()
