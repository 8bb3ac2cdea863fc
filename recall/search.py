"""`stylecast search RUN "红色 水果" -k 8`: the pictures that match a phrase.

Two stages: the sentence vector recalls candidates from the index, the words rescore them (`recall.phrases`), and
the blend that the validation found orders them.

Shapes: N pictures, C candidates, H heads, D dimensions, W words of the phrase.
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
from recall.embeddings import HEADS
from recall.hubs import HUBNESS
from recall.index import Index
from recall.matcher import Matcher
from recall.matchers import Query, word_weights
from recall.sheet import contact_sheet
from recall.train import PICTURES
from stylecast.errors import UserError
from stylecast.runs import MANIFEST, load_manifest

log = logging.getLogger(__name__)
CANDIDATES = 4000  # fewest that the index recalls: rescoring can only reorder what was recalled, and is cheap


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
    explain: bool = False
    """Tell how much each word counted: its score, and the weight that the word matcher would give it in a post."""
    posts: Path | None = None
    """Run folder of `prepare`, for the pictures; by default the one that the recall run was made from."""


class Searcher:
    """A recall run, ready for phrases.

    Args:
        models: of the run.
        index: of its picture vectors.
        heads_NHD: of its pictures, memory-mapped.
        hubness_N: of its pictures (see `recall.hubs`).
        pictures: picture_id, post_id, path, title; row i ↔ heads_NHD[i].
    """

    def __init__(
        self, models: Matcher, index: Index, heads_NHD: np.ndarray, hubness_N: np.ndarray, pictures: pd.DataFrame
    ) -> None:
        self.models, self.index, self.pictures = models, index, pictures
        self.heads_NHD, self.hubness_N = heads_NHD, hubness_N

    @classmethod
    def load(cls, folder: Path) -> "Searcher":
        """Open a run folder of `recall`.

        Raises:
            UserError: the folder is missing, damaged or of another stage.
        """
        models = Matcher.from_pretrained(folder)
        heads_NHD = np.load(folder / HEADS, mmap_mode="r")
        hubness_N = np.load(folder / HUBNESS)
        return cls(models, Index.load(folder), heads_NHD, hubness_N, pd.read_parquet(folder / PICTURES))

    def score(self, words: list[int], rows_C: np.ndarray) -> pd.DataFrame:
        """Score pictures; each score depends on the phrase and the picture alone.

        Args:
            words: numbers of the phrase's words.
            rows_C: rows of the pictures.

        Returns:
            score (the blend), word_score, sentence_score, hubness, and a column of score and of weight for each word:
            `score of WORD`, `weight of WORD`; rows as given.
        """
        query = self.models.query(words)
        return self._told(query, words, rows_C, *self._measure(query, words, rows_C))

    def _measure(self, query: Query, words: list[int], rows_C: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.models.measure(query, words, self.heads_NHD[rows_C], self.hubness_N[rows_C])

    def _heads(self, rows_C: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(self.heads_NHD[rows_C])).float()

    def _told(
        self, query: Query, words: list[int], rows_C: np.ndarray, score_C: np.ndarray, each_WC: np.ndarray,
        sentence_C: np.ndarray,
    ) -> pd.DataFrame:  # fmt: skip
        """What `score` returns, of pictures that were measured."""
        with torch.inference_mode():
            weight_WC = word_weights(query, self._heads(rows_C))[0].numpy()
        scored = {"score": score_C, "word_score": each_WC.mean(axis=0), "sentence_score": sentence_C,
                  "hubness": self.hubness_N[rows_C]}  # fmt: skip
        for place, number in enumerate(words):
            scored[f"score of {self.models.vocabulary.words[number]}"] = each_WC[place]
            scored[f"weight of {self.models.vocabulary.words[number]}"] = weight_WC[place]
        return pd.DataFrame(scored)

    def search(self, phrase: str, k: int) -> pd.DataFrame:
        """The pictures that match a phrase best.

        A score depends on the phrase and the picture alone, not on k or on the other candidates.

        Args:
            phrase: words, in any language of the posts.
            k: how many pictures.

        Returns:
            rank, picture_id, post_id, path, title, row (of images.npy) and the columns of `score`; best first.

        Raises:
            UserError: no word of the phrase is known, or k is not positive.
        """
        if k < 1:
            raise UserError(f"-k {k}: must be 1 or more")
        return self.find(self.models.encode(phrase), k)

    def find(self, words: list[int], k: int) -> pd.DataFrame:
        """The pictures that match words best: as `search`, of the numbers of one or more known words."""
        query = self.models.query(words)
        rows, _ = self.index.search(query.sentence_QD.numpy(), max(10 * k, CANDIDATES))
        rows_C = np.sort(rows[0][rows[0] >= 0])  # an approximate index may find fewer
        score_C, each_WC, sentence_C = self._measure(query, words, rows_C)
        # Of thousands of candidates, ids and titles of those alone that may be among the first k.
        least = np.partition(score_C, -k)[-k] if k < len(score_C) else -np.inf
        best = np.flatnonzero(score_C >= least)
        known = self.pictures.iloc[rows_C[best]][["picture_id", "post_id", "path", "title"]].reset_index(drop=True)
        scored = self._told(query, words, rows_C[best], score_C[best], each_WC[:, best], sentence_C[best])
        found = pd.concat([known.assign(row=rows_C[best]), scored], axis=1)
        found = found.sort_values(["score", "picture_id"], ascending=[False, True]).head(k).reset_index(drop=True)
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


def input_of(recall: Path, name: str) -> Path:
    """The run that a recall run was made from: `posts` or `pretrain`; where told, or beside it.

    Raises:
        UserError: it is not there any more.
    """
    told = Path(load_manifest(recall, "recall")["inputs"][name]["path"])
    for folder in (told, recall.parent / told.name):  # the runs may have moved together
        if (folder / MANIFEST).is_file():
            return folder
    remedy = "name them with --posts" if name == "posts" else "put it back, beside the recall run"
    raise UserError(f"{told}: the {name} of {recall} {'are' if name == 'posts' else 'is'} not there any more; {remedy}")


def _as_text(found: pd.DataFrame, explain: bool) -> str:
    lines = [f"{'rank':>4}  {'score':>7}  {'words':>7}  {'sentence':>8}  picture, title"]
    words = [name.removeprefix("score of ") for name in found.columns if name.startswith("score of ")]
    for number, hit in enumerate(found.itertuples()):
        told = f"{hit.rank:>4}  {hit.score:>7.3f}  {hit.word_score:>7.3f}  {hit.sentence_score:>8.3f}"
        lines.append(f"{told}  {hit.path}  {hit.title}")
        if explain:
            each = (f"{w} {found[f'score of {w}'][number]:.2f} ({found[f'weight of {w}'][number]:.0%})" for w in words)
            lines.append(" " * 32 + ", ".join(each))
    if explain:
        lines.append("below each hit: its score for each word, and the weight of that word in the word matcher")
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
    posts = Posts.load(config.posts or input_of(folder, "posts"))
    contact_sheet(found, posts.images, config.out, config.phrase)
    return f"{_as_text(found, config.explain)}\n{config.out}"
