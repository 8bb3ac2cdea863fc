"""Places and their changes by hand; tables in three forms, the same bytes each time; new styles apart."""

import stylecast  # noqa: F401  # isort: skip
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.panel import Panel
from ensemble.board import build_leaderboard
from ensemble.proposed import COLUMNS, proposed_at
from ensemble.ranks import add_ranks, places
from ensemble.tables import FORMULA, as_csv, as_lines, write_tables
from recall.emerging import COLUMNS as PROPOSED

MakePanel = Callable[..., Panel]


def small(**columns: list) -> pd.DataFrame:
    """Four styles with growth 40, 30, -10, 20 percent; d has hardly a post."""
    board = {
        "style": ["a", "b", "c", "d"], "growth": [40.0, 30.0, -10.0, 20.0], "share_predicted": [0.1, 0.3, 0.5, 0.1],
        "p_up": [0.3, 0.9, 0.1, 0.99], "change": [1.0, 7.0, -5.0, 0.5], "posts_28d": [9.0, 30.0, 50.0, 2.0],
        "origin": [pd.Timestamp("2024-03-31")] * 4,
    }  # fmt: skip
    return pd.DataFrame(board | columns)


def test_three_places_by_hand() -> None:
    board = add_ranks(small(), "share", 5, None)
    # By share: c, b, then a; d has the same share and too few posts. By rising d would be first, and is last.
    assert board["style"].tolist() == ["c", "b", "a", "d"]
    assert board["rank"].tolist() == [1, 2, 3, 4] == board["rank_share"].tolist()
    assert board["rank_growth"].tolist() == [3, 2, 1, 4]
    assert board["rank_rising"].tolist() == [3, 1, 2, 4]
    assert board["previous_rank"].isna().all()
    assert board["rank_change"].isna().all()
    assert board["previous_origin"].isna().all()
    nullable = ["rank_growth", "rank_share", "rank_rising", "previous_rank", "rank_change"]
    assert set(board[nullable].dtypes.astype(str)) == {"Int64"}
    assert places(small(), "rising", 0).tolist() == [3, 2, 4, 1]
    assert places(small(growth=[np.nan, 1.0, 1.0, 0.0]), "growth", 0).tolist() == [4, 1, 2, 3]


def test_changes_of_rank_by_hand() -> None:
    # Before: b, a, x, c by growth, and no d. Now: a, b, c, d.
    previous = small(style=["a", "b", "c", "x"], growth=[10.0, 20.0, 0.0, 5.0], posts_28d=[9.0] * 4)
    previous["origin"] = pd.Timestamp("2024-02-29")
    board = add_ranks(small(), "growth", 5, previous)
    assert board["style"].tolist() == ["a", "b", "c", "d"]
    assert board["previous_rank"].tolist() == [2, 1, 4, pd.NA]
    assert board["rank_change"].tolist() == [1, -1, 1, pd.NA]
    assert set(board["previous_origin"]) == {pd.Timestamp("2024-02-29")}


def test_same_bytes_whatever_the_order_of_rows(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, tmp_path: Path
) -> None:
    for name, seed in (("one", None), ("two", 3)):
        mixed = [f if seed is None else f.sample(frac=1, random_state=seed) for f in (forecast, styles)]
        (tmp_path / name).mkdir()
        write_tables(tmp_path / name, {"leaderboard": build_leaderboard(mixed[0], make_panel(), mixed[1])})
    for file in ("leaderboard.csv", "leaderboard.parquet", "leaderboard.jsonl"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_three_forms_say_what_the_board_says(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, tmp_path: Path
) -> None:
    board = build_leaderboard(forecast, make_panel(), styles)
    write_tables(tmp_path, {"leaderboard": board})
    read = pd.read_csv(tmp_path / "leaderboard.csv", encoding="utf-8", keep_default_na=False)
    assert read["name"].tolist() == board["name"].tolist()
    assert read["pictures"].tolist() == board["pictures"].tolist()
    assert read["growth"].to_numpy() == pytest.approx(board["growth"].to_numpy(), rel=1e-9)
    assert read["origin"].tolist() == ["2024-03-31"] * 4
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "leaderboard.parquet"), board)
    lines = [json.loads(line) for line in (tmp_path / "leaderboard.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [list(line) for line in lines] == [list(board.columns)] * 4
    assert [line["growth"] for line in lines] == board["growth"].tolist()
    assert lines[0] | {"previous_rank": None, "origin": "2024-03-31", "name": "旗袍 · 国风", "rank": 1} == lines[0]


def test_a_byte_order_mark_is_there_when_asked() -> None:
    table = pd.DataFrame({"name": ["旗袍"], "share": [0.5]})
    assert as_csv(table) == "name,share\n旗袍,0.5\n".encode()
    assert as_csv(table, excel=True) == b"\xef\xbb\xbf" + as_csv(table)
    assert pd.read_csv(BytesIO(as_csv(table, excel=True)), encoding="utf-8-sig")["share"].tolist() == [0.5]


def test_no_text_becomes_a_formula_and_numbers_stay_numbers() -> None:
    names = ['=HYPERLINK("http://x")', "+1", "-1+2", "@SUM(A1)", " =1", "\t=1", "＝1", "a=b", "1-2", ""]
    table = pd.DataFrame({"name": names, "change": np.arange(10.0) - 5.5})
    text = as_csv(table).decode()
    read = pd.read_csv(BytesIO(text.encode()), keep_default_na=False)
    assert read["name"].tolist() == [f"'{name}" for name in names[:7]] + names[7:]
    assert read["change"].tolist() == table["change"].tolist()
    assert '\n"\'=HYPERLINK(""http://x"")",-5.5\n' in text
    assert [json.loads(line)["name"] for line in as_lines(table).decode().splitlines()] == names


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_whatever_the_text_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    written = as_csv(pd.DataFrame({"before": [1.5], "name": [text]})).decode()
    cell = written.removeprefix("before,name\n1.5,").removesuffix("\n").removeprefix('"')
    assert not FORMULA.match(cell)


def test_missing_values_are_empty_or_null() -> None:
    table = pd.DataFrame(
        {"n": pd.array([1, None], "Int64"), "x": [np.nan, 2.5], "day": [pd.NaT, pd.Timestamp("2024-02-29")]}
    )
    assert as_csv(table) == b"n,x,day\n1,,\n,2.5,2024-02-29\n"
    assert as_lines(table) == b'{"n": 1, "x": null, "day": null}\n{"n": null, "x": 2.5, "day": "2024-02-29"}\n'


def proposals(*rows: dict) -> pd.DataFrame:
    plain = {"known_from": pd.Timestamp("2024-04-01"), "month": "2024-03", "posts": 12, "new": 6, "share": 0.02,
             "growth": 0.5, "authors": 4, "name": "格子", "keywords": "格子 衬衫", "nearest": "s1",
             "nearest_name": "条纹", "distance": 3.0, "radius": 1.0, "since": pd.Timestamp("2024-01-05 11:00"),
             "items": "p/1;q/0", "accepted": ""}  # fmt: skip
    return pd.DataFrame([plain | row for row in rows], columns=PROPOSED)


def test_new_styles_are_those_of_the_last_whole_month() -> None:
    table = proposals(
        {
            "proposal": "e2024-02-1",
            "first": "e2024-02-1",
            "month": "2024-02",
            "since": pd.Timestamp("2023-11-30 23:59"),
        },
        {"proposal": "e2024-03-1", "first": "e2024-02-1", "growth": np.nan},
        {"proposal": "e2024-03-2", "first": "e2024-03-2", "posts": 20},
        {"proposal": "e2024-03-3", "first": "e2024-01-9"},
        {"proposal": "e2024-01-9", "first": "e2024-01-9", "month": "2024-01", "accepted": "s9"},
        {"proposal": "e2024-04-1", "first": "e2024-04-1", "month": "2024-04"},
    )
    found = proposed_at(table, pd.Timestamp("2024-03-31"), pictures=True)
    assert found["proposal"].tolist() == ["e2024-03-2", "e2024-03-1"]
    assert found["first_proposal"].tolist() == ["e2024-03-2", "e2024-02-1"]
    row = found.iloc[0]
    assert row["growth"] == pytest.approx(50)
    assert (row["pictures"], row["post_ids"]) == ("p/1;q/0", "p;q")
    assert found["first_seen"].tolist() == [pd.Timestamp("2024-01-05"), pd.Timestamp("2023-11-30")]
    # In the middle of April the scan of March is the last whole one; of texts the items are posts.
    middle = proposed_at(table, pd.Timestamp("2024-04-15"), pictures=False)
    assert middle["proposal"].tolist() == ["e2024-03-2", "e2024-03-1"]
    assert (middle["pictures"].iloc[0], middle["post_ids"].iloc[0]) == ("", "p/1;q/0")
    empty = proposed_at(proposals(), pd.Timestamp("2024-03-31"), pictures=True)
    assert empty.empty
    assert list(empty) == COLUMNS
    assert as_csv(empty) == (",".join(COLUMNS) + "\n").encode()
