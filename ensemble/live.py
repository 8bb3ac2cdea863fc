"""A finished run held open, to answer questions: leaderboards, styles, phrases, pictures like another.

Run folders are only read. All of a run is of one piece: each stage must have been made from the others that lie
beside it.

Shapes: N pictures, H heads, D dimensions, C candidates.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from data.posts import Posts
from data.prepare import PrepareConfig
from ensemble.beside import Beside
from ensemble.draw import draw_page
from ensemble.history import History, past_forecasts, share_history
from ensemble.record import ENSEMBLE
from ensemble.scored import LeaderboardSettings, Scored
from ensemble.uploads import PictureReader
from recall.cluster import Clusters
from recall.embeddings import normalise
from recall.search import Searcher
from recall.styles import StylesConfig
from stylecast.errors import UserError
from stylecast.runs import MANIFEST, load_config, load_manifest

log = logging.getLogger(__name__)
STAGES = {"prepare": "posts", "recall": "recall", "styles": "styles", "ensemble": "ensemble"}
"""The stages that are served, and what the later ones call them."""
BOARDS = 8
"""Leaderboards, and pages, that are remembered."""


@dataclass(frozen=True)
class Membership:
    """The style of each picture, and how that of another is found."""

    names: dict[str, str]
    """Style → its name."""
    style_N: np.ndarray
    """Style of each picture of the search, object; None where it has none."""
    emerging_N: np.ndarray
    """bool: it lies far from every style."""
    clusters: Clusters | None
    """Centroids in the space of the recall run's heads; None where pictures alone do not tell the style."""
    ids: list[str]
    """Style of each centroid."""


class Live:
    """A run, ready to answer; safe to ask from several threads.

    Args:
        posts: their pictures.
        config: how these were read.
        searcher: of the recall run; None where the posts have no pictures.
        membership: of the pictures; None where the run has no styles.
        scored: None where the run has none.
        beside: neighbours and lineage of the styles.
        settings: of leaderboard and page.
        contents: stage → hash of what it wrote.
        reader: of further pictures; None where there is no searcher.
    """

    def __init__(
        self, posts: Posts, config: PrepareConfig, searcher: Searcher | None, membership: Membership | None,
        scored: Scored | None, beside: Beside, settings: LeaderboardSettings, contents: dict[str, str],
        reader: PictureReader | None,
    ) -> None:  # fmt: skip
        self.posts, self.config, self.searcher, self.membership = posts, config, searcher, membership
        self.scored, self.beside, self.settings = scored, beside, settings
        self.contents, self.reader = contents, reader
        self.root = config.image_root or config.posts.parent
        self.known = pd.Index(posts.pictures["picture_id"])
        self.board = lru_cache(BOARDS)(self._board)
        self.page = lru_cache(BOARDS)(self._page)
        self.history = lru_cache(BOARDS)(self._history)
        self.past = lru_cache(BOARDS)(self._past)

    def row_of(self, picture: str) -> int | None:
        """Row of a picture by its id; None where the run does not know it."""
        row = self.known.get_indexer([picture])[0]
        return int(row) if row >= 0 else None

    def _asked(self) -> Scored:
        if self.scored is None:
            raise UserError("this run has no forecasts; posts need `time` for them")
        return self.scored

    def _board(self, origin: pd.Timestamp | None) -> pd.DataFrame:
        """Every style at an origin, ranked; the latest where none is named.

        Raises:
            UserError: the run has no forecasts, or none of this origin.
        """
        return self._asked().board(origin, self.settings)

    def _page(self, origin: pd.Timestamp | None) -> str:
        """The leaderboard as a page, as `stylecast leaderboard` writes it."""
        search = "/search" if self.searcher is not None else ""
        scored, board = self._asked(), self.board(origin)
        return draw_page(board, scored, (self.posts,), self.settings, self.beside, search, tuple(self.origins))[0]

    @property
    def origins(self) -> list[pd.Timestamp]:
        """Days that there is a leaderboard of, earliest first."""
        forecast = self._asked().forecast
        return sorted(forecast.loc[forecast["model"] == ENSEMBLE, "origin"].unique())

    def _history(self, origin: pd.Timestamp) -> History:
        return share_history(self._asked().panel, origin)

    def _past(self, origin: pd.Timestamp) -> pd.DataFrame:
        """The ensemble's earlier forecasts whose period was over at an origin, with what came."""
        return past_forecasts(self._asked().forecast, self._asked().panel, origin, [ENSEMBLE])

    def search(self, phrase: str, k: int) -> tuple[list[str], list[str], pd.DataFrame]:
        """Pictures that match a phrase, by the two stages of `stylecast search`.

        Returns:
            The known words, the unknown ones, and the hits with their `row`, best first; none where no word is known.

        Raises:
            UserError: the run has no pictures to search.
        """
        if self.searcher is None:
            raise UserError("this run has no pictures to search")
        numbers, unknown = self.searcher.known(phrase)
        words = [self.searcher.models.vocabulary.words[number] for number in numbers]
        found = self.searcher.find(numbers, k) if numbers else self.searcher.pictures.head(0).assign(row=0, score=0.0)
        return words, unknown, found

    def heads_of(self, image: np.ndarray) -> np.ndarray:
        """Heads of a picture of the size that the run keeps, by the encoder of the recall run; float32 H×D.

        They differ from those of the same picture in the run by rounding alone: there, pictures come in batches.
        """
        if self.searcher is None:
            raise UserError("this run has no encoder of pictures")
        with torch.inference_mode():
            heads_BHD = self.searcher.models.encoder(torch.from_numpy(np.ascontiguousarray(image[None])))
        return np.asarray(heads_BHD[0].numpy())

    def nearest(self, heads_HD: np.ndarray, k: int) -> pd.DataFrame:
        """The pictures whose head 0 is nearest to that of another: rank, picture_id, post_id, title, row, score."""
        assert self.searcher is not None
        rows, scores = self.searcher.index.search(normalise(heads_HD[:1]), k)
        known = rows[0] >= 0  # an approximate index may find fewer
        found = self.searcher.pictures.iloc[rows[0][known]].reset_index(drop=True)
        found = found.assign(row=rows[0][known], score=scores[0][known])
        found.insert(0, "rank", np.arange(1, len(found) + 1))
        return found

    def style_of(self, heads_HD: np.ndarray) -> tuple[str, float, float] | None:
        """Nearest style of a picture, its distance, and the distance beyond which it is none; None = cannot be told."""
        if self.membership is None or self.membership.clusters is None:
            return None
        clusters = self.membership.clusters
        kept_HD = heads_HD.astype(np.float16).astype(np.float32)  # the styles were found in heads as the run keeps them
        labels, distances = clusters.predict(normalise(kept_HD).reshape(1, -1))
        return self.membership.ids[int(labels[0])], float(distances[0]), clusters.far


def _one_piece(run: Path, manifests: Mapping[str, dict[str, Any]]) -> None:
    """Check that each stage was made from those beside it.

    Raises:
        UserError: one was made from another.
    """
    content = {STAGES[stage]: str(manifest["content"]) for stage, manifest in manifests.items()}
    for stage, manifest in manifests.items():
        for name, told in manifest["inputs"].items():
            # What `prepare` calls posts is the table that it read.
            if stage != "prepare" and name in content and told["identity"] != content[name]:
                raise UserError(f"{run / stage}: was made from another {name} than lies beside it; run it again")


def _membership(run: Path, searcher: Searcher) -> Membership:
    styles = pd.read_parquet(run / "styles" / "styles.parquet")
    assignments = pd.read_parquet(run / "styles" / "assignments.parquet")
    config = load_config(run / "styles", StylesConfig)
    of_post = config.source == "text"
    pictures = pd.Index(searcher.pictures["post_id" if of_post else "picture_id"])
    place_N = pd.Index(assignments["id"]).get_indexer(pictures)
    style_N = assignments["style"].to_numpy(object)[place_N]
    style_N[place_N < 0] = None
    emerging_N = assignments["emerging"].to_numpy(bool)[place_N] & (place_N >= 0)
    names = dict(zip(styles["style"], styles["name"], strict=True))
    clusters, ids = None, []
    if config.source == "pictures" and config.vectors is None:
        clusters = Clusters.load(run / "styles" / "clusters.safetensors")
        ids = styles.sort_values("cluster")["style"].tolist()
        if len(ids) != len(clusters.centroids_KP):
            raise UserError(f"{run / 'styles'}: {len(ids)} styles but {len(clusters.centroids_KP)} centroids")
    return Membership(names, style_N, emerging_N, clusters, ids)


def load_live(run: Path, settings: LeaderboardSettings, most_pixels: int) -> Live:
    """Open the folder of a whole `stylecast run`; every file is checked against its manifest.

    Args:
        run: the folder.
        settings: of leaderboard and page.
        most_pixels: of a picture that is sent in.

    Raises:
        UserError: a stage is missing, damaged, or was made from others than those beside it.
    """
    there = [stage for stage in STAGES if stage == "prepare" or (run / stage / MANIFEST).is_file()]
    manifests = {stage: load_manifest(run / stage, stage) for stage in there}
    _one_piece(run, manifests)
    if not {"recall", "ensemble"} & set(there):
        raise UserError(f"{run}: neither a run of `recall` nor of `ensemble` in it; give the folder of `stylecast run`")
    posts = Posts.load(run / "prepare")
    searcher = Searcher.load(run / "recall") if "recall" in there else None
    membership = _membership(run, searcher) if searcher is not None and "styles" in there else None
    scored = Scored.load(run / "ensemble", run / "styles") if "ensemble" in there else None
    beside = Beside.nothing() if scored is None else Beside.load(run / "styles", scored.panel.styles)
    config = load_config(run / "prepare", PrepareConfig)
    view = None if searcher is None else searcher.models.encoder.config.view
    reader = None if view is None else PictureReader.of(config, view, most_pixels)
    contents = {stage: str(manifest["content"]) for stage, manifest in manifests.items()}
    return Live(posts, config, searcher, membership, scored, beside, settings, contents, reader)
