import importlib.util

import numpy as np
import pandas as pd
import pytest

from data.windows import Target, split_origins
from rank.backtest import run_backtest
from rank.ladder import RUNGS, ladder_shares
from rank.ladder_full import FULL_RUNGS, Series, forecast_series, full_shares
from stylecast.errors import UserError
from tests.rank.test_ladder import TARGET, look_at, panel_of

installed = importlib.util.find_spec("statsforecast") is not None
needs_it = [
    pytest.mark.ladder,
    pytest.mark.skipif(not installed, reason="statsforecast is not installed (extra `ladder`)"),
]


@pytest.mark.skipif(installed, reason="statsforecast is installed")
def test_without_the_extra_the_error_names_it() -> None:
    with pytest.raises(UserError, match=r"\[ladder\]"):
        full_shares([look_at(panel_of([[0.1, 0.2, 0.3, 0.2, 0.1, 0.3]]))])


class TestUpperRungs:
    pytestmark = needs_it

    def test_a_season_of_three_years_goes_on(self) -> None:
        season = [0.2 + 0.1 * np.cos(2 * np.pi * month / 12) + 0.002 * (-1) ** month for month in range(36)]
        shares = full_shares([look_at(panel_of([season, season[::-1]]))])
        assert set(shares) == set(FULL_RUNGS)
        truth = 0.2 + 0.1 * np.cos(2 * np.pi * 37 / 12)
        for name in ("auto-ets", "auto-arima", "auto-mean"):
            assert shares[name][0][0] == pytest.approx(truth, abs=0.03), name
        four = [shares[name][0] for name in FULL_RUNGS if name != "auto-mean"]
        assert shares["auto-mean"][0] == pytest.approx(np.mean(four, axis=0))

    def test_shares_stay_within_0_and_1(self) -> None:
        steep = [0.3 * 0.5**month for month in range(11)], [0.05 + 0.09 * month for month in range(11)]
        shares = full_shares([look_at(panel_of([*steep]))])
        for name, (share_S,) in shares.items():
            assert ((share_S >= 0) & (share_S <= 1)).all(), name

    def test_short_and_constant_histories_repeat_the_last_value(self) -> None:
        rows = [[0.0] * 7 + [0.1, 0.2, 0.3], [0.4] * 10, [0.0] * 10]
        shares = full_shares([look_at(panel_of(rows))])
        for name in FULL_RUNGS:
            assert shares[name][0] == pytest.approx([0.3, 0.4, 0.0]), name

    def test_a_model_that_cannot_be_fitted_says_nothing(self) -> None:
        said = forecast_series([Series(np.array([0.1, np.inf, 0.2, 0.3, 0.1]), 2, 1)])
        assert np.isnan(said).any()

    def test_they_see_nothing_after_the_origin(self) -> None:
        rng = np.random.default_rng(0)
        rows = rng.uniform(0.05, 0.3, (2, 30))
        moved = rows.copy()
        moved[:, 24:] = rng.uniform(0.05, 0.3, (2, 6))
        origins = pd.DatetimeIndex(["2023-12-31"])
        one, other = (ladder_shares(panel_of(r.tolist()), TARGET, origins, full=True) for r in (rows, moved))
        assert set(one["model"]) == {*RUNGS, *FULL_RUNGS}
        pd.testing.assert_frame_equal(one, other)

    def test_they_stand_in_a_backtest_as_rungs(self) -> None:
        rng = np.random.default_rng(1)
        panel = panel_of(rng.uniform(0.05, 0.3, (3, 30)).tolist())
        target = Target.parse("calendar-month:1")
        backtest = run_backtest(panel, target, split_origins(panel, target, 3, 3), [], full_ladder=True)
        assert set(FULL_RUNGS) < set(backtest.rungs)
