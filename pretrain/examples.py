"""Posts as numbers: which words a post has, which of them it stresses, and which post a picture is of.

Shapes: P posts, N pictures, W words of a post (padded).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.posts import Posts
from data.splits import split_posts
from pretrain.vocabulary import Vocabulary, pad
from stylecast.errors import UserError


@dataclass(frozen=True)
class Words:
    """The known words of posts, in the order of the table."""

    words_PW: np.ndarray
    """int64 word numbers, each once a post, in text order, padded with 0."""
    stressed_PW: np.ndarray
    """bool: the word stands in the title or in a hashtag."""


def split_words(table: pd.DataFrame) -> list[list[str]]:
    """The cleaned words of each post, in text order, repeats kept."""
    return [text.split() for text in table["words"]]


def encode_words(table: pd.DataFrame, vocabulary: Vocabulary, width: int) -> Words:
    """Look up the distinct words of posts.

    Where a post has more than `width`, the words of title and hashtags stay, then those that come first:
    what a rambling text says last says little.

    Args:
        table: posts with title, hashtags and words.
        vocabulary: the known words.
        width: most words a post.
    """
    rows: list[list[int]] = []
    stressed = np.zeros((len(table), width), dtype=bool)
    shorts = (table["title"] + " " + table["hashtags"]).str.lower()
    for row, (words, short) in enumerate(zip(split_words(table), shorts, strict=True)):
        known = [w for w in dict.fromkeys(words) if w in vocabulary.number]
        strong = [w in short for w in known]
        if len(known) > width:
            kept = sorted(sorted(range(len(known)), key=lambda i: (not strong[i], i))[:width])
            known, strong = [known[i] for i in kept], [strong[i] for i in kept]
        rows.append(vocabulary.encode(known))
        stressed[row, : len(strong)] = strong
    return Words(pad(rows, width), stressed)


def post_of_pictures(posts: Posts) -> np.ndarray:
    """Row of the post in the table, for each picture; int64 N."""
    row_of = pd.Series(np.arange(len(posts.table)), index=posts.table["post_id"].to_numpy())
    return row_of.loc[posts.pictures["post_id"]].to_numpy(np.int64)


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, spread evenly over all."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


@dataclass(frozen=True)
class Division:
    """Which posts are for what; rows of the table, or of the pictures."""

    split_P: np.ndarray
    """"train", "valid" or "later", for each post."""
    post_N: np.ndarray
    """Row of the post of each picture."""

    def pictures(self, part: str, usable_P: np.ndarray) -> np.ndarray:
        """Rows of the pictures whose post is in a part of the split and usable."""
        return np.flatnonzero(((self.split_P == part) & usable_P)[self.post_N])


def divide(posts: Posts, cut_off: pd.Timestamp | None, seed: int) -> Division:
    """Split posts into those to learn from, those to choose on, and later ones.

    Raises:
        UserError: there are no pictures, or no text.
    """
    if not len(posts.images):
        raise UserError("these posts have no pictures; pretrain and recall need them (styles can come from text)")
    if not posts.table["words"].str.strip().any():
        raise UserError("these posts have no text; pretrain and recall need title, content or tags")
    split = split_posts(posts, cut_off, seed)
    return Division(split.loc[posts.table["post_id"]].to_numpy(str), post_of_pictures(posts))
