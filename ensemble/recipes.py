"""Complete configs of `run`, made of the stages' own recipes."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from data.prepare import PrepareSettings
from ensemble.pipeline import RunConfig
from pretrain import recipes as pretrain_recipes
from pretrain.train import PretrainSettings
from rank import recipes as rank_recipes
from rank.train import RankSettings
from recall import recipes as recall_recipes
from recall.cluster import ClusterConfig
from recall.styles import StylesSettings
from recall.train import RecallSettings

S = TypeVar("S")


def _settings(cls: type[S], config: Any) -> S:  # noqa: ANN401  (the stage's config, which extends its settings)
    return cls(**{f.name: getattr(config, f.name) for f in fields(cls)})  # type: ignore[arg-type]


def _of_stages(name: str, styles: StylesSettings) -> RunConfig:
    return RunConfig(
        posts=Path("posts.csv"),
        pretrain=_settings(PretrainSettings, pretrain_recipes.RECIPES[name]()),
        recall=_settings(RecallSettings, recall_recipes.RECIPES[name]()),
        styles=styles,
        rank=_settings(RankSettings, rank_recipes.RECIPES[name]()),
    )


def demo() -> RunConfig:
    """`make demo`: the sample world from posts to page in 7 minutes on 2 cores with AMX, in two processes.

    Its pictures are kept at their own 96 px: at 64 px checks are grey, and dots are flowers.
    """
    return replace(_of_stages("demo", StylesSettings()), prepare=PrepareSettings(picture_size=96))


def tiny() -> RunConfig:
    """For tests: every stage within seconds, and no more than a hint of learning."""
    return _of_stages(
        "tiny", StylesSettings(min_count=2, figures=False, cluster=ClusterConfig(k=8, pca=16, umap=3, max_fit=1000))
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {"demo": demo, "tiny": tiny}
