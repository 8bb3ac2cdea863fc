"""The noun `Posts`: a validated table of posts, and their pictures.

Shapes: N pictures, H×W pixels.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.cutter import cutter
from data.key_phrases import shares_of_words, write_shares
from data.text import Cleaner
from data.values import parse_counts, parse_times
from stylecast.errors import UserError
from stylecast.runs import load_manifest

log = logging.getLogger(__name__)

TEXT_COLUMNS = ("title", "content", "tags")
COUNT_COLUMNS = ("likes", "collects", "comments")
COLUMNS = ("post_id", "time", *TEXT_COLUMNS, "images", *COUNT_COLUMNS, "author_id")
ALIASES = {"image": "images", "id": "post_id", "date": "time", "author": "author_id"}


@dataclass(frozen=True)
class Posts:
    """Validated posts, sorted by time and id, and their pictures."""

    table: pd.DataFrame
    """One row a post: post_id, time (if known), title, content, tags, author_id, likes, collects, comments,
    further numeric columns, split, and the cleaned text: sentence, hashtags, words (space separated), key_phrases
    (best first, `;` between), key_words (what each word of theirs is worth, see `data.key_phrases.read_shares`)."""
    pictures: pd.DataFrame
    """One row a picture, row i describes images[i]: picture_id (`POST/NUMBER`), post_id, path, hash, garment (share of
    clothing, where it was looked for), family (row of the first picture that it is a copy of), duplicate_of (its id),
    likeness."""
    images: np.ndarray
    """uint8 N×H×W×3 RGB, memory-mapped."""
    masks: np.ndarray | None = None
    """uint8 N×H×W, memory-mapped: 1 where there are clothes; None where they were not looked for."""

    @property
    def dated(self) -> bool:
        """Whether every post has a time."""
        return "time" in self.table and bool(self.table["time"].notna().all())

    @classmethod
    def load(cls, folder: Path) -> "Posts":
        """Load what `stylecast prepare` wrote.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        load_manifest(folder, "prepare")
        return cls(
            pd.read_parquet(folder / "posts.parquet"),
            pd.read_parquet(folder / "pictures.parquet"),
            np.load(folder / "images.npy", mmap_mode="r"),
            np.load(folder / "masks.npy", mmap_mode="r") if (folder / "masks.npy").exists() else None,
        )


def _content_ids(table: pd.DataFrame) -> pd.Series:
    """An id for rows that have none: a hash of what the row says, so that row order does not matter."""
    columns = [c for c in sorted(table.columns) if c != "line"]
    joined = table[columns].agg("\x1f".join, axis=1)
    hashes = joined.map(lambda text: hashlib.sha256(text.encode()).hexdigest()[:16])
    copy = hashes.groupby(hashes).cumcount()
    return hashes.where(copy == 0, hashes + "-" + (copy + 1).astype(str))


def rename_columns(table: pd.DataFrame, renames: tuple[str, ...], source: Path) -> pd.DataFrame:
    """Give the columns our names: by `OURS=THEIRS` renames, then by common aliases.

    Raises:
        UserError: a rename that is not `OURS=THEIRS`, or names a column that is not there.
    """
    for rename in renames:
        ours, equals, theirs = rename.partition("=")
        if not equals or theirs not in table:
            raise UserError(f"--rename {rename}: use OURS=THEIRS with a column of {source}: {', '.join(table.columns)}")
        table = table.rename(columns={theirs: ours})
    aliases = {k: v for k, v in ALIASES.items() if k in table and v not in table}
    for theirs, ours in aliases.items():
        log.info("%s: the column %r is read as %r", source, theirs, ours)
    return table.rename(columns=aliases)


def validate(
    table: pd.DataFrame, numeric: tuple[str, ...], now: pd.Timestamp, source: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn rows of text into typed rows; what cannot be used is set aside with its reason.

    Args:
        table: rows as text, with `line`.
        numeric: further columns that hold numbers.
        now: later dates are refused.
        source: named in messages.

    Returns:
        The rows that can be used, and the others as `line, post_id, column, value, reason`.

    Raises:
        UserError: a column named by `--numeric` is missing, or there is nothing to work with.
    """
    missing = [name for name in numeric if name not in table]
    if missing:
        raise UserError(f"--numeric {missing[0]}: {source} has no such column; it has {', '.join(table.columns)}")
    if not {*TEXT_COLUMNS, "images"} & set(table.columns):
        raise UserError(f"{source}: no column of {', '.join(TEXT_COLUMNS)}, images; name yours by --rename title=YOURS")
    if "post_id" not in table:
        log.info("%s: no post_id; ids are made from what the rows say", source)
        table = table.assign(post_id=_content_ids(table))
    rejected: list[pd.DataFrame] = []

    def reject(column: str, reasons: pd.Series) -> None:
        bad = reasons != ""
        if bad.any():
            rows = table.loc[bad]
            rejected.append(pd.DataFrame({"line": rows["line"], "post_id": rows["post_id"], "column": column,
                                          "value": rows[column].astype(str), "reason": reasons[bad]}))  # fmt: skip

    ids = table["post_id"].astype(str).str.strip()
    table = table.assign(post_id=ids)
    first = table.groupby("post_id")["line"].transform("min")
    no_id = pd.Series(np.where(ids == "", "no post id", ""), index=table.index, dtype=object)
    twice = (first != table["line"]) & (ids != "")
    no_id[twice] = "duplicate id, first on line " + first[twice].astype(str)
    reject("post_id", no_id)
    usable = no_id == ""
    typed: dict[str, pd.Series] = {}
    if "time" in table:
        typed["time"], reasons = parse_times(table["time"], now)
        reasons[(table["time"].str.strip() == "") & (table["time"].str.strip() != "").any()] = "no date"
        reject("time", reasons.where(usable, ""))
        usable &= reasons == ""
    for name in [c for c in (*COUNT_COLUMNS, *numeric) if c in table]:
        typed[name], reasons = parse_counts(table[name])
        if name in numeric:  # a user's own number may well be negative
            reasons = reasons.mask(reasons == "negative count", "")
        reject(name, reasons.where(usable, ""))
        usable &= reasons == ""
    kept = table.assign(**typed)[usable]
    columns = ["line", *[c for c in COLUMNS if c in kept], *numeric, *(["split"] if "split" in kept else [])]
    ignored = [c for c in table.columns if c not in columns]
    if ignored:
        log.info("%s: columns not used: %s (--numeric takes numbers along)", source, ", ".join(ignored))
    told = pd.concat(rejected) if rejected else pd.DataFrame(columns=["line", "post_id", "column", "value", "reason"])
    return kept[columns], told


def add_words(table: pd.DataFrame, cleaner: Cleaner | None = None) -> pd.DataFrame:
    """Add the cleaned text to a partition of posts: `sentence`, `hashtags`, `words`, `key_phrases`, `key_words`."""
    table = table.assign(**{name: "" for name in TEXT_COLUMNS if name not in table})
    cleaner = cleaner or Cleaner(cutter())
    cleaned = [cleaner.clean(*texts) for texts in zip(*(table[name] for name in TEXT_COLUMNS), strict=True)]
    return table.assign(
        sentence=[c.sentence for c in cleaned],
        hashtags=[" ".join(c.hashtags) for c in cleaned],
        words=[" ".join(c.words) for c in cleaned],
        key_phrases=[";".join(p.text for p in c.phrases) for c in cleaned],
        key_words=[write_shares(shares_of_words(c.phrases)) for c in cleaned],
    )
