from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rank.bags import Bags
from stylecast.errors import UserError

DAYS = pd.date_range("2024-03-01", periods=4)
STYLES = ("coat", "dress")


def _items(rows: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    """Rows of picture id (POST/K), style, and day of DAYS."""
    return pd.DataFrame(
        {
            "post_id": [picture.split("/")[0] for picture, *_ in rows],
            "picture_id": [picture for picture, *_ in rows],
            "style": [style for _, style, *_ in rows],
            "time": [f"2024-03-{int(day):02d} 13:00" for _, _, day, _ in rows],
            "likes": [float(likes) for *_, likes in rows],
        }
    )


ROWS = [
    ("b/0", "dress", "2", 9),
    ("a/1", "coat", "1", 3),
    ("a/0", "coat", "1", 3),
    ("c/0", "coat", "3", 0),
    ("d/0", "hat", "1", 1),  # not a style of the panel
    ("e/0", "coat", "9", 1),  # not a day of it
]
PICTURES = (["a/0", "a/1", "b/0", "e/0"], np.arange(8, dtype=np.float32).reshape(4, 2))
TEXTS = (["c", "a"], np.array([[10.0], [20.0]], dtype=np.float32))


def test_cells_by_hand() -> None:
    bags = Bags.build(_items(ROWS), STYLES, DAYS, PICTURES, TEXTS)
    # coat on day 1: a/0 and a/1; on day 3: c/0. dress on day 2: b/0.
    assert bags.offset_C.tolist() == [0, 2, 2, 3, 3, 3, 4, 4, 4]
    assert bags.picture_N.tolist() == [0, 1, -1, 2]
    # The text of post a stands once, though it has two pictures; b has none.
    assert bags.text_N.tolist() == [1, -1, 0, -1]
    assert bags.engagement_N == pytest.approx(np.log1p([3, 3, 0, 9]))
    assert bags.until(1).tolist() == [True, True, False, True]


def test_vectors_are_read_by_row() -> None:
    bags = Bags.build(_items(ROWS), STYLES, DAYS, PICTURES, TEXTS)
    vectors_RD, there_R = bags.read("picture", np.array([3, 2]))
    assert vectors_RD.tolist() == [[4.0, 5.0], [0.0, 0.0]]
    assert there_R.tolist() == [True, False]
    assert list(bags.sides) == ["picture", "text"]


def test_vectors_may_stay_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", PICTURES[1])
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    bags = Bags.build(_items(ROWS), STYLES, DAYS, (PICTURES[0], mapped), None)
    assert bags.pictures is mapped
    assert list(bags.sides) == ["picture"]
    assert bags.read("picture", np.array([0]))[0].tolist() == [[0.0, 1.0]]


def test_a_set_of_days_is_the_union_of_its_days() -> None:
    bags = Bags.build(_items(ROWS), STYLES, DAYS, PICTURES, TEXTS)
    sets = bags.sets(np.array([0, 0, 1, 0]), np.array([2, 1, 3, -1]), days=3, max_posts=9)
    assert sets.item_R.tolist() == [0, 1, 2, 0, 1, 3]
    # Places count from 1; the third window ends on day 3 and sees b; before the panel there is nothing.
    assert sets.place_UP.tolist() == [[1, 2, 3], [4, 5, 0], [6, 0, 0], [0, 0, 0]]


def test_order_of_rows_changes_nothing() -> None:
    rows = [(f"{post}/{k}", STYLES[post % 2], str(1 + post % 4), post) for post in range(40) for k in range(2)]
    items = _items(rows)
    ids = [row[0] for row in rows]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(rows))
    one = Bags.build(items, STYLES, DAYS, (ids, vectors), None, max_posts_per_day=5)
    other = Bags.build(
        items.iloc[order], STYLES, DAYS, ([ids[i] for i in order], vectors[order]), None, max_posts_per_day=5
    )
    assert np.diff(one.offset_C).max() == 5
    every = np.arange(len(one.picture_N))
    assert np.array_equal(one.read("picture", every)[0], other.read("picture", every)[0])
    assert np.array_equal(one.engagement_N, other.engagement_N)


def test_crowded_cells_keep_the_lowest_hashes() -> None:
    rows = [(f"{post}/0", "coat", "1", post) for post in range(30)]
    ids = [row[0] for row in rows]
    vectors = np.zeros((30, 1), dtype=np.float32)
    whole = Bags.build(_items(rows), STYLES, DAYS, (ids, vectors), None, max_posts_per_day=99)
    few = Bags.build(_items(rows), STYLES, DAYS, (ids, vectors), None, max_posts_per_day=7)
    kept = np.sort(np.argsort(whole.priority_N)[:7])
    assert whole.picture_N[kept].tolist() == few.picture_N.tolist()
    assert Bags.build(_items(rows), STYLES, DAYS, (ids, vectors), None, 7, seed=1).picture_N.tolist() != kept.tolist()
    # A set that is too large is thinned by the same rule.
    sets = whole.sets(np.array([0]), np.array([0]), days=1, max_posts=7)
    assert whole.picture_N[sets.item_R].tolist() == few.picture_N.tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=25), st.integers(1, 4))
def test_sets_match_the_slow_way(cells: list[tuple[int, int]], days: int) -> None:
    rows = [(f"{number}/0", STYLES[style], str(day + 1), 1) for number, (style, day) in enumerate(cells)]
    ids = [row[0] for row in rows]
    bags = Bags.build(_items(rows), STYLES, DAYS, (ids, np.zeros((len(ids), 1), dtype=np.float32)), None)
    style_U, end_U = (x.ravel() for x in np.meshgrid(np.arange(2), np.arange(4)))
    sets = bags.sets(style_U, end_U, days, max_posts=99)
    for style, end, place_P in zip(style_U, end_U, sets.place_UP, strict=True):
        found = sorted(bags.picture_N[sets.item_R[place - 1]] for place in place_P if place > 0)
        assert found == [n for n, (s, day) in enumerate(cells) if s == style and end - days < day <= end]


def test_a_cut_holds_what_was_there_by_then() -> None:
    cut = Bags.build(_items(ROWS), STYLES, DAYS, PICTURES, TEXTS).cut(2)
    early = Bags.build(_items(ROWS), STYLES, DAYS[:2], PICTURES, TEXTS)
    assert cut.days.equals(early.days)
    for name in ("offset_C", "priority_N", "engagement_N", "picture_N", "text_N"):
        assert np.array_equal(getattr(cut, name), getattr(early, name)), name


def test_unknown_engagement_is_not_zero() -> None:
    items = _items(ROWS).assign(collects=[np.nan, 4.0, np.nan, np.nan, 1.0, 1.0])
    items.loc[3, "likes"] = np.nan
    bags = Bags.build(items, STYLES, DAYS, PICTURES, None)
    assert bags.engagement_N == pytest.approx([np.log1p(3), np.log1p(7), np.nan, np.log1p(9)], nan_ok=True)


def test_errors_name_the_remedy() -> None:
    with pytest.raises(UserError, match=r"picture_id.*assign"):
        Bags.build(_items(ROWS).drop(columns="picture_id"), STYLES, DAYS, PICTURES, None)
    with pytest.raises(UserError, match="no id in common"):
        Bags.build(_items(ROWS), STYLES, DAYS, (["x"], np.zeros((1, 2), dtype=np.float32)), None)
