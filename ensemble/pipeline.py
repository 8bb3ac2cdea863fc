"""Command `run`: from a table of posts to the leaderboard, every stage in order.

Laptop:   stylecast run POSTS.csv --recipe demo --out runs/mine
Many:     stylecast run POSTS.csv --out runs/mine --nproc 4      (the neural stages under torchrun)

A stage that is up to date is skipped, so the same command goes on where it was stopped. Pictures without dates
go as far as the search; texts without pictures have styles of texts.
"""

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from data.panel import Panel
from data.posts import Posts
from data.prepare import PrepareConfig, PrepareSettings
from data.prepare import main as prepare
from data.splits import parse_cut_off
from data.windows import Split, Target, split_origins
from ensemble.leaderboard import LeaderboardConfig, LeaderboardSettings
from ensemble.leaderboard import main as leaderboard
from ensemble.train import EnsembleConfig, EnsembleSettings
from ensemble.train import main as ensemble
from pretrain.caption import CaptionConfig
from pretrain.caption import main as caption
from pretrain.train import PretrainConfig, PretrainSettings
from pretrain.train import main as pretrain
from rank.train import RankConfig, RankSettings
from rank.train import main as rank
from recall.styles import StylesConfig, StylesSettings
from recall.styles import main as styles
from recall.train import RecallConfig, RecallSettings
from recall.train import main as recall
from stylecast.cli import under_torchrun
from stylecast.config import to_dict
from stylecast.errors import UserError
from stylecast.tracking import tracking_uri

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """From a table of posts to the leaderboard, every stage in order."""

    posts: tyro.conf.Positional[Path]
    """Table of posts, as for `stylecast prepare`."""
    out: Path = Path("runs/run")
    """Folder that gets a run folder for each stage."""
    sample: int = 0
    """Take this many posts, chosen by a hash of their id, posts; 0 = all."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that encoders, vocabularies and styles may not learn from; by default the day
    after the first validation origin, so that every judged forecast is made by what was known."""
    previous: Path | None = None
    """Folder of an earlier `run`: styles that go on keep its ids."""
    captions: bool = False
    """Write texts for posts that have pictures and none of their own; needs --styles.source text or both."""
    force: bool = False
    """Run every stage even if it is up to date."""
    prepare: PrepareSettings = field(default_factory=PrepareSettings)
    """How posts are read."""
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    """How the picture encoder is trained."""
    recall: RecallSettings = field(default_factory=RecallSettings)
    """How pictures and phrases are matched."""
    styles: StylesSettings = field(default_factory=StylesSettings)
    """How styles are found."""
    rank: RankSettings = field(default_factory=RankSettings)
    """How shares are forecast."""
    ensemble: EnsembleSettings = field(default_factory=EnsembleSettings)
    """How forecasts are combined."""
    leaderboard: LeaderboardSettings = field(default_factory=LeaderboardSettings)
    """How the styles are shown."""


def _located(cls: type, settings: Any, **places: Any) -> Any:  # noqa: ANN401  (any stage's config)
    """A stage's config: its settings, and where its inputs and its result lie."""
    return cls(**{**vars(settings), **places})


class _Starter:
    """Starts neural stages here, or under torchrun when there is more than one process."""

    def __init__(self, nproc: int, verbosity: int) -> None:
        self.nproc = nproc
        self.flags = {-1: ["-q"], 0: [], 1: ["-v"]}[verbosity]
        self.flags += ["--mlflow", tracking_uri()] if tracking_uri() else []

    def __call__(self, module: str, main: Callable[[Any], Any], config: Any) -> None:  # noqa: ANN401
        if self.nproc == 1:
            main(config)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(to_dict(config)), encoding="utf-8")
            under_torchrun(module, ["--config", str(path), *self.flags], self.nproc)


def split_of(posts: Posts, settings: RankSettings, source: str) -> Split:
    """The split of origins that the dates of the posts that will be counted give, before any style is known.

    Args:
        posts: dated posts.
        settings: target and numbers of origins.
        source: what styles are found in; but for text, a post without a picture has no style and is not counted.

    Raises:
        UserError: the history is too short.
    """
    counted = posts.table if source == "text" else posts.table[posts.table["post_id"].isin(posts.pictures["post_id"])]
    rows = counted[["post_id", "time"]].assign(style="all")
    panel = Panel.from_rows(rows, "the posts")
    target = Target.parse(settings.target, settings.gap_days, settings.history_days)
    return split_origins(panel, target, settings.test_origins, settings.validation_origins)


def _forecast(config: RunConfig, posts: Posts, split: Split, cut_off: str, start: _Starter) -> str:
    out, force = config.out, config.force
    pictures = len(posts.pictures) > 0
    recalled = out / "recall" if pictures else None
    captions = out / "captions" if pictures and config.captions else None
    before = config.previous / "styles" if config.previous is not None else None
    styles(_located(StylesConfig, config.styles, posts=out / "prepare", recall=recalled, captions=captions,
                    previous=before, out=out / "styles", cut_off=cut_off, force=force))  # fmt: skip
    # The numbers of origins are settled by the dates alone, so that the cut-off and the backtest agree.
    ranked = replace(config.rank, test_origins=len(split.test), validation_origins=len(split.validation))
    start("rank.train", rank, _located(RankConfig, ranked, posts=out / "prepare", recall=recalled,
                                       styles=out / "styles", out=out / "rank", force=force))  # fmt: skip
    told = ensemble(_located(EnsembleConfig, config.ensemble, rank=out / "rank", styles=out / "styles",
                             out=out / "ensemble", force=force))  # fmt: skip
    board = leaderboard(_located(LeaderboardConfig, config.leaderboard, run=out, out=out / "leaderboard", force=force))
    return f"{told}\n\n{board}"


def main(config: RunConfig, nproc: int = 1, verbosity: int = 0) -> str:
    """Run every stage that the posts allow.

    Args:
        config: settings of all stages.
        nproc: processes for the neural stages.
        verbosity: passed on to them.

    Returns:
        What is to be printed: the backtest, the top of the leaderboard, and where the page lies.

    Raises:
        UserError: whatever a stage finds wrong.
    """
    out, force = config.out, config.force
    if config.captions and config.styles.source == "pictures":
        raise UserError("--captions fills texts, which --styles.source pictures does not read; use text or both")
    start = _Starter(nproc, verbosity)
    read = replace(config.prepare, sample=config.sample or config.prepare.sample)
    prepare(_located(PrepareConfig, read, posts=config.posts, out=out / "prepare", force=force))
    posts = Posts.load(out / "prepare")
    parse_cut_off(config.cut_off)
    if posts.dated and not len(posts.pictures) and config.styles.source != "text":
        log.info("no pictures: styles come from the texts")
        config = replace(config, styles=replace(config.styles, source="text"))
    split = split_of(posts, config.rank, config.styles.source) if posts.dated else None
    cut_off = config.cut_off
    if split is not None and not cut_off:
        cut_off = str((split.validation[0] + pd.Timedelta(days=1)).date())
        log.info("encoders and styles learn from posts before %s", cut_off)
    if len(posts.pictures):
        start("pretrain.train", pretrain, _located(PretrainConfig, config.pretrain, posts=out / "prepare",
                                                   out=out / "pretrain", cut_off=cut_off, force=force))  # fmt: skip
        start("recall.train", recall, _located(RecallConfig, config.recall, posts=out / "prepare",
                                               pretrain=out / "pretrain", out=out / "recall", force=force))  # fmt: skip
        if config.captions:
            caption(CaptionConfig(posts=out / "prepare", pretrain=out / "pretrain", out=out / "captions", force=force))
    if split is None:
        search = f'; search them: stylecast search {out} "…"' if len(posts.pictures) else ""
        return f"{config.posts}: styles over time need `time`, which these posts do not have{search}"
    return _forecast(config, posts, split, cut_off, start)
