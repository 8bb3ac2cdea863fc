"""The leaderboard as one HTML file that needs no network: pictures, drawings, style and script lie within it.

Titles and tags of posts are untrusted: Jinja2 escapes every value, and a content security policy lets the browser run
no script but the page's own and load nothing from anywhere.
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from data.panel import Panel
from data.sums import Sums
from ensemble.columns import RECENT_DAYS, Column, Row, columns_of
from ensemble.figures import CLASSES, count, decimals_of, percent, points
from ensemble.record import build_record
from ensemble.sparkline import DAY, HEIGHT, WIDTH, Sparkline, draw, share_history

MOVERS = 5
"""Styles in each list of movers."""
MANY = 1000
"""A board with more styles than this gets drawings with half the points, so that the page stays light."""
CHINESE = re.compile(r"[\u3400-\u9fff]")
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}
GUIDE = (
    (
        "Share over time",
        "Share of the posts over up to two years, each style on its own scale from zero. The dot is the prediction, "
        "the bar through it the range of the prediction.",
    ),
    (
        "Record",
        "“Mean error” is the mean distance between the predicted and the true share, in percentage points. “Better "
        "than best rule” compares it with the simple rule that had the least error in the same backtest. “Interval "
        "held” is how often the true share lay within the range. “Order of growth” compares the predicted ranking "
        "with the true one (Spearman): 1 is perfect, 0 is chance.",
    ),
)


@dataclass(frozen=True)
class PageMeta:
    """What the page says beside the board."""

    title: str = "Style leaderboard"
    """Heading of the page."""
    feed: str = "the feed"
    """What the posts are called within a sentence: `the feed`, `our posts`."""
    ranked_by: str = "predicted growth"
    """What the rank follows, in words."""
    emerging_share: float | None = None
    """Share of the recent posts that belong to no known style, 0 to 1; None where not counted."""
    interval: float = 0.8
    """What part of the true shares the intervals are meant to hold, 0 to 1."""
    picture_bytes: int = 4_000_000
    """Most bytes of the page that pictures may take; the movers come first, then the ranks in order."""
    search: str = ""
    """Address of a page that searches the pictures, which a server has; "" = none."""


def read_template(name: str) -> str:
    """A file of `templates`."""
    return (resources.files("ensemble") / "templates" / name).read_text(encoding="utf-8")


def templates() -> Environment:
    """The templates; every value that they show is escaped."""
    return Environment(
        loader=FunctionLoader(read_template), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )


def _data_uri(picture: bytes) -> str:
    kind = next((kind for magic, kind in KINDS.items() if picture.startswith(magic)), None)
    if kind is None:
        raise ValueError(f"a thumbnail is neither JPEG nor PNG: it starts with {picture[:4]!r}")
    return f"data:{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _choose_pictures(
    board: pd.DataFrame, movers: list[str], thumbnails: Mapping[str, bytes], budget: int
) -> dict[str, list[str]]:
    """The pictures of each style as data URIs: everyone's first before anyone's second, until the budget is spent."""
    order = [*movers, *[style for style in board["style"] if style not in set(movers)]]
    wanted = dict(zip(board["style"], board["pictures"].str.split(";"), strict=True))
    known = {style: [name for name in names if name in thumbnails] for style, names in wanted.items()}
    chosen: dict[str, list[str]] = {style: [] for style in order}
    left = budget
    for place in range(max((len(names) for names in known.values()), default=0)):
        for style in order:
            if place >= len(known[style]):
                continue
            uri = _data_uri(thumbnails[known[style][place]])
            if (left := left - len(uri)) < 0:
                return chosen
            chosen[style].append(uri)
    return chosen


def _cell(row: Row, column: Column) -> dict[str, Any]:
    value = row[column.name]
    missing = bool(pd.isna(value))
    sign = "" if missing or not column.coloured or value == 0 else " up" if value > 0 else " down"
    chances = [row["p_down"], row["p_flat"], row["p_up"]]
    bar = column.name == "p_up" and not any(map(math.isnan, chances))
    return {
        "value": "" if missing else f"{value:.6g}", "text": column.text(row),
        "under": column.under(row), "sign": sign, 
        "bar": [f"{100 * chances[0]:.0f}", f"{100 * (chances[0] + chances[1]):.0f}"] if bar else None,
    }  # fmt: skip


def _rows(
    board: pd.DataFrame, panel: Panel, columns: list[Column], pictures: Mapping[str, list[str]], decimals: int
) -> Iterator[dict[str, Any]]:
    """What the template shows of each style; made one at a time, since ten thousand would fill the memory."""
    first = board.iloc[0]
    history = share_history(panel, first["origin"], 52 if len(board) <= MANY else 26)
    places = {style: place for place, style in enumerate(panel.styles)}
    target = (first["target_start"], first["target_end"])
    for row in board.to_dict("records"):
        name, words = str(row["name"]), str(row["keywords"])
        now, predicted = (percent(row[key], decimals) for key in ("share_now", "share_predicted"))
        spark: Sparkline | None = None
        if row["style"] in places:
            shares = (row["share_predicted"], row["lower"], row["upper"])
            spark = draw(history, places[row["style"]], target, *shares)
        yield {
            "rank": row["rank"], "style": row["style"], "name": name, "words": words,
            "pictures": pictures[row["style"]],
            # Without it a browser draws Han characters in the Japanese or Korean form that its font prefers.
            "lang": Markup(' lang="zh-Hans"') if CHINESE.search(name + words) else "",
            "spark": spark, "told": f"{now} now, {predicted} predicted", "now": now, "predicted": predicted,
            "cells": [_cell(row, column) for column in columns],
            "change": points(row["change"], decimals),
        }  # fmt: skip


def _labels(columns: list[Column]) -> str:
    """A rule a column that puts its heading into the cells of a narrow screen, where the head row is not shown.

    Headings may come from a user's column names: every letter but the plain ones is written as a CSS escape.
    """

    def quoted(text: str) -> str:
        return "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text)

    rules = [
        f'#board td:nth-child({place}):before{{content:"{quoted(column.heading)}"}}'
        for place, column in enumerate(columns, start=4)
    ]
    return "@media screen and (max-width: 760px) {\n" + "\n".join(rules) + "\n}\n"


def _facts(board: pd.DataFrame, panel: Panel, meta: PageMeta) -> list[tuple[str, str]]:
    first = board.iloc[0]
    origin: pd.Timestamp = first["origin"]
    posts = Sums.of(panel).until(origin).total(origin - (RECENT_DAYS - 1) * DAY, origin)
    facts = [
        ("Known up to", f"{origin:%Y-%m-%d}"),
        ("Forecast for", f"{first['target_start']:%Y-%m-%d} to {first['target_end']:%Y-%m-%d}"),
        ("Styles", f"{len(board):,}"),
        (f"Posts, last {RECENT_DAYS} days", count(posts)),
    ]
    chances = board[["p_down", "p_flat", "p_up"]].dropna()
    if len(chances):
        # As `outlook`: at a tie the more cautious class.
        likeliest = chances[["p_flat", "p_down", "p_up"]].idxmax(axis=1).value_counts()
        told = [f"{likeliest.get(f'p_{key}', 0):,} {verb.removesuffix('s')}" for key, verb in
                zip(("up", "flat", "down"), reversed(CLASSES), strict=True)]  # fmt: skip
        facts.append(("Likeliest outlook", ", ".join(told)))
    if meta.emerging_share is not None:
        facts.append(("Emerging: posts of no known style", percent(meta.emerging_share, 1)))
    return facts


def _movers(board: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Styles with the largest gains and losses of share, in percentage points."""
    gains = board[board["change"] > 0].sort_values(["change", "style"], ascending=[False, True])
    losses = board[board["change"] < 0].sort_values(["change", "style"])
    return list(gains["style"].head(MOVERS)), list(losses["style"].head(MOVERS))


def render_page(
    board: pd.DataFrame,
    panel: Panel,
    backtest_metrics: pd.DataFrame | None,
    thumbnails: Mapping[str, bytes],
    meta: PageMeta | None = None,
) -> str:
    """Writes the page: dates, movers, the record, and the table of all styles. The same input gives the same text.

    Args:
        board: as `build_leaderboard` gives it, at least one row.
        panel: the counts that the drawings show; nothing after the origin is read.
        backtest_metrics: metrics of the backtest (`build_record`), or None when there was none, which the page says.
        thumbnails: small JPEG or PNG pictures by picture_id; a style without any shows its words only.
        meta: what the page says beside.

    Returns:
        The HTML.

    Raises:
        ValueError: a thumbnail is neither JPEG nor PNG, or the board is empty.
    """
    if board.empty:
        raise ValueError("the board has no styles")
    meta = meta or PageMeta()
    decimals = decimals_of(board["share_now"])
    columns = columns_of(board, meta.interval, decimals)
    gains, losses = _movers(board)
    pictures = _choose_pictures(board, [*gains, *losses], thumbnails, meta.picture_bytes)
    moving = board[board["style"].isin([*gains, *losses])]
    movers = {row["style"]: row for row in _rows(moving, panel, [], pictures, decimals)} if len(moving) else {}
    first = board.iloc[0]
    script = "\n" + read_template("leaderboard.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    template = templates().get_template("leaderboard.html.j2")
    return template.render(
        meta=meta,
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        style=Markup("\n" + read_template("leaderboard.css")),
        labels=Markup(_labels(columns)),
        origin=f"{first['origin']:%Y-%m-%d}",
        target_start=f"{first['target_start']:%Y-%m-%d}",
        target_end=f"{first['target_end']:%Y-%m-%d}",
        facts=_facts(board, panel, meta),
        record=build_record(backtest_metrics),
        columns=columns,
        width=WIDTH,
        height=HEIGHT,
        movers=[("Gaining", "up", [movers[s] for s in gains]), ("Losing", "down", [movers[s] for s in losses])],
        rows=_rows(board, panel, columns, pictures, decimals),
        guide=[*GUIDE[:1], *[(column.heading, column.help) for column in columns], *GUIDE[1:]],
    )
