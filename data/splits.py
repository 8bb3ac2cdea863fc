"""Which posts a model may learn from: before the cut-off, near duplicates on one side."""

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.posts import Posts
from data.values import parse_day


def _unit_interval(text: str, seed: int) -> float:
    """A number in [0, 1) that depends on the text and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def families_of_posts(table: pd.DataFrame, pictures: pd.DataFrame) -> pd.Series:
    """Name of each post's family: posts that share a picture family, or a whole text, are one.

    Args:
        table: posts with `post_id, sentence, hashtags, words`.
        pictures: pictures with `post_id, family`.

    Returns:
        post_id → the smallest post_id of its family.
    """
    ids = table["post_id"].to_numpy()
    row_of = pd.Series(np.arange(len(ids)), index=ids)
    mine = pictures[pictures["post_id"].isin(ids)]
    text = table["sentence"] + "\x1f" + table["hashtags"]
    # A text of a word or two ("#ootd") is shared by strangers; linking them would make one giant family.
    telling = (table["words"].str.count(" ") >= 2).to_numpy()
    rows = np.concatenate([row_of[mine["post_id"]].to_numpy(int), np.arange(len(ids))[telling]])
    keys = pd.Series([*mine["family"].astype(str), *text[telling]], dtype=object)
    first = pd.Series(rows).groupby(keys).transform("min").to_numpy(int)
    edges = coo_array((np.ones(len(rows), bool), (rows, first)), shape=(len(ids), len(ids)))
    labels = connected_components(edges, directed=False)[1]
    return pd.Series(pd.Series(ids).groupby(labels).transform("min").to_numpy(), index=ids)


def parse_cut_off(text: str) -> pd.Timestamp | None:
    """The first day that nothing may learn from; None when the text is empty.

    Raises:
        UserError: no date.
    """
    return parse_day(text, "--cut-off")


def split_posts(posts: Posts, cut_off: pd.Timestamp | None, seed: int = 0, valid_share: float = 0.1) -> pd.Series:
    """Divide posts into those to learn from, those to choose on, and those that come later.

    Posts on or after the cut-off are "later". Of those before it, a `split` column of the table (train, valid, test)
    is obeyed where it has a value; the others are divided by a hash of their family. What comes after the cut-off
    moves no post before it to the other side.

    Args:
        posts: the posts.
        cut_off: first day that nothing may learn from; None = no limit.
        seed: of the hash.
        valid_share: share of families held out.

    Returns:
        post_id → "train", "valid" or "later".
    """
    table = posts.table
    late = np.zeros(len(table), bool)
    if cut_off is not None and "time" in table:
        late = (table["time"] >= cut_off).to_numpy()
    split = pd.Series("later", index=table["post_id"].to_numpy(), name="split", dtype=object)
    families = families_of_posts(table[~late], posts.pictures)
    draws = {name: _unit_interval(name, seed) for name in families.unique()}
    split[families.index] = families.map(lambda name: "valid" if draws[name] < valid_share else "train")
    if "split" in table:
        given = table.set_index("post_id")["split"].str.strip().str.lower()
        given = given.replace({"validation": "valid", "test": "later"})
        split = split.mask(given.isin(["train", "valid", "later"]) & ~late, given)
    return split


def held_for_test(posts: Posts) -> np.ndarray:
    """Which posts have "test" in their `split` column: nothing is fitted on them, however old; bool P."""
    if "split" not in posts.table:
        return np.zeros(len(posts.table), bool)
    return (posts.table["split"].str.strip().str.lower() == "test").to_numpy(bool)
