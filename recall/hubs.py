"""Hubs: pictures that are close to every text, and so stand among the first for each, right or wrong.

What a picture scores with other people's queries is the level that a query has to exceed. With scores as logits, the
level is that of the softmax over a bank of training queries: a score less it is the log odds of the query against the
bank (inverted softmax, Smith et al. 2017; query banks, Bogolin et al. 2022). The level is of the picture and the bank
alone: no other query, and no other candidate, moves a score. How much the odds count in the blend is searched on
validation; they rise with the scores, so a picture is never the worse for fitting better.

Shapes: B queries of the bank, W words of a query (padded), P posts, N pictures, H heads, D dimensions.
"""

from pathlib import Path

import numpy as np
import torch

from pretrain.examples import spread
from recall.matchers import TextEncoder, sentence_scores, word_scores
from stylecast.errors import UserError

BANK, HUBNESS = "query_bank.npy", "hubness.npy"
MOST = 512  # queries of a bank: half as many find less, twice as many take twice the time for little
PART = 256  # pictures at a time


def query_bank(words_PW: np.ndarray) -> np.ndarray:
    """Different queries out of the words of training posts, spread evenly over all; int64 B×W.

    Args:
        words_PW: word numbers of posts, padded; those without a word are left out.
    """
    different = np.unique(words_PW[words_PW.any(axis=1)], axis=0)
    return different[spread(np.arange(len(different)), MOST)]


def hubness(
    text: TextEncoder, bank_BW: np.ndarray, heads_NHD: np.ndarray, word_scale: float, sentence_scale: float
) -> np.ndarray:
    """How well pictures answer to the queries of the bank: the log of the mean, over these, of exp(score).

    The score is the sum of that of the words and that of the sentence, each in standard deviations. Pictures are
    scored in parts of one shape, the last of which is filled up: what stands beside a picture must not change it.

    Args:
        text: words to vectors; on any device.
        bank_BW: word numbers of the queries, padded.
        heads_NHD: of the pictures, possibly memory-mapped.
        word_scale: standard deviation of word scores.
        sentence_scale: that of sentence scores.

    Returns:
        float32 N.
    """
    device, count = text.table_VD.device, len(heads_NHD)
    told_N = np.zeros(count, dtype=np.float32)
    text.eval()
    with torch.inference_mode():
        bank = text(torch.from_numpy(bank_BW).to(device))
        for start in range(0, count, PART):
            part = np.asarray(heads_NHD[start : start + PART], dtype=np.float32)
            filled = torch.from_numpy(np.pad(part, ((0, PART - len(part)), (0, 0), (0, 0)))).to(device)
            score_BN = word_scores(bank, filled) / word_scale + sentence_scores(bank, filled) / sentence_scale
            told_N[start : start + PART] = score_BN.logsumexp(dim=0).cpu().numpy()[: len(part)]
    return told_N - np.float32(np.log(len(bank_BW)))


def log_odds(word: np.ndarray, sentence: np.ndarray, hubness: np.ndarray) -> np.ndarray:
    """Log odds of queries against those of the bank; 0 where both scores are, as for a query without a known word.

    Args:
        word: word scores in standard deviations, …×N.
        sentence: sentence scores, likewise.
        hubness: of the pictures, N or …×N.
    """
    fits = word + sentence
    return np.where(fits == 0, 0, fits - hubness)


def load_bank(folder: Path) -> np.ndarray:
    """The query bank of a run.

    Raises:
        UserError: there is none.
    """
    if not (folder / BANK).is_file():
        raise UserError(f"{folder / BANK} is missing, as in runs of earlier versions; run `stylecast recall --force`")
    bank_BW: np.ndarray = np.load(folder / BANK)
    return bank_BW
