"""What the page's script draws from, as JSON: columns of the board, histories, pictures, the record, what is beside.

Ten thousand styles must open quickly: a column is one list, shares of histories are whole numbers of a unit that keeps
three digits of the smaller ones, and large boards tell a shorter past. Shapes: S styles, P points, O origins.
"""

import base64
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums
from data.windows import DAY
from ensemble.beside import Beside
from ensemble.board import REASONS as REASON_COLUMNS
from ensemble.columns import RECENT_DAYS, per_post, shown
from ensemble.figures import decimals_of
from ensemble.history import PAST_COLUMNS, came, share_history
from ensemble.proposed import COLUMNS as PROPOSED
from ensemble.record import ENSEMBLE, Record, build_record, calibration, errors
from rank.edges import band_of
from rank.reasons import TEXTS as REASON_TEXTS

MOVERS = 5
"""Styles in each list of movers."""
MANY = 1000
"""A board with more styles than this has half the points, three reasons and no earlier forecasts a style."""
REASONS = 6
NEW = 24
"""Proposals that are shown."""
NEW_PICTURES = 4
TEXTS = ("style", "name", "keywords")
SKIPPED = (*TEXTS, "pictures", *REASON_COLUMNS, "origin", "previous_origin", "target_start", "target_end")
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}
Pictures = dict[str, list[int]]


@dataclass(frozen=True)
class PageMeta:
    """What the page says beside the board."""

    title: str = "Style leaderboard"
    """Heading of the page."""
    feed: str = "the feed"
    """What the posts are called within a sentence: `the feed`, `our posts`."""
    ranked_by: str = "growth"
    """Which column the rank follows: `growth` or `change`."""
    emerging_share: float | None = None
    """Share of the recent posts that belong to no known style, 0 to 1; None where not counted."""
    interval: float = 0.8
    """What part of the true shares the intervals are meant to hold, 0 to 1."""
    picture_bytes: int = 4_000_000
    """Most bytes of the page that pictures may take; movers come first, then new styles, then the ranks in order."""
    language: str = "auto"
    """Of the page when it opens: `en`, `zh`, or `auto`, the browser's."""
    search: str = ""
    """Address of a page that searches the pictures, which a server has; "" = none."""
    origins: tuple[pd.Timestamp, ...] = ()
    """Days that a server has leaderboards of; none in a file."""
    reasons_weight: float = 0.0
    """Weight of LightGBM, whose forecast the reasons are of, in the ensemble, 0 to 1."""
    classes: str = "change"
    """The rule that the classes were cut by, which tells what they are called (`rank.edges.Edges.fit`)."""


@dataclass(frozen=True)
class Sources:
    """What a board comes with."""

    panel: Panel
    """The counts that the drawings show; but for what came of the forecast itself, nothing after the origin is read."""
    metrics: pd.DataFrame | None = None
    """Of the backtest (`build_record`); None when there was none, which the page says."""
    past: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*PAST_COLUMNS, "truth"]))
    """Earlier forecasts with what came (`past_forecasts`)."""
    reasons: pd.DataFrame | None = None
    """What moved the forecasts (`rank.reasons`)."""
    beside: Beside = field(default_factory=Beside.nothing)
    """Neighbours and lineage."""
    emerging: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=PROPOSED))
    """New styles that are proposed (`ensemble.proposed`)."""
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    """Small JPEG or PNG pictures by picture_id."""


def plain(value: Any, digits: int = 5) -> Any:  # noqa: ANN401  (a cell of any table)
    """A cell as compact JSON has it: so many digits, null for what is missing, days as text."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() else short
    return str(value)


def _plain(values: Iterable[Any]) -> list[Any]:
    return [plain(value) for value in values]


def movers(board: pd.DataFrame) -> dict[str, list[str]]:
    """Styles that are predicted to gain and lose most (`change`), and that rose and fell most (`momentum`).

    Those with few posts, which the rank puts last, do not count for the month: a few more make any growth.
    """
    steady = board[board["posts_28d"] >= max(1.0, board["posts_28d"].median() / 4)]
    lists = {}
    for name, table, column, sign in (
        ("gain", board, "change", 1), ("lose", board, "change", -1),
        ("rose", steady, "momentum", 1), ("fell", steady, "momentum", -1),
    ):  # fmt: skip
        moving = table[sign * table[column] > 0]
        order = moving.sort_values([column, "style"], ascending=[sign < 0, True])
        lists[name] = order["style"].head(MOVERS).tolist()
    return lists


def _data_uri(picture: bytes) -> str:
    kind = next((kind for magic, kind in KINDS.items() if picture.startswith(magic)), None)
    if kind is None:
        raise ValueError(f"a thumbnail is neither JPEG nor PNG: it starts with {picture[:4]!r}")
    return f"data:{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def choose_pictures(
    wanted: Mapping[str, list[str]], thumbnails: Mapping[str, bytes], budget: int
) -> tuple[Pictures, list[str]]:
    """Pictures as data URIs: everyone's first before anyone's second, until the budget is spent.

    Args:
        wanted: who → its pictures, the most important first.
        thumbnails: those that are at hand.
        budget: most bytes of all URIs.

    Returns:
        Who → places in the list of URIs, and that list.

    Raises:
        ValueError: a thumbnail is neither JPEG nor PNG.
    """
    known = {who: [name for name in names if name in thumbnails] for who, names in wanted.items()}
    chosen: Pictures = {who: [] for who in wanted}
    uris: list[str] = []
    places: dict[str, int] = {}
    for turn in range(max((len(names) for names in known.values()), default=0)):
        for who in (who for who, names in known.items() if turn < len(names)):
            name = known[who][turn]
            if name not in places:
                uri = _data_uri(thumbnails[name])
                if (budget := budget - len(uri)) < 0:
                    return chosen, uris
                places[name] = len(uris)
                uris.append(uri)
            chosen[who].append(places[name])
    return chosen, uris


def _whole(share_X: np.ndarray, unit: float) -> list[Any]:
    """Shares as whole numbers of a unit, None where missing."""
    flat = [None if not math.isfinite(share) else round(share / unit) for share in share_X.ravel().tolist()]
    width = share_X.shape[-1]
    return flat if share_X.ndim == 1 else [flat[at : at + width] for at in range(0, len(flat), width)]


def _history(styles: pd.Index, panel: Panel, origin: pd.Timestamp, unit: float) -> dict[str, Any]:
    history = share_history(panel, origin, 52 if len(styles) <= MANY else 26)
    place_S = pd.Index(panel.styles).get_indexer(styles)
    share_SP = np.where((place_S >= 0)[:, None], history.share_SP[place_S], np.nan)
    return {"ends": _plain(history.ends), "days": history.days, "shares": _whole(share_SP, unit)}


def _past(styles: pd.Index, past: pd.DataFrame, unit: float) -> dict[str, Any] | None:
    """The ensemble's earlier forecasts, a list a style for each of `share`, `lower`, `upper`, `truth`, [S][O]."""
    rows = past[past["model"] == ENSEMBLE]
    if rows.empty or len(styles) > MANY:
        return None
    when = rows.drop_duplicates("origin").sort_values("origin")
    told: dict[str, Any] = {name: _plain(when[name]) for name in ("origin", "target_start", "target_end")}
    for name in ("share", "lower", "upper", "truth"):
        wide = rows.pivot_table(index="style", columns="origin", values=name, dropna=False)
        told[name] = _whole(wide.reindex(index=styles, columns=when["origin"]).to_numpy(float), unit)
    return told


def _truth(styles: pd.Index, panel: Panel, start: pd.Timestamp, end: pd.Timestamp, unit: float) -> list[Any] | None:
    share_S = came(panel, start, end)
    return None if share_S is None else _whole(pd.Series(share_S, panel.styles).reindex(styles).to_numpy(float), unit)


def _reasons(styles: pd.Index, reasons: pd.DataFrame | None, origin: pd.Timestamp) -> list[Any] | None:
    """Kind, English and Chinese words and points of each style's reasons, [S]; None where none are known."""
    rows = None if reasons is None else reasons[reasons["origin"] == origin].sort_values(["style", "number"])
    if rows is None or rows.empty:
        return None
    most = REASONS if len(styles) <= MANY else REASONS // 2
    told: dict[str, list[Any]] = {}
    columns = ["style", "kind", *REASON_TEXTS.values(), "points"]
    for style, kind, *texts, points in rows[columns].itertuples(index=False):
        mine = told.setdefault(style, [])
        if len(mine) < most:
            mine.append([kind, *texts, plain(points, 3)])
    return [told.get(style, []) for style in styles]


def _near(styles: pd.Index, near: Mapping[str, list[tuple[str, float]]]) -> list[Any] | None:
    places = {style: place for place, style in enumerate(styles)}
    if not near:
        return None
    return [[[places[other], plain(cosine, 2)] for other, cosine in near.get(style, []) if other in places]
            for style in styles]  # fmt: skip


def _lineage(beside: Beside) -> list[Any]:
    names = ["refit", "relation", "previous", "current", "kept", "shared", "of_previous", "of_current"]
    if beside.lineage is None:
        return []
    return [[plain(value, 3) for value in row] for row in beside.lineage[names].itertuples(index=False)]


def _emerging(table: pd.DataFrame, pictures: Pictures) -> list[dict[str, Any]]:
    names = ["proposal", "name", "keywords", "posts", "new_posts", "growth", "authors", "first_seen", "nearest"]
    rows: list[dict[Hashable, Any]] = table[names].to_dict("records")
    return [{str(name): plain(value, 3) for name, value in row.items()}
            | {"pictures": pictures.get(f"new:{row['proposal']}", [])} for row in rows]  # fmt: skip


def _record(record: Record, past: pd.DataFrame, interval: float) -> dict[str, Any]:
    drawn = errors(past) if len(past) else pd.DataFrame()
    models = [model for model in (ENSEMBLE, record.chosen) if model in drawn.columns]
    return {
        "verdict": record.verdict, "good": record.good, "doubtful": record.doubtful, "rung": record.rung,
        "chosen": record.chosen, "origins": record.origins,
        "rows": [{name: plain(value, 4) for name, value in row.items()} for row in record.rows],
        "calibration": [[plain(said, 4), plain(seen, 4)] for said, seen in calibration(past, interval)],
        "cells": int((past["model"] == ENSEMBLE).sum()),
        "errors": {"origins": _plain(drawn.index), "models": {model: _plain(drawn[model]) for model in models}},
    }  # fmt: skip


def page_data(board: pd.DataFrame, sources: Sources, meta: PageMeta) -> dict[str, Any]:
    """All that the page shows, as JSON has it. The same input gives the same data, whatever the order of its rows.

    Args:
        board: as `build_leaderboard` gives it, at least one row.
        sources: what it comes with.
        meta: what the page says beside.

    Raises:
        ValueError: a thumbnail is neither JPEG nor PNG, or the board is empty.
    """
    if board.empty:
        raise ValueError("the board has no styles")
    first, styles = board.iloc[0], pd.Index(board["style"])
    origin: pd.Timestamp = first["origin"]
    decimals = decimals_of(board["share_now"])
    unit = 10.0 ** -(decimals + 3)
    moving, new = movers(board), sources.emerging.head(NEW)
    wanted = dict(zip(board["style"], board["pictures"].str.split(";"), strict=True))
    order = {style: wanted[style] for names in moving.values() for style in names}
    order |= {f"new:{name}": text.split(";")[:NEW_PICTURES]
              for name, text in zip(new["proposal"], new["pictures"], strict=True)}  # fmt: skip
    pictures, uris = choose_pictures(order | wanted, sources.thumbnails, meta.picture_bytes)
    places = {style: place for place, style in enumerate(board["style"])}
    posts = Sums.of(sources.panel).until(origin).total(origin - (RECENT_DAYS - 1) * DAY, origin)
    return {
        "reasons_weight": plain(meta.reasons_weight, 3),
        "classes": "band" if band_of(meta.classes) else meta.classes, "band": plain(band_of(meta.classes)),
        "title": meta.title, "feed": meta.feed, "ranked_by": meta.ranked_by, "language": meta.language,
        "search": meta.search, "origins": [plain(day) for day in meta.origins], "interval": meta.interval,
        "origin": plain(origin), "target_start": plain(first["target_start"]), "target_end": plain(first["target_end"]),
        "previous": plain(first["previous_origin"]) if "previous_origin" in board else None,
        "posts": plain(posts), "emerging_share": plain(meta.emerging_share, 3), "decimals": decimals, "unit": unit,
        "shown": shown(board), "per_post": per_post(board),
        "board": {str(name): _plain(board[name]) for name in board.columns if name not in SKIPPED}
        | {name: [str(text) for text in board[name]] for name in TEXTS},
        "pictures": [pictures[style] for style in styles], "uris": uris,
        "history": _history(styles, sources.panel, origin, unit), "past": _past(styles, sources.past, unit),
        "truth": _truth(styles, sources.panel, first["target_start"], first["target_end"], unit),
        "reasons": _reasons(styles, sources.reasons, origin), "near": _near(styles, sources.beside.near),
        "lineage": _lineage(sources.beside), "emerging": _emerging(new, pictures),
        "movers": {name: [places[style] for style in names] for name, names in moving.items()},
        "record": _record(build_record(sources.metrics), sources.past, meta.interval),
    }  # fmt: skip
