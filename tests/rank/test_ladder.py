import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.sums import Sums
from data.windows import Target
from rank.ladder import RUNGS, ladder_shares
from rank.look import Look

TARGET = Target.parse("calendar-month:2")
TOTAL = 1000


def panel_of(shares: list[list[float]], start: str = "2022-01") -> Panel:
    """A monthly panel: a row of shares for each style."""
    months = pd.period_range(start, periods=len(shares[0]), freq="M").start_time
    rows = [
        (f"s{s}", m, share * TOTAL, TOTAL) for s, row in enumerate(shares) for m, share in zip(months, row, strict=True)
    ]
    return Panel.from_frame(pd.DataFrame(rows, columns=["style", "date", "count", "total"]), granularity="month")


def look_at(panel: Panel, target: Target = TARGET) -> Look:
    return Look(Sums.of(panel), target, panel.last, target.period(panel.last))


def test_simple_rungs_by_hand() -> None:
    look = look_at(panel_of([[0.1, 0.2, 0.4, 0.3]]))
    assert RUNGS["last"](look) == pytest.approx([0.3])
    assert RUNGS["mean-3"](look) == pytest.approx([0.3])
    assert RUNGS["seasonal-naive"](look) == pytest.approx([0.3])  # no last year: as `last`


def test_smoothing_by_hand() -> None:
    # With a level that jumps once and stays, the last value is the best: alpha 1.
    look = look_at(panel_of([[0.1] * 6 + [0.3] * 6]))
    assert RUNGS["ses"](look) == pytest.approx([0.3])
    # A share that flips every month, one month ahead: the mean is the best, alpha the smallest.
    flips = [0.1, 0.3] * 10
    level = flips[0]
    for value in flips[1:]:
        level = 0.05 * value + 0.95 * level
    assert RUNGS["ses"](look_at(panel_of([flips]), Target.parse("calendar-month:1"))) == pytest.approx([level])


def test_theta_goes_on_with_half_of_the_trend() -> None:
    row = [0.1 + 0.01 * month for month in range(12)]
    # alpha is 1 on a straight line: last value, and half the slope for each of the two months ahead
    assert RUNGS["theta"](look_at(panel_of([row]))) == pytest.approx([row[-1] + 2 * 0.005])


def test_theta_knows_a_season_after_two_years() -> None:
    season = [0.2 + 0.1 * np.cos(2 * np.pi * month / 12) for month in range(36)]
    said = RUNGS["theta"](look_at(panel_of([season])))[0]
    assert said == pytest.approx(0.2 + 0.1 * np.cos(2 * np.pi * 37 / 12), abs=0.01)


def test_seasonal_rungs_by_hand() -> None:
    row = [0.10, 0.20, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.05] + [0.20] * 12
    look = look_at(panel_of([row]))  # from December of the second year; the target is February
    assert RUNGS["seasonal-naive"](look) == pytest.approx([0.2])
    assert RUNGS["seasonal-blend"](look) == pytest.approx([0.2])
    # December to February: 0.05 to 0.20 lies in the history as month 11 to month 13
    assert RUNGS["seasonal-growth"](look) == pytest.approx([0.2 * 4.0], rel=0.05)


def test_a_style_younger_than_a_year_keeps_its_last_share() -> None:
    old, young = [0.5] * 24, [0.0] * 20 + [0.1] * 4
    look = look_at(panel_of([old, young]))
    for name in ("seasonal-naive", "seasonal-growth", "seasonal-blend", "ses"):
        assert RUNGS[name](look)[1] == pytest.approx(0.1), name


def test_rows_are_of_styles_seen_and_seasonal_rungs_need_a_year() -> None:
    panel = panel_of([[0.5] * 8, [0.0] * 7 + [0.2]])
    origins = pd.DatetimeIndex(["2022-06-30", "2022-08-31"])
    frame = ladder_shares(panel, TARGET, origins)
    assert set(frame["model"]) == {"last", "mean-3", "mean-12", "ses", "theta"}
    assert frame.groupby("origin")["style"].nunique().tolist() == [1, 2]
    assert set(ladder_shares(panel_of([[0.5] * 20]), TARGET, pd.DatetimeIndex(["2023-08-31"]))["model"]) == set(RUNGS)


def test_a_look_holds_nothing_later() -> None:
    panel = panel_of([[0.1, 0.2, 0.4, 0.3]])
    look = Look(Sums.of(panel), TARGET, pd.Timestamp("2022-02-28"), TARGET.period(pd.Timestamp("2022-02-28")))
    with pytest.raises(ValueError, match="after 2022-02-28"):
        look.sums.share(pd.Timestamp("2022-03-01"), pd.Timestamp("2022-03-31"))
    assert look.blocks_SB.tolist() == [pytest.approx([0.1, 0.2])]


def test_a_short_history_is_all_that_a_look_holds() -> None:
    months, origin = [0.1, 0.5, 0.2, 0.4, 0.3] * 4, pd.DatetimeIndex(["2023-08-31"])
    other = [*([0.9] * 16), *months[16:]]  # another past: as of April 2023 they are alike
    limited = Target.parse("calendar-month:2", history_days=120)
    one, two = (ladder_shares(panel_of([row]), limited, origin) for row in (months, other))
    assert set(one["model"]) == set(RUNGS) - {"seasonal-naive", "seasonal-growth", "seasonal-blend"}
    pd.testing.assert_frame_equal(one, two)
    free = [ladder_shares(panel_of([row]), TARGET, origin).set_index("model")["share"] for row in (months, other)]
    assert free[0]["seasonal-naive"] != pytest.approx(free[1]["seasonal-naive"])
    assert free[0]["mean-12"] != pytest.approx(free[1]["mean-12"])
    # Three whole months lie in 120 days: their mean, and no older one.
    assert one.set_index("model")["share"]["mean-12"] == pytest.approx(np.mean(months[17:]))
