"""Copies and reposts of pictures: each is traced to the earliest picture that it resembles.

Candidates have a perceptual hash that differs in few bits; a copy also has the same coarse colours, up to brightness
and contrast. A picture is compared with earlier pictures that are no copies themselves, so what comes later changes
nothing before it, and no chain of small steps joins two pictures that differ.

Shapes: N pictures in the order of their posts (time, id), P pairs.
"""

import logging
from pathlib import Path

import faiss
import numpy as np
import pandas as pd

from data.pictures import THUMB

log = logging.getLogger(__name__)
CHUNK = 2048  # pictures compared with each other at a time; the result is the same for every size
PAIRS = 65_536  # colours compared at a time
FILE = "duplicates.csv"


def likeness(thumb_ND: np.ndarray, first_P: np.ndarray, second_P: np.ndarray) -> np.ndarray:
    """Correlation of the coarse colours of pairs of pictures, -1..1: 1 where they differ by brightness and contrast.

    Args:
        thumb_ND: uint8, see `data.pictures.Decoded`.
        first_P: rows.
        second_P: rows.

    Returns:
        float32 P.
    """
    like_P = np.zeros(len(first_P), np.float32)
    for start in range(0, len(first_P), PAIRS):
        part = slice(start, start + PAIRS)
        one, two = thumb_ND[first_P[part]], thumb_ND[second_P[part]]
        same = (one == two).all(axis=1)
        one, two = (x - x.mean(axis=1, keepdims=True) for x in (one.astype(np.float32), two.astype(np.float32)))
        length = np.sqrt((one * one).sum(axis=1) * (two * two).sum(axis=1))
        like_P[part] = np.where(same, 1.0, (one * two).sum(axis=1) / np.maximum(length, 1e-6))
    return like_P


def _near(index: faiss.IndexBinary, code_M8: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs within so many bits: numbers of the queries, and of what the index holds."""
    limits, _, found_P = index.range_search(code_M8, bits + 1)  # faiss: below the radius
    return np.repeat(np.arange(len(code_M8)), np.diff(limits).astype(np.int64)), found_P


def find_firsts(hash_N: np.ndarray, thumb_ND: np.ndarray, bits: int, alike: float) -> np.ndarray:
    """The earliest picture that each one is a copy of.

    Args:
        hash_N: int64 perceptual hashes, in the order of time.
        thumb_ND: uint8 coarse colours.
        bits: most bits in which the hashes of copies differ.
        alike: least `likeness` of copies.

    Returns:
        int64 N: row of the first one; its own row for a picture that is no copy.
    """
    first_N = np.arange(len(hash_N))
    code_N8 = np.ascontiguousarray(hash_N, np.int64).view(np.uint8).reshape(-1, 8)
    # Every pair is compared, a third of a nanosecond each: tables of hash bands were slower at this many bits.
    index = faiss.IndexBinaryFlat(64)
    known = np.zeros(0, np.int64)
    for start in range(0, len(hash_N), CHUNK):
        code_M8 = code_N8[start : start + CHUNK]
        if len(known):
            later_P, earlier_P = _near(index, code_M8, bits)
            later_P, earlier_P = later_P + start, known[earlier_P]
            copied = likeness(thumb_ND, later_P, earlier_P) >= alike
            np.minimum.at(first_N, later_P[copied], earlier_P[copied])
        own = start + np.flatnonzero(first_N[start : start + CHUNK] == np.arange(start, start + len(code_M8)))
        among = faiss.IndexBinaryFlat(64)
        among.add(code_N8[own])
        later_P, earlier_P = (own[found] for found in _near(among, code_N8[own], bits))
        before = earlier_P < later_P
        later_P, earlier_P = later_P[before], earlier_P[before]
        copied = likeness(thumb_ND, later_P, earlier_P) >= alike
        later_P, earlier_P = later_P[copied], earlier_P[copied]
        order = np.lexsort([earlier_P, later_P])
        for later, earlier in zip(later_P[order].tolist(), earlier_P[order].tolist(), strict=True):
            if first_N[later] == later and first_N[earlier] == earlier:
                first_N[later] = earlier
        new = own[first_N[own] == own]
        index.add(code_N8[new])
        known = np.concatenate([known, new])
    return first_N


def thumbs_of(parts: list[bytes]) -> np.ndarray:
    """Coarse colours of pictures as one array, uint8 N×192."""
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), THUMB * THUMB * 3)


def mark_copies(pictures: pd.DataFrame, thumb_ND: np.ndarray, bits: int, alike: float) -> pd.DataFrame:
    """Tell which pictures are copies.

    Args:
        pictures: `picture_id, hash`, in the order of their posts.
        thumb_ND: their coarse colours.
        bits: see `find_firsts`.
        alike: see `find_firsts`.

    Returns:
        The pictures with `family` (row of the first picture that they show), `duplicate_of` (its id; "" for a first)
        and `likeness` to it.
    """
    first_N = find_firsts(pictures["hash"].to_numpy(), thumb_ND, bits, alike)
    rows = np.arange(len(first_N))
    first = pictures["picture_id"].to_numpy(object)[first_N]
    like_N = likeness(thumb_ND, rows, first_N)
    return pictures.assign(family=first_N, duplicate_of=np.where(first_N == rows, "", first), likeness=like_N)


def is_further(rows: pd.DataFrame, by_post: bool, name: str = "picture_id") -> pd.Series:
    """Where a picture is a copy that, counted once, has no vote of its own.

    Args:
        rows: pictures, with `post_id` and `duplicate_of`.
        by_post: whether a post has one vote, which its pictures split: it then counts as itself whatever it shows
            twice, and only copies of another post's pictures have none.
        name: the column with their ids.

    Returns:
        bool N.
    """
    further = rows["duplicate_of"] != ""
    if by_post:
        post_of = rows.set_index(name)["post_id"]
        further &= rows["duplicate_of"].map(post_of) != rows["post_id"]
    return further


def write_copies(pictures: pd.DataFrame, folder: Path) -> None:
    """Write `duplicates.csv`: every family of two and more, the largest first, its pictures in the order of time.

    Args:
        pictures: as `mark_copies` made them, with `post_id, path` and, if known, `time`.
        folder: of the run.
    """
    sizes = pictures.groupby("family")["picture_id"].transform("size")
    rows = pictures.assign(
        first=pictures["picture_id"].to_numpy(object)[pictures["family"].to_numpy()],
        size=sizes, is_first=pictures["duplicate_of"] == "", repost=is_further(pictures, by_post=True),
    )  # fmt: skip
    rows = rows[sizes > 1].sort_values(["size", "family"], ascending=[False, True], kind="stable")
    known = ["time"] if "time" in rows else []
    columns = ["first", "size", "picture_id", "post_id", *known, "is_first", "repost", "likeness", "path"]
    rows[columns].to_csv(folder / FILE, index=False, float_format="%.3f")


def count_copies(pictures: pd.DataFrame) -> dict[str, object]:
    """How many pictures are copies, for the metrics and the log.

    Args:
        pictures: as `mark_copies` made them.
    """
    copies = int((pictures["duplicate_of"] != "").sum())
    reposts = int(is_further(pictures, by_post=True).sum())
    largest = pictures.loc[pictures["duplicate_of"] != "", "duplicate_of"].value_counts().head(5)
    told = [f"{count + 1} × {first}" for first, count in sorted(largest.items(), key=lambda x: (-x[1], str(x[0])))]
    if copies:
        log.info(
            "%d of %d pictures (%.1f%%) are copies of an earlier one, %d of them in another post; the largest families "
            "(%s tells all): %s", copies, len(pictures), 100 * copies / len(pictures), reposts, FILE, ", ".join(told),
        )  # fmt: skip
    share = copies / max(len(pictures), 1)
    return {"duplicates": copies, "duplicate_share": share, "reposts": reposts, "largest_families": told}
