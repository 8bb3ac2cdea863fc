"""A phrase that somebody typed: each of its words was meant, so each counts alike.

The word matcher learns from posts, whose many words are of uneven worth: it weighs them, and a loud word may
drown the others. In a phrase such as "红色 水果" the picture must answer to both. So the words are made
comparable first: a word's score, less its median over the indexed pictures, in standard deviations of the normal
distribution that has the same 99th percentile (most pictures do not show the thing, and how far below they lie says
nothing). The score of the phrase is the plain mean over its words. Such levels are of a run, not of a query: no
other hit moves a score.

Shapes: V vocabulary, N pictures, H heads, D dimensions, W words of a phrase.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecast.errors import UserError

FILE = "word_levels.npy"
HIGH, DEVIATIONS = 0.99, 2.326  # the 99th percentile of a normal distribution is so many deviations up
MOST = 8192  # pictures that the levels are measured on
PART = 256  # words at a time


def best_heads(words_WD: Tensor, heads_NHD: Tensor) -> Tensor:
    """Score of each word with each picture: the most over heads 1.. of ⟨word, head⟩; W×N."""
    # Head 0 is multiplied too and then left out: to copy the others apart would take longer.
    flat = words_WD @ heads_NHD.reshape(-1, heads_NHD.shape[-1]).T.to(words_WD.dtype)
    return flat.reshape(len(words_WD), len(heads_NHD), -1)[..., 1:].amax(dim=-1).float()


@dataclass(frozen=True)
class WordLevels:
    """What scores of a word are usual over the pictures of a run."""

    middle_V: np.ndarray
    """Median score of each word, float32."""
    spread_V: np.ndarray
    """Standard deviation of the normal distribution with its 99th percentile, float32, positive."""

    @classmethod
    def measure(cls, table_VD: Tensor, heads_NHD: np.ndarray) -> "WordLevels":
        """Measure on pictures of a run, spread evenly over it.

        Args:
            table_VD: vectors of the words, each by itself.
            heads_NHD: heads of all pictures, possibly memory-mapped.
        """
        rows = np.unique(np.linspace(0, len(heads_NHD) - 1, min(MOST, len(heads_NHD))).astype(np.int64))
        heads = torch.from_numpy(np.asarray(heads_NHD[rows], dtype=np.float32)).to(table_VD.device)
        levels = torch.tensor([0.5, HIGH], device=table_VD.device)
        with torch.inference_mode():
            parts = [best_heads(part, heads).quantile(levels, dim=1) for part in table_VD.split(PART)]
        middle_V, high_V = torch.cat(parts, dim=1).cpu().numpy()
        return cls(middle_V, np.maximum((high_V - middle_V) / DEVIATIONS, 1e-6))

    def save(self, folder: Path) -> None:
        """Write `word_levels.npy`, 2×V."""
        np.save(folder / FILE, np.stack([self.middle_V, self.spread_V]))

    @classmethod
    def load(cls, folder: Path) -> "WordLevels":
        """Read what `save` wrote.

        Raises:
            UserError: there is none.
        """
        if not (folder / FILE).is_file():
            raise UserError(f"{folder / FILE} is missing; run `stylecast recall --force`")
        middle_V, spread_V = np.load(folder / FILE)
        return cls(middle_V, spread_V)

    def word_scores(self, vectors_WD: Tensor, words_W: list[int], heads_NHD: Tensor) -> np.ndarray:
        """How much each picture answers to each word, in standard deviations above the median picture.

        Args:
            vectors_WD: of the phrase's words.
            words_W: their numbers.
            heads_NHD: heads of the pictures.

        Returns:
            float32 W×N; the score of the phrase is the mean over W.
        """
        with torch.inference_mode():
            best_WN = best_heads(vectors_WD, heads_NHD).cpu().numpy()
        scores_WN: np.ndarray = (best_WN - self.middle_V[words_W, None]) / self.spread_V[words_W, None]
        return scores_WN
