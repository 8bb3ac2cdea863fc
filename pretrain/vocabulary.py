"""The words that pictures are tagged and captioned with, and that queries are read in.

Shapes: P posts, W words of a post (padded), V words of the vocabulary with its three marks.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stylecast.errors import UserError

log = logging.getLogger(__name__)

PAD, BEGIN, END = 0, 1, 2
MARKS = ("<pad>", "<begin>", "<end>")
FIRST_WORD = len(MARKS)
FILE = "vocabulary.json"


@dataclass(frozen=True)
class VocabularyConfig:
    """Which words of the corpus are kept."""

    min_count: int = 2
    """Fewest training posts that must hold a word, posts."""
    max_share: float = 0.5
    """A word in more than this share of the training posts says nothing about any of them, 0..1."""
    max_words: int = 8000
    """Largest number of words; the most frequent are kept, words."""


@dataclass(frozen=True)
class Vocabulary:
    """Words with the number of training posts that hold them; number 0 is padding."""

    words: tuple[str, ...]
    """The marks `MARKS`, then the words, most frequent first."""
    counts: tuple[int, ...]
    """Training posts that hold the word (0 for the marks)."""
    posts: int
    """Training posts in all."""
    number: dict[str, int] = field(init=False, repr=False, compare=False)
    """Number of each word."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", {word: i for i, word in enumerate(self.words) if i >= FIRST_WORD})

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]], config: VocabularyConfig) -> "Vocabulary":
        """Count words in training posts and keep those within the cut-offs.

        Args:
            texts: the words of each training post; repeats within a post count once.
            config: the cut-offs.

        Raises:
            UserError: no word is left.
        """
        counter: Counter[str] = Counter()
        posts = 0
        for words in texts:
            counter.update(set(words))
            posts += bool(words)
        # A handful of posts would lose every word to the share cut-off, so it starts to bite above 20 posts.
        most = max(config.max_share * posts, 20)
        kept = [(w, n) for w, n in counter.items() if config.min_count <= n <= most]
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        kept = kept[: config.max_words]
        if not kept:
            raise UserError(
                f"no word is in at least {config.min_count} of the {posts} training posts that have text; "
                "lower --vocabulary.min-count, or add posts with title, content or tags"
            )
        log.info("vocabulary: %d of %d words in %d training posts", len(kept), len(counter), posts)
        zeros = (0,) * len(MARKS)
        return cls(MARKS + tuple(w for w, _ in kept), zeros + tuple(n for _, n in kept), posts)

    def encode(self, words: Iterable[str]) -> list[int]:
        """Numbers of the known words, in order, repeats kept; unknown words are left out."""
        return [self.number[w] for w in words if w in self.number]

    def unknown(self, words: Iterable[str]) -> list[str]:
        """The words that the vocabulary lacks, in order."""
        return [w for w in words if w not in self.number]

    def rates_V(self) -> np.ndarray:
        """Share of training posts that hold each word, smoothed into (0, 1); float32."""
        return ((np.asarray(self.counts) + 0.5) / (self.posts + 1.0)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` into a folder."""
        content = {"posts": self.posts, "words": list(self.words), "counts": list(self.counts)}
        (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Read what `save` wrote.

        Raises:
            UserError: the folder has no vocabulary.
        """
        path = folder / FILE
        if not path.exists():
            raise UserError(f"{path} is missing; {folder} is no run of pretrain or recall, give the folder of one")
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(content["words"]), tuple(content["counts"]), content["posts"])


def pad(numbers: Sequence[Sequence[int]], width: int) -> np.ndarray:
    """Rows of word numbers as one array: cut at `width`, filled up with padding.

    Returns:
        int64 P×width.
    """
    padded = np.full((len(numbers), width), PAD, dtype=np.int64)
    for row, values in enumerate(numbers):
        cut = values[:width]
        padded[row, : len(cut)] = cut
    return padded
