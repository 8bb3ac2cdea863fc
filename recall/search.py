"""`stylecast search RUN "红色 水果" -k 8`: the pictures that match a phrase.

Two stages: the sentence vector recalls candidates from the index, the word matcher rescores them, and the
blend that the validation found orders them.

Shapes: N pictures, C candidates, H heads, D dimensions.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import tyro

from data.posts import Posts
from data.text import words as cut_words
from pretrain.vocabulary import pad
from recall.embeddings import HEADS
from recall.index import Index
from recall.matchers import sentence_scores, word_scores
from recall.sheet import contact_sheet
from recall.train import PICTURES, Recalled, load_recall
from stylecast.errors import UserError
from stylecast.runs import MANIFEST, load_manifest

log = logging.getLogger(__name__)
CANDIDATES = 200  # fewest that the index recalls: rescoring can only reorder what was recalled


@dataclass(frozen=True)
class SearchConfig:
    """Find the pictures that match a phrase."""

    run: tyro.conf.Positional[Path]
    """Run folder of `recall`, or the folder of a whole `stylecast run`."""
    phrase: tyro.conf.Positional[str]
    """What to look for, such as "红色 水果"."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """How many pictures."""
    out: Path = Path("search.png")
    """Where the contact sheet goes (PNG)."""
    posts: Path | None = None
    """Run folder of `prepare`, for the pictures; by default the one that the recall run was made from."""


class Searcher:
    """A recall run, ready for phrases.

    Args:
        models: of the run.
        index: of its picture vectors.
        heads_NHD: of its pictures, memory-mapped.
        pictures: picture_id, post_id, path, title; row i ↔ heads_NHD[i].
    """

    def __init__(self, models: Recalled, index: Index, heads_NHD: np.ndarray, pictures: pd.DataFrame) -> None:
        self.models, self.index, self.heads_NHD, self.pictures = models, index, heads_NHD, pictures

    @classmethod
    def load(cls, folder: Path) -> "Searcher":
        """Open a run folder of `recall`.

        Raises:
            UserError: the folder is missing, damaged or of another stage.
        """
        models = load_recall(folder)
        heads_NHD = np.load(folder / HEADS, mmap_mode="r")
        return cls(models, Index.load(folder), heads_NHD, pd.read_parquet(folder / PICTURES))

    def encode(self, phrase: str) -> list[int]:
        """Numbers of a phrase's known words; unknown ones are told in the log.

        Raises:
            UserError: no word is known.
        """
        # A space between words is a cut that the person made: each piece is cut into words by itself.
        found = [word for piece in phrase.split() for word in cut_words(piece)]
        vocabulary = self.models.vocabulary
        unknown = vocabulary.unknown(found)
        if len(unknown) == len(found):
            told = " ".join(unknown) or phrase
            raise UserError(f"no picture was ever described with: {told}; try other words")
        if unknown:
            log.info("words that no training post holds, left out: %s", " ".join(unknown))
        return list(dict.fromkeys(vocabulary.encode(found)))

    def search(self, phrase: str, k: int) -> pd.DataFrame:
        """The pictures that match a phrase best.

        A score depends on the phrase and the picture alone, not on k or on the other candidates.

        Args:
            phrase: words, in any language of the posts.
            k: how many pictures.

        Returns:
            rank, picture_id, post_id, path, score, word_score, sentence_score, title, row (of images.npy); best first.

        Raises:
            UserError: no word of the phrase is known, or k is not positive.
        """
        if k < 1:
            raise UserError(f"-k {k}: must be 1 or more")
        numbers = self.encode(phrase)
        with torch.inference_mode():
            query = self.models.text(torch.from_numpy(pad([numbers], len(numbers))))
            rows, _ = self.index.search(query.sentence_QD.numpy(), max(10 * k, CANDIDATES))
            rows_C = np.sort(rows[0][rows[0] >= 0])  # an approximate index may find fewer
            heads_CHD = torch.from_numpy(np.asarray(self.heads_NHD[rows_C], dtype=np.float32))
            word_C = word_scores(query, heads_CHD)[0].numpy()
            sentence_C = sentence_scores(query, heads_CHD)[0].numpy()
        found = self.pictures.iloc[rows_C].assign(
            row=rows_C, score=self.models.blend(word_C, sentence_C), word_score=word_C, sentence_score=sentence_C
        )
        found = found.sort_values(["score", "picture_id"], ascending=[False, True]).head(k)
        columns = ["picture_id", "post_id", "path", "score", "word_score", "sentence_score", "title", "row"]
        found = found[columns].reset_index(drop=True)
        found.insert(0, "rank", np.arange(1, len(found) + 1))
        return found


def recall_folder(run: Path) -> Path:
    """The recall run that a folder is, or holds.

    Raises:
        UserError: neither.
    """
    for folder in (run, run / "recall"):
        if (folder / MANIFEST).is_file() and (folder / "index.faiss").is_file():
            return folder
    raise UserError(f"{run}: neither a run folder of `stylecast recall` nor a folder that holds one named recall")


def _posts_of(recall: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    told = Path(load_manifest(recall, "recall")["inputs"]["posts"]["path"])
    for folder in (told, recall.parent / told.name):  # the runs may have moved together
        if (folder / MANIFEST).is_file():
            return folder
    raise UserError(f"{told}: the posts of {recall} are not there any more; name them with --posts")


def _as_text(found: pd.DataFrame) -> str:
    lines = [f"{'rank':>4}  {'score':>7}  {'words':>7}  {'sentence':>8}  picture, title"]
    lines += [
        f"{hit.rank:>4}  {hit.score:>7.3f}  {hit.word_score:>7.3f}  {hit.sentence_score:>8.3f}  {hit.path}  {hit.title}"
        for hit in found.itertuples()
    ]
    return "\n".join(lines)


def main(config: SearchConfig) -> str:
    """Search, and draw the contact sheet.

    Returns:
        The hits as a table to print.

    Raises:
        UserError: no such run, or no word of the phrase is known.
    """
    folder = recall_folder(config.run)
    found = Searcher.load(folder).search(config.phrase, config.k)
    posts = Posts.load(_posts_of(folder, config.posts))
    contact_sheet(found, posts.images, config.out, config.phrase)
    return f"{_as_text(found)}\n{config.out}"
