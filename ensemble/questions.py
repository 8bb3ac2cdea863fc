"""What can be asked of a run that is held open: each question answered as the server tells it."""

from datetime import date

import numpy as np
import pandas as pd

from ensemble.answers import (
    Alike,
    Board,
    Event,
    ForecastRecord,
    Hit,
    Hits,
    NearestStyle,
    Neighbour,
    NewStyle,
    Reason,
    Said,
    Share,
    StyleDetail,
    plain,
    style_of,
)
from ensemble.board import REASONS, recent_emerging
from ensemble.history import came
from ensemble.live import Live
from ensemble.record import build_record
from rank.edges import class_names
from rank.reasons import TEXTS as REASON_TEXTS
from stylecast.errors import UserError

TEXTS = ("pictures", "keywords", *REASONS, "origin", "previous_origin", "target_start", "target_end")
"""Columns of the leaderboard that order nothing."""


class NotAsked(UserError):
    """A question that cannot be answered as it was put."""


def origin_of(live: Live, day: date | None) -> pd.Timestamp:
    """The origin that is asked for, by default the latest.

    Raises:
        UserError: the run has no forecast of this day.
    """
    origins = live.origins
    if day is None:
        return origins[-1]
    asked = pd.Timestamp(day)
    if asked not in origins:
        told = f"{origins[0].date()} to {origins[-1].date()}"
        raise UserError(f"no forecast was made on {day}; there are {len(origins)}, from {told}")
    return asked


def board(live: Live, day: date | None, words: str, sort: str, limit: int, offset: int) -> Board:
    """A part of the leaderboard.

    Args:
        live: the run.
        day: the origin; None = the latest.
        words: each must be in the name, the keywords or the id of a style.
        sort: a column; with `-` before it, largest first. Missing values come last, ties go by rank.
        limit: most styles.
        offset: styles to pass over first.

    Raises:
        UserError: no such origin.
        NotAsked: no such column.
    """
    origin = origin_of(live, day)
    table = live.board(origin)
    column = sort.removeprefix("-")
    columns = [name for name in table.columns if name not in TEXTS]
    if column not in columns:
        raise NotAsked(f"sort {column}: no such column; there are {', '.join(columns)}")
    text = (table["style"] + " " + table["name"] + " " + table["keywords"]).str.lower()
    for word in words.lower().split():
        table = table[text[table.index].str.contains(word, regex=False)]
    table = table.sort_values([column, "rank"], ascending=[sort == column, True], na_position="last")
    first = live.board(origin).iloc[0]
    assert live.scored is not None
    share = recent_emerging(live.scored.assignments, origin)
    return Board(
        origin=origin.date(), target_start=plain(first["target_start"]), target_end=plain(first["target_end"]),
        origins=[known.date() for known in live.origins], found=len(table), emerging_share=share,
        classes=class_names(live.scored.weights.classes),
        styles=[style_of(row) for row in table.iloc[offset : offset + limit].to_dict("records")],
        emerging=_emerging(live, origin), record=_record(live),
    )  # fmt: skip


def _emerging(live: Live, origin: pd.Timestamp) -> list[NewStyle]:
    assert live.scored is not None
    told = []
    for row in live.scored.proposed(origin).to_dict("records"):
        ids = {name: [part for part in row[name].split(";") if part] for name in ("pictures", "post_ids")}
        told.append(NewStyle(**plain(row) | ids | {"keywords": row["keywords"].split()}))
    return told


def _record(live: Live) -> ForecastRecord:
    record = build_record(None if live.scored is None else live.scored.metrics)
    told = {name: getattr(record, name) for name in ForecastRecord.model_fields}
    return ForecastRecord.model_validate(told)


def style(live: Live, name: str, day: date | None) -> StyleDetail:
    """A style at an origin.

    Raises:
        UserError: no such style, or no such origin.
    """
    origin = origin_of(live, day)
    table = live.board(origin)
    rows = table[table["style"] == name]
    if rows.empty:
        raise UserError(f"no style {name} at this origin")
    row = rows.iloc[0]
    assert live.scored is not None
    history = live.history(origin)
    share_P = history.share_SP[live.scored.panel.styles.index(name)]
    known = live.scored.styles.set_index("style")
    seen = {key: plain(known.at[name, key]) if name in known.index and key in known else None
            for key in ("first_seen", "last_seen")}  # fmt: skip
    return StyleDetail(
        origin=origin.date(), target_start=plain(row["target_start"]), target_end=plain(row["target_end"]),
        style=style_of(row.to_dict()), reasons=_reasons(live, name, origin), period_days=history.days,
        history=[Share(end=end.date(), share=plain(float(share)))
                 for end, share in zip(history.ends, share_P, strict=True)],
        truth=_truth(live, row), past=_past(live, name, origin), nearest=_nearest(live, name),
        lineage=_lineage(live, name), **seen,
    )  # fmt: skip


def _truth(live: Live, row: pd.Series) -> float | None:
    assert live.scored is not None
    panel = live.scored.panel
    share_S = came(panel, row["target_start"], row["target_end"])
    return None if share_S is None else float(share_S[panel.styles.index(row["style"])])


def _past(live: Live, name: str, origin: pd.Timestamp) -> list[Said]:
    rows = live.past(origin)
    return [Said(**{key: plain(row[key]) for key in Said.model_fields})
            for row in rows[rows["style"] == name].to_dict("records")]  # fmt: skip


def _nearest(live: Live, name: str) -> list[Neighbour]:
    names = {} if live.membership is None else live.membership.names
    return [Neighbour(style=style, name=plain(names.get(style)) or style, cosine=cosine)
            for style, cosine in live.beside.near.get(name, [])]  # fmt: skip


def _lineage(live: Live, name: str) -> list[Event]:
    return [Event(**{key: row[key] for key in Event.model_fields})
            for row in live.beside.of(name).to_dict("records")]  # fmt: skip


def _reasons(live: Live, name: str, origin: pd.Timestamp) -> list[Reason]:
    known = None if live.scored is None else live.scored.reasons
    if known is None:
        return []
    rows = known[(known["style"] == name) & (known["origin"] == origin)].sort_values("number")
    return [Reason(**row) for row in rows[["kind", *REASON_TEXTS.values(), "points"]].to_dict("records")]


def _hits(live: Live, found: pd.DataFrame) -> list[Hit]:
    member = live.membership
    told = []
    for place, (picture, post, title, row, score) in enumerate(
        zip(*(found[name] for name in ("picture_id", "post_id", "title", "row", "score")), strict=True)
    ):
        style = None if member is None else member.style_N[row]
        told.append(Hit(
            rank=place + 1, picture=picture, post=post, title=plain(title) or "", score=float(score), style=style,
            style_name=None if member is None or style is None else plain(member.names.get(style)) or style,
            emerging=member is not None and bool(member.emerging_N[row]),
        ))  # fmt: skip
    return told


def hits(live: Live, phrase: str, k: int) -> Hits:
    """Pictures that match a phrase.

    Raises:
        NotAsked: the phrase is empty.
        UserError: the run has no pictures.
    """
    if not phrase.strip():
        raise NotAsked("q: the phrase is empty")
    words, unknown, found = live.search(phrase, k)
    told = "" if words else f"no picture was ever described with: {' '.join(unknown) or phrase}; try other words"
    return Hits(q=phrase, words=words, unknown=unknown, told=told, hits=_hits(live, found))


def alike(live: Live, data: bytes, k: int) -> Alike:
    """The style of a picture, and the pictures nearest to it.

    Args:
        live: the run.
        data: the bytes of its file.
        k: how many pictures.

    Raises:
        UploadError: it is not taken.
        UserError: the run has no pictures.
    """
    if live.reader is None:
        raise UserError("this run has no pictures to search")
    heads_HD = live.heads_of(np.asarray(live.reader.read(data)))
    nearest, style = live.style_of(heads_HD), None
    if nearest is not None:
        name, distance, far = nearest
        assert live.membership is not None
        known = plain(live.membership.names.get(name)) or name
        style = NearestStyle(style=name, name=known, distance=distance, far=far, emerging=distance > far)
    told = "" if style else "the styles of this run are not told by pictures alone, or it has none"
    return Alike(style=style, told=told, hits=_hits(live, live.nearest(heads_HD, k)))
