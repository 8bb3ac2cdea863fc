"""Drawings: whole files with the same bytes, glyphs or ids, labels that never lie on each other."""

import warnings
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from data.posts import Posts
from recall import fonts
from recall.contact_sheets import Shelf, signed, with_growth
from recall.counts import count_styles, share_table
from recall.emerging import COLUMNS as PROPOSAL_COLUMNS
from recall.figures import Found, draw_time
from recall.figures_space import place_labels, silhouette, style_map
from recall.figures_time import PANELS, STACKED, Months, panels, stacked
from recall.fonts import chinese_font, labels_of, look, save, shorten, spread, text_width

NAMES = ["旗袍 · 国风", "卫衣 · street", "大衣 $5$"]
DRAWN = ("shares", "shares-panels", "lifespans", "months", "proposed", "lineage")


def found(styles: int = 3) -> tuple[Found, Posts]:
    """Half a year of posts with a picture each, a proposal and a refit."""
    rng = np.random.default_rng(0)
    number = 400
    ids = [f"p{i:03d}" for i in range(number)]
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 182, number)), unit="D")
    names = [f"s{i:02d}" for i in range(styles)]
    assignments = pd.DataFrame(
        {"id": [f"{i}/0" for i in ids], "post_id": ids, "time": time, "distance": rng.random(number),
         "style": np.array(names, dtype=object)[np.arange(number) % styles], "emerging": False}
    )  # fmt: skip
    images = rng.integers(0, 255, (number, 16, 16, 3), dtype=np.uint8)
    posts = Posts(assignments[["post_id"]], pd.DataFrame({"picture_id": assignments["id"], "post_id": ids}), images)
    seen = assignments.groupby("style")["time"]
    table = pd.DataFrame({"style": names, "name": [NAMES[i % 3] for i in range(styles)],
                          "first_seen": seen.min().to_numpy(), "last_seen": seen.max().to_numpy()})  # fmt: skip
    proposal = dict.fromkeys(PROPOSAL_COLUMNS, "") | {
        "proposal": "e2024-05-1", "first": "e2024-05-1", "month": "2024-05", "posts": 12, "new": 5, "growth": 0.5,
        "name": "汉服", "nearest": "s00", "nearest_name": NAMES[0], "since": time[9], "items": "p000/0;p001/0",
    }  # fmt: skip
    lineage = pd.DataFrame(
        {"refit": 1, "previous": ["s00", "s00", "s09", ""], "current": ["s00", "s01", "", "s02"],
         "relation": ["split", "split", "death", "birth"], "kept": [True, False, False, False], "shared": [5, 3, 0, 0],
         "of_previous": [0.6, 0.4, 0.0, 0.0], "of_current": [1.0, 1.0, 0.0, 0.0], "distance": 0.1}
    )  # fmt: skip
    panel = count_styles(assignments, posts.table)
    return Found(table, assignments, panel, pd.DataFrame([proposal]), lineage, pd.Timestamp("2024-04-01")), posts


def draw(folder: Path) -> Path:
    folder.mkdir()
    draw_time(*found(), folder)
    return folder


@pytest.mark.filterwarnings("error:Glyph:UserWarning")
def test_every_drawing_is_there_with_its_glyphs_and_the_same_bytes(tmp_path: Path) -> None:
    if chinese_font() is None:
        pytest.skip("no font with Chinese glyphs is installed")
    one, two = draw(tmp_path / "one"), draw(tmp_path / "two")
    for name in DRAWN:
        image = cv2.imread(str(one / f"{name}.png"))
        assert image is not None
        assert image.shape[1] > 500
        assert image.std() > 5
        assert "<svg" in (one / f"{name}.svg").read_text(encoding="utf-8")
        for kind in ("png", "svg"):
            assert (one / f"{name}.{kind}").read_bytes() == (two / f"{name}.{kind}").read_bytes()


def test_without_a_font_ids_stand_in_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "CHINESE_FONTS", ())
    assert labels_of(["s00"], ["旗袍"]) == {"s00": "s00"}
    assert "fonts-noto-cjk" in caplog.text
    assert labels_of(["s00"], ["hoodie"]) == {"s00": "s00 hoodie"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        shown, posts = found()
        draw_time(shown, posts, tmp_path)
    assert (tmp_path / "shares.png").stat().st_size > 0


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_many_styles_are_cut_to_the_largest_and_told() -> None:
    shown, _ = found(100)
    labels = {style: style for style in shown.styles["style"]}
    months = Months.of(share_table(shown.panel, "month"), labels)
    with look():
        assert any(text.startswith(f"{100 - STACKED} more styles") for text in texts_of(stacked(months)))
        assert len(panels(months).axes) == PANELS
    np.testing.assert_allclose(months.share_SP.sum(axis=0), 1.0)


def test_silhouette_and_map_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    place_N2 = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 8])
    style_N = np.array(["s00"] * 50 + ["s01"] * 49 + [""])
    with look():
        save(silhouette({5: 0.2, 6: 0.4, 7: 0.3}, 6, 0.1), tmp_path, "silhouette")
        drawn = style_map(place_N2, style_N, ["s00", "s01", "s02"], {"s00": "s00 a", "s01": "s01 b", "s02": "s02"})
        save(drawn, tmp_path, "map")
    assert texts_of(drawn)[:2] == ["s00 a", "s01 b"]
    assert cv2.imread(str(tmp_path / "map.png")).std() > 5
    assert cv2.imread(str(tmp_path / "silhouette.png")).std() > 5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_labels_never_lie_on_each_other(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    anchor_K2 = rng.uniform(0, 8, (count, 2)) * rng.choice([0.1, 1.0])
    sizes = [(float(w), 0.2) for w in rng.uniform(0.5, 1.5, count)]
    spots = place_labels(anchor_K2, sizes, anchor_K2, 10, 8)
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(spots, sizes, strict=True)]
    for place, one in enumerate(boxes):
        assert one[0] >= -1e-9
        assert one[3] <= 8 + 1e-9
        for other in boxes[:place]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0.1, 5))
def test_spread_places_keep_order_and_distance(wanted: list[float], gap: float) -> None:
    places = spread(sorted(wanted), gap, 0, 100)
    assert all(b - a >= gap - 1e-6 for a, b in pairwise(places))
    assert min(places) >= -1e-6
    assert max(places) <= 100 + 1e-6


def test_spread_by_hand() -> None:
    assert spread([1.0, 1.0, 9.0], 2.0, 0, 10) == [0.0, 2.0, 9.0]
    assert spread([], 1.0, 0, 10) == []


def test_texts_are_cut_by_their_width() -> None:
    assert text_width("旗袍") == 2.0
    assert shorten("旗袍 · 国风 · 复古", 5) == "旗袍…"
    assert shorten("abc", 5) == "abc"
    assert signed(-0.354) == "−35%"
    assert signed(-0.001) == "±0%"


def test_growth_by_hand() -> None:
    shares = pd.DataFrame(
        {"style": ["a", "a", "b", "b"], "date": pd.to_datetime(["2024-01-01", "2024-02-01"] * 2),
         "count": [5, 10, 0, 2], "total": 50.0, "share": [0.1, 0.2, 0.0, 0.04]}
    )  # fmt: skip
    rows = with_growth(shares).set_index(["style", "date"])
    assert rows.loc[("a", pd.Timestamp("2024-02-01")), "pace"] == pytest.approx(np.log(0.21 / 0.11))
    assert rows["pace"].isna().sum() == 3  # no month before, and two votes are too few


def test_a_shelf_shows_the_nearest_of_each_post() -> None:
    shown, posts = found()
    shelf = Shelf.of(shown.assignments, posts)
    rows = shelf.rows("s00", pd.Period("2024-03"), 3)
    mine = shown.assignments[(shown.assignments["style"] == "s00") & (shown.assignments["time"].dt.month == 3)]
    assert rows == mine.sort_values("distance").index[:3].tolist()
