import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.shares import reference_shares, target_shares, to_share
from data.sums import Sums
from data.windows import Split, Target, split_origins
from rank.gaussian import Bins, Kernel
from rank.life_cycle import (
    CHANCES,
    DRAWS,
    FLOOR,
    KERNEL,
    START,
    Curves,
    LifeCycleMember,
    Seen,
    answer,
    log_shares,
    weigh,
)
from rank.member import Question
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")


def drawn(log_ST: np.ndarray, per_day: int = 400, start: str = "2021-01-01") -> Panel:
    """Counts of known log-intensities."""
    rng = np.random.default_rng(0)
    share_ST = np.exp(log_ST) / np.exp(log_ST).sum(axis=0)
    count_ST = np.stack([rng.multinomial(per_day, share_S) for share_S in share_ST.T], axis=1).astype(float)
    days = pd.date_range(start, periods=log_ST.shape[1], freq="D")
    styles = tuple(f"s{number:02d}" for number in range(len(log_ST)))
    return Panel(styles, days, count_ST, count_ST.sum(axis=0), {}, "day", partition=True)


def asked(panel: Panel, origins: pd.DatetimeIndex) -> Question:
    none = pd.DatetimeIndex([])
    return Question(panel, TARGET, Split(none, none, origins, origins.max()))


def test_chances_and_curves() -> None:
    curves = Curves.draw(700.0)
    assert np.exp(curves.log_chance_N).sum() == pytest.approx(1.0)
    assert sum(CHANCES.values()) == pytest.approx(1.0)
    days = np.linspace(-700, 60, 50)
    curve_NX = curves.at(days)
    assert curve_NX.shape == (1 + 4 * DRAWS, 50)
    assert np.isfinite(curve_NX).all()
    assert not curve_NX[0].any()  # steady
    _, turn, birth, end, hype = np.split(curve_NX, [1, 1 + DRAWS, 1 + 2 * DRAWS, 1 + 3 * DRAWS])
    step = np.diff(turn, axis=1)
    assert ((step >= -1e-12).all(axis=1) | (step <= 1e-12).all(axis=1)).all()  # one way all along
    assert (np.diff(birth, axis=1) >= -1e-12).all()
    assert (np.diff(end, axis=1) <= 1e-12).all()
    assert birth.min() == end.min() == FLOOR
    assert hype.min() >= 0
    assert (Curves.draw(700.0).at(days) == curve_NX).all()


def test_weights_by_the_slow_way() -> None:
    """Two bins, three curves: the log density of a normal distribution, written out."""
    seen = Seen(np.array([[0.3, -0.2]]), np.array([[0.05, 0.1]]), np.zeros(1), np.array([-3.0, -20.0]))
    kernel_PP = Kernel().covariance(np.abs(seen.middle_P[:, None] - seen.middle_P))
    curves_NP, chance_N = np.array([[0.0, 0.0], [0.5, -0.5], [-1.0, 1.0]]), np.array([0.5, 0.3, 0.2])
    log_weight_N, _, _ = weigh(seen, 0, kernel_PP, curves_NP, np.log(chance_N))
    cov_PP = kernel_PP + np.diag([0.05, 0.1])
    for n in range(3):
        rest_P = seen.log_SP[0] - curves_NP[n]
        slow = -0.5 * rest_P @ np.linalg.inv(cov_PP) @ rest_P - 0.5 * np.log(np.linalg.det(cov_PP))
        assert log_weight_N[n] == pytest.approx(np.log(chance_N[n]) + slow)


def test_a_decline_that_is_over_and_a_hype_are_told_from_last_values() -> None:
    """A hype at its height falls back; a style that has come down stays down; a steady one stays."""
    t = np.arange(730)
    log_ST = np.zeros((8, 730))
    log_ST[0] = np.where(t >= 700, 1.5 * np.exp(-(t - 700) / 45), 0.0)
    log_ST[1] = -2.0 / (1 + np.exp(-(t - 400) / 30))
    panel = drawn(log_ST)
    seen = Seen.of(Bins.of(Sums.of(panel), panel.last))
    told_S = np.exp(log_shares(seen, START, Curves.draw(730.0), 45.0))
    now_S = panel.count_ST[:, -28:].sum(axis=1) / panel.total_T[-28:].sum()
    assert told_S[0] < 0.75 * now_S[0]
    assert told_S[1:] == pytest.approx(now_S[1:], rel=0.3)


def test_what_comes_after_an_origin_changes_nothing() -> None:
    panel = make_panel(640, 4)
    origins = pd.DatetimeIndex(["2022-07-31", "2022-08-31"])
    later = asked(with_other_future(panel, origins[-1]), origins)
    cut = asked(panel.until(origins[-1]), origins)
    one, two, three = (answer(question)[0] for question in (asked(panel, origins), later, cut))
    assert np.array_equal(one.growth_OS, two.growth_OS)
    assert np.array_equal(one.growth_OS, three.growth_OS)
    assert one.used_O is not None
    assert list(one.used_O) == list(origins)


def test_it_beats_the_last_value_where_styles_rise_and_have_seasons(tmp_path: Path) -> None:
    t = np.arange(800)
    rises = [1.5 / (1 + np.exp(-(t - middle) / 60)) for middle in (560, 640, 700)]
    waves = [0.6 * np.cos(2 * np.pi * (t - peak) / 365.25) for peak in (0, 90, 180, 270)]
    panel = drawn(np.array([*rises, *(-rise for rise in rises), *waves, *np.zeros((4, 800))]), 100)
    split = split_origins(panel, TARGET, 2, 2)
    question = asked(panel, split.all)
    growth_OS = LifeCycleMember(tmp_path / "life-cycle").answer(question).growth_OS
    reference_OS, half_O = reference_shares(panel, TARGET, split.all)
    truth_OS = target_shares(panel, TARGET, split.all)
    told_OS = to_share(growth_OS, reference_OS, half_O[:, None])
    told_OS /= told_OS.sum(axis=1, keepdims=True)  # as a backtest does where every post has one style
    assert np.nanmean(np.abs(told_OS - truth_OS)) < 0.85 * np.nanmean(np.abs(reference_OS - truth_OS))
    kernel = Kernel(**json.loads((tmp_path / "life-cycle" / KERNEL).read_text()))
    latest = asked(panel, pd.DatetimeIndex([split.latest]))
    assert answer(latest, kernel)[0].growth_OS[0] == pytest.approx(growth_OS[-1])


@pytest.mark.parametrize("granularity", ["day", "month"])
def test_thin_and_empty_styles_get_a_finite_forecast(granularity: str) -> None:
    panel = make_panel(640, 5, 3)
    if granularity == "month":
        frame = panel.to_frame()[["style", "date", "count"]]
        frame["date"] = frame["date"].dt.to_period("M").dt.start_time
        panel = Panel.from_frame(frame.groupby(["style", "date"], as_index=False).sum())
    panel.count_ST[0] = 0.0
    told, _ = answer(asked(panel, pd.DatetimeIndex(["2021-02-28", "2022-08-31"])))
    assert np.isfinite(told.growth_OS).all()
    assert not told.growth_OS[0].any()  # two months of history tell no curve
    assert told.growth_OS[1].any()
