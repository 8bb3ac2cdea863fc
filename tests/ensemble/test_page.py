"""The page's file: data that are the board's, nothing of a post as markup, nothing loaded from anywhere."""

import stylecast  # noqa: F401  # isort: skip
import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.panel import Panel
from ensemble.beside import nearest
from ensemble.board import build_leaderboard
from ensemble.history import past_forecasts, share_history
from ensemble.page import SCRIPTS, as_json, read_template, render_page, words
from ensemble.page_data import PageMeta, Sources, choose_pictures, movers, page_data

MakePanel = Callable[..., Panel]
ORIGIN = pd.Timestamp("2024-03-31")
JPEG = b"\xff\xd8\xff\xe0 a picture"
NASTY = '<script>alert("x")</script>'


class _Page(HTMLParser):
    """What a browser would find: tags with attributes, and the text of each script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inner: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in self.inner:
            self.inner[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inner:
            self.tags.append(("/" + tag, {}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in self.inner:
            self.inner[self.tags[-1][0]][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def parsed(self, name: str) -> Any:  # noqa: ANN401
        """A block of JSON."""
        place = [attributes.get("id") for attributes in self.attributes("script")].index(name)
        return json.loads(self.inner["script"][place])


@pytest.fixture
def board(make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame) -> pd.DataFrame:
    return build_leaderboard(forecast, make_panel(), styles)


@pytest.fixture
def thumbnails() -> dict[str, bytes]:
    return {name: JPEG + name.encode() for name in ("p1/0", "p2/0", "p3/0", "p4/0", "p5/1", "p6/0")}


@pytest.fixture
def sources(
    make_panel: MakePanel, forecast: pd.DataFrame, metrics: pd.DataFrame, thumbnails: dict[str, bytes]
) -> Sources:
    past = past_forecasts(forecast, make_panel(), ORIGIN, ["ensemble", "last"])
    return Sources(make_panel(), metrics, past, thumbnails=thumbnails)


@pytest.fixture
def page(board: pd.DataFrame, sources: Sources) -> _Page:
    meta = PageMeta(title=f"Q1 {NASTY}", emerging_share=0.034)
    return _Page(render_page(page_data(board, sources, meta)))


def test_nothing_of_a_post_becomes_markup(page: _Page) -> None:
    kinds = [attributes.get("type", "") for attributes in page.attributes("script")]
    assert kinds == ["application/json"] * 3 + [""] * 2
    assert not [script for script in page.inner["script"] if "alert" in script and "<" in script and script[0] == "{"]
    told = page.parsed("data")
    assert f"{NASTY} & co" in told["board"]["name"]
    assert f"{NASTY} 牛仔" in told["board"]["keywords"]
    assert told["title"] == f"Q1 {NASTY}"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


@given(st.text() | st.sampled_from(["</script>", "<!--<script>", "]]>", "\u2028", "&lt;"]))
def test_json_cannot_leave_its_element(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which no table holds
        return
    written = str(as_json({"name": [text]}))
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {"name": [text]}


def test_needs_no_network(page: _Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "base")
        assert not {"src", "srcset", "action", "data"} & set(attributes)
    assert [link["href"] for link in page.attributes("a")] == ["#part=all"]
    assert not re.search(r"url\(|@import", page.inner["style"][0])
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in page.parsed("uris"))
    assert "eval(" not in "".join(page.inner["script"])


def test_browser_is_told_to_run_only_our_scripts(page: _Page) -> None:
    policy = next(m["content"] for m in page.attributes("meta") if m.get("http-equiv") == "Content-Security-Policy")
    for inner in (*page.inner["script"][3:], page.inner["style"][0]):
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.count("sha256-") == 3
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert not [1 for _, attributes in page.tags if "style" in attributes]


def test_licence_of_the_library_travels_with_it(page: _Page) -> None:
    assert "Permission is hereby granted" in page.inner["script"][3]
    assert "Leon Sorokin" in page.inner["script"][3]


def test_numbers_are_the_boards(page: _Page, board: pd.DataFrame) -> None:
    told = page.parsed("data")
    for name in ("rank", "share_now", "share_predicted", "lower_95", "growth", "change", "p_up", "momentum",
                 "posts_28d", "likes_per_post", "age_days"):  # fmt: skip
        assert told["board"][name] == pytest.approx(board[name].to_numpy(dtype=float), rel=1e-4)
    assert told["shown"][-2:] == ["likes_per_post", "age_days"]
    assert (told["posts"], told["emerging_share"]) == (280, 0.034)
    assert (told["origin"], told["target_start"], told["target_end"]) == ("2024-03-31", "2024-05-01", "2024-05-31")


def test_movers_are_those_that_move(page: _Page, board: pd.DataFrame) -> None:
    # a and d gain 5 points, c loses 10; of the month, b and c stay within a tenth, d and a fall.
    assert movers(board)["gain"] == ["a", "d"]
    assert movers(board)["lose"] == ["c"]
    momentum = board.set_index("style")["momentum"]
    assert movers(board)["rose"] == momentum[momentum > 0].sort_values(ascending=False).index.tolist()
    told = page.parsed("data")
    assert [told["board"]["style"][place] for place in told["movers"]["gain"]] == ["a", "d"]


def test_first_pictures_go_before_second_ones() -> None:
    thumbnails = {name: JPEG + name.encode() for name in ("x1", "x2", "y1", "z1")}
    one = len("data:image/jpeg;base64,") + len(base64.b64encode(JPEG + b"x1"))
    wanted = {"x": ["x1", "x2"], "y": ["y1", "gone"], "z": ["z1", "x1"]}
    chosen, uris = choose_pictures(wanted, thumbnails, 3 * one)
    assert chosen == {"x": [0], "y": [1], "z": [2]}
    chosen, uris = choose_pictures(wanted, thumbnails, 4 * one)
    assert (chosen, len(uris)) == ({"x": [0, 3], "y": [1], "z": [2, 0]}, 4)  # a picture of two styles lies there once
    with pytest.raises(ValueError, match="neither JPEG nor PNG"):
        choose_pictures({"x": ["x1"]}, {"x1": b"<svg onload=alert(1)>"}, 10_000)


def test_bare_board(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    forecast[["lower", "upper", "lower_95", "upper_95", "p_down", "p_flat", "p_up"]] = np.nan
    panel = make_panel(numeric=False)
    page = _Page(render_page(page_data(build_leaderboard(forecast, panel), Sources(panel), PageMeta())))
    told = page.parsed("data")
    assert told["per_post"] == []
    assert told["board"]["p_up"] == [None] * 4
    assert told["record"]["verdict"] == "none"
    assert (told["past"], told["truth"], told["reasons"], told["near"]) == (None,) * 4
    assert (told["emerging"], told["lineage"]) == ([], [])
    with pytest.raises(ValueError, match="no styles"):
        page_data(build_leaderboard(forecast, panel).head(0), Sources(panel), PageMeta())


def test_same_text_for_the_same_input_and_any_future(
    board: pd.DataFrame, make_panel: MakePanel, forecast: pd.DataFrame, metrics: pd.DataFrame,
    thumbnails: dict[str, bytes],
) -> None:  # fmt: skip
    pages = set()
    for panel, rows, told, pictures in (
        (make_panel(), forecast, metrics, thumbnails),
        (make_panel(future=30), forecast.iloc[::-1], metrics.iloc[::-1], dict(reversed(thumbnails.items()))),
    ):
        past = past_forecasts(rows, panel, ORIGIN, ["ensemble", "last"])
        pages.add(render_page(page_data(board, Sources(panel, told, past, thumbnails=pictures), PageMeta())))
    assert len(pages) == 1


def test_what_came_is_told_once_the_period_is_over(board: pd.DataFrame, make_panel: MakePanel) -> None:
    # After the origin a has 50 posts a day, the others what they had in March: 4, 4 and 1.
    told = page_data(board, Sources(make_panel(future=61)), PageMeta())
    truth = dict(zip(told["board"]["style"], told["truth"], strict=True))
    shares = {style: whole * told["unit"] for style, whole in truth.items()}
    assert shares == pytest.approx({"a": 50 / 59, "b": 4 / 59, "c": 4 / 59, "d": 1 / 59}, abs=told["unit"])
    assert page_data(board, Sources(make_panel(future=60)), PageMeta())["truth"] is None


def test_earlier_forecasts_beside_what_came(forecast: pd.DataFrame, make_panel: MakePanel) -> None:
    early = forecast["origin"] < ORIGIN
    forecast.loc[early, ["target_start", "target_end"]] = [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-31")]
    past = past_forecasts(forecast, make_panel(future=99), ORIGIN, ["ensemble"])
    assert past["style"].tolist() == ["a", "b", "c", "d"]
    assert past["truth"].tolist() == pytest.approx([0.1, 0.4, 0.4, 0.1])
    assert past_forecasts(forecast, make_panel(), ORIGIN - pd.Timedelta(days=1), ["ensemble"]).empty
    assert past_forecasts(forecast, make_panel(), ORIGIN, ["last"]).empty


def test_history_against_plain_sums(make_panel: MakePanel) -> None:
    panel = make_panel(future=20)
    history = share_history(panel, ORIGIN, points=8)
    assert history.ends[-1] == ORIGIN
    assert history.days == 14
    for place, end in enumerate(history.ends):
        rows = (panel.days > end - pd.Timedelta(days=14)) & (panel.days <= end)
        expected = panel.count_ST[:, rows].sum(axis=1) / panel.total_T[rows].sum()
        assert history.share_SP[:, place] == pytest.approx(expected)


def test_days_without_posts_leave_a_gap(board: pd.DataFrame, make_panel: MakePanel) -> None:
    panel = make_panel()
    panel.count_ST[:, -28:], panel.total_T[-28:] = 0, 0
    told = page_data(board, Sources(panel), PageMeta())["history"]
    assert [row[-1] for row in told["shares"]] == [None] * 4
    assert all(whole is not None for row in told["shares"] for whole in row[:-4])


def test_neighbours_the_slow_way() -> None:
    vectors_SV = np.random.default_rng(5).normal(size=(40, 6))
    vectors_SV /= np.linalg.norm(vectors_SV, axis=1, keepdims=True)
    names = tuple(f"s{number:02d}" for number in range(40))
    found = nearest(vectors_SV, names, 3)
    for place, name in enumerate(names):
        others = [(float(vectors_SV[place] @ vectors_SV[k]), names[k]) for k in range(40) if k != place]
        expected = sorted(others, reverse=True)[:3]
        assert [style for style, _ in found[name]] == [style for _, style in expected]
        assert [cosine for _, cosine in found[name]] == pytest.approx([cosine for cosine, _ in expected])
    assert nearest(vectors_SV[:1], names[:1]) == {"s00": []}


def test_both_languages_say_the_same() -> None:
    for name, (english, chinese) in words().items():
        assert english, name
        assert chinese, name
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), name
    asked = {name for script in SCRIPTS for name in re.findall(r'say\("([\w.]+)"', read_template(script))}
    assert asked <= set(words())
    assert words("zh")["movers"] == "异动"
