from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.panel import Panel
from data.panel_grid import dense_start, detect_granularity
from data.panel_table import parse_dates
from stylecast.errors import UserError


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "panel.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_daily_counts_with_a_gap(tmp_path: Path) -> None:
    text = "style,date,count,total\n007,2024-01-01,2,10\n旗袍,2024-01-01,3,10\n007,2024-01-04,1,4\n"
    panel = Panel.read(write(tmp_path, text))
    assert panel.styles == ("007", "旗袍")
    assert len(panel.days) == 4
    assert panel.granularity == "day"
    assert panel.count_ST.tolist() == [[2, 0, 0, 1], [3, 0, 0, 0]]
    assert panel.total_T.tolist() == [10, 0, 0, 4]
    assert not panel.partition


def test_without_totals_they_are_the_sums_of_counts(tmp_path: Path) -> None:
    panel = Panel.read(write(tmp_path, "style,date,count\na,2024-01-01,2\nb,2024-01-01,3\nb,2024-01-02,1\n"))
    assert panel.total_T.tolist() == [5, 1]
    assert panel.partition


def test_a_missing_total_is_taken_from_its_date(tmp_path: Path) -> None:
    text = "style,date,count,total\na,2024-01-01,2,\nb,2024-01-01,3,9\nb,2024-01-02,1,\n"
    assert Panel.read(write(tmp_path, text)).total_T.tolist() == [9, 1]


def test_ids_that_pandas_would_take_for_missing_stay(tmp_path: Path) -> None:
    assert Panel.read(write(tmp_path, "style,date,count\nNA,2024-01-01,2\nnull,2024-01-02,3\n")).styles == (
        "NA",
        "null",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_spreadsheet_encodings(tmp_path: Path, encoding: str) -> None:
    panel = Panel.read(write(tmp_path, "style,date,count\n马面裙,2024-01-01,2\n大衣,2024-01-02,3\n", encoding))
    assert panel.styles == ("大衣", "马面裙")


def test_weeks_and_months_lie_evenly_on_their_days() -> None:
    week = Panel.from_frame(
        pd.DataFrame(
            {"style": "a", "date": ["2024-01-01", "2024-01-08", "2024-01-22"], "count": [7, 14, 7], "total": 70}
        )
    )
    assert week.granularity == "week"
    assert len(week.days) == 28
    assert week.count_ST[0, [0, 7, 14, 21]].tolist() == [1, 2, 0, 1]
    assert week.total_T[[0, 14]].tolist() == [10, 0]
    assert week.period_end(pd.Timestamp("2024-01-09")) == pd.Timestamp("2024-01-14")
    month = Panel.from_frame(
        pd.DataFrame({"style": "a", "date": ["2024-01", "2024-02"], "count": [31, 58], "total": 310})
    )
    assert month.granularity == "month"
    assert month.days[-1] == pd.Timestamp("2024-02-29")
    assert month.count_ST[0, [0, 31]].tolist() == [1, 2]
    assert month.period_end(pd.Timestamp("2024-02-03")) == pd.Timestamp("2024-02-29")


def test_weeks_dated_by_a_sunday_end_on_it() -> None:
    panel = Panel.from_frame(pd.DataFrame({"style": "a", "date": ["2024-01-07", "2024-01-14"], "count": [7, 7]}))
    assert panel.days[0] == pd.Timestamp("2024-01-01")
    assert panel.last == pd.Timestamp("2024-01-14")


@pytest.mark.parametrize(
    ("dates", "kind"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-09"], "day"),
        (["2024-01-01", "2024-01-08", "2024-01-29"], "week"),
        (["2024-01-01", "2024-02-01", "2024-04-01"], "month"),
        (["2024-01-31", "2024-02-29", "2024-03-31"], "month"),
        (["2023-02-01", "2023-03-01"], "month"),
        (["2024-01-01"], "day"),
    ],
)
def test_granularity(dates: list[str], kind: str) -> None:
    assert detect_granularity(pd.to_datetime(pd.Series(dates))) == kind


HEAD = "style,date,count,total\na,2024-01-01,2,10\n\n"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("b,2024-01-02,-1,10", "row 4: `count` is negative"),
        ("b,2024-01-02,x,10", "row 4: `count` is `x`"),
        ("b,2024-01-02,nan,10", "row 4: `count`"),
        ("b,2024-01-02,,10", "row 4: `count` is missing"),
        ("b,2024-01-02,inf,10", "row 4: `count`"),
        ("b,2024-01-02,11,10", "row 4: count 11 is above the total 10"),
        ("b,2024-01-01,1,12", "row 4: `total` is 12, but 10"),
        ("b,01-02,1,12", "row 4: cannot read the date `01-02`"),
        ("b,2024-02-30,1,12", "row 4: cannot read the date"),
        ("b,01/02/2024,1,12", "row 4: cannot read the date"),
        ("a,2024-01-01,2,10", "row 4: style `a` stands a second time on 2024-01-01"),
        (" ,2024-01-02,2,10", "row 4: the style is empty"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_row(tmp_path: Path, row: str, what: str) -> None:
    path = write(tmp_path, HEAD + row + "\n")
    with pytest.raises(UserError) as caught:
        Panel.read(path)
    assert str(caught.value).startswith(f"{path}, ")
    assert what in str(caught.value)
    assert "; " in str(caught.value)  # the remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not a readable table"),
        ("style,date,count\n", "no rows"),
        ("name,date,count\na,2024-01-01,1\n", "the column `style` is missing"),
        ("style,day,count\na,2024-01-01,1\n", "the column `date` is missing"),
        ("style,date,count,total\na,2024-01-01,0,0\n", "no posts"),
    ],
)
def test_a_file_that_is_no_panel(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        Panel.read(write(tmp_path, text))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        Panel.read(tmp_path / "none.csv")
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match="unknown kind"):
        Panel.read(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").write_bytes(b"PK")
    with pytest.raises(UserError, match="Parquet"):
        Panel.read(tmp_path / "a.parquet")


def test_dates_as_people_write_them() -> None:
    told = [
        "2024-03-01",
        "2024/3/1",
        "20240301",
        "2024年3月1日",
        "2024-03",
        "202403",
        "2024-03-01T08:00:00+08:00",
        "2024.3.1 8:00",
    ]
    assert (parse_dates(pd.Series(told), "x") == pd.Timestamp("2024-03-01")).all()


def test_posts_split_their_vote(tmp_path: Path) -> None:
    rows = [("p1", "a", "2024-01-01", 9)] * 2 + [("p1", "b", "2024-01-01", 9), ("p2", "b", "2024-01-01", 3)]
    frame = pd.DataFrame(rows, columns=["post_id", "style", "time", "likes"])
    frame.to_csv(tmp_path / "posts.csv", index=False)
    panel = Panel.read(tmp_path / "posts.csv")
    assert panel.count_ST[:, 0] == pytest.approx([2 / 3, 4 / 3])
    assert panel.total_T[0] == pytest.approx(2.0)
    assert panel.numeric["likes"][:, 0] == pytest.approx([6.0, 6.0])
    assert panel.numeric["likes_log"][:, 0] == pytest.approx([np.log(10) * 2 / 3, np.log(10) / 3 + np.log(4)])
    whole = Panel.from_rows(frame, split_votes=False)
    assert whole.count_ST[:, 0].tolist() == [2, 2]


def test_a_post_without_a_style_counts_in_the_total_only() -> None:
    panel = Panel.from_rows(pd.DataFrame({"style": ["a", None, "a"], "time": "2024-01-01"}))
    assert panel.styles == ("a",)
    assert panel.total_T.tolist() == [3]
    assert not panel.partition


def test_ids_of_whole_floats_lose_their_point() -> None:
    assert Panel.from_rows(pd.DataFrame({"style": [3.0, np.nan, 12.0], "time": "2024-01-01"})).styles == ("12", "3")


def test_a_sparse_lead_is_left_out() -> None:
    days = pd.date_range("2023-01-01", "2023-07-31")
    count = pd.Series(20.0, index=days[days >= "2023-04-01"])
    count[pd.Timestamp("2022-05-03")] = 3.0
    count[pd.Timestamp("2023-03-09")] = 2.0
    assert dense_start(count.sort_index()) == pd.Timestamp("2023-04-01")
    # what comes later than two months after the start does not move it
    later = count.copy()
    later[later.index > "2023-06-30"] = 10_000.0
    assert dense_start(later.sort_index()) == pd.Timestamp("2023-04-01")
    assert dense_start(pd.Series([1.0], index=[pd.Timestamp("2024-01-05")])) == pd.Timestamp("2024-01-05")


def test_until_holds_nothing_later() -> None:
    panel = Panel.from_frame(pd.DataFrame({"style": ["a", "b"], "date": ["2024-01-01", "2024-01-03"], "count": [1, 2]}))
    cut = panel.until(pd.Timestamp("2024-01-02"))
    assert len(cut.days) == 2
    assert cut.count_ST.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match="outside"):
        panel.until(pd.Timestamp("2024-01-04"))


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 40)), st.integers(0, 9), min_size=2, max_size=30
)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.sampled_from(["day", "week", "month"]), st.randoms())
def test_to_frame_and_back_whatever_the_order_of_rows(counts: dict, kind: str, random) -> None:  # noqa: ANN001
    step = {"day": pd.DateOffset(days=1), "week": pd.DateOffset(weeks=1), "month": pd.DateOffset(months=1)}[kind]
    start = pd.Timestamp("2024-01-01")
    rows = [(style, start + place * step, count, 3.0 * count) for (style, place), count in counts.items()]
    if not any(row[2] for row in rows):
        return
    frame = pd.DataFrame(rows, columns=["style", "date", "count", "likes"])
    panel = Panel.from_frame(frame, granularity=kind)
    assert panel.count_ST.sum() == pytest.approx(frame["count"].sum())
    again = Panel.from_frame(panel.to_frame(), granularity=kind)
    shuffled = Panel.from_frame(frame.sample(frac=1, random_state=random.randint(0, 99)), granularity=kind)
    for other in (again, shuffled):
        assert other.styles == panel.styles
        assert other.days.equals(panel.days)
        assert np.allclose(other.count_ST, panel.count_ST)
        assert np.allclose(other.total_T, panel.total_T)
        assert np.allclose(other.numeric["likes"], panel.numeric["likes"])
    assert np.array_equal(shuffled.count_ST, panel.count_ST)


def test_parquet_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"style": [7, 8], "date": pd.to_datetime(["2024-01-01", "2024-01-02"]), "count": [1, 2]})
    frame.to_parquet(tmp_path / "p.parquet")
    assert Panel.read(tmp_path / "p.parquet").styles == ("7", "8")
