"""The page: one file, no network, nothing of a post ever becomes markup, and numbers that are the board's."""

import stylecast  # noqa: F401  # isort: skip
import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from ensemble.leaderboard import build_leaderboard
from ensemble.page import PageMeta, render_page
from ensemble.record import build_record
from ensemble.sparkline import HEIGHT, MARGIN, draw, share_history

MakePanel = Callable[..., Panel]
ORIGIN = pd.Timestamp("2024-03-31")
JPEG = b"\xff\xd8\xff\xe0 a picture"
NASTY = '<script>alert("x")</script>'


class _Page(HTMLParser):
    """What a browser would find: tags with attributes, the text of scripts, and the cells of the table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in ("script", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif not self._open:
            self.text.append(data)

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def board(make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame) -> pd.DataFrame:
    return build_leaderboard(forecast, make_panel(), styles)


@pytest.fixture
def thumbnails() -> dict[str, bytes]:
    return {name: JPEG + name.encode() for name in ("p1/0", "p2/0", "p3/0", "p4/0", "p5/1", "p6/0")}


@pytest.fixture
def html(board: pd.DataFrame, make_panel: MakePanel, metrics: pd.DataFrame, thumbnails: dict[str, bytes]) -> str:
    return render_page(board, make_panel(), metrics, thumbnails, PageMeta(title=f"Q1 {NASTY}", emerging_share=0.034))


def test_nothing_of_a_post_becomes_markup(html: str) -> None:
    page = _Page(html)
    assert len(page.attributes("script")) == 1
    assert "alert" not in page.scripts[0]
    assert f"{NASTY} & co" in page.text
    assert f"{NASTY} 牛仔" in page.text
    assert f"Q1 {NASTY}" in page.text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_needs_no_network(html: str) -> None:
    page = _Page(html)
    assert "http://" not in html
    assert "https://" not in html
    assert not re.search(r"url\(|@import|srcset", html)
    assert all(image["src"].startswith("data:image/") for image in page.attributes("img"))
    assert [link["href"] for link in page.attributes("a")] == ["#board"]
    assert not page.attributes("link")
    assert not page.attributes("iframe")
    assert "src" not in page.attributes("script")[0]


def test_browser_is_told_to_run_only_our_script(html: str) -> None:
    page = _Page(html)
    policy = next(m["content"] for m in page.attributes("meta") if m.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_a_column_name_cannot_leave_the_style_element(
    board: pd.DataFrame, make_panel: MakePanel, metrics: pd.DataFrame
) -> None:
    hostile = board.rename(columns={"likes_per_post": f'"}}</style>{NASTY}_per_post'})
    page = _Page(render_page(hostile, make_panel(), metrics, {}))
    assert len(page.attributes("script")) == 1
    assert len(page.attributes("style")) == 1
    assert "alert" not in page.scripts[0]


def test_numbers_are_the_boards(html: str, board: pd.DataFrame) -> None:
    values = re.findall(r'data-v="([^"]*)"', html)
    names = ["share_now", "share_predicted", "growth", "change", "p_up", "momentum", "posts_28d", "likes_per_post",
             "age_days"]  # fmt: skip
    assert len(values) == len(board) * (len(names) + 2)
    rows = np.array(values, dtype=object).reshape(len(board), -1)
    assert rows[:, 0].astype(int).tolist() == board["rank"].tolist()
    shown = rows[:, 2:].astype(float)
    assert shown == pytest.approx(board[names].to_numpy(dtype=float), rel=1e-5, abs=1e-12)


def test_first_row_reads_as_it_should(html: str) -> None:
    row = html[html.index("<tbody>\n<tr>\n<td") :].split("</tr>")[0]
    cells = [re.sub(r"<[^>]*>", " ", cell).split() for cell in row.split("</td>")]
    text = [" ".join(cell) for cell in cells[2:-1]]
    assert text == ["10.0%", "15.0% 13.0–18.0%", "+49%", "+5.00", "rises 70%", "−47%", "28", "10", "90 d"]


def test_top_of_the_page(html: str) -> None:
    text = " ".join(_Page(html).text)
    for told in ("2024-03-31", "2024-05-01 to 2024-05-31", "280", "3.4%", "2 rise, 1 hold, 1 fall"):
        assert told in text


def test_movers_are_those_that_move(html: str) -> None:
    lists = re.findall(r"<ol>(.*?)</ol>", html, flags=re.DOTALL)
    names = [re.findall(r'title="([^"]*)"', part) for part in lists]
    assert names == [["旗袍 · 国风", "汉服"], ["linen shirt"]]


def test_every_picture_in_the_table_says_what_it_is(html: str) -> None:
    table = html[html.index('id="board"') :]
    alts = [image["alt"] for image in _Page(table).attributes("img")]
    assert alts == ["旗袍 · 国风, picture 1", "旗袍 · 国风, picture 2", f"{NASTY} & co, picture 1",
                    "linen shirt, picture 1", "linen shirt, picture 2", "linen shirt, picture 3"]  # fmt: skip


def test_style_from_text_shows_words_only(board: pd.DataFrame, make_panel: MakePanel, metrics: pd.DataFrame) -> None:
    page = _Page(render_page(board.assign(pictures=""), make_panel(), metrics, {}))
    assert not page.attributes("img")
    assert "旗袍 国风 复古" in page.text


def test_first_pictures_go_before_second_ones(
    board: pd.DataFrame, make_panel: MakePanel, metrics: pd.DataFrame, thumbnails: dict[str, bytes]
) -> None:
    one = len("data:image/jpeg;base64,") + len(base64.b64encode(JPEG + b"p1/0"))
    html = render_page(board, make_panel(), metrics, thumbnails, PageMeta(picture_bytes=3 * one))
    table = html[html.index('id="board"') :]
    assert [image["alt"][-1] for image in _Page(table).attributes("img")] == ["1", "1", "1"]


def test_a_picture_must_be_one(board: pd.DataFrame, make_panel: MakePanel) -> None:
    with pytest.raises(ValueError, match="neither JPEG nor PNG"):
        render_page(board, make_panel(), None, {"p1/0": b"<svg onload=alert(1)>"})


def test_bare_board_without_engagement_intervals_or_classes(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    forecast[["lower", "upper", "p_down", "p_flat", "p_up"]] = np.nan
    panel = make_panel(numeric=False)
    html = render_page(build_leaderboard(forecast, panel), panel, None, {})
    text = " ".join(_Page(html).text)
    assert "Likes" not in text
    assert "nan" not in html[html.index("<body>") : html.index("<script>")].lower()
    assert "No backtest came with this forecast" in text


def test_same_text_for_the_same_input_and_any_future(
    board: pd.DataFrame, make_panel: MakePanel, metrics: pd.DataFrame, thumbnails: dict[str, bytes]
) -> None:
    pages = {
        render_page(board, panel, frame, pictures)
        for panel, frame, pictures in (
            (make_panel(), metrics, thumbnails),
            (make_panel(future=30), metrics.iloc[::-1], dict(reversed(thumbnails.items()))),
        )
    }
    assert len(pages) == 1


def test_record_says_that_the_ensemble_won(metrics: pd.DataFrame) -> None:
    record = build_record(metrics)
    assert record.good
    assert record.verdict == (
        "This forecast beat the best simple rule by 20%: a mean error of 0.400 points of share over 12 past forecasts, "
        "against 0.500 for last."
    )
    assert [row.model for row in record.rows] == ["ensemble", "lightgbm", "last", "theta"]
    assert [row.kind for row in record.rows] == ["this forecast", "part of it", "simple rule", "simple rule"]
    assert record.rows[0].cells == ("0.400", "20%", "82%", "0.35")
    assert record.rows[3].cells == ("0.600", "−20%", "–", "−0.10")


@pytest.mark.parametrize("mae", [0.005, 0.0051])
def test_record_says_plainly_that_the_ensemble_did_not_win(metrics: pd.DataFrame, mae: float, html: str) -> None:
    metrics.loc[metrics["model"].eq("ensemble") & metrics["split"].eq("test"), "mae"] = mae
    record = build_record(metrics)
    assert not record.good
    assert "did NOT beat the best simple rule" in record.verdict
    assert "trust last more" in record.verdict
    assert "did NOT" not in html


def test_record_without_a_test_split_is_none(metrics: pd.DataFrame) -> None:
    record = build_record(metrics[metrics["split"] == "validation"])
    assert not record.good
    assert not record.rows
    assert "No backtest" in record.verdict


def test_history_against_plain_sums(make_panel: MakePanel) -> None:
    panel = make_panel(future=20)
    history = share_history(panel, ORIGIN, points=8)
    assert history.ends[-1] == ORIGIN
    assert history.days == 14
    for place, end in enumerate(history.ends):
        rows = (panel.days > end - pd.Timedelta(days=14)) & (panel.days <= end)
        expected = panel.count_ST[:, rows].sum(axis=1) / panel.total_T[rows].sum()
        assert history.share_SP[:, place] == pytest.approx(expected)


def test_drawing_by_hand(make_panel: MakePanel) -> None:
    history = share_history(make_panel(), ORIGIN)
    # b has 4 of 10 posts in March; a forecast of twice that is the top, its half lies in the middle.
    drawn = draw(history, 1, (pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-31")), 0.8, 0.4, 0.8)
    assert drawn.y == MARGIN
    middle = HEIGHT / 2
    assert drawn.line.endswith(f" {middle:.0f}")
    assert drawn.interval == f"M{drawn.x:g} {middle:.0f}V{MARGIN}"
    numbers = [float(x) for x in re.findall(r"[ML]([\d.]+) ", drawn.line)]
    assert numbers == sorted(numbers)
    assert numbers[-1] < drawn.x


def test_days_without_posts_leave_no_point(make_panel: MakePanel) -> None:
    panel = make_panel()
    panel.count_ST[:, -28:], panel.total_T[-28:] = 0, 0
    drawn = draw(share_history(panel, ORIGIN), 1, (ORIGIN, ORIGIN), 0.4, np.nan, np.nan)
    assert "nan" not in drawn.line + drawn.to
    assert drawn.interval == ""
