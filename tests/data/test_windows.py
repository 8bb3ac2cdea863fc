import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.panel import Panel
from data.shares import reference_shares, target_shares, to_growth, to_share
from data.sums import Sums
from data.windows import Target, complete, known_on, origin_days, split_origins
from stylecast.errors import UserError

MONTH = Target.parse("calendar-month:2")


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def make_panel(start: str, end: str, kind: str = "day", styles: int = 2, seed: int = 0) -> Panel:
    dates = pd.date_range(start, end, freq={"day": "D", "week": "7D", "month": "MS"}[kind])
    rng = np.random.default_rng(seed)
    rows = [(f"s{s}", date, rng.integers(1, 9)) for s in range(styles) for date in dates]
    return Panel.from_frame(pd.DataFrame(rows, columns=["style", "date", "count"]), granularity=kind)  # type: ignore[arg-type]


def test_month_targets_by_hand() -> None:
    assert MONTH.period(day("2024-01-31")) == (day("2024-03-01"), day("2024-03-31"))
    assert MONTH.period(day("2023-12-01")) == (day("2024-02-01"), day("2024-02-29"))
    assert MONTH.length(day("2023-12-31")) == 29
    assert MONTH.training_period(day("2024-03-10")) == (day("2024-04-11"), day("2024-05-10"))
    assert MONTH.reference(day("2024-02-29")) == (day("2024-02-01"), day("2024-02-29"))
    assert MONTH.block(day("2024-03-31"), 1) == (day("2024-02-01"), day("2024-02-29"))


def test_day_targets_by_hand() -> None:
    target = Target.parse("days:10-15")
    assert target.period(day("2024-01-01")) == (day("2024-01-11"), day("2024-01-16"))
    assert target.reference(day("2024-01-10")) == (day("2024-01-05"), day("2024-01-10"))
    assert target.block(day("2024-01-10"), 1) == (day("2023-12-30"), day("2024-01-04"))
    assert str(target) == "days:10-15"
    assert str(MONTH) == "calendar-month:2"


@pytest.mark.parametrize("text", ["month:2", "calendar-month:0", "days:15-10", "days:0-3", "", "weeks:0"])
def test_unknown_targets(text: str) -> None:
    with pytest.raises(UserError, match="--target"):
        Target.parse(text)


@given(st.dates(min_value=day("2020-01-01").date(), max_value=day("2030-01-01").date()), st.integers(1, 4))
def test_a_training_target_never_ends_after_the_asked_one(date, months: int) -> None:  # noqa: ANN001
    target, origin = Target.parse(f"calendar-month:{months}"), pd.Timestamp(date)
    start, end = target.training_period(origin)
    assert origin < start <= end <= target.period(origin)[1]
    if origin.is_month_end:
        assert (start, end) == target.period(origin)
    assert target.reference(origin)[1] == origin
    assert target.block(origin, 1)[1] == target.reference(origin)[0] - pd.Timedelta(days=1)


def test_growth_and_back() -> None:
    share, reference = np.array([0.0, 0.1, 0.9]), np.array([0.2, 0.0, 0.9])
    assert to_share(to_growth(share, reference, 0.01), reference, 0.01) == pytest.approx(share)
    assert to_share(np.array([99.0, -99.0]), np.array([0.5, 0.5]), 0.01).tolist() == [1.0, 0.0]


def test_sums_are_those_of_the_window() -> None:
    panel = make_panel("2024-01-01", "2024-03-31")
    sums = Sums.of(panel)
    assert sums.count(day("2024-01-05"), day("2024-01-07")) == pytest.approx(panel.count_ST[:, 4:7].sum(axis=1))
    assert sums.total(day("2023-01-01"), day("2024-01-02")) == pytest.approx(panel.total_T[:2].sum())
    assert sums.share(day("2024-02-01"), day("2024-02-29")).sum() == pytest.approx(1.0)
    assert np.isnan(sums.share(day("2023-01-01"), day("2023-02-01"))).all()
    view = sums.until(day("2024-01-10"))
    assert view.count(day("2024-01-09"), day("2024-01-10")) == pytest.approx(panel.count_ST[:, 8:10].sum(axis=1))
    with pytest.raises(ValueError, match="after 2024-01-10"):
        view.count(day("2024-01-09"), day("2024-01-11"))
    assert view.count_ST.shape[1] == 11


def test_partial_last_month_is_no_label_and_no_origin() -> None:
    panel = make_panel("2023-01-01", "2024-06-13")
    assert origin_days(panel, MONTH)[-1] == day("2024-05-31")
    assert complete(panel, MONTH, origin_days(panel, MONTH))[-1] == day("2024-03-31")
    assert np.isnan(target_shares(panel, MONTH, [day("2024-04-30")])).all()
    whole = make_panel("2023-01-01", "2024-05-31")
    assert origin_days(whole, MONTH)[-1] == day("2024-05-31")


def test_origins_of_weeks_are_ends_of_weeks() -> None:
    panel = make_panel("2024-01-01", "2024-06-10", "week")  # Mondays; the last week ends on 16 June
    origins = origin_days(panel, MONTH)
    assert (origins.dayofweek == 6).all()
    assert origins[0] == day("2024-01-28")
    assert origins[-1] == day("2024-05-26")
    # March is known only when the week that holds its last day is over; that is on the 31st itself, a Sunday
    assert known_on(panel, MONTH.period(day("2024-01-28"))) == day("2024-03-31")
    assert known_on(panel, MONTH.period(day("2024-02-25"))) == day("2024-05-05")


def test_short_targets_of_coarse_rows_are_refused() -> None:
    with pytest.raises(UserError, match="monthly panel"):
        origin_days(make_panel("2023-01-01", "2024-06-01", "month"), Target.parse("days:10-15"))


def test_split_by_hand() -> None:
    split = split_origins(make_panel("2021-01-01", "2023-12-31"), MONTH, test_origins=12)
    assert list(split.test[[0, -1]]) == [day("2022-11-30"), day("2023-10-31")]
    assert split.validation[-1] == day("2022-09-30")  # its target, November, is over on the first test origin
    assert len(split.validation) == 7  # a third of the 21 before
    assert split.train[-1] <= day("2022-01-31")
    assert split.latest == day("2023-12-31")
    assert list(split.all[-2:]) == [day("2023-10-31"), day("2023-12-31")]
    none = split_origins(make_panel("2021-01-01", "2023-12-31"), MONTH, test_origins=0)
    assert len(none.test) == 0
    assert none.validation[-1] == day("2023-10-31")


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["day", "week", "month"]),
    st.integers(4, 40),
    st.one_of(st.none(), st.integers(0, 14)),
    st.one_of(st.none(), st.integers(1, 8)),
    st.sampled_from(["calendar-month:1", "calendar-month:2", "days:10-15", "days:1-7", "weeks:2-3"]),
)
def test_no_label_crosses_an_embargo(
    kind: str, months: int, tests: int | None, validations: int | None, text: str
) -> None:
    target = Target.parse(text)
    if kind == "month" and target.kind == "days":
        return
    start = day("2020-01-01")
    panel = make_panel("2020-01-01", str((start + pd.DateOffset(months=months) - pd.Timedelta(days=1)).date()), kind, 1)
    try:
        split = split_origins(panel, target, tests, validations)
    except UserError as error:
        needed = int(str(error).split(": ")[-1].split(" ")[0])
        assert needed > 0
        return
    assert len(split.train) > 0
    assert len(split.validation) > 0
    assert tests is None or len(split.test) == tests
    known = {o: known_on(panel, target.period(o)) for o in [*split.train, *split.validation, *split.test]}
    assert max(known[o] for o in split.train) <= split.validation[0]
    if len(split.test):
        assert max(known[o] for o in split.validation) <= split.test[0]
        assert max(known[o] for o in split.test) <= panel.last
    ends = [panel.period_end(o) for o in split.all]
    assert ends == list(split.all)  # no origin sees part of a period
    assert np.isfinite(target_shares(panel, target, known)).all()


@pytest.mark.parametrize("kind", ["day", "week", "month"])
@pytest.mark.parametrize("tests", [0, 1, 12])
def test_the_months_that_are_told_are_enough(kind: str, tests: int) -> None:
    with pytest.raises(UserError, match="too short") as caught:
        split_origins(make_panel("2020-01-01", "2020-03-30", kind), MONTH, tests)
    months = int(str(caught.value).split(": ")[-1].split(" ")[0])
    end = day("2020-01-01") + pd.DateOffset(months=months) - pd.Timedelta(days=1)
    enough = make_panel("2020-01-01", str(end.date()), kind)
    assert len(split_origins(enough, MONTH, tests).test) == tests
    less = make_panel("2020-01-01", str((end - pd.DateOffset(months=2)).date()), kind)
    with pytest.raises(UserError, match="too short"):
        split_origins(less, MONTH, tests, 1)


def test_a_reference_without_posts_moves_back() -> None:
    days = pd.date_range("2024-01-01", "2024-04-30")
    total = np.where((days >= "2024-03-01") & (days <= "2024-03-31"), 0, 10)
    frame = pd.DataFrame({"style": "a", "date": days, "count": np.minimum(total, days.month), "total": total})
    panel = Panel.from_frame(frame)
    share, half = reference_shares(panel, MONTH, [day("2024-01-31"), day("2024-03-31")])
    assert share[:, 0] == pytest.approx([0.1, 0.2])
    assert half[0] == pytest.approx(0.5 / 310)


def test_free_windows() -> None:
    assert Target.parse("weeks:3-4") == Target.parse("days:15-28")
    assert Target.parse("weeks:1") == Target.parse("days:1-7")
    assert Target.parse("days:1-6", gap_days=9) == Target.parse("days:10-15")
    assert Target.parse("days:3").period(day("2024-01-31")) == (day("2024-02-03"), day("2024-02-03"))
    for text in ("calendar-month:2", "days:10-15", "weeks:2-3"):
        for history in (0, 60):
            target = Target.parse(text, history_days=history)
            assert Target.parse(str(target)) == target
    assert str(Target.parse("days:10-15", history_days=5)) == "days:10-15 from 5 days"
    with pytest.raises(UserError, match="--gap-days 5 goes with days: and weeks:; calendar-month:2 leaves 1 whole"):
        Target.parse("calendar-month:2", gap_days=5)
    for wrong in ("weeks:3-2", "weeks:0-1", "days:", "years:1", "days:1-2 from a while", "days:1-2-3"):
        with pytest.raises(UserError, match="--target"):
            Target.parse(wrong)
    with pytest.raises(UserError, match="0 or more"):
        Target.parse("days:1-2", history_days=-1)


def test_a_history_of_so_many_days_holds_nothing_before() -> None:
    target, origin = Target.parse("days:1-6", history_days=10), day("2024-01-31")
    assert target.history_start(origin) == day("2024-01-22")
    assert Target.parse("days:1-6", history_days=2).history_start(origin) == target.reference(origin)[0]
    assert Target.parse("days:1-6").history_start(origin) is None
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", "2024-02-10")
    rows = [(style, date, count) for style in "ab" for date, count in zip(days, rng.random(len(days)), strict=True)]
    frame = pd.DataFrame(rows, columns=["style", "date", "count"])
    cut = Sums.of(Panel.from_frame(frame)).until(origin, target.history_start(origin))
    late = Sums.of(Panel.from_frame(frame[frame["date"] >= "2024-01-22"])).until(origin)
    assert (cut.first, cut.last, cut.held) == (late.first, late.last, origin)
    np.testing.assert_allclose(cut.count_ST, late.count_ST, atol=1e-12)
    np.testing.assert_allclose(cut.share(day("2024-01-25"), origin), late.share(day("2024-01-25"), origin))
    assert (np.diff(cut.count_ST, axis=1) >= -1e-12).all()


def test_a_month_of_another_year_is_another_month() -> None:
    frame = pd.DataFrame({"style": ["a", "b"] * 2, "date": ["2023-06-15"] * 2 + ["2024-06-15"] * 2})
    panel = Panel.from_frame(frame.assign(count=[1, 3, 3, 1]), granularity="day")
    shares = target_shares(panel, MONTH, [day("2023-04-30"), day("2024-04-30"), day("2023-05-31")])
    assert not np.isfinite(shares[1:]).any()  # June 2024 ends after the panel, July 2023 has no post
    assert shares[0].tolist() == [0.25, 0.75]
