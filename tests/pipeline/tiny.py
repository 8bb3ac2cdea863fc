"""The config of the tiny run."""

from dataclasses import replace
from pathlib import Path

from ensemble.pipeline import RunConfig
from ensemble.recipes import tiny
from recall.cluster import ClusterConfig


def config_for(posts: Path, out: Path) -> RunConfig:
    config = tiny()
    read = replace(config.prepare, picture_size=32, workers=1)
    found = replace(config.styles, cluster=ClusterConfig(k=5, pca=8, umap=2, neighbours=10, max_fit=400))
    ranked = replace(config.rank, test_origins=4, validation_origins=4)
    return replace(config, posts=posts, out=out, prepare=read, styles=found, rank=ranked)
