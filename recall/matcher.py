"""The models of matching as one thing to save, to load and to ask: how well do these phrases fit these pictures?

Shapes: Q phrases, W words of a phrase, N pictures, H heads, D dimensions.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data.cutter import Cutter, cutter
from data.lexicon import Lexicon
from pretrain.encoder import Encoder, PixelEncoder, rebuild_encoder
from pretrain.regions import RegionEncoder, rebuild_regions
from pretrain.vocabulary import Vocabulary, pad
from recall.context import load_text
from recall.gallery import Blend, score_all
from recall.hubs import BANK, hubness, load_bank
from recall.matchers import Query, TextEncoder, sentence_scores, word_scores
from recall.phrases import WordLevels
from stylecast.checkpoint import WEIGHTS, load_parts, save_parts
from stylecast.errors import UserError
from stylecast.runs import SAVED
from stylecast.saved import load_any, save_model

log = logging.getLogger(__name__)
BLEND = "blend.json"
PART = 512  # pictures that are scored at a time: they stay within the processor's cache


def write_models(folder: Path, encoder: Encoder, text: TextEncoder, vocabulary: Vocabulary) -> None:
    """Write both sides of a matcher, and the words that it knows."""
    save_parts(nn.ModuleDict({"encoder": encoder, "text": text}), folder / WEIGHTS)
    encoder.save(folder)
    text.save(folder)
    vocabulary.save(folder)


def _with_weights(encoder: Encoder, folder: Path) -> TextEncoder:
    """Give an encoder its weights; the text side, with its own."""
    parts = load_parts(folder / WEIGHTS)
    encoder.load_state_dict(parts["encoder"])
    encoder.eval()
    return load_text(folder, parts["text"])


@dataclass(frozen=True)
class Matcher:
    """What a run of `recall` has learnt, on the CPU."""

    encoder: PixelEncoder
    """Pictures to heads."""
    text: TextEncoder
    """Words to vectors."""
    vocabulary: Vocabulary
    """The known words."""
    blend: Blend
    """How word and sentence scores of posts become one, with the odds against other queries."""
    bank_BW: np.ndarray = field(repr=False, compare=False)
    """Training queries, as padded word numbers, that tell which pictures answer to everything."""
    levels: WordLevels
    """What scores of each word are usual over the indexed pictures."""
    lexicon: Lexicon
    """What was added to the dictionary when the posts were cut."""
    cutter: Cutter = field(init=False, repr=False, compare=False)
    """What cuts a phrase, as the posts were cut."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutter", cutter(self.lexicon))

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Matcher":
        """Read a matcher: what `save_pretrained` or `stylecast recall` wrote.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        folder = Path(folder)
        load_any(folder, f"{SAVED}matcher", "recall")
        encoder = rebuild_encoder(folder)
        text = _with_weights(encoder, folder)
        bank_BW = load_bank(folder)  # before the blend, which is another one in runs that have none
        blend, levels = Blend.load(folder / BLEND), WordLevels.load(folder)
        return cls(encoder, text, Vocabulary.load(folder), blend, bank_BW, levels, Lexicon.load(folder))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained` reads; it appears whole or not at all.

        Raises:
            UserError: something else lies there.
        """
        with save_model(Path(folder), f"{SAVED}matcher", self.encoder.config) as run:
            write_models(run.folder, self.encoder, self.text, self.vocabulary)
            self.blend.save(run.folder / BLEND)
            np.save(run.folder / BANK, self.bank_BW)
            self.levels.save(run.folder)
            self.lexicon.save(run.folder)

    def encode(self, phrase: str) -> list[int]:
        """Numbers of a phrase's known words; unknown ones are told in the log.

        Raises:
            UserError: no word is known.
        """
        words, unknown = self.known(phrase)
        if not words:
            told = " ".join(unknown) or phrase
            raise UserError(f"no picture was ever described with: {told}; try other words")
        if unknown:
            log.info("words that no training post holds, left out: %s", " ".join(unknown))
        return words

    def known(self, phrase: str) -> tuple[list[int], list[str]]:
        """Numbers of a phrase's known words, each once, and the unknown words."""
        # A space between words is a cut that the person made: each piece is cut into words by itself.
        found = [word for piece in phrase.split() for word in self.cutter.words(piece)]
        return list(dict.fromkeys(self.vocabulary.encode(found))), self.vocabulary.unknown(found)

    def query(self, words: list[int]) -> Query:
        """The phrase of these words, encoded."""
        with torch.inference_mode():
            return self.text(torch.from_numpy(pad([words], max(1, len(words)))))

    def measure(
        self, query: Query, words: list[int], heads_NHD: np.ndarray, hubness_N: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How well a phrase fits pictures.

        Returns:
            The score N, that of each of its words in deviations W×N (see `recall.phrases`), and that of its sentence N;
            each depends on the phrase and the picture alone.
        """
        nothing = np.zeros(0, np.float32)
        each, word, sentence = [np.zeros((len(words), 0), np.float32)], [nothing], [nothing]
        for start in range(0, len(heads_NHD), PART):
            part_BHD = torch.from_numpy(heads_NHD[start : start + PART]).float()
            each.append(self.levels.word_scores(query.words_QWD[0], words, part_BHD))
            with torch.inference_mode():
                word.append(word_scores(query, part_BHD)[0].numpy())
                sentence.append(sentence_scores(query, part_BHD)[0].numpy())
        each_WN, sentence_N = np.concatenate(each, axis=1), np.concatenate(sentence)
        return self.blend(np.concatenate(word), sentence_N, hubness_N, each_WN.mean(axis=0)), each_WN, sentence_N

    def hubness(self, heads_NHD: np.ndarray) -> np.ndarray:
        """How well pictures answer to everything (see `recall.hubs`); float32 N."""
        return hubness(self.text, self.bank_BW, heads_NHD, self.blend.word_scale, self.blend.sentence_scale)

    def score_posts(self, words_QW: np.ndarray, heads_NHD: np.ndarray) -> dict[str, np.ndarray]:
        """How well the words of posts fit pictures.

        Args:
            words_QW: word numbers of the posts, padded.
            heads_NHD: of the pictures.

        Returns:
            float32 Q×N, more is better: `word`, `sentence`, and their `blend`.
        """
        word_QN, sentence_QN = score_all(self.text, words_QW, torch.from_numpy(heads_NHD).float())
        return {
            "word": word_QN, "sentence": sentence_QN,
            "blend": self.blend(word_QN, sentence_QN, self.hubness(heads_NHD)),
        }  # fmt: skip

    def score(self, phrases: Sequence[str], pictures: np.ndarray) -> np.ndarray:
        """How well phrases fit pictures, as `stylecast search` scores them; comparable within a phrase.

        Args:
            phrases: words, in any language of the posts.
            pictures: uint8 RGB, N×height×width×3; or heads that `encoder.encode` made of them, float N×H×D.

        Returns:
            float32 Q×N, more is better.

        Raises:
            UserError: no word of a phrase is known, or these are no pictures.
        """
        pictures = np.asarray(pictures)
        heads_NHD = self._heads(pictures) if pictures.dtype.kind == "f" else self.encoder.encode(pictures)
        rows, hubness_N = [np.zeros((0, len(heads_NHD)), np.float32)], self.hubness(heads_NHD)
        for words in map(self.encode, phrases):
            score_N, _, _ = self.measure(self.query(words), words, heads_NHD, hubness_N)
            rows.append(score_N[None].astype(np.float32))
        return np.concatenate(rows)

    def _heads(self, heads_NHD: np.ndarray) -> np.ndarray:
        if heads_NHD.shape[1:] != (self.encoder.heads, self.encoder.dim):
            wanted, given = f"N×{self.encoder.heads}×{self.encoder.dim}", "×".join(map(str, heads_NHD.shape))
            raise UserError(f"heads of this matcher are {wanted}; these are {given}; give what its encoder makes")
        return np.require(heads_NHD, requirements="W")  # torch takes no memory that is only read


@dataclass(frozen=True)
class RegionMatcher:
    """What the matching of `stylecast kddcup` has learnt, on the CPU."""

    encoder: RegionEncoder
    """Boxes to heads."""
    text: TextEncoder
    """Words to vectors."""
    vocabulary: Vocabulary
    """The known words."""

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "RegionMatcher":
        """Read a matcher: what `save_pretrained` or `stylecast kddcup` (its `recall`) wrote.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        folder = Path(folder)
        load_any(folder, f"{SAVED}region-matcher", "kddcup-recall")
        encoder = rebuild_regions(folder)
        return cls(encoder, _with_weights(encoder, folder), Vocabulary.load(folder))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained` reads; it appears whole or not at all.

        Raises:
            UserError: something else lies there.
        """
        with save_model(Path(folder), f"{SAVED}region-matcher", self.encoder.config) as run:
            write_models(run.folder, self.encoder, self.text, self.vocabulary)
