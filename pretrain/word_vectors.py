"""Where the words start: vectors from which words stand together, before any picture is seen.

The leading singular vectors of the positive mutual information between words that share a post (Levy &
Goldberg, 2014), with the discount of Pantel & Lin (2002) for rare words. Words of one style start side by
side, and words that go with anything start near zero, so the first pictures already push into a common
direction; from random vectors the tag loss sits on a plateau for hundreds of steps.

Shapes: P posts, W words of a post (padded), V vocabulary, D dimensions.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from pretrain.vocabulary import FIRST_WORD, PAD


def presence(words_PW: np.ndarray, size: int) -> sparse.csr_array:
    """Which post holds which word: a sparse P×size array of ones, from distinct padded word numbers."""
    post, place = np.nonzero(words_PW != PAD)
    ones = np.ones(len(post))
    return sparse.csr_array((ones, (post, words_PW[post, place])), shape=(len(words_PW), size))


def word_vectors(words_PW: np.ndarray, size: int, dim: int, seed: int) -> np.ndarray:
    """Vectors of words from the posts that they share.

    Args:
        words_PW: distinct word numbers of the training posts, padded.
        size: of the vocabulary, V.
        dim: D; where there are fewer words, the rest of the dimensions stay near zero.
        seed: of what is random: the start of the decomposition, and a small noise that tells apart words
            with no company.

    Returns:
        float32 V×D; the mean square length of the words' vectors is 1.
    """
    presence_PV = presence(words_PW, size)
    together = (presence_PV.T @ presence_PV).tocoo()
    off = together.row != together.col
    row, column, count = together.row[off], together.col[off], together.data[off]
    posts_V = np.asarray(presence_PV.sum(axis=0)).ravel()
    rarer = np.minimum(posts_V[row], posts_V[column])
    information = np.log(count * len(words_PW) / (posts_V[row] * posts_V[column]))
    information *= count / (count + 1) * rarer / (rarer + 1)
    kept = information > 0
    matrix_VV = sparse.csr_array((information[kept], (row[kept], column[kept])), shape=(size, size))
    vectors_VD = np.random.default_rng(seed).normal(0, 0.05 / dim**0.5, (size, dim))
    rank = min(dim, size - 1)
    if rank >= 1 and kept.any():
        start = np.random.default_rng(seed).normal(size=size)
        left, values, _ = svds(matrix_VV, k=rank, v0=start, solver="arpack")
        # A singular vector's sign is arbitrary; fixing it makes the same corpus give the same vectors.
        left *= np.where(left[np.abs(left).argmax(axis=0), np.arange(rank)] < 0, -1.0, 1.0)
        # Directions that carry nothing are whatever the solver's rounding made of them.
        values[values < 1e-6 * values.max()] = 0.0
        scaled = left[:, ::-1] * np.sqrt(values[::-1])
        vectors_VD[:, :rank] += scaled / max(1e-12, np.sqrt((scaled[FIRST_WORD:] ** 2).sum(axis=1).mean()))
    return vectors_VD.astype(np.float32)
