"""Bags: what was posted of a style on a day, as a set of pictures and texts.

Shapes: S styles, T days, N items kept (a picture, or a post without one), U sets asked for, P places in a set,
R items of a batch, D dimension of a vector.

Items are sorted by style, day, post and picture, so that the items of a style over days in a row lie in a row:
a set is a slice, for a day and for a week alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.posts import COUNT_COLUMNS
from stylecast.errors import UserError

Vectors = tuple[Sequence[str] | np.ndarray, np.ndarray]
"""Ids and vectors (N×D), row for row, as `recall` writes embeddings."""


@dataclass(frozen=True)
class Sets:
    """The sets of a batch: each item once, and which places of which set it fills."""

    place_UP: np.ndarray
    """Place → row of `item_R`, counted from 1; 0 is an empty place (int64)."""
    item_R: np.ndarray
    """Positions of the items in the bags (int64)."""


@dataclass(frozen=True)
class Bags:
    """The sets of all styles and days; vectors stay where they are (memory-mapped ones too) and are read by row."""

    styles: tuple[str, ...]
    """As in the panel."""
    days: pd.DatetimeIndex
    """As in the panel."""
    offset_C: np.ndarray
    """First item of each cell (style · T + day), and the end: int64 [S · T + 1]."""
    priority_N: np.ndarray
    """Hash of an item; when a set is too large those with the lowest stay (uint64)."""
    engagement_N: np.ndarray
    """log(1 + likes + collects + comments) of the item's post; NaN where none is known (float32)."""
    picture_N: np.ndarray
    """Row of the item's picture vector; -1 without one (int64)."""
    text_N: np.ndarray
    """Row of its post's text vector; -1 without one (int64)."""
    garment_N: np.ndarray
    """Row of the vector of the garments in the item's picture; -1 without one (int64)."""
    pictures: np.ndarray | None
    """Picture vectors, rows × Dp; None when the modality is absent."""
    texts: np.ndarray | None
    """Text vectors, rows × Dt; None when the modality is absent."""
    garments: np.ndarray | None
    """Garment vectors, rows × Dg; None when the modality is absent."""

    @classmethod
    def build(
        cls,
        items: pd.DataFrame,
        styles: Sequence[str],
        days: pd.DatetimeIndex,
        pictures: Vectors | None,
        texts: Vectors | None,
        max_posts_per_day: int = 32,
        seed: int = 0,
        garments: Vectors | None = None,
    ) -> "Bags":
        """Sorts items into the cells of a panel.

        Items of other styles or days, and those without a time, are in no cell: the panel does not count them either.

        Args:
            items: a row an item: `post_id`, `style`, `time`; `picture_id` where there are pictures or garments; any of
                likes, collects, comments. The order of rows changes nothing.
            styles: of the panel.
            days: of the panel.
            pictures: vectors by `picture_id`, or None.
            texts: vectors by `post_id`, or None.
            max_posts_per_day: a cell keeps at most so many items, chosen by the hash of their ids.
            seed: of that hash.
            garments: vectors by `picture_id`, or None.

        Raises:
            UserError: a column is missing, or no item has a vector of a modality that is given.
        """
        seen = pictures is not None or garments is not None
        needed = ["post_id", "style", "time", *(["picture_id"] if seen else [])]
        if missing := [name for name in needed if name not in items.columns]:
            raise UserError(f"the items of the bags lack the columns {missing}; assign posts to styles first")
        style_N = pd.Index(styles).get_indexer(pd.Index(items["style"]))
        day_N = days.get_indexer(pd.DatetimeIndex(pd.to_datetime(items["time"])).normalize().as_unit(days.unit))
        inside_N = (style_N >= 0) & (day_N >= 0)
        items, cell_N = items[inside_N], (style_N * len(days) + day_N)[inside_N]
        post_N = items["post_id"].astype(str).to_numpy(dtype=object)
        item_N = _item_ids(items, post_N)
        picture_N, garment_N, text_N = _rows(item_N, pictures), _rows(item_N, garments), _rows(post_N, texts)
        for side, vectors, row_N in (
            ("picture", pictures, picture_N), ("garment", garments, garment_N), ("text", texts, text_N),
        ):  # fmt: skip
            if vectors is not None and (row_N < 0).all():
                raise UserError(f"no item of the bags has a {side} vector: embeddings and posts have no id in common")
        priority_N = pd.util.hash_array(item_N, hash_key=f"{seed % 10**16:016d}")
        order = np.lexsort((item_N.astype(str), post_N.astype(str), cell_N))
        kept = _lowest(cell_N, priority_N, order, max_posts_per_day)
        cell_N, post_N, text_N = cell_N[kept], post_N[kept], text_N[kept]
        # A post's text counts once in a cell, however many pictures the post has.
        text_N[1:][(cell_N[1:] == cell_N[:-1]) & (post_N[1:] == post_N[:-1])] = -1
        offset_C = np.searchsorted(cell_N, np.arange(len(styles) * len(days) + 1))
        return cls(
            tuple(styles),
            days,
            offset_C.astype(np.int64),
            priority_N[kept],
            _engagement(items)[kept],
            picture_N[kept],
            text_N,
            garment_N[kept],
            *(None if vectors is None else vectors[1] for vectors in (pictures, texts, garments)),
        )

    @property
    def sides(self) -> dict[str, np.ndarray]:
        """Vectors of the modalities that are there: `picture`, `garment`, `text`."""
        vectors = {"picture": self.pictures, "garment": self.garments, "text": self.texts}
        return {side: values for side, values in vectors.items() if values is not None}

    def read(self, side: str, item_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of items, R×D float32 (zeros for one without), and which items have one, R bool."""
        row_R = {"picture": self.picture_N, "garment": self.garment_N, "text": self.text_N}[side][item_R]
        vectors, there_R = self.sides[side], row_R >= 0
        found_RD = np.zeros((len(row_R), vectors.shape[1]), dtype=np.float32)
        found_RD[there_R] = vectors[row_R[there_R]]
        return found_RD, there_R

    def until(self, day: int) -> np.ndarray:
        """Which items stand on day `day` (a position) or before it, [N] bool."""
        cell_N = np.repeat(np.arange(len(self.offset_C) - 1), np.diff(self.offset_C))
        return cell_N % len(self.days) <= day

    def cut(self, days: int) -> "Bags":
        """The bags of the first so many days: no later item is in them."""
        style_S = np.arange(len(self.styles))[:, None]
        start_SD = self.offset_C[style_S * len(self.days) + np.arange(days + 1)[None, :]]
        kept_N = self.until(days - 1)
        size_SD = np.diff(start_SD, axis=1)
        offset_C = np.concatenate([[0], np.cumsum(size_SD.ravel())]).astype(np.int64)
        return Bags(
            self.styles, self.days[:days], offset_C, self.priority_N[kept_N], self.engagement_N[kept_N],
            self.picture_N[kept_N], self.text_N[kept_N], self.garment_N[kept_N],
            self.pictures, self.texts, self.garments,
        )  # fmt: skip

    def sets(self, style_U: np.ndarray, end_U: np.ndarray, days: int, max_posts: int) -> Sets:
        """The sets of so many days up to and including `end_U`, none of them larger than `max_posts`.

        Args:
            style_U: positions of styles.
            end_U: position of each set's last day, up to T - 1; days before the panel are empty.
            days: length of a set, days.
            max_posts: of a larger set the items with the lowest hash stay.
        """
        first_U = style_U * len(self.days)
        start_U = self.offset_C[first_U + np.clip(end_U - days + 1, 0, len(self.days))]
        size_U = self.offset_C[first_U + np.maximum(end_U + 1, 0)] - start_U
        owner_R = np.repeat(np.arange(len(style_U)), size_U)
        item_R = np.arange(size_U.sum()) + np.repeat(start_U - np.cumsum(size_U) + size_U, size_U)
        if size_U.max(initial=0) > max_posts:
            kept = _lowest(owner_R, self.priority_N[item_R], np.arange(len(item_R)), max_posts)
            owner_R, item_R = owner_R[kept], item_R[kept]
        place_UP = np.zeros((len(style_U), max(1, min(int(size_U.max(initial=0)), max_posts))), dtype=np.int64)
        place_UP[owner_R, _rank_within(owner_R)] = np.arange(1, len(item_R) + 1)
        return Sets(place_UP, item_R)


def _item_ids(items: pd.DataFrame, post_N: np.ndarray) -> np.ndarray:
    if "picture_id" not in items.columns:
        return post_N
    picture_N = items["picture_id"].astype(object)
    return np.asarray(picture_N.where(picture_N.notna(), post_N).astype(str), dtype=object)


def _rows(id_N: np.ndarray, vectors: Vectors | None) -> np.ndarray:
    if vectors is None:
        return np.full(len(id_N), -1, dtype=np.int64)
    return pd.Index(np.asarray(vectors[0], dtype=object).astype(str)).get_indexer(pd.Index(id_N.astype(str)))


def _engagement(items: pd.DataFrame) -> np.ndarray:
    names = [name for name in COUNT_COLUMNS if name in items.columns]
    if not names:
        return np.full(len(items), np.nan, dtype=np.float32)
    return np.log1p(items[names].astype(float).sum(axis=1, min_count=1)).to_numpy(dtype=np.float32)


def _rank_within(owner_R: np.ndarray) -> np.ndarray:
    """0, 1, 2, … within each run of equal owners."""
    starts = np.flatnonzero(np.diff(owner_R, prepend=-1))
    return np.arange(len(owner_R)) - np.repeat(starts, np.diff(starts, append=len(owner_R)))


def _lowest(owner_R: np.ndarray, priority_R: np.ndarray, order: np.ndarray, most: int) -> np.ndarray:
    """`order` (grouped by owner) with only the `most` of each owner that have the lowest priority; ties by order."""
    owner_R, priority_R = owner_R[order], priority_R[order]
    by_priority = np.lexsort((priority_R, owner_R))
    keep = np.zeros(len(order), dtype=bool)
    keep[by_priority] = _rank_within(owner_R) < most
    return order[keep]
