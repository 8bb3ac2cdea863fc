"""Stored models at later origins: at the run's own they say what the run said, and none of them looks ahead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.windows import Target, split_origins
from rank.backtest import Backtest, run_backtest
from rank.boost import BOOST, BoostConfig, BoostMember
from rank.boost_rank import BOOST_RANK, BoostRankMember
from rank.later import forecast_later
from rank.process import PROCESS, GaussianProcessMember
from rank.stored import load_backtest, save_backtest
from stylecast.errors import UserError
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")
QUICK = BoostConfig(rounds=8, threads=1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Panel, Backtest]:
    """A run on the first 27 months of a panel of 30, as it is read back; and the whole panel."""
    folder, panel = tmp_path_factory.mktemp("rank"), make_panel(days=910)
    cut = panel.until(pd.Timestamp("2023-03-31"))
    members = (
        GaussianProcessMember(folder / PROCESS), BoostMember(QUICK, folder / BOOST),
        BoostRankMember(QUICK, folder / BOOST_RANK),
    )  # fmt: skip
    save_backtest(run_backtest(cut, TARGET, split_origins(cut, TARGET, 2, 2), members), folder)
    return folder, panel, load_backtest(folder, cut)


def test_at_its_own_latest_origin_a_run_says_what_it_said(kept: tuple[Path, Panel, Backtest]) -> None:
    folder, panel, before = kept
    for known in (before.panel, panel):  # what comes after the origin is not looked at
        told = forecast_later(folder, before, known, pd.DatetimeIndex(["2023-03-31"])).backtest
        assert told.models == before.models == (*before.rungs, PROCESS, BOOST, BOOST_RANK)
        for name in ("share_MOS", "classes_MOSC", "hot_MOS"):
            np.testing.assert_array_equal(getattr(told, name)[:, 0], getattr(before, name)[:, -1])
        for name in ("seen_OS", "reference_OS", "half_O", "spread_OS"):
            np.testing.assert_array_equal(getattr(told, name)[0], getattr(before, name)[-1])


def test_later_origins_are_seen_from_their_own_day(kept: tuple[Path, Panel, Backtest]) -> None:
    folder, panel, before = kept
    days = pd.DatetimeIndex(["2023-04-30", "2023-05-31"])
    told = forecast_later(folder, before, panel, days)
    alone = forecast_later(folder, before, panel.until(days[0]), days[:1])
    np.testing.assert_array_equal(alone.backtest.share_MOS[:, 0], told.backtest.share_MOS[:, 0])
    moved = forecast_later(folder, before, with_other_future(panel, days[0]), days)
    np.testing.assert_array_equal(moved.backtest.share_MOS[:, 0], told.backtest.share_MOS[:, 0])
    for model in range(len(before.models)):  # the test can fail: the later origin saw the move
        assert not np.allclose(moved.backtest.share_MOS[model, 1], told.backtest.share_MOS[model, 1])
    assert told.reasons is not None
    assert set(told.reasons["origin"]) == set(days)
    assert told.backtest.share_MOS.sum(axis=2) == pytest.approx(np.ones((len(before.models), 2)))


def test_a_longer_history_has_no_further_rungs(kept: tuple[Path, Panel, Backtest], tmp_path: Path) -> None:
    _, panel, _ = kept
    cut = panel.until(pd.Timestamp("2021-12-31"))  # not a whole year before the target's last year
    save_backtest(run_backtest(cut, TARGET, split_origins(cut, TARGET, 1, 1), ()), tmp_path)
    before = load_backtest(tmp_path, cut)
    assert "seasonal-naive" not in before.rungs
    told = forecast_later(tmp_path, before, panel, pd.DatetimeIndex(["2023-05-31"]))
    assert told.backtest.models == before.models
    assert told.reasons is None


def test_what_cannot_be_forecast_is_told(kept: tuple[Path, Panel, Backtest], tmp_path: Path) -> None:
    folder, panel, before = kept
    day = pd.DatetimeIndex(["2023-04-30"])
    with pytest.raises(UserError, match=r"mix\.json: missing: made by an earlier version"):
        forecast_later(tmp_path, before, panel, day)
    old = replace(before, kernels={"plain": before.kernels["plain"]})
    with pytest.raises(UserError, match="its processes are those of an earlier version; run `stylecast rank --force`"):
        forecast_later(folder, old, panel, day)
    with pytest.raises(UserError, match=r"was trained on `likes.*`, which these posts do not have"):
        forecast_later(folder, before, make_panel(days=910, likes=False), day)
    with pytest.raises(ValueError, match="its models know what follows"):
        forecast_later(folder, before, panel, pd.DatetimeIndex(["2023-02-28"]))
