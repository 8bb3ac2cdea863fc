"""What a style is called, and which pictures stand for it.

Shapes: K styles, N posts, V words.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from data.posts import Posts

KEYWORDS = 12
NAME_WORDS = 3
DAMPING = 4  # power of the evenness: at 4 a word loses 6% at one half, 41% at 0.8 and 96% at 0.99
FEW_POSTS, FEW_AUTHORS = 3, 2  # what fewer posts or authors of a style say does not name it


@dataclass(frozen=True)
class Words:
    """Who says what: read once, then asked for any grouping of the posts."""

    presence_NV: sparse.csr_array
    """1 where a post says a word: once a post, so that a long text does not outweigh ten short ones."""
    words: tuple[str, ...]
    """The vocabulary, sorted."""
    row_of: pd.Series
    """post_id → row."""
    author_N: np.ndarray
    """Number of each post's author; a post without one has its own."""

    @classmethod
    def of(cls, posts: pd.DataFrame) -> "Words":
        """Read posts: `post_id, words` (space separated) and, if known, `key_phrases` (`;` between), `author_id`."""
        texts = posts["words"].fillna("").astype(str).str.split()
        if "key_phrases" in posts:
            phrases = posts["key_phrases"].fillna("").astype(str).str.split(";")
            texts = texts + phrases.map(lambda told: [phrase for phrase in told if phrase and " " not in phrase])
        row_of = pd.Series(np.arange(len(posts)), index=posts["post_id"].to_numpy())
        author_N = _authors(posts)
        said = Counter(word for told in texts for word in set(told))
        vocabulary = sorted(word for word, count in said.items() if count >= FEW_POSTS)
        if not vocabulary:
            return cls(sparse.csr_array((len(posts), 0)), (), row_of, author_N)
        vectorizer = CountVectorizer(analyzer=list, vocabulary=vocabulary, binary=True)
        presence_NV = sparse.csr_array(vectorizer.fit_transform(texts), dtype=np.float64)
        return cls(presence_NV, tuple(map(str, vectorizer.get_feature_names_out())), row_of, author_N)

    def counts(self, groups: pd.DataFrame, order: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posts and authors of a group that say a word, K×V each, and posts of a group, K.

        Args:
            groups: `post_id, style`.
            order: the styles, K.
        """
        pairs = groups[["post_id", "style"]].drop_duplicates()
        row_M = self.row_of[pairs["post_id"]].to_numpy()
        group_M = pd.Categorical(pairs["style"], categories=list(order)).codes
        said_MV = self.presence_NV[row_M]
        count_KV = _sum_rows(said_MV, group_M, len(order)).toarray()
        # Each author of a group once a word.
        both_A, place_M = np.unique(np.stack([group_M, self.author_N[row_M]]), axis=1, return_inverse=True)
        by_author = _sum_rows(said_MV, place_M.ravel(), both_A.shape[1])
        by_author.data[:] = 1.0
        author_KV = _sum_rows(by_author, both_A[0], len(order)).toarray()
        return count_KV, author_KV, np.bincount(group_M, minlength=len(order)).astype(np.float64)


def _authors(posts: pd.DataFrame) -> np.ndarray:
    own = "\x1f" + posts["post_id"].astype(str)
    if "author_id" not in posts:
        return pd.factorize(own)[0]
    author = posts["author_id"].fillna("").astype(str).str.strip()
    return pd.factorize(author.where(author != "", own))[0]


def _sum_rows(said_MV: sparse.csr_array, group_M: np.ndarray, groups: int) -> sparse.csr_array:
    rows = len(group_M)
    return sparse.csr_array(sparse.csr_array((np.ones(rows), (group_M, np.arange(rows))), (groups, rows)) @ said_MV)


def keywords_of(words: Words, groups: pd.DataFrame, order: Sequence[str]) -> list[list[str]]:
    """Keywords by class-based TF-IDF: words that a style uses and the others do not (after Grootendorst, 2022).

    A word's share in the style, times the log of how many times the average style's share it is, damped by how evenly
    it is spread over the styles: a platform's words (穿搭, ootd, 分享) are told by their use, not by a list, and a word
    of a third of the styles (连衣裙) stays. What fewer than three posts or two authors say does not count.

    Args:
        words: of the posts.
        groups: `post_id, style`.
        order: the styles to tell apart, K.

    Returns:
        For each style at most 12 words, best first.
    """
    if not words.words:
        return [[] for _ in order]
    count_KV, author_KV, size_K = words.counts(groups, order)
    share_KV = count_KV / np.maximum(size_K, 1.0)[:, None]
    overall_V = share_KV.mean(axis=0)
    ratio_KV = np.divide(share_KV, overall_V, out=np.ones_like(share_KV), where=overall_V > 0)
    score_KV = share_KV * np.log(np.maximum(ratio_KV, 1.0)) * (1.0 - evenness(share_KV) ** DAMPING)
    # Where a style has but one author, his words are all there is.
    few_K = np.minimum(FEW_AUTHORS, author_KV.max(axis=1))
    score_KV[(count_KV < FEW_POSTS) | (author_KV < few_K[:, None])] = 0.0
    score_KV *= [0.5 if len(word) == 1 else 1.0 for word in words.words]  # one character rarely tells what is meant
    found = []
    for score_V in score_KV:
        best = sorted(np.flatnonzero(score_V), key=lambda v: (-score_V[v], words.words[v]))[:KEYWORDS]
        found.append([words.words[v] for v in best])
    return found


def evenness(share_KV: np.ndarray) -> np.ndarray:
    """How evenly a word is spread over the styles: entropy over its largest value, 0 (one style) to 1 (all alike), V.

    Two styles are too few to tell a platform's word from a style's: nothing is damped then.
    """
    if len(share_KV) < 3:
        return np.zeros(share_KV.shape[1])
    part_KV = share_KV / np.maximum(share_KV.sum(axis=0), 1e-300)
    entropy_V = -(part_KV * np.log(np.where(part_KV > 0, part_KV, 1.0))).sum(axis=0)
    return np.clip(entropy_V / np.log(len(share_KV)), 0.0, 1.0)


def distinct_names(keywords: Sequence[Sequence[str]], order: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names of three keywords (`旗袍 · 国风 · 复古`), no two alike.

    A word that holds another one of the name, or lies in it, adds nothing and is passed over; one of a single character
    (often a piece of a name that was cut apart) comes last. Where two styles would
    have the same three words, the later takes its next keyword for the last one; a style without words left is told
    by its id.

    Args:
        keywords: of each style, best first.
        order: style ids, K.
        taken: names that are given already.
    """
    used = {frozenset(name.split(" · ")) for name in taken}
    names = []
    for words, style in zip(keywords, order, strict=True):
        telling: list[str] = []
        for word in sorted(words, key=lambda word: len(word) == 1):
            if not any(word in other or other in word for other in telling):
                telling.append(word)
        choices = [telling[:NAME_WORDS]]
        choices += [[*telling[: NAME_WORDS - 1], word] for word in telling[NAME_WORDS:]]
        choice = next((c for c in choices if c and frozenset(c) not in used), [*telling[:NAME_WORDS], style])
        used.add(frozenset(choice))
        names.append(" · ".join(choice))
    return names


def name_styles(fitted: pd.DataFrame, words: Words, order: Sequence[str] | None = None) -> pd.DataFrame:
    """What each style is called.

    Args:
        fitted: assignments before the cut-off: `id, post_id, style`.
        words: of the posts.
        order: the styles; None = those that are there, sorted. One without items is called by its id.

    Returns:
        One row a style: style, name, keywords (space separated), size (items).
    """
    sizes = fitted.groupby("style").size()
    order = [str(style) for style in sizes.index] if order is None else order
    found = keywords_of(words, fitted, order)
    return pd.DataFrame(
        {"style": list(order), "name": distinct_names(found, order), "keywords": [" ".join(k) for k in found],
         "size": sizes.reindex(order, fill_value=0).to_numpy()}
    )  # fmt: skip


def medoids(fitted: pd.DataFrame, posts: Posts, count: int = 5) -> dict[str, list[str]]:
    """The pictures nearest to a style's centroid, at most one of a post and of a picture family.

    Returns:
        style → picture ids, nearest first.
    """
    rows = fitted.join(posts.pictures.set_index("picture_id")["family"], on="id")
    rows = rows.sort_values(["distance", "id"])
    rows = rows.drop_duplicates(["style", "post_id"]).drop_duplicates(["style", "family"])
    return {str(style): group["id"].head(count).tolist() for style, group in rows.groupby("style")}
