from dataclasses import asdict

import pandas as pd
import pytest

from data.panel import Panel
from data.panel_seen import Seen, divided
from stylecast.errors import UserError


def test_by_hand() -> None:
    days = ["2024-01-01", "2024-01-02", "2024-01-04", "2024-02-10"]
    frame = pd.DataFrame({"style": ["a", "a", "a", "b"], "date": days, "count": [1, 0, 2, 3]})
    seen = Seen.of(Panel.from_frame(frame))
    assert asdict(seen) == {
        "every": "day", "first": "2024-01-01", "last": "2024-02-10", "styles": 2, "periods": 41,
        "empty": 38, "zeros": pytest.approx(1 / 4), "born_later": 1, "partial": "2024-02",
        "partition": True,
    }  # fmt: skip
    told = str(seen)
    assert told == (
        "2 styles, 41 days from 2024-01-01 to 2024-02-10; 38 days without any post; "
        "a style has no post in 25% of the days since its first; 1 style begins later than a month after the first "
        "day; 2024-02 is partial: no label and no origin of a month target; every post has one style: shares sum to one"
    )


@pytest.mark.parametrize(("kind", "dates", "periods"), [
    ("week", ["2024-01-01", "2024-01-08", "2024-01-22"], 4),
    ("month", ["2024-01-01", "2024-03-01"], 3),
])  # fmt: skip
def test_weeks_and_months(kind: str, dates: list[str], periods: int) -> None:
    seen = Seen.of(Panel.from_frame(pd.DataFrame({"style": "a", "date": dates, "count": 5})))
    assert (seen.every, seen.periods, seen.empty, seen.zeros) == (kind, periods, 1, 0.0)
    assert seen.partial == ("2024-01" if kind == "week" else "")
    assert seen.born_later == 0


def test_a_style_without_any_post_is_born_later_than_all() -> None:
    frame = pd.DataFrame({"style": ["a", "b"] * 2, "date": ["2024-01-01"] * 2 + ["2024-03-31"] * 2})
    seen = Seen.of(Panel.from_frame(frame.assign(count=[1, 0, 1, 0])))
    assert seen.born_later == 1
    assert seen.partial == ""


def test_whether_a_post_has_one_style_is_told_by_the_counts_or_said() -> None:
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"style": ["a"] * 60 + ["b"] * 60, "date": [*days, *days], "count": 3})
    whole = Panel.from_frame(frame.assign(total=6))
    several = Panel.from_frame(frame.assign(total=4))
    assert whole.partition
    assert "every post has one style" in str(Seen.of(whole))
    assert not several.partition
    assert "several styles, or none" in str(Seen.of(several))
    assert divided(whole, "auto") is whole
    free = divided(whole, "no")
    assert not free.partition
    assert not free.until(days[20]).partition  # not asked anew
    # Nearly: one day lacks a post of the total.
    nearly = Panel.from_frame(frame.assign(total=[7] + [6] * 59 + [7] + [6] * 59))
    assert not nearly.partition
    assert divided(nearly, "yes").until(days[20]).partition
    with pytest.raises(UserError, match="--partition yes: the counts of all styles are 150% of the totals"):
        divided(several, "yes")
    with pytest.raises(UserError, match="posts have no style"):
        divided(Panel.from_frame(frame.assign(total=12)), "yes")
