"""The world of shapes, prepared, pretrained and recalled once a session."""

import stylecast  # noqa: F401  # isort: skip
from dataclasses import replace
from pathlib import Path

import pytest

from pretrain.recipes import tiny as tiny_pretrain
from pretrain.train import main as pretrain
from recall.recipes import tiny
from recall.train import RecallConfig, main
from tests.pretrain.shapes import shapes_posts


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `prepare` and `pretrain`."""
    folder = tmp_path_factory.mktemp("shapes")
    posts = shapes_posts(folder)
    config = tiny_pretrain()
    loop = replace(config.loop, epochs=6, batch_size=16)
    pretrain(replace(config, posts=posts, out=folder / "pretrain", cut_off="2024-03-01", loop=loop))
    return folder


@pytest.fixture(scope="session")
def recall_config(shapes: Path) -> RecallConfig:
    config = tiny()
    loop = replace(config.loop, epochs=4, batch_size=16)
    return replace(
        config, posts=shapes / "prepare", pretrain=shapes / "pretrain", out=shapes / "recall", loop=loop, pool=10
    )


@pytest.fixture(scope="session")
def recall_run(recall_config: RecallConfig) -> Path:
    return main(recall_config)
