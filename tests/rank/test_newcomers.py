"""Young styles: what became of their neighbours at the same age, without looking ahead."""

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.sums import Sums
from data.windows import Target, split_origins
from rank.boost import BoostMember
from rank.boost_models import BoostConfig
from rank.look import Look
from rank.member import Question
from rank.newcomer_features import PULL, neighbours_growth
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("days:31-60")
DAYS, BORN = 700, 640
BIRTHS = {"grow-1": 100, "grow-2": 150, "fade-1": 120, "fade-2": 170}


def planted(like: str, seed: int = 0) -> Panel:
    """Two styles always there, four born early (two grow, two fade after 60 days), one born 60 days before the end."""
    path = {
        "grow": np.r_[np.linspace(1, 9, 60), np.full(DAYS, 20.0)],
        "fade": np.r_[np.linspace(9, 1, 60), np.zeros(DAYS)],
    }
    rng = np.random.default_rng(seed)
    births = {"old-1": 0, "old-2": 0, **BIRTHS, "young": BORN}
    count = {}
    for name, born in births.items():
        kind = like if name == "young" else name.split("-")[0]
        own = path[kind][: DAYS - born] if kind in path else rng.uniform(30, 60, DAYS)
        count[name] = np.r_[np.zeros(born), own]
    styles = tuple(sorted(count))
    count_ST = np.array([count[name] for name in styles])
    return Panel(styles, pd.date_range("2021-01-01", periods=DAYS), count_ST, count_ST.sum(axis=0), {}, "day", True)


def look_of(panel: Panel, origin: pd.Timestamp, vectors_SV: np.ndarray | None = None) -> Look:
    return Look(Sums.of(panel), TARGET, origin, TARGET.period(origin), vectors_SV=vectors_SV)


@pytest.mark.parametrize("like", ["grow", "fade"])
def test_a_young_style_is_told_what_became_of_styles_like_it(like: str) -> None:
    panel = planted(like)
    row = panel.styles.index("young")
    near = neighbours_growth(look_of(panel, panel.last), near=True)
    assert np.flatnonzero(np.isfinite(near)).tolist() == [row]  # nobody else is young
    # The same by hand, from the counts: with four donors all are neighbours, and their mean is shrunk twice.
    share_ST, age = panel.count_ST / panel.total_T, DAYS - BORN
    growth = []
    for name, born in BIRTHS.items():
        count_T, end = panel.count_ST[panel.styles.index(name)], born + age - 1
        before, after = slice(end - 29, end + 1), slice(end + 31, end + 61)
        growth.append(
            np.log((count_T[after].sum() + 0.5) / panel.total_T[after].sum())
            - np.log((count_T[before].sum() + 0.5) / panel.total_T[before].sum())
        )
    assert share_ST[row, BORN:].min() > 0
    mean = sum(growth) / (len(growth) + PULL)
    assert neighbours_growth(look_of(panel, panel.last), near=False)[row] == pytest.approx(mean)
    assert near[row] == pytest.approx((sum(growth) + PULL * mean) / (len(growth) + PULL))


def test_only_the_nearest_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rank.newcomer_features.NEAREST", 2)
    for like, better in (("grow", True), ("fade", False)):
        panel = planted(like)
        row, look = panel.styles.index("young"), look_of(panel, panel.last)
        near, mean = neighbours_growth(look, near=True)[row], neighbours_growth(look, near=False)[row]
        assert (near > mean + 0.3) == better
        assert (near < mean - 0.3) != better
    # Vectors, where there are some, decide instead of the path.
    panel = planted("grow")
    vectors_SV = np.array([[1.0, 0.0] if name.startswith(("fade", "young")) else [0.0, 1.0] for name in panel.styles])
    by_vector = neighbours_growth(look_of(panel, panel.last, vectors_SV), near=True)
    assert by_vector[row] < neighbours_growth(look_of(panel, panel.last), near=False)[row]
    assert neighbours_growth(look_of(panel, panel.last), near=True)[row] > by_vector[row] + 1


def test_no_outcome_after_the_origin_is_known() -> None:
    panel = make_panel(days=500)
    count_ST = panel.count_ST.copy()
    count_ST[0, :150], count_ST[1, :330] = 0, 0
    panel = Panel(panel.styles, panel.days, count_ST, count_ST.sum(axis=0), {}, "day", True)
    origin = panel.days[400]
    here = neighbours_growth(look_of(panel, origin), near=True)
    assert np.isfinite(here[1])
    moved = with_other_future(panel, origin)
    assert np.array_equal(neighbours_growth(look_of(moved, origin), near=True), here, equal_nan=True)
    # The elder one is 181 days old when the younger is 71: what came 60 days after that age is known, 120 is not.
    far = Look(Sums.of(panel), TARGET, origin, (origin + pd.Timedelta(days=115), origin + pd.Timedelta(days=190)))
    assert np.isnan(neighbours_growth(far, near=True)[1])


def test_every_age_is_told_from_the_first_day_on() -> None:
    panel = planted("grow")
    for age in (1, 2, 3, 5):
        told = neighbours_growth(look_of(panel, panel.days[BORN + age - 1]), near=True)
        assert np.isfinite(told[panel.styles.index("young")])


def test_a_style_of_three_months_gets_a_forecast() -> None:
    panel = make_panel(days=760, per_day=120)
    count_ST = panel.count_ST.copy()
    born = 760 - 92
    count_ST[2, :born] = 0
    panel = Panel(panel.styles, panel.days, count_ST, count_ST.sum(axis=0), panel.numeric, "day", True)
    target = Target.parse("calendar-month:2")
    question = Question(panel, target, split_origins(panel, target, 2, 2))
    answer = BoostMember(BoostConfig(rounds=10, threads=1)).answer(question)
    table, place = question.table, question.places[-1]
    assert table.seen_OS[place, 2]
    assert np.isfinite(answer.growth_OS[-1]).all()
    assert not table.seen_OS[question.places[0], 2]  # not born yet
    assert np.isnan(table.values_OSK[place, 2, table.column("year_growth_1")])  # it has no last year
    assert table.values_OSK[place, 2, table.column("age")] == pytest.approx(
        np.log((table.origins[place] - panel.days[born]).days + 1), abs=0.05
    )
