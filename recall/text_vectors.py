"""Vectors of texts without any picture: word vectors from co-occurrence, averaged by rarity.

Words: the leading singular vectors of the shifted positive mutual information between words that share a
text, which is what word2vec with negative sampling factorises (Levy & Goldberg, 2014); unlike word2vec
it depends on no order and no thread. Texts: means weighted by rarity, less their common direction
(Arora, Liang & Ma, 2017).

Shapes: N texts, V words, D dimensions.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer

from data.key_phrases import read_shares
from stylecast.errors import UserError

log = logging.getLogger(__name__)

SMOOTHING = 0.75  # exponent of the context counts (Levy, Goldberg & Dagan, 2015)
RARITY = 1e-3  # a of Arora et al.


@dataclass(frozen=True)
class TextVectors:
    """A fitted text embedding."""

    words: tuple[str, ...]
    """The vocabulary, sorted."""
    word_VD: np.ndarray
    """Word vectors times their rarity weight, float32."""
    common_D: np.ndarray
    """The direction that all texts share, float32, length 1."""

    @classmethod
    def fit(cls, texts: Sequence[str], dimensions: int, min_count: int, seed: int) -> "TextVectors":
        """Learn word vectors from texts.

        Args:
            texts: N texts of words with spaces between.
            dimensions: D.
            min_count: a word in fewer texts is left out.
            seed: of the decomposition.

        Raises:
            UserError: fewer than D + 1 words are left.
        """
        vectorizer = CountVectorizer(token_pattern=r"\S+", lowercase=False, binary=True, min_df=min_count)
        try:
            presence_NV = vectorizer.fit_transform(texts).astype(np.float64)
        except ValueError as error:  # scikit-learn's way to say that no word is left
            raise UserError(f"the texts hold no word that {min_count} of them share; give more posts") from error
        words = tuple(vectorizer.get_feature_names_out())
        dimensions = min(dimensions, len(words) - 1)
        if dimensions < 2:
            raise UserError(f"only {len(words)} words stand in {min_count} or more texts; give more posts")
        together_VV = (presence_NV.T @ presence_NV).tocoo()
        off = together_VV.row != together_VV.col
        information_VV = _positive_information(
            together_VV.row[off], together_VV.col[off], together_VV.data[off], len(words)
        )
        svd = TruncatedSVD(dimensions, algorithm="randomized", n_iter=7, random_state=seed)
        word_VD = svd.fit_transform(information_VV) / np.sqrt(np.maximum(svd.singular_values_, 1e-12))
        frequency_V = np.asarray(presence_NV.sum(axis=0)).ravel() / presence_NV.sum()
        weighted_VD = (word_VD * (RARITY / (RARITY + frequency_V))[:, None]).astype(np.float32)
        raw_ND = _even(presence_NV) @ weighted_VD.astype(np.float64)
        common_D = TruncatedSVD(1, random_state=seed).fit(raw_ND).components_[0].astype(np.float32)
        return cls(words, weighted_VD, common_D)

    def transform(self, texts: Sequence[str], key_words: Sequence[str] | None = None) -> np.ndarray:
        """Vectors of texts.

        Half of a text's weight goes to its words alike, the other half to the words of its key phrases by what they
        are worth, so that a long text about something else does not drown what its author named.

        Args:
            texts: N texts of words with spaces between.
            key_words: what the words of their key phrases are worth, as `data.key_phrases.write_shares` writes it; a
                text whose entry is empty has its words weighed alike, and so have all without this.

        Returns:
            float32 N×D, L2-normalised; zero where no word is known.
        """
        vectorizer = CountVectorizer(token_pattern=r"\S+", lowercase=False, binary=True, vocabulary=list(self.words))
        weight_NV = _even(vectorizer.transform(texts).astype(np.float64))
        if key_words is not None:
            weight_NV = (weight_NV + self._keyed(key_words, weight_NV)) / 2
        raw_ND = weight_NV @ self.word_VD.astype(np.float64)
        # einsum, not BLAS: a text's vector must be the same to the last bit whatever other texts stand beside it,
        # since UMAP makes a different map of the smallest difference.
        along_N = np.einsum("nd,d->n", raw_ND, self.common_D.astype(np.float64))
        less_ND = raw_ND - along_N[:, None] * self.common_D
        norm_N1 = np.linalg.norm(less_ND, axis=1, keepdims=True)
        return np.divide(less_ND, norm_N1, out=np.zeros_like(less_ND), where=norm_N1 > 1e-8).astype(np.float32)

    def _keyed(self, key_words: Sequence[str], even_NV: sparse.csr_array) -> sparse.csr_array:
        """Weights by key phrases, rows that sum to 1; those of `even_NV` where no word of a key phrase is known."""
        column = {word: place for place, word in enumerate(self.words)}
        rows, columns, values = [], [], []
        for row, told in enumerate(key_words):
            known = {column[word]: share for word, share in read_shares(told).items() if word in column}
            total = sum(known.values())
            if total > 0:
                rows += [row] * len(known)
                columns += list(known)
                values += [share / total for share in known.values()]
        keyed_NV = sparse.csr_array((values, (rows, columns)), shape=even_NV.shape)
        without_N = np.ones(len(key_words))
        without_N[rows] = 0.0
        return keyed_NV + even_NV * without_N[:, None]

    def save(self, folder: Path) -> None:
        """Write `words.parquet`, `word_vectors.npy`, `common.npy`."""
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"word": self.words}).to_parquet(folder / "words.parquet", index=False)
        np.save(folder / "word_vectors.npy", self.word_VD)
        np.save(folder / "common.npy", self.common_D)

    @classmethod
    def load(cls, folder: Path) -> "TextVectors":
        """Read what `save` wrote."""
        words = tuple(pd.read_parquet(folder / "words.parquet")["word"])
        return cls(words, np.load(folder / "word_vectors.npy"), np.load(folder / "common.npy"))


def _positive_information(rows: np.ndarray, columns: np.ndarray, counts: np.ndarray, size: int) -> sparse.csr_array:
    """max(0, log p(w, c) / (p(w) p(c)^0.75)) for the pairs that occur."""
    total = counts.sum()
    word_V = np.bincount(rows, counts, size)
    context_V = np.maximum(word_V, 1e-12) ** SMOOTHING
    context_V /= context_V.sum()
    information = np.log(counts / (np.maximum(word_V, 1e-12)[rows] * context_V[columns]))
    kept = (information > 0) if total else np.zeros(0, bool)
    return sparse.csr_array((information[kept], (rows[kept], columns[kept])), shape=(size, size))


def _even(presence_NV: sparse.spmatrix) -> sparse.csr_array:
    """Rows of ones as means: they sum to 1, or to 0 where nothing is."""
    number_N1 = np.maximum(np.asarray(presence_NV.sum(axis=1)).reshape(-1, 1), 1.0)
    return sparse.csr_array(presence_NV / number_N1)
