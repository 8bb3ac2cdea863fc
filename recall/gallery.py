"""How well the matchers find the pictures of held-out posts: candidate pools, and the whole gallery.

A query is the words of a held-out post; its pictures, and those of posts with the very same text, are
relevant. A pool is one picture of the post among others drawn from the gallery by the post's id.

Shapes: Q queries, N pictures of the gallery, K pictures of a pool, W words, H heads, D dimensions.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pretrain.examples import Division
from recall.hubs import log_odds
from recall.matchers import TextEncoder, sentence_scores, word_scores
from recall.metrics import first_rank, gallery_metrics, ndcg
from recall.truth import Truth, deviation, fit_pool_blend
from stylecast.config import from_dict


@dataclass(frozen=True)
class Gallery:
    """Held-out queries and pictures."""

    rows_N: np.ndarray
    """Rows of the pictures in the corpus."""
    posts_Q: np.ndarray
    """Row of each query's post."""
    relevant_QN: np.ndarray
    """bool: the picture is of the query's post, or of one with the same text."""
    pool_QK: np.ndarray
    """Columns of the gallery that stand in the query's pool."""


def text_ids(table: pd.DataFrame) -> np.ndarray:
    """A number for each distinct text; posts without any word have numbers of their own. int64 P."""
    key = table["sentence"] + "\x1f" + table["hashtags"]
    silent = (table["words"] == "").to_numpy()
    key = key.mask(silent, "\x1f\x1f" + table["post_id"].astype(str))
    return pd.factorize(key)[0].astype(np.int64)


def _pool(post_id: str, own: int, others: np.ndarray, size: int, seed: int) -> np.ndarray:
    digest = hashlib.sha256(f"{seed}:{post_id}".encode()).digest()
    draw = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    chosen = draw.choice(others, size - 1, replace=False)
    return np.concatenate([[own], chosen])


def build_gallery(
    table: pd.DataFrame, division: Division, part: str, usable_P: np.ndarray, *, queries: int, pictures: int,
    pool: int = 30, seed: int = 0,
) -> Gallery:  # fmt: skip
    """Choose held-out queries and pictures.

    Args:
        table: the posts.
        division: their split, and the post of each picture.
        part: "valid" or "later".
        usable_P: which posts have a known word.
        queries: most queries.
        pictures: most pictures.
        pool: pictures of a pool, its own among them.
        seed: of the pools.
    """
    rows = division.pictures(part, usable_P)
    if len(rows) > pictures:  # whole posts, spread evenly: a post's pictures belong together
        posts = np.unique(division.post_N[rows])
        kept = posts[np.linspace(0, len(posts) - 1, max(1, int(len(posts) * pictures / len(rows)))).astype(int)]
        rows = rows[np.isin(division.post_N[rows], kept)]
    post_of = division.post_N[rows]
    asked = np.unique(post_of)
    if len(asked) > queries:
        asked = asked[np.linspace(0, len(asked) - 1, queries).astype(int)]
    texts = text_ids(table)
    relevant_QN = texts[asked][:, None] == texts[post_of][None, :]
    ids = table["post_id"].to_numpy(str)
    columns = np.arange(len(rows))
    size = min(pool, len(rows))
    pools = []
    for post in asked:
        own = int(columns[post_of == post][0])
        pools.append(_pool(ids[post], own, columns[columns != own], size, seed))
    return Gallery(rows, asked, relevant_QN, np.stack(pools) if pools else np.zeros((0, size), np.int64))


def score_all(
    text: TextEncoder, words_QW: np.ndarray, heads_NHD: torch.Tensor, chunk: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Word and sentence scores of every query with every picture, in chunks of both.

    Returns:
        word_QN and sentence_QN, float32.
    """
    words = torch.from_numpy(words_QW).to(heads_NHD.device)
    by_word = np.empty((len(words_QW), len(heads_NHD)), dtype=np.float32)
    by_sentence = np.empty_like(by_word)
    with torch.inference_mode():
        for top in range(0, len(words_QW), chunk):
            query = text(words[top : top + chunk])
            for left in range(0, len(heads_NHD), chunk):
                heads = heads_NHD[left : left + chunk]
                place = np.s_[top : top + chunk, left : left + chunk]
                by_word[place] = word_scores(query, heads).cpu().numpy()
                by_sentence[place] = sentence_scores(query, heads).cpu().numpy()
    return by_word, by_sentence


def matching_metrics(scores_QN: np.ndarray, gallery: Gallery) -> dict[str, float]:
    """NDCG@5 in the pools, recall@1/5/10 and MRR over the whole gallery."""
    if not len(scores_QN):
        return {"ndcg@5": 0.0, "recall@1": 0.0, "recall@5": 0.0, "recall@10": 0.0, "mrr": 0.0}
    pooled = np.take_along_axis(scores_QN, gallery.pool_QK, axis=1)
    relevant = np.take_along_axis(gallery.relevant_QN, gallery.pool_QK, axis=1)
    told = {"ndcg@5": float(ndcg(pooled, relevant).mean())}
    return told | gallery_metrics(first_rank(scores_QN, gallery.relevant_QN))


@dataclass(frozen=True)
class Blend:
    """How the two scores, and the odds against other people's queries, become one.

    The odds are the sum of both scores, each in standard deviations, less the picture's hubness (`recall.hubs`). The
    scales are fixed, so that no other query and no other candidate moves a score.
    """

    word_weight: float
    """Weight of the word score, 0..1; the sentence score has what this and the next leave."""
    odds_weight: float
    """Weight of the odds, 0..1."""
    word_scale: float
    """Standard deviation of word scores in the validation pools."""
    sentence_scale: float
    """Standard deviation of sentence scores in the validation pools."""
    odds_scale: float
    """Standard deviation of the odds in the validation pools."""

    def __call__(
        self, word: np.ndarray, sentence: np.ndarray, hubness: np.ndarray, phrase: np.ndarray | None = None
    ) -> np.ndarray:
        """The blended score.

        Args:
            word: of the word matcher, …×N.
            sentence: of the sentence matcher, …×N.
            hubness: of the pictures, N (see `recall.hubs`).
            phrase: what takes the word score's own place where people typed the words, …×N, in deviations (see
                `recall.phrases`). The odds keep to the word score, for that is what hubness is made of.
        """
        by_word, by_sentence = word / self.word_scale, sentence / self.sentence_scale
        odds = log_odds(by_word, by_sentence, hubness) / self.odds_scale
        rest = 1 - self.word_weight - self.odds_weight
        own = by_word if phrase is None else phrase
        blended: np.ndarray = self.word_weight * own + rest * by_sentence + self.odds_weight * odds
        return blended

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Blend":
        """Read what `save` wrote."""
        return from_dict(json.loads(path.read_text(encoding="utf-8")), cls, str(path))


def pool_spread(scores_QN: np.ndarray, gallery: Gallery) -> float:
    """Standard deviation of scores in the pools; 1 where they do not differ."""
    return deviation(np.take_along_axis(scores_QN, gallery.pool_QK, axis=1))


def fit_blend(
    word_QN: np.ndarray, sentence_QN: np.ndarray, hubness_N: np.ndarray, gallery: Gallery
) -> tuple[Blend, dict[str, float]]:
    """Search the weights of the blend by NDCG@5 in the pools.

    Returns:
        The blend fitted on all queries, and its NDCG@5: `in_sample` on these queries, `nested` on each half
        of the queries under the weight of the other half.
    """
    take = partial(np.take_along_axis, indices=gallery.pool_QK, axis=1)
    odds_QN = log_odds(
        word_QN / pool_spread(word_QN, gallery), sentence_QN / pool_spread(sentence_QN, gallery), hubness_N
    )
    scores = {"word": take(word_QN), "sentence": take(sentence_QN), "odds": take(odds_QN)}
    relevant_QK = take(gallery.relevant_QN)
    found = fit_pool_blend(scores, list(scores), Truth(relevant_QK, relevant_QK.sum(axis=1), 0), folds=2)
    weights, scales = found.blend.weights, found.blend.scales
    told = {"in_sample": found.in_sample, "nested": found.nested}
    return Blend(weights["word"], weights["odds"], scales["word"], scales["sentence"], scales["odds"]), told
